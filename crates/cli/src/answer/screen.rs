//! Shows an answer: laid out and styled on a terminal, unchanged in a pipe.

use crate::args::AnswerArgs;
use crate::output;
use crate::printer::Printer;
use crate::terminal::{Markdown, Preview, Style, Wrapper, height, sanitize, width};

/// The part of an answer to show while it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Nothing,
    Answer,
    /// Also the reasoning, dimmed, if standard output is a terminal.
    All,
}

/// Shows one answer.
pub(crate) struct Screen {
    show: Show,
    is_terminal: bool,
    markdown: Option<Markdown>,
    /// The table that is arriving.
    preview: Preview,
    /// Layout of the reasoning, on terminals with styles.
    dimmed: Option<Wrapper>,
    /// `true` to break lines between words.
    wraps: bool,
    written: Part,
    ends_with_newline: bool,
}

/// The part that was written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Reasoning,
    Answer,
}

impl Screen {
    pub(crate) fn new(show: Show, args: &AnswerArgs, printer: &Printer) -> Self {
        // JSON is not Markdown.
        let renders = !args.no_markdown && args.format.is_none();
        Self::with(show, renders, !args.no_wordwrap, printer)
    }

    /// Returns a screen for a text that is already there.
    pub(crate) fn of_text(show: Show, printer: &Printer) -> Self {
        Self::with(show, true, true, printer)
    }

    fn with(show: Show, renders: bool, wraps: bool, printer: &Printer) -> Self {
        let styled = printer.styles_stdout() && show != Show::Nothing;
        Self {
            is_terminal: output::stdout_is_terminal(),
            show,
            markdown: (styled && renders).then(|| Markdown::new(wraps)),
            preview: Preview::default(),
            wraps,
            dimmed: styled.then(Wrapper::default),
            written: Part::Nothing,
            ends_with_newline: true,
        }
    }

    /// Returns `true` if reasoning is shown.
    pub(crate) fn shows_reasoning(&self) -> bool {
        self.show == Show::All && self.is_terminal
    }

    /// Shows more of the reasoning.
    pub(crate) fn reasoning(&mut self, piece: &str) -> std::io::Result<()> {
        if piece.is_empty() || !self.shows_reasoning() {
            return Ok(());
        }
        self.written = Part::Reasoning;
        let piece = sanitize(piece);
        let mut text = String::new();
        match &mut self.dimmed {
            None => text = piece,
            Some(wrapper) => {
                let width = if self.wraps { width() } else { usize::MAX };
                for (number, line) in piece.split('\n').enumerate() {
                    if number > 0 {
                        wrapper.end_line(width, &mut text);
                    }
                    wrapper.push(line, Style::DIM, width, &mut text);
                }
            }
        }
        self.write(&text)
    }

    /// Shows more of the answer.
    pub(crate) fn text(&mut self, piece: &str) -> std::io::Result<()> {
        if self.show == Show::Nothing {
            return Ok(());
        }
        self.end_reasoning("\n\n")?;
        self.written = Part::Answer;
        match &mut self.markdown {
            Some(markdown) => {
                let size = (width(), height());
                let text = markdown.push(piece, size.0);
                let table = markdown.open_table(size.0);
                let text = self.preview.replace(&text, &table, size);
                self.write(&text)
            }
            None if self.is_terminal => self.write(&sanitize(piece)),
            None => self.write(piece),
        }
    }

    /// Ends the answer and its last line.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        self.end_reasoning("\n")?;
        if let Some(markdown) = &mut self.markdown {
            let size = (width(), height());
            let text = markdown.finish(size.0);
            let text = self.preview.replace(&text, "", size);
            self.write(&text)?;
        }
        if self.show != Show::Nothing && (self.written == Part::Nothing || !self.ends_with_newline)
        {
            self.write("\n")?;
        }
        output::stdout().flush()
    }

    fn end_reasoning(&mut self, end: &str) -> std::io::Result<()> {
        if self.written != Part::Reasoning {
            return Ok(());
        }
        self.written = Part::Answer;
        let mut text = String::new();
        if let Some(wrapper) = &mut self.dimmed {
            wrapper.flush_word(width(), &mut text);
        }
        text.push_str(end);
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.ends_with_newline = text.ends_with('\n');
        let mut out = output::stdout();
        out.styled(text)?;
        out.flush()
    }
}
