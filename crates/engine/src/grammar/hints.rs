//! Short texts that a JSON Schema allows, for [`super::ending`].
//!
//! They are suggestions: the grammar decides if one of them may stand where an answer needs it. So a schema that
//! is read incompletely here costs a few tokens and never correctness.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Most schemas that are visited, and most texts of each kind that are kept.
const MAX_VISITS: usize = 20_000;
const MAX_TEXTS: usize = 4_000;
/// Most bytes of a text.
const MAX_BYTES: usize = 4_096;
/// Deepest nesting of schemas.
const MAX_DEPTH: usize = 200;
/// Examples of formats.
const EXAMPLES: [(&str, &str); 9] = [
    ("date", "2000-01-01"),
    ("time", "00:00:00Z"),
    ("date-time", "2000-01-01T00:00:00Z"),
    ("duration", "P1D"),
    ("email", "a@a"),
    ("uuid", "00000000-0000-0000-0000-000000000000"),
    ("ipv4", "0.0.0.0"),
    ("ipv6", "::"),
    ("uri", "a:"),
];

/// Texts to try.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Values, the shortest first.
    pub(crate) values: Vec<Vec<u8>>,
    /// Members of objects that schemas require, in their order: `"key":value`, or `"key":` if no short value is
    /// known.
    pub(crate) members: Vec<Vec<u8>>,
}

impl Hints {
    /// Collects the texts of a schema.
    pub(crate) fn of(schema: &Value) -> Self {
        let mut reader = Reader { root: schema, visits: 0, known: HashMap::new() };
        let mut hints = Self::default();
        let mut seen = HashSet::new();
        reader.collect(schema, MAX_DEPTH, &mut hints, &mut seen);
        hints.values.extend(["0", "\"\"", "null", "true", "[]", "{}"].map(Into::into));
        hints.values.sort_by_key(Vec::len);
        hints.values.dedup();
        hints
    }

    /// Returns the length of the longest text.
    pub(crate) fn longest(&self) -> usize {
        self.values.iter().chain(&self.members).map(Vec::len).max().unwrap_or(0)
    }
}

struct Reader<'a> {
    root: &'a Value,
    visits: usize,
    /// Shortest texts by the address of their schema. `None` while it is being read, and if none is known.
    known: HashMap<*const Value, Option<String>>,
}

impl<'a> Reader<'a> {
    /// Adds the texts of a schema and of all schemas in it.
    fn collect(
        &mut self,
        schema: &'a Value,
        depth: usize,
        hints: &mut Hints,
        seen: &mut HashSet<String>,
    ) {
        let Some(object) = schema.as_object().filter(|_| depth > 0) else { return };
        if self.visits > MAX_VISITS {
            return;
        }
        if let Some(text) = self.shortest(schema, MAX_DEPTH)
            && hints.values.len() < MAX_TEXTS
            && seen.insert(text.clone())
        {
            hints.values.push(text.into_bytes());
        }
        if let Some(Value::Array(constants)) = object.get("enum") {
            let texts = constants.iter().map(Value::to_string).filter(|it| it.len() <= MAX_BYTES);
            for text in texts.take(MAX_TEXTS.saturating_sub(hints.values.len())) {
                if seen.insert(text.clone()) {
                    hints.values.push(text.into_bytes());
                }
            }
        }
        for member in self.required(object, MAX_DEPTH) {
            let text = match member.value {
                Some(value) => format!("{}:{value}", Value::from(member.key)),
                None => format!("{}:", Value::from(member.key)),
            };
            if hints.members.len() < MAX_TEXTS && seen.insert(text.clone()) {
                hints.members.push(text.into_bytes());
            }
        }
        for (keyword, value) in object {
            match value {
                Value::Object(named) if super::schema::NAMED_SCHEMAS.contains(&&**keyword) => {
                    for schema in named.values() {
                        self.collect(schema, depth - 1, hints, seen);
                    }
                }
                Value::Array(list) if super::schema::SCHEMAS.contains(&&**keyword) => {
                    for schema in list {
                        self.collect(schema, depth - 1, hints, seen);
                    }
                }
                one if super::schema::SCHEMAS.contains(&&**keyword) => {
                    self.collect(one, depth - 1, hints, seen);
                }
                _ => {}
            }
        }
    }

    /// Returns the shortest text that is known to match a schema.
    fn shortest(&mut self, schema: &'a Value, depth: usize) -> Option<String> {
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            return known.clone();
        }
        self.visits += 1;
        if depth == 0 || self.visits > MAX_VISITS {
            return None;
        }
        self.known.insert(schema, None);
        let text = match schema {
            Value::Bool(true) => Some("0".to_owned()),
            Value::Object(object) => self.shortest_of_object(object, depth - 1),
            _ => None,
        };
        let text = text.filter(|text| text.len() <= MAX_BYTES);
        self.known.insert(schema, text.clone());
        text
    }

    fn shortest_of_object(
        &mut self,
        schema: &'a Map<String, Value>,
        depth: usize,
    ) -> Option<String> {
        if let Some(constant) = schema.get("const") {
            return Some(constant.to_string());
        }
        if let Some(Value::Array(constants)) = schema.get("enum") {
            return constants.iter().map(Value::to_string).min_by_key(String::len);
        }
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let target = self.root.pointer(reference.strip_prefix('#')?)?;
            return self.shortest(target, depth);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(options)) = schema.get(keyword) {
                let texts = options.iter().filter_map(|option| self.shortest(option, depth));
                return texts.min_by_key(String::len);
            }
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            return match &parts[..] {
                [one] => self.shortest(one, depth),
                _ => None,
            };
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ if schema.contains_key("properties") => vec!["object"],
            _ if schema.contains_key("items") => vec!["array"],
            _ if schema.contains_key("pattern") || schema.contains_key("format") => vec!["string"],
            _ => vec!["number"],
        };
        let texts = kinds.into_iter().filter_map(|kind| match kind {
            "null" => Some("null".to_owned()),
            "boolean" => Some("true".to_owned()),
            "integer" | "number" => number(schema),
            "string" => string(schema),
            "array" => self.array(schema, depth),
            "object" => self.object(schema, depth),
            _ => None,
        });
        texts.min_by_key(String::len)
    }

    fn array(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Option<String> {
        let least = schema.get("minItems").map_or(Some(0), Value::as_u64)? as usize;
        let first: &[Value] =
            schema.get("prefixItems").and_then(Value::as_array).map_or(&[], |it| it);
        let mut texts = Vec::new();
        for schema in first.iter().take(least) {
            texts.push(self.shortest(schema, depth)?);
        }
        if least > texts.len() {
            let item = match schema.get("items") {
                Some(item) => self.shortest(item, depth)?,
                None => "0".to_owned(),
            };
            if (item.len() + 1) * least > MAX_BYTES {
                return None;
            }
            texts.resize(least, item);
        }
        Some(format!("[{}]", texts.join(",")))
    }

    fn object(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Option<String> {
        let members = self.required(schema, depth);
        let least = schema.get("minProperties").map_or(Some(0), Value::as_u64)?;
        if least > members.len() as u64 {
            return None;
        }
        let texts = members
            .into_iter()
            .map(|member| Some(format!("{}:{}", Value::from(member.key), member.value?)));
        Some(format!("{{{}}}", texts.collect::<Option<Vec<_>>>()?.join(",")))
    }

    /// Returns the required members of an object, in the order in which the grammar wants them.
    fn required(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Vec<Member<'a>> {
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], |it| it);
        let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
        let Some(Value::Object(properties)) = schema.get("properties") else {
            return required.into_iter().map(|key| Member { key, value: None }).collect();
        };
        let wanted: HashSet<&str> = required.iter().copied().collect();
        let mut members = Vec::new();
        for (key, value) in properties {
            if wanted.contains(key.as_str()) {
                members.push(Member { key, value: self.shortest(value, depth) });
            }
        }
        let others = required.into_iter().filter(|key| !properties.contains_key(*key));
        members.extend(others.map(|key| Member { key, value: None }));
        members
    }
}

/// A member that an object requires.
struct Member<'a> {
    key: &'a str,
    /// The shortest text that is known to match its value.
    value: Option<String>,
}

fn string(schema: &Map<String, Value>) -> Option<String> {
    let least = schema.get("minLength").map_or(Some(0), Value::as_u64)? as usize;
    let format = schema.get("format").and_then(Value::as_str);
    if let Some((_, example)) = EXAMPLES.iter().find(|(name, _)| Some(*name) == format) {
        return (least <= example.len()).then(|| format!("\"{example}\""));
    }
    if schema.contains_key("pattern") || least > MAX_BYTES {
        return None;
    }
    Some(format!("\"{}\"", "a".repeat(least)))
}

fn number(schema: &Map<String, Value>) -> Option<String> {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let fits = |number: f64| {
        bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
            && bound("exclusiveMinimum").is_none_or(|least| number > least)
            && bound("exclusiveMaximum").is_none_or(|most| number < most)
            && bound("multipleOf").is_none_or(|unit| number % unit == 0.0)
    };
    let small = (0..10).chain(-9..0).map(f64::from);
    let edges = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let edges = edges.iter().filter_map(|keyword| bound(keyword)).flat_map(|edge| {
        let unit = bound("multipleOf").unwrap_or(1.0);
        let near = (edge / unit).floor() * unit;
        [edge, edge.ceil(), edge.floor(), edge + 1.0, edge - 1.0, near, near + unit]
    });
    let fitting = small.chain(edges).filter(|number| fits(*number) && number.abs() < 1e15);
    fitting.map(|number| number.to_string()).min_by_key(String::len)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shortest(schema: &Value) -> Option<String> {
        Reader { root: schema, visits: 0, known: HashMap::new() }.shortest(schema, MAX_DEPTH)
    }

    #[test]
    fn shortest_texts_match_their_schema() {
        for (schema, expected) in [
            (json!({"type": "integer", "minimum": 37, "multipleOf": 5}), "40"),
            (json!({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}), "0.5"),
            (json!({"type": ["string", "null"], "minLength": 1}), "\"a\""),
            (json!({"enum": ["long", true, 7]}), "7"),
            (json!({"type": "string", "format": "date"}), "\"2000-01-01\""),
            (
                json!({"type": "array", "prefixItems": [{"const": 1}], "items": {"type": "null"},
                "minItems": 3}),
                "[1,null,null]",
            ),
            (
                json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object",
                "properties": {"name": {"type": "string"}, "more": {"type": "array",
                    "items": {"$ref": "#/$defs/tree"}}, "up": {"anyOf": [
                    {"$ref": "#/$defs/tree"}, {"type": "null"}]}},
                "required": ["up", "more", "name"]}}}),
                r#"{"name":"","more":[],"up":null}"#,
            ),
        ] {
            let text = shortest(&schema).unwrap_or_default();
            assert_eq!(text, expected);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(jsonschema::is_valid(&schema, &value), "{text}");
        }
        assert_eq!(shortest(&json!({"type": "string", "pattern": "^[a-z]+-$"})), None);
        assert_eq!(
            shortest(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})),
            None
        );
    }

    #[test]
    fn members_without_a_known_value_keep_their_key() {
        let hints = Hints::of(&json!({"type": "object", "properties": {
            "code": {"type": "string", "pattern": "x"}, "n": {"type": "integer"}, "o": {}},
            "required": ["n", "code"]}));
        assert_eq!(hints.members, [b"\"code\":".to_vec(), b"\"n\":0".to_vec()]);
    }
}
