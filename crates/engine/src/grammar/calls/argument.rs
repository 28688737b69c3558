//! Expressions of a call's arguments, in each of the ways that models write them.

use mlxk_text::tools::{Arguments, Attribute, Tagged};
use serde_json::{Value, json};

use super::lark::{Rules, SPACE, one_of};
use super::raw;
use crate::grammar::schema::Rewritten;

/// Most references that lead from one to the next.
const MAX_REFERENCES: usize = 16;

/// Returns the expression of everything between the name of the tool and the end of the call. `end` is the mark that
/// follows. The error says what cannot be enforced.
pub(super) fn expression(
    rules: &mut Rules<'_>,
    form: &Arguments,
    schema: &Rewritten,
) -> Result<String, String> {
    match form {
        Arguments::Json => Ok(rules.json(&schema.clone().with_options())),
        Arguments::Tagged(tagged) => {
            let pair = |rules: &mut Rules<'_>, name: &str, value: Rewritten| {
                Ok(tagged_pair(rules, tagged, name, &value))
            };
            let pairs = pairs(rules, schema, pair)?;
            Ok(sequence(rules, &pairs, tagged.separator))
        }
        Arguments::Keywords => {
            let pair = |rules: &mut Rules<'_>, name: &str, value: Rewritten| {
                let before = rules.text(&format!("{}=", identifier(name)?));
                Ok(format!("{before} {}", rules.json(&value.with_options())))
            };
            let pairs = pairs(rules, schema, pair)?;
            Ok(sequence(rules, &pairs, ", "))
        }
        Arguments::Braces { quote } => Ok(raw::object(rules, quote, schema)),
        Arguments::Elements { .. } => {
            Err("calls in this model's form cannot be enforced".to_owned())
        }
    }
}

/// One argument of a call.
pub(super) struct Pair {
    expression: String,
    is_required: bool,
}

impl Pair {
    pub(super) fn new(expression: String, is_required: bool) -> Self {
        Self { expression, is_required }
    }
}

/// The parameters of a tool.
struct Parameters<'a> {
    properties: Vec<(&'a str, Value)>,
    required: Vec<&'a str>,
}

/// Returns the parameters that a schema describes.
fn parameters(root: &Value) -> Result<Parameters<'_>, String> {
    let mut schema = root;
    for _ in 0..MAX_REFERENCES {
        match referenced(schema, root) {
            Some(next) => schema = next,
            None => break,
        }
    }
    let fields = schema.as_object().ok_or("the parameters must be an object")?;
    if let Some(keyword) = ["anyOf", "allOf", "$ref", "patternProperties", "const", "enum"]
        .into_iter()
        .find(|keyword| fields.contains_key(*keyword))
    {
        return Err(format!(
            "`{keyword}` cannot be enforced at the top of the parameters in this model's form of calls"
        ));
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    let required = fields.get("required").and_then(Value::as_array);
    Ok(Parameters {
        properties: properties
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), within(value, root)))
            .collect(),
        required: required.into_iter().flatten().filter_map(Value::as_str).collect(),
    })
}

/// Returns the schema that `schema` refers to, if it says nothing else.
pub(super) fn referenced<'a>(schema: &'a Value, root: &'a Value) -> Option<&'a Value> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    root.get("$defs")?.get(name)
}

/// Returns a part of a schema as a schema of its own, with the definitions that it may refer to.
fn within(part: &Value, root: &Value) -> Value {
    let mut part = part.clone();
    if let (Value::Object(fields), Some(definitions)) = (&mut part, root.get("$defs"))
        && Value::Object(fields.clone()).to_string().contains("\"$ref\"")
    {
        fields.insert("$defs".to_owned(), definitions.clone());
    }
    part
}

fn pairs(
    rules: &mut Rules<'_>,
    schema: &Rewritten,
    pair: impl Fn(&mut Rules<'_>, &str, Rewritten) -> Result<String, String>,
) -> Result<Vec<Pair>, String> {
    let parameters = parameters(&schema.schema)?;
    let mut pairs = Vec::new();
    for (name, value) in parameters.properties {
        let value = Rewritten { schema: value, pointers: schema.pointers.clone() };
        let is_required = parameters.required.contains(&name);
        pairs.push(Pair { expression: pair(rules, name, value)?, is_required });
        rules.check_size()?;
    }
    Ok(pairs)
}

/// Returns the expression of pairs in this order, with `separator` between them.
pub(super) fn sequence(rules: &mut Rules<'_>, pairs: &[Pair], separator: &str) -> String {
    let separator = if separator.is_empty() { String::new() } else { rules.text(separator) };
    // The rest after each pair: `first` if nothing precedes it, else `next`.
    let (mut first, mut next) = ("\"\"".to_owned(), "\"\"".to_owned());
    for Pair { expression, is_required } in pairs.iter().rev() {
        let here = format!("{expression} {next}");
        let after = format!("{separator} {expression} {next}");
        if *is_required {
            (first, next) = (rules.rule(&here), rules.rule(&after));
        } else {
            first = rules.rule(&format!("{here} | {first}"));
            next = rules.rule(&format!("{after} | {next}"));
        }
    }
    first
}

fn tagged_pair(rules: &mut Rules<'_>, tagged: &Tagged, name: &str, value: &Rewritten) -> String {
    let attribute = match tagged.attribute {
        Attribute::None => String::new(),
        Attribute::IsString => format!(" string=\"{}\"", raw::is_text(value)),
        Attribute::Type => format!(" type=\"{}\"", raw::kind(value)),
    };
    let Tagged { begin, key_end, value_begin, end, .. } = tagged;
    let before = rules.text(&format!("{begin}{name}{key_end}{attribute}{value_begin}"));
    format!("{before} {}", raw::value(rules, value, end))
}

/// Returns the name of a parameter that stands before `=`.
fn identifier(name: &str) -> Result<&str, String> {
    let is_one = |name: &str| {
        name.chars().all(|c| c == '_' || c.is_alphanumeric())
            && name.chars().next().is_some_and(|c| !c.is_numeric())
    };
    if is_one(name) {
        return Ok(name);
    }
    Err("a name of a parameter has characters that this model's form of calls cannot have"
        .to_owned())
}

/// Returns the expression of JSON around a name and its arguments.
pub(super) fn envelope(rules: &mut Rules<'_>, fields: &[(&str, String)]) -> String {
    let mut parts = vec![rules.text("{"), SPACE.to_owned()];
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            parts.extend([rules.text(","), SPACE.to_owned()]);
        }
        parts.push(rules.text(&json!(key).to_string()));
        parts.extend([rules.text(":"), SPACE.to_owned(), value.clone()]);
    }
    parts.extend([SPACE.to_owned(), rules.text("}")]);
    rules.rule(&parts.join(" "))
}

/// Returns the expression of one or several calls.
pub(super) fn several(
    rules: &mut Rules<'_>,
    call: &str,
    separator: &str,
    is_parallel: bool,
) -> String {
    if !is_parallel {
        return call.to_owned();
    }
    let separator = if separator.is_empty() { String::new() } else { rules.text(separator) };
    rules.rule(&format!("{call} ( {separator} {call} )*"))
}

/// Returns the expression of one of several calls.
pub(super) fn choice(rules: &mut Rules<'_>, calls: &[String]) -> String {
    rules.rule(&one_of(calls))
}
