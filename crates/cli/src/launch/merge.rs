//! Puts settings into a file of JSON. Everything else in it stays: other settings, their order, comments and the
//! style of indentation.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::{Rule, Setting};

/// A file that the settings can't be put into.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    /// The file is not JSON.
    #[error("Invalid JSON: {0}")]
    Invalid(String),
    /// Something else stands in the place of an object or list.
    #[error("`{name}` is not {expected}")]
    Unexpected { name: String, expected: &'static str },
}

/// Returns the text with the settings in it. An empty text stands for an empty object.
pub(crate) fn json(text: &str, settings: &[Setting]) -> Result<String, MergeError> {
    let unexpected =
        |name: &str, expected| MergeError::Unexpected { name: name.to_owned(), expected };
    let root = CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|error| MergeError::Invalid(error.to_string()))?;
    let top = root
        .object_value_or_create()
        .ok_or_else(|| unexpected("the content of the file", "an object"))?;
    for setting in settings {
        let Some((name, around)) = setting.path.split_last() else { continue };
        let mut object = top.clone();
        for (depth, outer) in around.iter().enumerate() {
            let inner = object.object_value_or_create(outer);
            object = inner.ok_or_else(|| unexpected(&around[..=depth].join("."), "an object"))?;
        }
        if let Rule::Entry(field) = setting.rule {
            put_entries(&object, name, field, &setting.value)
                .ok_or_else(|| unexpected(&setting.path.join("."), "a list"))?;
        } else {
            put(&object, name, setting);
        }
    }
    let mut text = root.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn put(object: &CstObject, name: &str, setting: &Setting) {
    match object.get(name) {
        None => {
            object.append(name, input(&setting.value));
        }
        Some(property) => {
            let old = property.value().and_then(|value| value.to_serde_value());
            if setting.rule == Rule::Replace && old.as_ref() != Some(&setting.value) {
                property.set_value(input(&setting.value));
            }
        }
    }
}

/// Puts the elements of `value` into a list. Returns `None` if something else has its name.
fn put_entries(object: &CstObject, name: &str, field: &str, value: &Value) -> Option<()> {
    let list = object.array_value_or_create(name)?;
    for entry in value.as_array().into_iter().flatten() {
        let old = list.elements().into_iter().find_map(|element| {
            let value = element.to_serde_value()?;
            (value.get(field) == entry.get(field)).then_some((element, value))
        });
        match old {
            Some((_, value)) if value == *entry => {}
            Some((element, _)) => {
                // Its other fields may be the user's.
                let old = element.as_object()?;
                for (name, value) in entry.as_object().into_iter().flatten() {
                    let setting = Setting::new(&[name.as_str()], value.clone());
                    put(&old, name, &setting);
                }
            }
            None => {
                list.ensure_multiline();
                list.append(input(entry));
            }
        }
    }
    Some(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(fields) => CstInputValue::Object(
            fields.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(path: &[&str], value: Value, rule: Rule) -> Setting {
        Setting::with(path, value, rule)
    }

    #[test]
    fn settings_of_the_user_and_comments_stay() {
        let text = "// mine\n{\n    \"theme\": \"dark\", // at night\n    /* others */\n    \"provider\": {\n        \
                    \"other\": {\"name\": \"Other\"},\n    },\n}\n";
        let settings = [
            setting(&["provider", "mlxk", "name"], json!("mlxk"), Rule::Replace),
            setting(&["provider", "mlxk", "limit"], json!(4096), Rule::Replace),
            setting(&["theme"], json!("light"), Rule::Keep),
        ];
        let merged = json(text, &settings).unwrap();
        for kept in ["// mine\n", "\"theme\": \"dark\", // at night\n", "/* others */", "\"Other\""]
        {
            assert!(merged.contains(kept), "{kept}: {merged}");
        }
        assert!(merged.contains("        \"mlxk\": {\n            \"name\": \"mlxk\""), "{merged}");
        // Nothing changes twice, and a new value replaces only the old one.
        assert_eq!(json(&merged, &settings).unwrap(), merged);
        let more = setting(&["provider", "mlxk", "limit"], json!(8192), Rule::Replace);
        assert_eq!(json(&merged, &[more]).unwrap(), merged.replace("4096", "8192"));
    }

    #[test]
    fn entries_of_lists_are_found_by_their_field() {
        let text = "{\n  \"models\": [\n    {\"id\": \"a\", \"cost\": 1}, // dear\n    {\"id\": \"b\"}\n  ]\n}\n";
        let entry =
            |id: &str| setting(&["models"], json!([{"id": id, "context": 9}]), Rule::Entry("id"));
        let changed = json(text, &[entry("a")]).unwrap();
        let value: Value = serde_json::from_str(&changed.replace(" // dear", "")).unwrap();
        let expected = json!({"models": [{"id": "a", "cost": 1, "context": 9}, {"id": "b"}]});
        assert_eq!(value, expected, "{changed}");
        let appended = json(text, &[entry("c")]).unwrap();
        assert!(appended.contains("\"cost\": 1}, // dear\n"), "{appended}");
        let value: Value = serde_json::from_str(&appended.replace(" // dear", "")).unwrap();
        assert_eq!(value["models"][2], json!({"id": "c", "context": 9}));
        assert_eq!(json(&appended, &[entry("c")]).unwrap(), appended);
    }

    #[test]
    fn an_empty_file_becomes_an_object_and_other_files_are_refused() {
        let name = setting(&["a", "b"], json!("c"), Rule::Replace);
        let new = json("", std::slice::from_ref(&name)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&new).unwrap(), json!({"a": {"b": "c"}}));
        for (text, sentence) in [
            ("[1]", "`the content of the file` is not an object"),
            ("{\"a\": 1}", "`a` is not an object"),
        ] {
            let error = json(text, std::slice::from_ref(&name)).unwrap_err();
            assert_eq!(error.to_string(), sentence, "{text}");
        }
        assert!(matches!(json("{\"a\": ", &[name]), Err(MergeError::Invalid(_))));
        let list = setting(&["a"], json!([{"id": 1}]), Rule::Entry("id"));
        let error = json("{\"a\": {}}", &[list]).unwrap_err();
        assert_eq!(error.to_string(), "`a` is not a list");
    }
}
