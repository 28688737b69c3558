//! Keywords of JSON Schema: the ones that a grammar enforces, and the ones that it cannot.

use serde_json::{Map, Value};

use super::place::{Place, Problem};

/// Keywords that no grammar enforces, with the reason or the way out. All other words that are not in
/// [`super::pass`] are annotations, as the standard says: titles, defaults, examples, `x-…`.
const UNENFORCEABLE: [(&str, &str); 12] = [
    ("contains", "is not supported; describe the items with `prefixItems` and `items`"),
    ("minContains", "is not supported, because `contains` is not"),
    ("maxContains", "is not supported, because `contains` is not"),
    ("dependentRequired", "is not supported; list the cases with `anyOf`"),
    ("dependentSchemas", "is not supported; list the cases with `anyOf`"),
    ("dependencies", "is not supported; list the cases with `anyOf`"),
    ("then", "is not supported; list the cases with `anyOf`"),
    ("else", "is not supported; list the cases with `anyOf`"),
    ("extends", "is not supported; use `allOf`"),
    ("disallow", "is not supported"),
    ("divisibleBy", "is not supported; use `multipleOf`"),
    ("$dynamicRef", "is not supported; use `$ref`"),
];

/// Refuses keywords that cannot be enforced, unless their value asks for nothing.
pub(super) fn check(schema: &Map<String, Value>, place: &Place<'_>) -> Result<(), Problem> {
    for (keyword, problem) in UNENFORCEABLE {
        let Some(value) = schema.get(keyword) else { continue };
        let needs = match keyword {
            "then" | "else" => schema.contains_key("if"),
            "minContains" | "maxContains" => schema.contains_key("contains"),
            _ => true,
        };
        if needs && !asks_for_nothing(value) {
            return place.key(keyword).refuse(problem);
        }
    }
    Ok(())
}

fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(true) => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// Returns the value that a schema gives to all instances, or `None` if it depends on the instance.
pub(super) fn verdict(schema: &Value) -> Option<bool> {
    match schema {
        Value::Bool(verdict) => Some(*verdict),
        Value::Object(map) if map.len() == 1 && map.contains_key("not") => {
            verdict(&map["not"]).map(|verdict| !verdict)
        }
        Value::Object(map) => map.keys().all(|keyword| !is_constraint(keyword)).then_some(true),
        _ => None,
    }
}

/// Returns `true` for keywords that restrict instances.
pub(super) fn is_constraint(keyword: &str) -> bool {
    const ENFORCED: [&str; 36] = [
        "$ref",
        "$recursiveRef",
        "additionalItems",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "if",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "nullable",
        "oneOf",
        "pattern",
        "patternProperties",
        "prefixItems",
        "properties",
        "propertyNames",
        "required",
        "type",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
        "then",
    ];
    ENFORCED.contains(&keyword) || UNENFORCEABLE.iter().any(|(name, _)| *name == keyword)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_decide_nothing() {
        let verdicts = [
            (json!({}), Some(true)),
            (json!({"title": "a", "x-guidance": {}, "lark": "x"}), Some(true)),
            (json!({"not": {}}), Some(false)),
            (json!({"not": {"not": {"description": "b"}}}), Some(true)),
            (json!({"type": "string"}), None),
            (json!({"not": {"type": "string"}}), None),
        ];
        for (schema, expected) in verdicts {
            assert_eq!(verdict(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn keywords_that_cannot_be_enforced_are_refused_with_their_place() {
        let root = Place::at("/items", 0);
        let check = |schema: Value| check(schema.as_object().unwrap(), &root);
        assert_eq!(
            check(json!({"then": false, "dependentRequired": {}, "contains": true})),
            Ok(())
        );
        let Err(Problem::Refused(text)) = check(json!({"contains": {"const": 1}})) else {
            panic!("it is refused");
        };
        assert!(text.starts_with("`/items/contains` is not supported"), "{text}");
        assert!(check(json!({"if": {"const": 1}, "then": {"const": 2}})).is_err());
    }
}
