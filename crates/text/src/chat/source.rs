//! Finds, compiles and renders the templates of a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::bounds::Deadline;
use super::environment::{self, Failure, Size};
use super::generation;
use crate::error::TextError;
use crate::files::{json_or_default, read_optional, without_mark};

/// Name of the template for everything that has no special one.
pub(super) const DEFAULT: &str = "default";
/// Name of the template for conversations with tools.
pub(super) const TOOL_USE: &str = "tool_use";

/// One template.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    path: PathBuf,
    pub(super) text: String,
    /// The text as the engine takes it.
    program: String,
    wants_parts: OnceLock<bool>,
    takes_late_system: OnceLock<bool>,
}

impl Source {
    pub(super) fn new(name: &str, path: PathBuf, text: &str) -> Self {
        // Jinja reads all line ends as `\n`.
        let text = without_mark(text).replace("\r\n", "\n").replace('\r', "\n");
        let program = generation::replace_tags(&text).into_owned();
        let (wants_parts, takes_late_system) = (OnceLock::new(), OnceLock::new());
        Self { name: name.to_owned(), path, text, program, wants_parts, takes_late_system }
    }

    pub(super) fn render(
        &self,
        size: Size,
        deadline: Deadline,
        context: impl FnOnce() -> minijinja::Value + Send,
    ) -> Result<String, TextError> {
        environment::render(&self.program, size, deadline, context)
            .map_err(|failure| self.error(failure))
    }

    fn error(&self, failure: Failure) -> TextError {
        let path = self.path.clone();
        match failure {
            Failure::Raised(message) => TextError::TemplateRaised { message },
            Failure::Syntax(reason) => TextError::TemplateSyntax { path, reason },
            Failure::Bound(bound) => TextError::TemplateBound { path, bound: bound.to_owned() },
            Failure::Other(reason) => TextError::Template { path, reason },
        }
    }

    /// Returns the error of a template that leaves out the message to be continued.
    pub(super) fn drops_final(&self) -> TextError {
        let reason = "it leaves out the last message, so the model cannot continue it".to_owned();
        TextError::Template { path: self.path.clone(), reason }
    }

    /// Compiles the template, so that an error in it is known before the first conversation.
    pub(super) fn check(&self) -> Result<(), TextError> {
        environment::check(&self.program).map_err(|failure| self.error(failure))
    }

    /// Returns `true` if the template reads content only as a list of typed parts, as some vision models do.
    /// Finds out by rendering both forms.
    pub(super) fn wants_parts(
        &self,
        names: &Map<String, Value>,
        deadline: Deadline,
    ) -> Result<bool, TextError> {
        if let Some(&known) = self.wants_parts.get() {
            return Ok(known);
        }
        let shows = |content: &Value| {
            self.shows_probe(&json!([{ "role": "user", "content": content }]), names, deadline)
        };
        let wants = !shows(&json!(PROBE))? && shows(&json!([{ "type": "text", "text": PROBE }]))?;
        Ok(*self.wants_parts.get_or_init(|| wants))
    }

    /// Returns `true` if the template shows a system prompt that follows other messages. Some refuse it, and some leave
    /// it out. Finds out by rendering one.
    pub(super) fn takes_late_system(
        &self,
        names: &Map<String, Value>,
        deadline: Deadline,
    ) -> Result<bool, TextError> {
        if let Some(&known) = self.takes_late_system.get() {
            return Ok(known);
        }
        let messages = json!([
            { "role": "user", "content": "a" },
            { "role": "assistant", "content": "b" },
            { "role": "system", "content": PROBE },
            { "role": "user", "content": "c" },
        ]);
        let takes = self.shows_probe(&messages, names, deadline)?;
        Ok(*self.takes_late_system.get_or_init(|| takes))
    }

    /// Returns `true` if the template renders these messages with [`PROBE`] in them.
    fn shows_probe(
        &self,
        messages: &Value,
        names: &Map<String, Value>,
        deadline: Deadline,
    ) -> Result<bool, TextError> {
        let mut context = names.clone();
        let own = [
            ("messages", messages.clone()),
            ("add_generation_prompt", true.into()),
            ("tools", Value::Null),
        ];
        context.extend(own.map(|(name, value)| (name.to_owned(), value)));
        match self.render(Size::default(), deadline, || minijinja::Value::from(Serde(context))) {
            Ok(text) => Ok(text.contains(PROBE)),
            Err(error @ (TextError::TemplateSyntax { .. } | TextError::TemplateBound { .. })) => {
                Err(error)
            }
            Err(_) => Ok(false),
        }
    }
}

/// Text that no template contains.
const PROBE: &str = "probe-4f1c";

/// `chat_template.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TemplateFile {
    chat_template: Option<Value>,
}

/// Returns the templates of the checkpoint in `dir`, from the first file that has a default template.
pub(super) fn find(dir: &Path, in_config: Option<&Value>) -> Result<Vec<Source>, TextError> {
    let path = dir.join("chat_template.jinja");
    if let Some(text) = read_optional(&path)? {
        let mut sources = vec![Source::new(DEFAULT, path, &text)];
        let path = dir.join("additional_chat_templates").join("tool_use.jinja");
        if let Some(text) = read_optional(&path)? {
            sources.push(Source::new(TOOL_USE, path, &text));
        }
        return Ok(sources);
    }

    let path = dir.join("chat_template.json");
    let file: TemplateFile = json_or_default(&path)?;
    let in_file = file.chat_template.map_or_else(Vec::new, |value| in_json(&value, &path));
    if !in_file.is_empty() {
        return Ok(in_file);
    }
    let path = dir.join("tokenizer_config.json");
    let in_config = in_config.map_or_else(Vec::new, |value| in_json(value, &path));
    if !in_config.is_empty() {
        return Ok(in_config);
    }
    // A few conversions keep it next to the vocabulary.
    let path = dir.join("tokenizer.json");
    if !mentions(&path, "\"chat_template\"") {
        return Ok(Vec::new());
    }
    let file: TemplateFile = json_or_default(&path)?;
    Ok(file.chat_template.map_or_else(Vec::new, |value| in_json(&value, &path)))
}

/// Returns `true` if the file contains `word`. Parsing a vocabulary takes much longer.
fn mentions(path: &Path, word: &str) -> bool {
    matches!(read_optional(path), Ok(Some(text)) if text.contains(word))
}

/// Reads a template, or a list of `{name, template}`.
fn in_json(value: &Value, path: &Path) -> Vec<Source> {
    match value {
        Value::String(text) => vec![Source::new(DEFAULT, path.to_owned(), text)],
        Value::Array(entries) => entries
            .iter()
            .filter_map(|entry| {
                let text = entry["template"].as_str()?;
                Some(Source::new(entry["name"].as_str()?, path.to_owned(), text))
            })
            .collect(),
        _ => Vec::new(),
    }
}
