//! Questions of ARC: `{"question", "choices": {"text": […], "label": […]}, "answerKey"}`.

use serde::Deserialize;
use serde_json::Value;

use super::Question;

#[derive(Deserialize)]
struct Record {
    question: String,
    choices: Choices,
    #[serde(rename = "answerKey")]
    answer_key: String,
}

#[derive(Deserialize)]
struct Choices {
    text: Vec<String>,
    label: Vec<String>,
}

/// Returns `true` if a record has this format.
pub(super) fn is_it(record: &Value) -> bool {
    record["choices"]["text"].is_array()
}

/// Returns the question of a record, or the problem with it.
pub(super) fn question(record: Value) -> Result<Question, String> {
    let Record { question, choices, answer_key } =
        serde_json::from_value(record).map_err(|error| error.to_string())?;
    if choices.text.len() != choices.label.len() {
        let (texts, labels) = (choices.text.len(), choices.label.len());
        return Err(format!("it has {texts} choices, but {labels} labels"));
    }
    let answer = choices.label.iter().position(|label| *label == answer_key);
    let labels = choices.label.join(", ");
    let answer =
        answer.ok_or_else(|| format!("its answer `{answer_key}` is not one of {labels}"))?;
    Ok(Question {
        introduction: String::new(),
        prompt: format!("Question: {question}\nAnswer:"),
        choices: choices.text,
        answer,
        subject: None,
    })
}
