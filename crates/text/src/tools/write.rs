//! Writes calls as a model would, in a form's canonical text.

use std::fmt::Write as _;

use serde::Serialize as _;
use serde_json::ser::Formatter;
use serde_json::{Map, Value};

use super::form::WireForm;
use super::shape::{
    Arguments, Attribute, Call, Envelope, Holds, NameForm, Named, Section, Tagged, Values,
};

/// A call to write.
#[derive(Clone, Copy, Debug)]
pub struct CallText<'a> {
    /// Name of the tool.
    pub name: &'a str,
    /// Arguments by key.
    pub arguments: &'a Map<String, Value>,
}

impl WireForm {
    /// Returns the text of an answer that consists of these calls, as a template would render it. Text that
    /// a form cannot express, such as a mark inside a value without quotes, is written all the same.
    pub fn write(self, calls: &[CallText<'_>]) -> String {
        let shape = self.shape();
        let section = shape.section.unwrap_or(Section {
            begin: "",
            end: "",
            holds: Holds::Many,
            is_optional: true,
        });
        let calls: Vec<String> = calls
            .iter()
            .enumerate()
            .map(|(index, call)| match shape.call {
                Call::Envelope(envelope) => envelope_text(&envelope, index, call),
                Call::Named(named) => named_text(&named, index, call),
            })
            .collect();
        let Section { begin, end, holds, .. } = section;
        match holds {
            Holds::One => {
                let sections = calls.iter().map(|call| format!("{begin}{call}{end}"));
                sections.collect::<Vec<_>>().join(shape.separator)
            }
            Holds::Many => format!("{begin}{}{end}", calls.join(shape.separator)),
            Holds::List => format!("{begin}[{}]{end}", calls.join(shape.separator)),
        }
    }
}

fn envelope_text(envelope: &Envelope, index: usize, call: &CallText<'_>) -> String {
    let arguments = Value::Object(call.arguments.clone());
    let mut fields = Map::new();
    match envelope {
        Envelope::NameIsKey => {
            fields.insert(call.name.to_owned(), arguments);
        }
        Envelope::Fields { name, arguments: key, id } => {
            if let Some(id) = id {
                fields.insert((*id).to_owned(), index.to_string().into());
            }
            fields.insert((*name).to_owned(), call.name.into());
            fields.insert((*key).to_owned(), arguments);
        }
    }
    json(&Value::Object(fields))
}

fn named_text(named: &Named, index: usize, call: &CallText<'_>) -> String {
    let CallText { name, arguments } = call;
    let name = match named.name {
        NameForm::Plain { .. } | NameForm::Header => (*name).to_owned(),
        NameForm::Numbered => format!("functions.{name}:{index}"),
        NameForm::Indexed => format!("{}\" index=\"{}\"", escaped(name), index + 1),
        NameForm::AfterId(mark) => format!("call-{index}{mark}{name}"),
    };
    let arguments = match named.arguments {
        Arguments::Json => json(&Value::Object((*arguments).clone())),
        Arguments::Keywords => {
            let pairs = arguments.iter().map(|(key, value)| format!("{key}={}", python(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        Arguments::Braces { quote } => {
            let mut out = String::new();
            braces(arguments, quote, &mut out);
            out
        }
        Arguments::Tagged(tags) => {
            let texts = arguments.iter().map(|(key, value)| tagged(&tags, key, value));
            texts.collect::<Vec<_>>().join(tags.separator)
        }
        Arguments::Elements { prefix, .. } => {
            let texts = arguments.iter().map(|(key, value)| element(prefix, key, value));
            texts.collect()
        }
    };
    let Named { begin, after_name, end, .. } = named;
    format!("{begin}{name}{after_name}{arguments}{end}")
}

/// Returns a value as text: strings without quotes, and everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => json(other),
    }
}

fn tagged(tags: &Tagged, key: &str, value: &Value) -> String {
    let attribute = match (tags.attribute, value) {
        (Attribute::None, _) => String::new(),
        (Attribute::IsString, value) => format!(" string=\"{}\"", value.is_string()),
        (Attribute::Type, value) => format!(" type=\"{}\"", type_of(value)),
    };
    let key = if tags.attribute == Attribute::Type { escaped(key) } else { key.to_owned() };
    let mut text = plain(value);
    let Values { cdata, .. } = tags.values;
    if cdata && text.contains(['<', '&', '\n']) {
        text = format!("<![CDATA[{text}]]>");
    }
    let Tagged { begin, key_end, value_begin, end, .. } = tags;
    format!("{begin}{key}{key_end}{attribute}{value_begin}{text}{end}")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

fn element(prefix: &str, key: &str, value: &Value) -> String {
    let content = match value {
        Value::Array(items) => items.iter().map(|item| element(prefix, "item", item)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| element(prefix, key, value)).collect()
        }
        other => plain(other),
    };
    format!("{prefix}<{key}>{content}{prefix}</{key}>")
}

fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => json(other),
    }
}

fn braces(fields: &Map<String, Value>, quote: &str, out: &mut String) {
    out.push('{');
    for (at, (key, value)) in fields.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{key}:");
        braces_value(value, quote, out);
    }
    out.push('}');
}

fn braces_value(value: &Value, quote: &str, out: &mut String) {
    match value {
        Value::String(text) => {
            let _ = write!(out, "{quote}{text}{quote}");
        }
        Value::Object(fields) => braces(fields, quote, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                braces_value(item, quote, out);
            }
            out.push(']');
        }
        other => out.push_str(&json(other)),
    }
}

/// Returns JSON with spaces after commas and colons, as Python writes it.
fn json(value: &Value) -> String {
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    // Writing JSON values to memory cannot fail.
    let _ = value.serialize(&mut writer);
    String::from_utf8_lossy(&out).into_owned()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> std::io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> std::io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
