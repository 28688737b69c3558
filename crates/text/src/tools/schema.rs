//! Types of parameters, as the schemas of the tools declare them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::shape::Values;
use super::value::{Notation, converted, is_json_number, write_string};

/// Nesting limit for references and alternatives.
const MAX_DEPTH: usize = 16;

/// Types that a schema allows.
#[expect(clippy::struct_excessive_bools, reason = "a set of types")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) string: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    object: bool,
    array: bool,
    null: bool,
}

impl Types {
    /// Returns `true` if the schema says nothing about the type.
    pub(super) fn is_unknown(self) -> bool {
        self == Self::default()
    }

    /// Returns `true` if a value is a string whatever its text is.
    pub(super) fn is_text(self) -> bool {
        self == Self { string: true, ..Self::default() }
    }

    pub(super) fn named(name: &str) -> Self {
        let mut types = Self::default();
        types.add_name(name);
        types
    }

    fn add_name(&mut self, name: &str) {
        match name {
            "string" | "str" | "text" => self.string = true,
            "integer" | "int" => self.integer = true,
            "number" | "float" => self.number = true,
            "boolean" | "bool" => self.boolean = true,
            "object" | "dict" => self.object = true,
            "array" | "list" => self.array = true,
            "null" => self.null = true,
            _ => {}
        }
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null = true,
            Value::Bool(_) => self.boolean = true,
            Value::Number(number) if number.is_f64() => self.number = true,
            Value::Number(_) => self.integer = true,
            Value::String(_) => self.string = true,
            Value::Array(_) => self.array = true,
            Value::Object(_) => self.object = true,
        }
    }

    fn add_schema(&mut self, schema: &Value, root: &Value, depth: usize) {
        let Some(fields) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return };
        match fields.get("type") {
            Some(Value::String(name)) => self.add_name(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).for_each(|name| self.add_name(name));
            }
            _ => {
                let allowed = fields.get("enum").and_then(Value::as_array).into_iter().flatten();
                allowed.chain(fields.get("const")).for_each(|value| self.add_value(value));
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let choices = fields.get(key).and_then(Value::as_array).into_iter().flatten();
            choices.for_each(|choice| self.add_schema(choice, root, depth + 1));
        }
        if let Some(target) = fields.get("$ref").and_then(Value::as_str)
            && let Some(target) = target.strip_prefix('#').and_then(|path| root.pointer(path))
        {
            self.add_schema(target, root, depth + 1);
        }
    }
}

/// The tools of a request: names, and types of parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools(HashMap<String, HashMap<String, Types>>);

impl Tools {
    /// Reads tool definitions in OpenAI's form, or only their functions.
    pub(super) fn read(tools: &Value) -> Self {
        let tools = tools.as_array().into_iter().flatten().filter_map(|tool| {
            let function = tool.get("function").unwrap_or(tool);
            let name = function.get("name")?.as_str()?;
            let schema = ["parameters", "input_schema"].iter().find_map(|key| function.get(key));
            Some((name.to_owned(), schema.map_or_else(HashMap::new, parameters)))
        });
        Self(tools.collect())
    }

    /// Returns the name of the tool that a model means by `name`, if there is one. Models have seen names
    /// such as `functions.NAME`.
    pub(super) fn known<'a>(&self, name: &'a str) -> Option<&'a str> {
        let names = [Some(name), name.strip_prefix("functions.")];
        names.into_iter().flatten().find(|name| self.0.contains_key(*name))
    }

    pub(super) fn types(&self, name: &str, key: &str) -> Types {
        self.0.get(name).and_then(|tool| tool.get(key)).copied().unwrap_or_default()
    }
}

fn parameters(schema: &Value) -> HashMap<String, Types> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let parameters = properties.iter().map(|(key, property)| {
        let mut types = Types::default();
        types.add_schema(property, schema, 0);
        (key.clone(), types)
    });
    parameters.collect()
}

/// Returns the text of a tagged value as JSON.
pub(super) fn convert(text: &str, types: Types, values: Values) -> String {
    let trimmed = text.trim();
    let json = || converted(trimmed, Notation::Json);
    let any = || {
        // Bare words would be strings in Python's notation, although they are none in Python.
        let is_structure = trimmed.starts_with(['{', '[', '(', '\'', '"']);
        json().or_else(|| is_structure.then(|| converted(trimmed, Notation::Python)).flatten())
    };
    let is_structure = |json: &String| json.starts_with(['{', '[']);
    let typed = if types.is_text() {
        None
    } else if types.is_unknown() {
        if values.untyped_is_json { any() } else { json().filter(is_structure) }
    } else {
        typed(trimmed, types).or_else(|| {
            let found = any()?;
            let fits = match found.as_bytes().first() {
                Some(b'{') => types.object,
                Some(b'[') => types.array,
                Some(b'"') => types.string,
                _ => false,
            };
            // A string that may be text is not JSON.
            (fits && !found.starts_with('"')).then_some(found)
        })
    };
    let is_null = trimmed.eq_ignore_ascii_case("null") && !types.is_text();
    match typed {
        Some(json) => json,
        None if is_null || (values.null_is_null && text.eq_ignore_ascii_case("null")) => {
            "null".to_owned()
        }
        None => {
            let mut out = String::with_capacity(text.len() + 2);
            write_string(text, &mut out);
            out
        }
    }
}

/// Returns a number, a boolean or null if the types allow it.
fn typed(text: &str, types: Types) -> Option<String> {
    if types.integer || types.number {
        if is_json_number(text) {
            if types.number || !text.contains(['.', 'e', 'E']) {
                return Some(text.to_owned());
            }
            // A whole number may be written as `5.0`.
            let (whole, fraction) = text.split_once('.')?;
            if fraction.bytes().all(|byte| byte == b'0') {
                return Some(whole.to_owned());
            }
        } else if let Some(number) = converted(text, Notation::Python)
            && is_json_number(&number)
        {
            return Some(number);
        }
    }
    match text.to_ascii_lowercase().as_str() {
        word @ ("true" | "false") if types.boolean => Some(word.to_owned()),
        "null" | "none" if types.null => Some("null".to_owned()),
        _ => None,
    }
}
