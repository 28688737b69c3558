//! Modelfiles: Ollama's way to say what is different about a model that stands for another one.
//!
//! ```text
//! FROM qwen2.5-coder:1.5b
//! SYSTEM """Answer with code only."""
//! PARAMETER temperature 0.2
//! PARAMETER stop "\n\n"
//! MESSAGE user Reverse a list.
//! MESSAGE assistant list[::-1]
//! ```
//!
//! [`Modelfile::parse`] understands one, [`Modelfile::text`] writes it; how the lines are read
//! stands in `syntax`.

mod syntax;
mod write;

use std::path::Path;

use crate::derived::ParameterError;
use crate::derived::error::DerivedError;
use crate::{HubError, Overrides, Turn};

use syntax::Instruction;

/// What a Modelfile says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modelfile {
    /// The model that it builds on, as it is written there.
    pub from: String,
    /// What is different.
    pub overrides: Overrides,
    /// Instructions that have no effect here, each with its line: how Ollama lays out a prompt and
    /// reads an answer, and which version of it is needed.
    pub ignored: Vec<(usize, String)>,
}

/// A Modelfile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelfileError {
    /// The line, from 1, where there is one to point at.
    pub line: Option<usize>,
    /// What is wrong there, as the end of a sentence.
    pub problem: String,
}

/// Who may speak in a `MESSAGE`.
const ROLES: [&str; 3] = ["system", "user", "assistant"];
/// Without an effect: the model's own chat template says how a prompt is laid out.
const IGNORED: [&str; 4] = ["TEMPLATE", "RENDERER", "PARSER", "REQUIRES"];

impl ModelfileError {
    fn new(line: Option<usize>, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }

    /// The error for the file at `path`.
    pub fn in_file(self, path: &Path) -> HubError {
        HubError::Derived(DerivedError::BadModelfile {
            path: path.to_owned(),
            line: self.line,
            problem: self.problem,
        })
    }
}

impl Modelfile {
    /// Reads a Modelfile. Of `SYSTEM` and of most parameters the last one counts, as with Ollama;
    /// `stop`, `MESSAGE` and `LICENSE` add up.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelfileError> {
        let text = syntax::decoded(bytes)?;
        let mut found = Self::default();
        for instruction in syntax::instructions(&text)? {
            found.take(instruction)?;
        }
        if found.from.is_empty() {
            return Err(ModelfileError::new(None, "`FROM` is missing, which names a model"));
        }
        Ok(found)
    }

    fn take(&mut self, instruction: Instruction) -> Result<(), ModelfileError> {
        let Instruction { line, name, key, value } = instruction;
        let bad = |problem: String| Err(ModelfileError::new(Some(line), problem));
        match name.as_str() {
            "FROM" if value.is_empty() => return bad("`FROM` names no model".into()),
            "FROM" if !self.from.is_empty() => {
                return bad("there is a second `FROM`, and a model builds on one".into());
            }
            "FROM" => self.from = value,
            "SYSTEM" => self.overrides.system = Some(value),
            "LICENSE" => self.overrides.license.push(value),
            "MESSAGE" => {
                let role = key.to_ascii_lowercase();
                if !ROLES.contains(&role.as_str()) {
                    return bad(format!("`{key}` is no role; there are {}", ticked(&ROLES)));
                }
                self.overrides.messages.push(Turn { role, content: value });
            }
            "PARAMETER" => {
                let key = key.to_ascii_lowercase();
                let set = self.overrides.parameters.set(&key, &value);
                if let Err(ParameterError { problem, .. }) = set {
                    return bad(problem);
                }
            }
            "ADAPTER" => {
                return bad("`ADAPTER` is not supported: models run with their own weights".into());
            }
            ignored if IGNORED.contains(&ignored) => self.ignored.push((line, name)),
            other => return bad(format!("`{}` is no instruction", other.escape_debug())),
        }
        Ok(())
    }
}

fn ticked(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
