//! Reading lines: editing, completion and history on a terminal, plain lines from a pipe.

use std::io::BufRead;
use std::path::PathBuf;

use mlxk_hub::Locations;
use rustyline::completion::{Completer, FilenameCompleter};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ColorMode, CompletionType, Config, Event, EventHandler, Helper, KeyCode, KeyEvent,
    Modifiers, Movement,
};

use super::input_wrap::{InputWrap, Pending, unbroken, unmarked};
use super::{command, settings};
use crate::conversations::Folder;
use crate::{Context, complete, confirm, interrupt, output, terminal};

pub(super) const PROMPT: &str = ">>> ";
const MAX_HISTORY: usize = 1000;

/// The input of the user.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Cancelled,
    /// Ctrl-D, or the end of the file.
    End,
}

/// Reads the input of the user.
pub(super) enum Editor {
    Terminal {
        editor: Box<rustyline::Editor<Assistance, FileHistory>>,
        history: PathBuf,
        /// `true` if lines become part of the history.
        keeps: bool,
        /// Text that was typed before there was a prompt.
        typed: String,
    },
    Pipe,
}

impl Editor {
    /// Creates an editor. `keeps` reads and writes the file of the input history.
    pub(super) fn new(
        history: PathBuf,
        interactive: bool,
        keeps: bool,
        folder: &Folder,
        context: &Context,
    ) -> anyhow::Result<Self> {
        if !interactive {
            return Ok(Self::Pipe);
        }
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            // `NO_COLOR` would also turn off the layout of the line in `highlight`.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor = rustyline::Editor::with_config(config)?;
        let pending = Pending::default();
        editor.set_helper(Some(Assistance {
            dims: context.printer.styles_stdout(),
            folder: folder.clone(),
            locations: context.settings.locations.clone(),
            files: FilenameCompleter::new(),
            pending: pending.clone(),
            asks: false,
        }));
        for key in [KeyEvent(KeyCode::Enter, Modifiers::ALT), KeyEvent::ctrl('J')] {
            editor.bind_sequence(key, EventHandler::Simple(Cmd::Newline));
        }
        // Where the text was broken to fit, these would otherwise stop.
        for (key, command) in [
            (KeyEvent::ctrl('A'), Cmd::Move(Movement::BeginningOfBuffer)),
            (KeyEvent::ctrl('E'), Cmd::Move(Movement::EndOfBuffer)),
            (KeyEvent(KeyCode::Home, Modifiers::NONE), Cmd::Move(Movement::BeginningOfBuffer)),
            (KeyEvent(KeyCode::End, Modifiers::NONE), Cmd::Move(Movement::EndOfBuffer)),
            (KeyEvent::ctrl('U'), Cmd::Kill(Movement::BeginningOfBuffer)),
            (KeyEvent::ctrl('K'), Cmd::Kill(Movement::EndOfBuffer)),
        ] {
            editor.bind_sequence(key, EventHandler::Simple(command));
        }
        let wrap = EventHandler::Conditional(Box::new(InputWrap(pending)));
        editor.bind_sequence(Event::Any, wrap);
        if keeps {
            // It does not exist before the first chat.
            let _ = editor.load_history(&history);
        }
        let typed = terminal::take_typed();
        Ok(Self::Terminal { editor: Box::new(editor), history, keeps, typed })
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// Says if lines become part of the history from now on.
    pub(super) fn set_keeps(&mut self, on: bool) {
        if let Self::Terminal { keeps, .. } = self {
            *keeps = on;
        }
    }

    /// Reads the next line, or several joined by quotes or Alt-Enter.
    pub(super) fn read(&mut self) -> anyhow::Result<Line> {
        let (editor, keeps, typed) = match self {
            Self::Terminal { editor, keeps, typed, .. } => (editor, *keeps, typed),
            Self::Pipe => return Ok(read_plain()?),
        };
        if let Some(text) = take_input(typed) {
            output::stdout().text(format_args!("{PROMPT}{text}\n"))?;
            if keeps {
                editor.add_history_entry(text.as_str())?;
            }
            return Ok(Line::Text(text));
        }
        let typed = std::mem::take(typed);
        interrupt::while_idle(|| match editor.readline_with_initial(PROMPT, (&typed, "")) {
            Ok(text) => {
                let text = unbroken(&text);
                if keeps {
                    editor.add_history_entry(text.as_str())?;
                }
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cancelled),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error.into()),
        })
    }

    /// Asks a yes-or-no question on a terminal. Anything but `y` or `yes` means no, and so do Ctrl-C and Ctrl-D.
    pub(super) fn confirm(&mut self, question: &str) -> anyhow::Result<bool> {
        let Self::Terminal { editor, .. } = self else { return Ok(false) };
        let ask = |on: bool, editor: &mut rustyline::Editor<Assistance, FileHistory>| {
            if let Some(helper) = editor.helper_mut() {
                helper.asks = on;
            }
        };
        let prompt = format!("{} [y/N] ", terminal::sanitize_line(question));
        ask(true, editor);
        let answer = interrupt::while_idle(|| editor.readline(&prompt));
        ask(false, editor);
        match answer {
            Ok(answer) => Ok(confirm::is_yes(&answer)),
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the input history for the next chat.
    pub(super) fn save(&mut self) {
        if let Self::Terminal { editor, history, keeps: true, .. } = self {
            // A chat should not fail at its end because of the history.
            let _ = history.parent().map(std::fs::create_dir_all);
            let _ = editor.save_history(history);
        }
    }
}

/// Takes the first complete input off a text: a line, or several joined by quotes.
fn take_input(typed: &mut String) -> Option<String> {
    let mut end = 0;
    while let Some(length) = typed[end..].find('\n') {
        end += length + 1;
        if !command::is_incomplete(&typed[..end]) {
            let rest = typed.split_off(end);
            let mut input = std::mem::replace(typed, rest);
            input.pop();
            return Some(input);
        }
    }
    None
}

fn read_plain() -> std::io::Result<Line> {
    let mut text = String::new();
    let mut stdin = std::io::stdin().lock();
    loop {
        if stdin.read_line(&mut text)? == 0 {
            return Ok(if text.trim().is_empty() { Line::End } else { Line::Text(text) });
        }
        if !command::is_incomplete(&text) {
            return Ok(Line::Text(text));
        }
    }
}

/// Completion, hints and multi-line input.
pub(super) struct Assistance {
    dims: bool,
    folder: Folder,
    locations: Locations,
    files: FilenameCompleter,
    pending: Pending,
    /// `true` during a yes-or-no question.
    asks: bool,
}

impl Assistance {
    /// Returns the words that a command may be followed by, or `None` if that isn't known.
    fn words(&self, command: &str) -> Option<Vec<String>> {
        match command {
            "/set" => Some(settings::NAMES.map(str::to_owned).to_vec()),
            "/model" => Some(complete::names(&self.locations)),
            "/load" | "/save" => {
                let entries = self.folder.entries().unwrap_or_default();
                let entries = entries.into_iter().filter(|it| it.is_named || command == "/load");
                Some(entries.map(|entry| entry.name).collect())
            }
            _ => None,
        }
    }
}

impl Completer for Assistance {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        if let Some(text) = self.pending.take() {
            return Ok((0, vec![text]));
        }
        let typed = &line[..position];
        if !typed.starts_with('/') {
            return Ok((position, Vec::new()));
        }
        let Some((command, rest)) = typed.split_once(' ') else {
            let names = command::COMMANDS.iter().map(|(name, ..)| *name);
            let found = names.filter(|name| name.starts_with(typed));
            return Ok((0, found.map(|name| format!("{name} ")).collect()));
        };
        if command == "/file" {
            let (start, pairs) = self.files.complete(line, position, context)?;
            let is_plain = |text: &String| !text.contains(terminal::is_harmful);
            let paths = pairs.into_iter().map(|pair| pair.replacement).filter(is_plain);
            return Ok((start, paths.collect()));
        }
        let start = command.len() + 1;
        let mut found = self.words(command).unwrap_or_default();
        found.retain(|word| word.starts_with(rest) && !word.contains(terminal::is_harmful));
        Ok((start, found.into_iter().map(|word| word + " ").collect()))
    }
}

impl Hinter for Assistance {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &rustyline::Context<'_>) -> Option<String> {
        (line.is_empty() && !self.asks).then(|| "Type a message, or /help".to_owned())
    }
}

impl Highlighter for Assistance {
    /// Leaves out the marks of our own line breaks, so that copied text doesn't have them.
    fn highlight<'l>(&self, line: &'l str, _: usize) -> std::borrow::Cow<'l, str> {
        unmarked(line)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> std::borrow::Cow<'h, str> {
        if self.dims { format!("\x1b[2m{hint}\x1b[0m").into() } else { hint.into() }
    }
}

impl Validator for Assistance {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if command::is_incomplete(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Helper for Assistance {}

#[cfg(test)]
mod tests {
    use super::take_input;

    #[test]
    fn early_lines_are_messages() {
        let mut typed = "one\n\n\"\"\"two\nthree\"\"\"\nfou".to_owned();
        for expected in ["one", "", "\"\"\"two\nthree\"\"\""] {
            assert_eq!(take_input(&mut typed).as_deref(), Some(expected));
        }
        assert_eq!((take_input(&mut typed), typed.as_str()), (None, "fou"));
        let mut typed = "\"\"\"two\nthree\n".to_owned();
        assert_eq!(take_input(&mut typed), None);
        assert_eq!(typed, "\"\"\"two\nthree\n");
    }
}
