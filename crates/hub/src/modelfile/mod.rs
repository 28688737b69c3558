//! Modelfiles: Ollama's format for a model that builds on another one.
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
//! [`Modelfile::parse`] reads one, and [`Modelfile::text`] writes it. The syntax of the lines is in
//! `syntax`.

mod syntax;
mod write;

use std::path::Path;

use crate::derived::Taken;
use crate::derived::error::DerivedError;
use crate::derived::{Overrides, Turn};
use crate::error::HubError;

use syntax::Instruction;

/// The content of a Modelfile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modelfile {
    /// The underlying model, as written in the file.
    pub from: String,
    /// The settings.
    pub overrides: Overrides,
    /// Instructions that have no effect here, each with its line: the layout of prompts and
    /// answers, the required version of Ollama, and parameters for how Ollama loads a model.
    pub ignored: Vec<(usize, String)>,
}

/// A Modelfile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelfileError {
    /// The line, from 1, if the problem has one.
    pub line: Option<usize>,
    /// The problem.
    pub problem: String,
}

/// Roles of a `MESSAGE`.
const ROLES: [&str; 3] = ["system", "user", "assistant"];
/// Instructions without effect: the model's own chat template decides the layout of a prompt.
const IGNORED: [&str; 4] = ["TEMPLATE", "RENDERER", "PARSER", "REQUIRES"];

impl ModelfileError {
    fn new(line: Option<usize>, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }

    /// Returns the error for the file at `path`.
    pub fn in_file(self, path: &Path) -> HubError {
        DerivedError::BadModelfile { path: path.to_owned(), line: self.line, problem: self.problem }
            .into()
    }
}

impl Modelfile {
    /// Parses a Modelfile. As in Ollama, the last `SYSTEM` counts, and so does the last value of
    /// most parameters; `stop`, `MESSAGE` and `LICENSE` add up.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelfileError> {
        let text = syntax::decoded(bytes)?;
        let mut found = Self::default();
        for instruction in syntax::instructions(&text)? {
            found.take(instruction)?;
        }
        if found.from.is_empty() {
            return Err(ModelfileError::new(None, "`FROM` is missing; it names the base model"));
        }
        Ok(found)
    }

    fn take(&mut self, instruction: Instruction) -> Result<(), ModelfileError> {
        let Instruction { line, name, key, value } = instruction;
        let bad = |problem: String| Err(ModelfileError::new(Some(line), problem));
        match name.as_str() {
            "FROM" if value.is_empty() => return bad("`FROM` names no model".into()),
            "FROM" if !self.from.is_empty() => {
                return bad("a second `FROM`; a model builds on only one".into());
            }
            "FROM" => self.from = value,
            "SYSTEM" => self.overrides.system = Some(value),
            "LICENSE" => self.overrides.license.push(value),
            "MESSAGE" => {
                let role = key.to_ascii_lowercase();
                if !ROLES.contains(&role.as_str()) {
                    return bad(format!("`{key}` is not a role; use one of {}", ticked(&ROLES)));
                }
                self.overrides.messages.push(Turn { role, content: value });
            }
            "PARAMETER" => {
                let key = key.to_ascii_lowercase();
                match self.overrides.parameters.set(&key, &value) {
                    Ok(Taken::Set) => {}
                    Ok(Taken::NoEffect) => self.ignored.push((line, format!("PARAMETER {key}"))),
                    Err(error) => return bad(error.to_string()),
                }
            }
            "ADAPTER" => {
                return bad("`ADAPTER` is not supported".into());
            }
            ignored if IGNORED.contains(&ignored) => self.ignored.push((line, name)),
            other => return bad(format!("`{}` is not an instruction", other.escape_debug())),
        }
        Ok(())
    }
}

fn ticked(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
