//! Receives an answer, event by event.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use mlxk_engine::{Done, EngineError, Event, Generation, TokenInfo};

use super::Screen;
use crate::printer::Unit;
use crate::{Context, interrupt};

/// Time between two checks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

/// A complete answer.
pub(crate) struct Answer {
    pub text: String,
    /// The reasoning before the answer.
    pub reasoning: String,
    /// The tokens with their log-probabilities, if requested.
    pub tokens: Vec<TokenInfo>,
    pub done: Done,
    /// Time from the start of the process to the first text, without downloads.
    pub first_text: Duration,
}

/// The end of an answer.
pub(crate) enum Received {
    Complete(Box<Answer>),
    /// Ctrl-C came first, after this much text.
    Interrupted(String),
}

/// Shows the answer as it arrives and returns it.
pub(crate) fn receive(
    generation: &Generation,
    screen: &mut Screen,
    context: &Context,
) -> anyhow::Result<Received> {
    let progress = context.printer.progress();
    progress.begin("Reading the prompt");
    let (mut text, mut reasoning, mut first_text) = (String::new(), String::new(), None);
    let mut tokens = Vec::new();
    loop {
        let event = match generation.recv_timeout(POLL) {
            Ok(event) if !interrupt::requested() => event,
            Err(RecvTimeoutError::Timeout) if !interrupt::requested() => continue,
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped.into()),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                progress.finish();
                if !text.is_empty() || !reasoning.is_empty() {
                    screen.end()?;
                }
                return Ok(Received::Interrupted(text));
            }
        };
        match event {
            Event::Progress { prompt_done, prompt_total, .. } => {
                progress.update(prompt_done as u64, prompt_total as u64, Unit::Tokens);
            }
            Event::Token(token) => tokens.push(token),
            Event::Reasoning(piece) => {
                if screen.shows_reasoning() {
                    progress.finish();
                    screen.reasoning(&piece)?;
                } else {
                    if reasoning.is_empty() {
                        progress.begin("Thinking");
                    }
                    progress.update(0, 0, Unit::Tokens);
                }
                reasoning.push_str(&piece);
            }
            Event::Text(piece) => {
                first_text.get_or_insert_with(|| context.own_time());
                progress.finish();
                screen.text(&piece)?;
                text.push_str(&piece);
            }
            Event::Done(done) => {
                progress.finish();
                screen.end()?;
                let first_text = first_text.unwrap_or_else(|| context.own_time());
                let answer = Answer { text, reasoning, tokens, done, first_text };
                return Ok(Received::Complete(Box::new(answer)));
            }
            Event::Error(error) => return Err(error.into()),
            Event::Call(_) => {}
        }
    }
}
