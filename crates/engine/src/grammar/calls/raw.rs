//! Values that are not JSON: raw text between marks, and Gemma's objects with bare keys.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::argument::referenced;
use super::lark::{Rules, one_of};
use crate::grammar::schema::Rewritten;

/// Any text.
const ANY: &str = "(?s:.*)";

/// Returns the expression of a value as raw text, with the mark that ends it. Only strings are raw; everything else
/// is JSON.
pub(super) fn value(rules: &mut Rules<'_>, schema: &Rewritten, end: &str) -> String {
    let root = &schema.schema;
    if let Some(pattern) = text_of(root, root) {
        return match pattern {
            Text::Pattern(pattern) => until(rules, &pattern, end),
            Text::OneOf(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| rules.text(text)).collect();
                format!("{} {}", one_of(&texts), rules.text(end))
            }
        };
    }
    let value = rules.json(&schema.clone().with_options());
    format!("{value} {}", rules.text(end))
}

/// Returns `true` if the value is a string.
pub(super) fn is_text(schema: &Rewritten) -> bool {
    text_of(&schema.schema, &schema.schema).is_some()
}

/// Returns the type of a value, in the words of JSON Schema.
pub(super) fn kind(schema: &Rewritten) -> &str {
    if is_text(schema) {
        return "string";
    }
    let root = &schema.schema;
    let target = referenced(root, root).unwrap_or(root);
    match &target["type"] {
        Value::String(kind) => kind,
        _ if target.get("items").is_some() => "array",
        _ => "object",
    }
}

/// Returns the expression of a text and the mark that ends it.
fn until(rules: &mut Rules<'_>, pattern: &str, end: &str) -> String {
    let mark = rules.text(end);
    if mark.starts_with('<') {
        // A special token, which no text contains.
        let text = rules.rule(&format!("/{}/", pattern.replace('/', "\\/")));
        return format!("( {text} )? {mark}");
    }
    rules.until(pattern, end)
}

enum Text {
    Pattern(String),
    OneOf(Vec<String>),
}

/// Returns what a string may be, or `None` if the value is not a string.
fn text_of(schema: &Value, root: &Value) -> Option<Text> {
    text_pattern(schema, root, &mut HashSet::new())
}

/// Like [`text_of`]. Definitions that were `seen` are not read again, or references to references would take time without
/// end: each of them was no string.
fn text_pattern<'a>(
    schema: &'a Value,
    root: &'a Value,
    seen: &mut HashSet<*const Value>,
) -> Option<Text> {
    if let Some(next) = referenced(schema, root) {
        return seen.insert(next).then(|| text_pattern(next, root, seen)).flatten();
    }
    let fields = match schema {
        Value::Object(fields) => fields,
        Value::Bool(true) => return Some(Text::Pattern(ANY.to_owned())),
        _ => return None,
    };
    if let Some(text) = fields.get("const") {
        return Some(Text::OneOf(vec![text.as_str()?.to_owned()]));
    }
    if let Some(values) = fields.get("enum").and_then(Value::as_array) {
        let texts: Option<Vec<String>> =
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        return texts.map(Text::OneOf);
    }
    if let Some(cases) = fields.get("anyOf").and_then(Value::as_array) {
        // As soon as one case is a text, the others are texts, too.
        let mut is_text = |case: &'a Value| text_pattern(case, root, seen).is_some();
        return cases.iter().any(&mut is_text).then(|| Text::Pattern(ANY.to_owned()));
    }
    let may_be_text = match fields.get("type") {
        None => !fields.contains_key("properties") && !fields.contains_key("items"),
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        Some(kind) => kind == "string",
    };
    if !may_be_text {
        return None;
    }
    if let Some(pattern) = fields.get("pattern").and_then(Value::as_str) {
        return Some(Text::Pattern(anchored(pattern)));
    }
    let least = fields.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let most = fields.get("maxLength").and_then(Value::as_u64);
    Some(Text::Pattern(match (least, most) {
        (0, None) => ANY.to_owned(),
        (least, None) => format!("(?s:.{{{least},}})"),
        (least, Some(most)) => format!("(?s:.{{{least},{most}}})"),
    }))
}

/// Returns the pattern of a whole text that a JSON Schema's pattern, which may match anywhere, describes.
fn anchored(pattern: &str) -> String {
    let begin = pattern.strip_prefix('^');
    let inside = begin.unwrap_or(pattern);
    let end = inside.strip_suffix('$').filter(|rest| !rest.ends_with('\\'));
    let inside = end.unwrap_or(inside);
    let before = if begin.is_some() { "" } else { ANY };
    let after = if end.is_some() { "" } else { ANY };
    format!("{before}(?:{inside}){after}")
}

/// Returns the expression of an object with bare keys and strings between `quote`.
pub(super) fn object(rules: &mut Rules<'_>, quote: &str, schema: &Rewritten) -> String {
    let mut writer = Braces { rules, quote, root: &schema.schema, known: HashMap::new() };
    writer.value(&schema.schema)
}

struct Braces<'r, 's, 'a> {
    rules: &'r mut Rules<'a>,
    quote: &'s str,
    root: &'s Value,
    /// Rules of definitions.
    known: HashMap<String, String>,
}

impl Braces<'_, '_, '_> {
    fn value(&mut self, schema: &Value) -> String {
        let root = self.root;
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            if let Some(rule) = self.known.get(name) {
                return rule.clone();
            }
            let Some(target) = referenced(schema, root) else { return self.anything() };
            let rule = self.rules.reserve();
            self.known.insert(name.to_owned(), rule.clone());
            let body = self.value(target);
            self.rules.define(&rule, &body);
            return rule;
        }
        let Value::Object(fields) = schema else { return self.anything() };
        if let Some(value) = fields.get("const") {
            return self.constant(value);
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array) {
            let all: Vec<String> = values.iter().map(|value| self.constant(value)).collect();
            return one_of(&all);
        }
        if let Some(cases) = fields.get("anyOf").and_then(Value::as_array) {
            let all: Vec<String> = cases.iter().map(|case| self.value(case)).collect();
            return one_of(&all);
        }
        let kinds: Vec<&str> = match fields.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ if fields.contains_key("properties") => vec!["object"],
            _ if fields.contains_key("items") => vec!["array"],
            _ => return self.anything(),
        };
        let all: Vec<String> = kinds
            .into_iter()
            .map(|kind| match kind {
                "string" => self.string(schema),
                "object" => self.map(schema),
                "array" => self.list(schema),
                kind => {
                    let mut plain = fields.clone();
                    plain.insert("type".to_owned(), kind.into());
                    self.rules.json(&plain.into())
                }
            })
            .collect();
        one_of(&all)
    }

    fn string(&mut self, schema: &Value) -> String {
        let before = self.rules.text(self.quote);
        let text = match text_of(schema, self.root) {
            Some(Text::Pattern(pattern)) => until(self.rules, &pattern, self.quote),
            _ => until(self.rules, ANY, self.quote),
        };
        format!("{before} {text}")
    }

    fn map(&mut self, schema: &Value) -> String {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut pairs = Vec::new();
        for (name, value) in properties.into_iter().flatten() {
            let value = self.value(value);
            let before = self.rules.text(&format!("{name}:"));
            pairs.push(super::argument::Pair::new(
                format!("{before} {value}"),
                required.contains(&name.as_str()),
            ));
        }
        let (open, close) = (self.rules.text("{"), self.rules.text("}"));
        let inside = super::argument::sequence(self.rules, &pairs, ",");
        self.rules.rule(&format!("{open} {inside} {close}"))
    }

    fn list(&mut self, schema: &Value) -> String {
        let item = match schema.get("items") {
            Some(items) => self.value(items),
            None => self.anything(),
        };
        let (open, comma, close) =
            (self.rules.text("["), self.rules.text(","), self.rules.text("]"));
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64);
        let more = match most {
            Some(0) => return format!("{open} {close}"),
            Some(most) => format!("~{}..{}", least.saturating_sub(1), most - 1),
            None if least > 1 => format!("~{}..", least - 1),
            None => "*".to_owned(),
        };
        let items = format!("{item} ( {comma} {item} ){more}");
        let items = if least == 0 { format!("( {items} )?") } else { items };
        self.rules.rule(&format!("{open} {items} {close}"))
    }

    fn constant(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) => self.rules.text(&format!("{0}{text}{0}", self.quote)),
            value => self.rules.text(&value.to_string()),
        }
    }

    /// Returns the expression of a value without a schema: a string, a number, a flag, or `null`.
    fn anything(&mut self) -> String {
        let string = self.string(&Value::Bool(true));
        let plain = self.rules.json(&serde_json::json!({"type": ["number", "boolean", "null"]}));
        format!("( {string} | {plain} )")
    }
}
