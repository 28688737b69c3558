//! Adds limits to a JSON Schema that neither the schema nor llguidance sets.

use serde_json::{Map, Value, json};

/// White space between the parts of a JSON text: enough for one value a line, but not for endless space.
const WHITESPACE: &str = r"[ ]?|\n[ \t]{0,24}";
/// The dates of RFC 3339, section 5.7 and appendix C, with February 29 only in leap years. Without the year
/// 0000, which most calendars lack.
macro_rules! date {
    () => {
        concat!(
            "(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(?:",
            "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|",
            "02-(?:0[1-9]|1[0-9]|2[0-8]))|",
            "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|",
            "(?:0[48]|[2468][048]|[13579][26])00)-02-29)",
        )
    };
}
/// Patterns for formats whose standard is stricter than the library. Used if the schema has no pattern.
const PATTERNS: [(&str, &str); 4] = [
    // The lengths of RFC 5321, section 4.5.3.1, and of the labels of a domain, RFC 1035, section 2.3.4.
    ("email", r"^[^@]{1,64}@([a-zA-Z0-9-]{1,63}(\.[a-zA-Z0-9-]{1,63}){0,3}|\[[0-9.]{7,15}\])$"),
    // RFC 3339, section 5.7: second 60 exists only in some minutes, so we exclude it.
    ("date-time", concat!("^", date!(), ".{7}[0-5]")),
    ("date", concat!("^", date!(), "$")),
    ("time", r"^.{6}[0-5]"),
];
/// Limit of RFC 1035, section 2.3.4, minus the root's label and the first length.
const MAX_HOSTNAME: u64 = 253;
/// Keywords whose value is a schema, or a list of schemas.
pub(super) const SCHEMAS: [&str; 10] = [
    "items",
    "prefixItems",
    "additionalProperties",
    "unevaluatedProperties",
    "contains",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
];
/// Keywords whose value names schemas.
pub(super) const NAMED_SCHEMAS: [&str; 4] =
    ["properties", "patternProperties", "$defs", "definitions"];
/// Nesting limit. The library refuses deeper schemas.
const MAX_DEPTH: usize = 64;

/// Limits white space, if the schema doesn't, and the lengths of formats with a standard length.
pub(crate) fn bounded(schema: Value) -> Value {
    const OPTIONS: &str = "x-guidance";
    let Value::Object(mut schema) = schema else { return schema };
    bound(&mut schema, MAX_DEPTH);
    if !schema.contains_key(OPTIONS) {
        schema.insert(OPTIONS.to_owned(), json!({ "whitespace_pattern": WHITESPACE }));
    }
    Value::Object(schema)
}

fn bound(schema: &mut Map<String, Value>, depth: usize) {
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        let pattern = PATTERNS.iter().find(|(name, _)| *name == format);
        let is_hostname = format == "hostname";
        if let Some((_, pattern)) = pattern {
            schema.entry("pattern").or_insert((*pattern).into());
        } else if is_hostname {
            schema.entry("maxLength").or_insert(MAX_HOSTNAME.into());
        }
    }
    if depth == 0 {
        return;
    }
    for (keyword, value) in schema.iter_mut() {
        let keyword = keyword.as_str();
        let inner: Vec<&mut Value> = match value {
            Value::Array(list) if SCHEMAS.contains(&keyword) => list.iter_mut().collect(),
            Value::Object(named) if NAMED_SCHEMAS.contains(&keyword) => {
                named.values_mut().collect()
            }
            one if SCHEMAS.contains(&keyword) => vec![one],
            _ => continue,
        };
        for schema in inner.into_iter().filter_map(Value::as_object_mut) {
            bound(schema, depth - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = regex::Regex::new(PATTERNS[2].1).unwrap();
        let years = [0, 1, 4, 10, 96, 100, 400, 1000, 1900, 2000, 2023, 2024, 2100, 9996, 9999];
        for (year, month, day) in
            years.iter().flat_map(|y| (0..14).flat_map(move |m| (0..33).map(move |d| (*y, m, d))))
        {
            let exists = year > 0 && jiff::civil::Date::new(year, month, day).is_ok();
            let text = format!("{year:04}-{month:02}-{day:02}");
            assert_eq!(date.is_match(&text), exists, "{text}");
        }
    }

    #[test]
    fn formats_get_their_lengths_wherever_schemas_stand() {
        let mail = json!({"type": "string", "format": "email"});
        let schema = json!({
            "properties": {"format": mail, "enum": {"anyOf": [mail]}},
            "items": [mail], "enum": [mail], "const": mail,
            "$defs": {"own": {"format": "email", "pattern": "x"}, "host": {"format": "hostname"}},
        });
        let changed = bounded(schema.clone());
        let bounded_mail = json!({"type": "string", "format": "email", "pattern": PATTERNS[0].1});
        for pointer in ["/properties/format", "/properties/enum/anyOf/0", "/items/0"] {
            assert_eq!(changed.pointer(pointer), Some(&bounded_mail), "{pointer}");
        }
        for pointer in ["/enum", "/const", "/$defs/own"] {
            assert_eq!(changed.pointer(pointer), schema.pointer(pointer), "{pointer}");
        }
        assert_eq!(changed["$defs"]["host"]["maxLength"], 253);
        assert_eq!(bounded(json!(false)), json!(false));
    }
}
