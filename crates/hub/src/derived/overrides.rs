//! Settings that a derived name or an imported model adds to a model.

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;

/// Sets the named fields to those of the first struct, or of the second if the first has `None`.
/// A macro, because flags, requests, a model's settings and the user's are different structs.
#[macro_export]
macro_rules! prefer {
    ($target:expr => $first:expr, $second:expr; $($field:ident)+) => {
        $($target.$field = $first.$field.or($second.$field);)+
    };
}

/// Settings that differ from those of the underlying model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// The system prompt. An empty text removes that of the underlying model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Texts of the licenses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub license: Vec<String>,
    /// Messages at the beginning of every conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Turn>,
    /// Sampling parameters and limits.
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Overrides {
    /// Returns `true` if nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills in what is not set here from `other`. Licenses are added.
    pub fn fill(&mut self, other: Self) {
        self.system = self.system.take().or(other.system);
        if self.messages.is_empty() {
            self.messages = other.messages;
        }
        for text in other.license {
            if !self.license.contains(&text) {
                self.license.push(text);
            }
        }
        let (own, other) = (&mut self.parameters, other.parameters);
        prefer!(own => own, other;
            temperature top_k top_p min_p typical_p repetition_penalty presence_penalty
            frequency_penalty repeat_last_n seed max_tokens ctx);
        if own.stop.is_empty() {
            own.stop = other.stop;
        }
    }
}
