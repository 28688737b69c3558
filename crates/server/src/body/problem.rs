//! Errors of reading a value, in the words of JSON instead of Rust's.

/// Rust's names of types and shapes, and the words for them. Longer ones come first.
const WORDS: [(&str, &str); 22] = [
    ("usize", "a whole number that is not negative"),
    ("isize", "a whole number"),
    ("u64", "a whole number that is not negative"),
    ("u32", "a whole number that is not negative"),
    ("u16", "a whole number that is not negative"),
    ("u8", "a whole number that is not negative"),
    ("i64", "a whole number"),
    ("i32", "a whole number"),
    ("i16", "a whole number"),
    ("i8", "a whole number"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("a boolean", "true or false"),
    ("a borrowed string", "a text"),
    ("a string", "a text"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("unit", "null"),
    ("string or map", "a text or an object"),
    ("map", "an object"),
    ("sequence", "a list"),
    ("boolean", "a boolean"),
];

/// Returns what is wrong with a value, to follow its name: "`top_k` is true, but must be a whole number".
pub(super) fn in_words(problem: &serde_json::Error) -> String {
    let text = problem.to_string();
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("has no field {field}");
    }
    let Some((found, expected)) = text.split_once(", expected ") else {
        return format!("is not as expected: {text}");
    };
    let starts = ["invalid type: ", "invalid value: ", "unknown variant ", "invalid "];
    let found = starts.iter().find_map(|start| found.strip_prefix(start)).unwrap_or(found);
    format!("is {}, but must be {}", found_in_words(found), expected_in_words(expected))
}

fn expected_in_words(expected: &str) -> String {
    let expected = expected.strip_suffix(" at line 0 column 0").unwrap_or(expected);
    if expected.starts_with("struct ") || expected.starts_with("internally tagged enum ") {
        return "an object".to_owned();
    }
    let word = WORDS.iter().find(|(word, _)| expected == *word).map(|(_, words)| *words);
    word.unwrap_or(expected).to_owned()
}

/// Returns the value that was found: `string "x"` becomes `the text "x"`.
fn found_in_words(found: &str) -> String {
    let kinds = [
        ("string ", "the text "),
        ("integer ", ""),
        ("floating point ", ""),
        ("boolean ", ""),
        ("character ", "the text "),
    ];
    for (kind, words) in kinds {
        if let Some(value) = found.strip_prefix(kind) {
            return format!("{words}{}", shortened(value));
        }
    }
    let word = WORDS.iter().find(|(word, _)| found == *word).map(|(_, words)| *words);
    word.map_or_else(|| shortened(found), str::to_owned)
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    #[derive(Debug, Deserialize)]
    struct Inner {
        _x: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        A,
        B,
    }

    fn words<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        in_words(&serde_json::from_value::<T>(value).unwrap_err())
    }

    #[test]
    fn no_word_of_rusts_is_left() {
        let least = "a whole number that is not negative";
        for (found, expected) in [
            (words::<usize>(json!("x")), format!("is the text \"x\", but must be {least}")),
            (words::<usize>(json!(-1)), format!("is `-1`, but must be {least}")),
            (words::<u32>(json!(1.5)), format!("is `1.5`, but must be {least}")),
            (words::<f32>(json!({})), "is an object, but must be a number".into()),
            (words::<bool>(json!([])), "is a list, but must be true or false".into()),
            (words::<String>(json!(null)), "is null, but must be a text".into()),
            (words::<Vec<String>>(json!(7)), "is `7`, but must be a list".into()),
            (words::<Map<String, Value>>(json!(true)), "is `true`, but must be an object".into()),
            (words::<Inner>(json!("y")), "is the text \"y\", but must be an object".into()),
            (words::<Choice>(json!("y")), "is `y`, but must be `a` or `b`".into()),
        ] {
            assert_eq!(found, expected);
        }
        assert_eq!(words::<Inner>(json!({})), "has no field `_x`");
    }
}
