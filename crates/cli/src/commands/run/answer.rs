//! Taking an answer as it comes.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use mlxk_engine::{Done, EngineError, Event, Generation, TokenInfo};

use crate::exit::Interrupted;
use crate::printer::Unit;
use crate::{Context, interrupt};

/// How often a waiting command looks whether Ctrl-C was pressed.
const POLL: Duration = Duration::from_millis(50);

/// A complete answer.
pub(super) struct Answer {
    pub text: String,
    /// What the model thought before.
    pub reasoning: String,
    /// The tokens, where log-probabilities were asked for.
    pub tokens: Option<Vec<TokenInfo>>,
    pub done: Done,
    /// From the start of the process to the first text.
    pub first_text: Duration,
}

/// What is shown of an answer while it comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Nothing,
    Answer,
    /// And the reasoning, dimmed, where standard output is a terminal.
    All,
}

/// Waits for the answer, printing what comes.
pub(super) fn take(
    generation: &Generation,
    show: Show,
    logprobs: bool,
    context: &Context,
) -> anyhow::Result<Answer> {
    let progress = context.printer.progress();
    progress.begin("Reading the prompt");
    let mut out = std::io::stdout().lock();
    let dims = show == Show::All && out.is_terminal();
    let style = context.printer.styles_stdout().then_some(("\x1b[2m", "\x1b[0m"));
    let (mut text, mut reasoning, mut first_text) = (String::new(), String::new(), None);
    let mut tokens = logprobs.then(Vec::new);
    loop {
        let event = match generation.recv_timeout(POLL) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) if !interrupt::requested() => continue,
            Err(RecvTimeoutError::Timeout) => return Err(Interrupted.into()),
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped.into()),
        };
        if interrupt::requested() {
            if show != Show::Nothing && !text.is_empty() {
                writeln!(out)?;
            }
            return Err(Interrupted.into());
        }
        match event {
            Event::Progress { prompt_done, prompt_total, .. } => {
                progress.update(prompt_done as u64, prompt_total as u64, Unit::Tokens);
            }
            Event::Token(token) => {
                if let Some(tokens) = &mut tokens {
                    tokens.push(token);
                }
            }
            Event::Reasoning(piece) => {
                if dims {
                    progress.finish();
                    let (on, off) = style.unwrap_or_default();
                    write!(out, "{on}{piece}{off}")?;
                    out.flush()?;
                } else {
                    if reasoning.is_empty() {
                        progress.begin("Thinking");
                    }
                    progress.update(0, 0, Unit::Tokens);
                }
                reasoning.push_str(&piece);
            }
            Event::Text(piece) => {
                first_text.get_or_insert_with(|| context.started.elapsed());
                progress.finish();
                if dims && text.is_empty() && !reasoning.is_empty() {
                    write!(out, "\n\n")?;
                }
                if show != Show::Nothing {
                    out.write_all(piece.as_bytes())?;
                    out.flush()?;
                }
                text.push_str(&piece);
            }
            Event::Done(done) => {
                let first_text = first_text.unwrap_or_else(|| context.started.elapsed());
                // A shell prompt should start on a line of its own.
                if show != Show::Nothing && !text.ends_with('\n') {
                    writeln!(out)?;
                }
                out.flush()?;
                return Ok(Answer { text, reasoning, tokens, done, first_text });
            }
            Event::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
}
