//! Reading lines: editing, completion and history on a terminal, plain lines from a pipe.

use std::io::BufRead;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, Config, EventHandler, Helper, KeyCode, KeyEvent, Modifiers};

use super::{command, settings};
use crate::{Context, interrupt};

const PROMPT: &str = ">>> ";
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
    Terminal { editor: Box<rustyline::Editor<Assistance, FileHistory>>, history: Option<PathBuf> },
    Pipe,
}

impl Editor {
    pub(super) fn new(
        history: Option<PathBuf>,
        interactive: bool,
        context: &Context,
    ) -> anyhow::Result<Self> {
        if !interactive {
            return Ok(Self::Pipe);
        }
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)?
            .auto_add_history(true)
            .history_ignore_space(true)
            .build();
        let mut editor = rustyline::Editor::with_config(config)?;
        editor.set_helper(Some(Assistance { dims: context.printer.styles_stdout() }));
        for key in [KeyEvent(KeyCode::Enter, Modifiers::ALT), KeyEvent::ctrl('J')] {
            editor.bind_sequence(key, EventHandler::Simple(Cmd::Newline));
        }
        if let Some(path) = &history {
            // It does not exist before the first chat.
            let _ = editor.load_history(path);
        }
        Ok(Self::Terminal { editor: Box::new(editor), history })
    }

    /// Reads the next line, or several joined by quotes or Alt-Enter.
    pub(super) fn read(&mut self) -> anyhow::Result<Line> {
        let editor = match self {
            Self::Terminal { editor, .. } => editor,
            Self::Pipe => return Ok(read_plain()?),
        };
        interrupt::while_idle(|| match editor.readline(PROMPT) {
            Ok(text) => Ok(Line::Text(text)),
            Err(ReadlineError::Interrupted) => Ok(Line::Cancelled),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error.into()),
        })
    }

    /// Saves the input history for the next chat.
    pub(super) fn save(&mut self) {
        if let Self::Terminal { editor, history: Some(path) } = self {
            // A chat should not fail at its end because of the history.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = editor.save_history(path);
        }
    }
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
}

impl Completer for Assistance {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..position];
        let (start, candidates): (usize, Vec<&str>) = match typed.strip_prefix("/set ") {
            Some(_) => (5, settings::NAMES.to_vec()),
            None => (0, command::COMMANDS.iter().map(|(name, ..)| *name).collect()),
        };
        if !typed.starts_with('/') {
            return Ok((position, Vec::new()));
        }
        let found = candidates.into_iter().filter(|name| name.starts_with(&typed[start..]));
        Ok((start, found.map(|name| format!("{name} ")).collect()))
    }
}

impl Hinter for Assistance {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &rustyline::Context<'_>) -> Option<String> {
        line.is_empty().then(|| "Type a message, or /help".to_owned())
    }
}

impl Highlighter for Assistance {
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
