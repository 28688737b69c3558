//! One turn: a message and the answer to it.

use std::io::IsTerminal;

use mlxk_engine::{EngineError, FinishReason, Message, PromptInput};

use super::Chat;
use crate::answer::{self, Answer, Received, Screen, Show};
use crate::format::{count, seconds};
use crate::interrupt;
use crate::terminal::Silence;

/// Share of the context that counts as nearly full.
const NEARLY_FULL: f64 = 0.8;

/// Returns a conversation as the input of a request.
pub(super) fn input(system: Option<String>, messages: Vec<Message>) -> PromptInput {
    PromptInput::Messages { system, messages }
}

impl Chat<'_> {
    /// Sends a message, with the files for it, and shows the answer.
    pub(super) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let mut parts = std::mem::take(&mut self.files);
        parts.push(text.to_owned());
        self.messages.push(Message::new("user", parts.join("\n\n")));
        self.answer()
    }

    /// Answers the last message. If that fails, removes the message, so that the user can rephrase it.
    pub(super) fn answer(&mut self) -> anyhow::Result<()> {
        if std::io::stdin().is_terminal() {
            self.silence.get_or_insert_with(Silence::begin);
        }
        match self.take_answer() {
            Ok(()) => Ok(()),
            Err(error) if error.is::<std::io::Error>() => Err(error),
            Err(error) => {
                self.messages.pop();
                self.context.printer.error(&error);
                if let Some(EngineError::PromptTooLong { .. }) = error.downcast_ref() {
                    self.note(if self.messages.is_empty() {
                        "hint: Send a shorter message or a part of the file, or start the chat with a longer context \
                         (`--ctx`). The message was not kept."
                    } else {
                        "hint: Start a new conversation with `/clear`, or remove a turn with `/undo`. The message was \
                         not kept."
                    });
                }
                Ok(())
            }
        }
    }

    fn take_answer(&mut self) -> anyhow::Result<()> {
        interrupt::reset();
        let system = self.settings.options.system.clone();
        let input = input(system, self.messages.clone());
        let request = answer::request(&self.engine, &self.settings.options, input)?;
        let generation = self.engine.submit(request)?;
        let show = if self.settings.options.no_reasoning { Show::Answer } else { Show::All };
        let mut screen = Screen::new(show, &self.settings.options, &self.context.printer);
        let taken = answer::receive(&generation, &mut screen, self.context)?;
        interrupt::reset();
        match taken {
            Received::Interrupted(text) => {
                // A partial answer stays in the conversation. Without any, the question goes too.
                if text.is_empty() {
                    self.messages.pop();
                } else {
                    self.messages.push(Message::new("assistant", text));
                }
                self.keep();
                self.note("Stopped");
            }
            Received::Complete(answer) => self.complete(&answer),
        }
        Ok(())
    }

    fn complete(&mut self, answer: &Answer) {
        self.messages.push(Message::new("assistant", answer.text.as_str()));
        self.keep();
        let usage = answer.done.usage;
        self.used_tokens = usage.prompt_tokens + usage.completion_tokens;
        if self.settings.options.verbose {
            self.note(self.status(answer));
        }
        let context = self.engine.context();
        match answer.done.finish_reason {
            FinishReason::ContextFull => self.note(format_args!(
                "The answer was cut off: the context of {context} tokens is full. Type `/clear`, or \
                 restart with a larger `--ctx`"
            )),
            FinishReason::MaxTokens => self.note(format_args!(
                "The answer was cut off after {}. Type `/set max_tokens unlimited` to remove the limit",
                count(usage.completion_tokens, "token")
            )),
            _ if !self.warned && self.used_tokens as f64 > NEARLY_FULL * context as f64 => {
                self.warned = true;
                self.note(format_args!(
                    "The context is nearly full ({} of {context} tokens). Type `/clear` to start again, \
                     or `/undo` to remove a turn",
                    self.used_tokens
                ));
            }
            _ => {}
        }
        if std::io::stdin().is_terminal() {
            self.note("");
        }
    }

    /// Returns the line of `--verbose`.
    fn status(&self, answer: &Answer) -> String {
        let (usage, timings) = (answer.done.usage, answer.done.timings);
        let rate = timings.decode_tokens_per_second(&usage);
        let rate = rate.map_or_else(String::new, |rate| format!(" at {rate:.1} tokens/s"));
        format!(
            "[{}{rate} · first token {} · {} of {} prompt tokens reused · {} of {} tokens of \
             context]",
            count(usage.completion_tokens, "token"),
            seconds(timings.time_to_first_token),
            usage.cached_tokens,
            usage.prompt_tokens,
            self.used_tokens,
            self.engine.context()
        )
    }
}
