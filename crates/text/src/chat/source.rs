//! Finds, compiles and renders the templates of a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::environment::{self, Failure};
use crate::error::TextError;
use crate::files::{json_or_default, read_optional};

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
    compiled: OnceLock<Result<Environment<'static>, String>>,
    wants_parts: OnceLock<bool>,
}

impl Source {
    pub(super) fn new(name: &str, path: PathBuf, text: String) -> Self {
        Self {
            name: name.to_owned(),
            path,
            text,
            compiled: OnceLock::new(),
            wants_parts: OnceLock::new(),
        }
    }

    pub(super) fn render(&self, context: minijinja::Value) -> Result<String, TextError> {
        let path = || self.path.clone();
        let environment = match self.compiled.get_or_init(|| environment::compile(&self.text)) {
            Ok(environment) => environment,
            Err(reason) => {
                return Err(TextError::TemplateSyntax { path: path(), reason: reason.clone() });
            }
        };
        environment::render(environment, context).map_err(|failure| match failure {
            Failure::Raised(message) => TextError::TemplateRaised { message },
            Failure::Bound(bound) => {
                TextError::TemplateBound { path: path(), bound: bound.to_owned() }
            }
            Failure::Other(reason) => TextError::Template { path: path(), reason },
        })
    }

    /// Returns `true` if the template reads content only as a list of typed parts, as some vision models do.
    /// Finds out by rendering both forms.
    pub(super) fn wants_parts(&self, names: &Map<String, Value>) -> Result<bool, TextError> {
        if let Some(&known) = self.wants_parts.get() {
            return Ok(known);
        }
        let shows = |content: &Value| {
            let own = json!({
                "messages": [{ "role": "user", "content": content }],
                "add_generation_prompt": true,
                "tools": null,
            });
            let mut context = names.clone();
            context.extend(own.as_object().cloned().unwrap_or_default());
            match self.render(minijinja::Value::from(Serde(context))) {
                Ok(text) => Ok(text.contains(PROBE)),
                Err(error @ TextError::TemplateSyntax { .. }) => Err(error),
                Err(_) => Ok(false),
            }
        };
        let wants = !shows(&json!(PROBE))? && shows(&json!([{ "type": "text", "text": PROBE }]))?;
        Ok(*self.wants_parts.get_or_init(|| wants))
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
        let mut sources = vec![Source::new(DEFAULT, path, text)];
        let path = dir.join("additional_chat_templates").join("tool_use.jinja");
        if let Some(text) = read_optional(&path)? {
            sources.push(Source::new(TOOL_USE, path, text));
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
    Ok(in_config.map_or_else(Vec::new, |value| in_json(value, &path)))
}

/// Reads a template, or a list of `{name, template}`.
fn in_json(value: &Value, path: &Path) -> Vec<Source> {
    match value {
        Value::String(text) => vec![Source::new(DEFAULT, path.to_owned(), text.clone())],
        Value::Array(entries) => entries
            .iter()
            .filter_map(|entry| {
                let text = entry["template"].as_str()?.to_owned();
                Some(Source::new(entry["name"].as_str()?, path.to_owned(), text))
            })
            .collect(),
        _ => Vec::new(),
    }
}
