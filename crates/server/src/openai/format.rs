//! The format of an answer, from all fields that clients use for a schema.
//!
//! Besides `response_format` there are llama-server's `json_schema` and `grammar`, and vLLM's `guided_json` and
//! `structured_outputs`. A schema is never dropped: what cannot be honored is refused.

use mlxk_engine::AnswerFormat;
use serde_json::Value;

use super::dto::shared::{Common, FormatKind, ResponseFormat, StructuredOutputs};
use crate::body::asks_for_nothing;
use crate::error::ApiError;

/// Reads the format. Two places may say the same, but not two different things.
pub(super) fn format(asked: &mut Common) -> Result<Option<AnswerFormat>, ApiError> {
    let mut found: Option<(&str, AnswerFormat)> = None;
    let places = [
        ("response_format", of_response(asked.response_format.take())?),
        ("json_schema", schema("json_schema", asked.json_schema.take())?),
        ("guided_json", schema("guided_json", asked.guided_json.take())?),
        ("structured_outputs", of_outputs(asked.structured_outputs.take())?),
    ];
    for (place, format) in places {
        let Some(format) = format else { continue };
        match &found {
            Some((first, other)) if *other != format => {
                let message =
                    format!("`{first}` and `{place}` ask for different formats; leave one out");
                return Err(ApiError::field(place, message));
            }
            _ => found = Some((place, format)),
        }
    }
    for (name, value) in [
        ("grammar", &asked.grammar),
        ("guided_grammar", &asked.guided_grammar),
        ("guided_regex", &asked.guided_regex),
        ("guided_choice", &asked.guided_choice),
    ] {
        refuse(name, value.as_ref())?;
    }
    Ok(found.map(|(_, format)| format))
}

fn of_response(format: Option<ResponseFormat>) -> Result<Option<AnswerFormat>, ApiError> {
    const NAME: &str = "response_format";
    let Some(ResponseFormat { kind, json_schema, schema, .. }) = format else { return Ok(None) };
    let named = json_schema.and_then(|named| named.schema);
    let schema = match (named, schema) {
        (Some(named), Some(schema)) if named != schema => {
            let message = "`response_format` has two different schemas; leave one out";
            return Err(ApiError::field(NAME, message));
        }
        (named, schema) => named.or(schema),
    };
    match (kind, schema) {
        (FormatKind::Text, None) => Ok(None),
        (FormatKind::Text, Some(_)) => {
            let message = "`response_format` has a schema, but its `type` is `text`; it must be \
                           `json_schema`";
            Err(ApiError::field(NAME, message))
        }
        (FormatKind::JsonObject, None) => Ok(Some(AnswerFormat::Json)),
        // An object without more words, as in llama-server.
        (FormatKind::JsonObject, Some(schema)) if asks_for_nothing(&schema) => {
            Ok(Some(AnswerFormat::Json))
        }
        (_, Some(schema)) => Ok(Some(AnswerFormat::Schema(schema))),
        (FormatKind::JsonSchema, None) => {
            let message = "`response_format.json_schema.schema` is missing";
            Err(ApiError::field(NAME, message))
        }
    }
}

fn of_outputs(outputs: Option<StructuredOutputs>) -> Result<Option<AnswerFormat>, ApiError> {
    let Some(outputs) = outputs else { return Ok(None) };
    for (name, value) in [
        ("structured_outputs.regex", &outputs.regex),
        ("structured_outputs.choice", &outputs.choice),
        ("structured_outputs.grammar", &outputs.grammar),
        ("structured_outputs.structural_tag", &outputs.structural_tag),
    ] {
        refuse(name, value.as_ref())?;
    }
    let schema = schema("structured_outputs.json", outputs.json)?;
    Ok(schema.or_else(|| outputs.json_object.unwrap_or(false).then_some(AnswerFormat::Json)))
}

/// Reads a schema, or the text of one.
fn schema(name: &str, value: Option<Value>) -> Result<Option<AnswerFormat>, ApiError> {
    let schema = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|_| {
            ApiError::field(name, format!("`{name}` is a text, but not that of a JSON Schema"))
        })?,
        Some(schema) => schema,
    };
    if matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Ok(Some(AnswerFormat::Schema(schema)));
    }
    Err(ApiError::field(name, format!("`{name}` must be a JSON Schema, which is an object")))
}

/// Refuses a format that is not a schema, unless the value asks for nothing.
fn refuse(name: &str, value: Option<&Value>) -> Result<(), ApiError> {
    match value {
        Some(value) if !asks_for_nothing(value) => {
            let message = format!(
                "`{name}` is not supported; use `response_format` with a JSON Schema instead"
            );
            Err(ApiError::field(name, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Option<AnswerFormat>, ApiError> {
        let mut common: Common = serde_json::from_value(body).expect("the fields are known");
        format(&mut common)
    }

    #[test]
    fn a_schema_is_found_in_every_place() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        let text = schema.to_string();
        for body in [
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
            json!({"response_format": {"type": "json_schema", "schema": schema, "name": "n"}}),
            json!({"response_format": {"type": "json_object", "schema": schema}}),
            json!({"json_schema": schema}),
            json!({"guided_json": schema}),
            json!({"guided_json": text}),
            json!({"structured_outputs": {"json": schema}}),
            json!({"structured_outputs": {"json": text}, "json_schema": schema, "grammar": ""}),
        ] {
            let found = read(body.clone()).unwrap();
            assert_eq!(found, Some(AnswerFormat::Schema(schema.clone())), "{body}");
        }
        for body in [
            json!({"response_format": {"type": "json_object"}}),
            json!({"response_format": {"type": "json_object", "schema": {}}}),
            json!({"structured_outputs": {"json_object": true}}),
        ] {
            assert_eq!(read(body.clone()).unwrap(), Some(AnswerFormat::Json), "{body}");
        }
        for body in [
            json!({}),
            json!({"response_format": {"type": "text"}, "guided_json": null, "guided_choice": []}),
            json!({"structured_outputs": {"regex": ""}}),
        ] {
            assert_eq!(read(body.clone()).unwrap(), None, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_honored_is_refused() {
        let (a, b) = (json!({"type": "object"}), json!({"type": "array"}));
        for (body, field) in [
            (json!({"response_format": {"type": "text", "schema": a}}), "response_format"),
            (json!({"response_format": {"type": "json_schema"}}), "response_format"),
            (
                json!({"response_format": {"type": "json_schema", "schema": a, "json_schema": {"schema": b}}}),
                "response_format",
            ),
            (json!({"json_schema": a, "guided_json": b}), "guided_json"),
            (json!({"guided_json": "no json"}), "guided_json"),
            (json!({"json_schema": 7}), "json_schema"),
            (json!({"grammar": "root ::= \"a\""}), "grammar"),
            (json!({"guided_regex": "a+"}), "guided_regex"),
            (json!({"guided_choice": ["a", "b"]}), "guided_choice"),
            (json!({"structured_outputs": {"choice": ["a"]}}), "structured_outputs.choice"),
        ] {
            assert_eq!(read(body.clone()).unwrap_err().param.as_deref(), Some(field), "{body}");
        }
    }
}
