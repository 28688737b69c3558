//! Compares the texts that grammars accept, byte by byte, with a validator.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use super::compiled::{Shared, compile_alone};
use crate::error::EngineError;

/// Returns `true` if the grammar of a schema takes a text as a complete answer.
pub(super) fn accepts(shared: &Shared, schema: &Value, text: &str) -> Result<bool, EngineError> {
    let mut grammar = compile_alone(shared, schema)?;
    let parser = &mut grammar.parser;
    for byte in text.bytes() {
        if !parser.validate_token(u32::from(byte)).unwrap_or(false) {
            return Ok(false);
        }
        if parser.consume_token(u32::from(byte)).is_err() {
            return Ok(false);
        }
    }
    Ok(parser.is_accepting())
}

/// Returns the reason why a schema is refused.
pub(super) fn refusal(shared: &Shared, schema: &Value) -> String {
    match compile_alone(shared, schema) {
        Err(EngineError::AnswerFormat { reason }) => reason,
        Err(error) => panic!("{error} for {schema}"),
        Ok(_) => panic!("{schema} is not refused"),
    }
}

fn is_valid(schema: &Value, instance: &Value) -> bool {
    let validator = jsonschema::options().should_validate_formats(true).build(schema);
    validator.unwrap_or_else(|error| panic!("{error} in {schema}")).is_valid(instance)
}

/// Schemas that tools emit, each with instances of the tool's own if it makes them.
#[test]
fn schemas_of_tools_are_enforced() {
    let shared = Shared::of_bytes();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schemas");
    let mut seen = 0;
    let mut problems = Vec::new();
    for tool in ["pydantic", "zod", "njsonschema", "mcp"] {
        let text = std::fs::read_to_string(folder.join(format!("{tool}.json"))).unwrap();
        let fixtures: Vec<Value> = serde_json::from_str(&text).unwrap();
        let mut names = HashSet::new();
        for fixture in &fixtures {
            seen += 1;
            let name = fixture["name"].as_str().unwrap();
            assert!(names.insert(name), "{tool}: {name} is there twice");
            if let Err(problem) = check(&shared, fixture) {
                problems.push(format!("{tool} {name}: {problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "{} of {seen}:\n{}", problems.len(), problems.join("\n"));
    assert!(seen >= 90, "{seen} fixtures");
}

fn check(shared: &Shared, fixture: &Value) -> Result<(), String> {
    let schema = &fixture["schema"];
    if let Some(words) = fixture["refused"].as_str() {
        let reason = refusal(shared, schema);
        return if reason.contains(words) { Ok(()) } else { Err(reason) };
    }
    let instances = |key: &str| fixture[key].as_array().cloned().unwrap_or_default();
    // A word of OpenAPI, which the validator doesn't know.
    let knows = !schema.to_string().contains("\"nullable\"");
    let (valid, invalid) = (instances("valid"), instances("invalid"));
    if valid.is_empty() || invalid.is_empty() {
        return Err("has no valid or no invalid instance".to_owned());
    }
    for instance in valid {
        let text = instance.to_string();
        if knows && !is_valid(schema, &instance) {
            return Err(format!("the validator refuses {text}"));
        }
        if !accepts(shared, schema, &text).map_err(|error| error.to_string())? {
            return Err(format!("the grammar refuses {text}"));
        }
    }
    for instance in invalid {
        let text = instance.to_string();
        if accepts(shared, schema, &text).map_err(|error| error.to_string())? {
            return Err(format!("the grammar takes {text}"));
        }
    }
    Ok(())
}

/// Instances of all kinds against schemas of all kinds: what the grammar takes is valid, and the exceptions to the
/// reverse are the ones that are meant: objects are closed.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of schemas and instances")]
fn what_a_grammar_takes_is_valid() {
    let shared = Shared::of_bytes();
    let instances: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-3),
        json!(4),
        json!(2.5),
        json!(12),
        json!(""),
        json!("a"),
        json!("abc"),
        json!("a.b@c.de"),
        json!([]),
        json!([1]),
        json!([1, "a"]),
        json!([1, 2, 3]),
        json!({}),
        json!({"a": 1}),
        json!({"a": 1, "b": "x"}),
        json!({"b": "x"}),
        json!({"a": "x"}),
        json!({"a": 1, "b": "x", "c": null}),
        json!({"c": null}),
        json!({"x_1": 2}),
        json!({"a": {"a": 1}}),
        json!({"a": 1, "d": 2}),
    ];
    let props_a = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let props_b = json!({"properties": {"b": {"type": "string"}}, "required": ["b"]});
    let schemas = vec![
        // `true` if the schema is closed where the standard leaves it open.
        (props_a.clone(), true),
        (json!({"allOf": [props_a, props_b]}), true),
        (json!({"$ref": "#/definitions/A", "definitions": {"A": props_a}}), true),
        (
            json!({"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "string"}}}],
            "$defs": {"A": props_a}}),
            true,
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}}, "anyOf": [props_b,
            {"properties": {"c": {"type": "null"}}, "required": ["c"]}]}),
            true,
        ),
        (
            json!({"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], "$defs": {"A": props_a,
            "B": {"type": "array", "items": {"type": "integer"}}}}),
            true,
        ),
        (
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
            false,
        ),
        (json!({"type": "object", "properties": {"a": {}}, "additionalProperties": true}), false),
        (json!({"type": "object", "properties": {"a": {}}, "unevaluatedProperties": false}), false),
        (
            json!({"type": "object", "patternProperties": {"^x_": {"type": "integer"}}, "additionalProperties": false}),
            false,
        ),
        (json!({"type": "object", "propertyNames": {"pattern": "^[a-b]$"}}), false),
        (
            json!({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}}),
            false,
        ),
        (json!({"type": "object", "propertyNames": {"maxLength": 1}}), false),
        (json!({"type": ["string", "null"], "minLength": 1}), false),
        (json!({"type": ["integer", "string"], "minimum": 1, "maxLength": 1}), false),
        (json!({"minimum": 3}), false),
        (json!({"type": "integer", "multipleOf": 4}), false),
        (json!({"type": "number", "multipleOf": 0.5, "exclusiveMinimum": 0}), false),
        (json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}), false),
        (json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}), false),
        (json!({"type": "number", "minimum": -f64::MAX, "maximum": f64::MAX}), false),
        (json!({"enum": [1, "a", null, [1], {"a": 1}]}), false),
        (json!({"const": 2.5}), false),
        (json!({"type": "integer", "enum": [1, 4, "a"]}), false),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"type": "integer"}], "additionalItems": false}),
            true,
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}),
            false,
        ),
        (json!({"type": "array", "maxItems": 2, "uniqueItems": false}), false),
        (json!({"type": "array", "maxItems": 1, "uniqueItems": true}), false),
        (
            json!({"type": "string", "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_.]*)@([a-z]+\.)+[a-z]{2,}$"}),
            false,
        ),
        (json!({"type": "string", "format": "email"}), false),
        (
            json!({"type": "object", "properties": {"a": {"not": {}}, "b": {"type": "string"}}}),
            true,
        ),
        (
            json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}}),
            false,
        ),
        (json!({"type": "object", "properties": {"a": {}, "b": {}}, "minProperties": 1}), true),
        (
            json!({"type": "string", "format": "int32", "x-guidance": {"lenient": true}, "title": "t",
            "default": 1, "examples": [], "deprecated": true, "readOnly": true}),
            false,
        ),
    ];
    for (schema, is_closed) in schemas {
        let mut not_taken = Vec::new();
        for instance in &instances {
            let taken = accepts(&shared, &schema, &instance.to_string());
            let taken = taken.unwrap_or_else(|error| panic!("{error} for {schema}"));
            let valid = is_valid(&schema, instance);
            assert!(valid || !taken, "{instance} for {schema}");
            if valid && !taken {
                not_taken.push(instance);
            }
        }
        assert!(is_closed || not_taken.is_empty(), "{schema}: {not_taken:?}");
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_with_its_place() {
    let shared = Shared::of_bytes();
    let deep = |levels: usize| {
        (0..levels)
            .fold(json!({"type": "null"}), |inner, _| json!({"type": "array", "items": inner}))
    };
    for (schema, words) in [
        (json!({"properties": {"a": {"contains": {"const": 1}}}}), "`/properties/a/contains`"),
        (json!({"items": {"not": {"type": "null"}}}), "`/items/not` is not supported"),
        (json!({"type": "array", "uniqueItems": true}), "`/uniqueItems`"),
        (json!({"if": {"const": 1}, "then": {"const": 2}}), "`/then`"),
        (json!({"anyOf": [{"type": "strange"}]}), "`/anyOf/0/type` is \"strange\""),
        (json!({"$ref": "#/$defs/none"}), "`/$ref` leads to `#/$defs/none`"),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}), "refers to itself"),
        (json!({"$ref": "#"}), "refers to itself"),
        (json!({"pattern": r"\bx"}), "`/pattern` uses a word boundary"),
        (
            json!({"$defs": {"p": {"pattern": "(?<=a)b"}}, "items": {"$ref": "#/$defs/p"}}),
            "`/$defs/p/pattern` uses look-behind",
        ),
        (json!({"const": 123_456_789_012_345_678_i64}), "`/const` has more digits"),
        (json!({"type": "object", "properties": 7}), "`/properties` must be an object"),
        (json!({"enum": []}), "`/enum` must be a list"),
        (json!({"minLength": -1}), "`/minLength` must be a whole number"),
        (json!({"multipleOf": 0}), "`/multipleOf` must be"),
        (json!({"multipleOf": 99_999_989}), "`/multipleOf` has too many digits"),
        (json!({"multipleOf": 999_983}), "`/multipleOf` has too many digits"),
        (json!({"minItems": 1_000_000_000}), "`/minItems` is more than"),
        (json!({"const": vec![1; 100_000]}), "more than 10000 parts"),
        (
            json!({"type": "string", "minimum": {"a": 1}, "items": 7, "pattern": 1}),
            "`/pattern` must be a text",
        ),
        (json!({"pattern": "(a{1000}){1000}"}), "`/pattern` has more than"),
        (
            json!({"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1, "required": [],
            "additionalProperties": true}),
            "`/maxProperties` is not supported",
        ),
        (deep(300), "nested deeper than 256 levels"),
        (json!(false), "the schema allows no value"),
        (json!([]), "the schema must be an object"),
        (json!({"type": "string", "minLength": 3, "maxLength": 2}), "no answer can match"),
    ] {
        let reason = refusal(&shared, &schema);
        assert!(reason.contains(words), "{reason} instead of {words}");
        assert!(!reason.contains('\n') && reason.len() < 300, "{reason}");
    }
    assert!(compile_alone(&shared, &deep(200)).is_ok());
}

/// Schemas that once ended the server, or computed for minutes.
#[test]
fn hostile_schemas_are_answered_or_refused() {
    let shared = Shared::of_bytes();
    let text = json!({"type": "string"});
    let chain: serde_json::Map<String, Value> = (0..600)
        .map(|i| (format!("d{i}"), json!({"$ref": format!("#/$defs/d{}", (i + 1).min(599))})))
        .chain([("d599".to_owned(), text.clone())])
        .collect();
    let nested = |keyword: &str| {
        (0..600).fold(text.clone(), |inner, _| json!({keyword: [inner, {"minLength": 1}]}))
    };
    let ten = Value::from(vec![json!({"type": "object", "properties": {"a": text}}); 10]);
    let properties = |count: usize| {
        let all: serde_json::Map<String, Value> =
            (0..count).map(|i| (format!("p{i}"), text.clone())).collect();
        json!({"type": "object", "properties": all})
    };
    let patterns: serde_json::Map<String, Value> =
        (0..100).map(|i| (format!("(a|b)*{i}(a|b){{{i}}}"), text.clone())).collect();
    let doubled = (0..40).fold(
        text.clone(),
        |inner, _| json!({"allOf": [{"anyOf": [inner, text]}, {"anyOf": [text, {}]}]}),
    );
    for (schema, words) in [
        (json!({"$ref": "#/$defs/d0", "$defs": chain}), "deeper than 256"),
        (nested("allOf"), "deeper than 256"),
        (nested("anyOf"), "deeper than 256"),
        (properties(4_200), "more than 1000 names"),
        (json!({"allOf": vec![json!({"oneOf": ten}); 12]}), "merges too many cases"),
        (doubled, "merges too many cases"),
        (json!({"type": "object", "patternProperties": patterns}), "more than 16 patterns"),
        (json!({"enum": vec!["x".repeat(1000); 1000]}), "256 kB"),
    ] {
        let reason = refusal(&shared, &schema);
        assert!(reason.contains(words), "{reason} instead of {words}");
    }
    for (schema, text) in [
        (properties(900), r#"{"p7":"a","p800":"b"}"#),
        (json!({"type": "string", "maxLength": 1_000_000_000}), "\"abc\""),
        (json!({"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}), "\"aa-Bc\""),
        (json!({"type": "number", "multipleOf": 0.0001}), "0.0002"),
        (json!({"type": "array", "maxItems": 1_000_000_000}), "[1]"),
        (
            json!({"enum": (0..3_000).map(|i| format!("value {i}")).collect::<Vec<_>>()}),
            "\"value 7\"",
        ),
        (
            json!({"$ref": "#/$defs/t", "$defs": {"t": {"anyOf": [{"$ref": "#/$defs/t"}, {"type": "null"}]}}}),
            "null",
        ),
    ] {
        assert_eq!(accepts(&shared, &schema, text).ok(), Some(true), "{text}");
    }
}

/// A search without work left finds nothing. The answer goes on, and ends with a completion that is known.
#[test]
fn searches_for_an_ending_have_a_budget() {
    let shared = Shared::of_bytes();
    let schema = json!({"type": "object", "required": ["a", "b"],
        "properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}});
    let begin = || compile_alone(&shared, &schema).unwrap();
    let mut logits = vec![0.0; 257];
    let mut grammar = begin();
    grammar.search_left = 3;
    grammar.forbid(&mut logits, 100).unwrap();
    assert_eq!(grammar.search_left, 0);
    for byte in br#"{"a""# {
        grammar.forbid(&mut logits, 100).unwrap();
        assert!(grammar.leaves_room(u32::from(*byte), &[*byte], 100).unwrap());
        grammar.accept(u32::from(*byte), &[*byte], 100).unwrap();
    }
    assert_eq!(grammar.close().unwrap(), None);

    let mut grammar = begin();
    grammar.forbid(&mut logits, 18).unwrap();
    grammar.search_left = 0;
    assert!(!grammar.leaves_room(u32::from(b'{'), b"{", 18).unwrap());
    grammar.close().unwrap();
    let mut text = Vec::new();
    while let Some(id) = grammar.closing_token() {
        text.push(id as u8);
        grammar.accept(id, &[id as u8], 18 - text.len()).unwrap();
    }
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert!(is_valid(&schema, &value), "{value}");
}

/// The work for one set of tokens is bounded: the answer ends with an error then, and others go on.
#[test]
fn costly_masks_end_the_answer() {
    let (shared, costly) = (Shared::of_bytes(), Shared::of_bytes().with_little_work());
    let schema = json!({"type": "string", "pattern": "^((a|b)*a(a|b){30}|(.*a){12})$"});
    let write = |shared: &Shared| {
        let mut grammar = compile_alone(shared, &schema).unwrap();
        let mut logits = vec![0.0; 257];
        br#""abab"#.iter().try_for_each(|byte| {
            grammar.forbid(&mut logits, 1000)?;
            grammar.accept(u32::from(*byte), &[*byte], 1000)
        })
    };
    let Err(EngineError::AnswerFormat { reason }) = write(&costly) else {
        panic!("all masks were computed")
    };
    assert!(reason.contains("takes too much work"), "{reason}");
    write(&shared).unwrap();
}
