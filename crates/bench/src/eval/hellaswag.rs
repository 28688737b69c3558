//! Questions of HellaSwag: `{"activity_label", "ctx_a", "ctx_b", "endings": […], "label"}`.

use serde::Deserialize;
use serde_json::Value;

use super::Question;

#[derive(Deserialize)]
struct Record {
    activity_label: String,
    ctx_a: String,
    ctx_b: String,
    endings: Vec<String>,
    /// A number, or a text with a number.
    label: Value,
}

/// Returns `true` if a record has this format.
pub(super) fn is_it(record: &Value) -> bool {
    record["endings"].is_array()
}

/// Returns the question of a record, or the problem with it.
pub(super) fn question(record: Value) -> Result<Question, String> {
    let Record { activity_label, ctx_a, ctx_b, endings, label } =
        serde_json::from_value(record).map_err(|error| error.to_string())?;
    let number = match &label {
        Value::String(text) if text.is_empty() => {
            return Err("it has no label; use the validation file, which has answers".to_owned());
        }
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let answer = number.map(|number| number as usize).filter(|&number| number < endings.len());
    let last = endings.len().saturating_sub(1);
    let answer = answer.ok_or_else(|| format!("its label {label} is not from 0 to {last}"))?;
    Ok(Question {
        introduction: String::new(),
        prompt: clean(&format!("{activity_label}: {ctx_a} {}", capitalized(&ctx_b))),
        choices: endings.iter().map(|ending| clean(ending)).collect(),
        answer,
        subject: None,
    })
}

/// Returns the text with its first letter in upper case, and all others in lower case.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + &letters.as_str().to_lowercase()
}

/// Removes the marks that WikiHow's articles left in the texts: titles and other words in brackets.
fn clean(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        // A bracket that isn't closed in its line stays.
        let line = rest[open..].split('\n').next().unwrap_or_default();
        let Some(close) = line.find(']') else {
            cleaned.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
            continue;
        };
        cleaned.push_str(&rest[..open]);
        rest = &rest[open + close + 1..];
    }
    cleaned.push_str(rest);
    cleaned.replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_removed() {
        assert_eq!(
            clean(" [header] How to dig [title] Find a spade.  "),
            " How to dig. Find a spade."
        );
        assert_eq!(clean("a [b] [c\nd] e"), "a [c\nd] e");
        assert_eq!(clean("[x]  y"), " y");
        assert_eq!(
            (capitalized("he Paints"), capitalized("")),
            ("He paints".into(), String::new())
        );
    }
}
