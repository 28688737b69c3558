//! Thinking of models before they answer, as read from the chat template.
//!
//! [`Thinking`] is the one place that knows the marks around the reasoning, the template variables that
//! turn it on and off, and the levels. A request that a template cannot honour is refused, never ignored.

mod parser;

use mlxk_chat::ThinkingMode;
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::parser::{ReasoningParser, Written};

/// Variables that turn thinking on and off: Qwen3's and SmolLM3's, then DeepSeek's and Granite's.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];
/// The variable that takes a level (gpt-oss).
const LEVEL: &str = "reasoning_effort";

/// Marks around a model's reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// Tags at the beginning of the answer.
    Tags { open: &'static str, close: &'static str },
    /// Messages on channels, the [harmony format](https://cookbook.openai.com/articles/openai-harmony).
    Channels,
}

impl Marks {
    const TAGS: [Self; 2] = [
        Self::Tags { open: "<think>", close: "</think>" },
        Self::Tags { open: "[THINK]", close: "[/THINK]" },
    ];

    fn of_template(template: &str) -> Option<Self> {
        [Self::Channels].into_iter().chain(Self::TAGS).find(|marks| match marks {
            Self::Channels => {
                template.contains(parser::CHANNEL) && template.contains(parser::MESSAGE)
            }
            Self::Tags { open, close } => template.contains(open) || template.contains(close),
        })
    }
}

/// Reason why a model cannot honour a [`ThinkingMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ThinkingRefusal {
    /// It cannot be turned off.
    #[error("this model always thinks, and its chat template cannot turn that off")]
    AlwaysThinks,
    /// It cannot be turned on.
    #[error("this model has no thinking mode")]
    NeverThinks,
    /// There are no levels.
    #[error("this model has no thinking levels")]
    NoLevels,
}

/// A chat template's support for thinking. The default is a model that never thinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinking {
    marks: Option<Marks>,
    /// One for each of [`SWITCHES`]: `true` if the template reads it.
    switches: [bool; SWITCHES.len()],
    has_levels: bool,
}

impl Thinking {
    /// The levels that a request may name, from the least to the most.
    pub const LEVELS: [&'static str; 6] = ["minimal", "low", "medium", "high", "xhigh", "max"];

    /// Reads the text of a chat template.
    pub fn of_template(template: &str) -> Self {
        Self {
            marks: Marks::of_template(template),
            switches: SWITCHES.map(|name| names_variable(template, name)),
            has_levels: names_variable(template, LEVEL),
        }
    }

    /// Returns `true` if the model can think.
    pub fn is_possible(&self) -> bool {
        self.marks.is_some()
    }

    /// Returns `true` if a template variable turns thinking on and off.
    pub fn has_switch(&self) -> bool {
        self.switches.contains(&true)
    }

    /// Returns the template variables that make the model think, or not, as requested. There are none
    /// if it does so anyway.
    pub fn variables(&self, mode: ThinkingMode<'_>) -> Result<Map<String, Value>, ThinkingRefusal> {
        let switch = |on: bool| {
            let names = SWITCHES.into_iter().zip(self.switches).filter(|(_, is_read)| *is_read);
            names.map(|(name, _)| (name.to_owned(), on.into())).collect()
        };
        match mode {
            ThinkingMode::Level(level) if self.has_levels => {
                Ok(Map::from_iter([(LEVEL.to_owned(), level.into())]))
            }
            ThinkingMode::Level(_) | ThinkingMode::On
                if !self.is_possible() && !self.has_switch() =>
            {
                Err(ThinkingRefusal::NeverThinks)
            }
            ThinkingMode::Level(_) => Err(ThinkingRefusal::NoLevels),
            ThinkingMode::Off if self.is_possible() && !self.has_switch() => {
                Err(ThinkingRefusal::AlwaysThinks)
            }
            ThinkingMode::Off => Ok(switch(false)),
            ThinkingMode::On => Ok(switch(true)),
        }
    }

    /// Returns a parser for what the model writes after `prompt`, or `None` if it never thinks.
    pub fn parser(&self, prompt: &str) -> Option<ReasoningParser> {
        self.marks.map(|marks| ReasoningParser::new(marks, prompt))
    }

    /// Like [`parser`](Self::parser), for a model that continues the answer `begun`.
    pub fn parser_within(&self, begun: &str) -> Option<ReasoningParser> {
        self.marks.map(|marks| ReasoningParser::within(marks, begun))
    }
}

/// Returns `true` if the text of a template contains `name` as a complete word, which is how we tell
/// that it reads a variable.
fn names_variable(template: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    template.match_indices(name).any(|(at, _)| {
        !template[..at].ends_with(is_word) && !template[at + name.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests;
