//! Questions of MMLU: lines of CSV (`question,A,B,C,D,answer`), or `{"question", "subject", "choices": […],
//! "answer"}`.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::Question;

#[derive(Deserialize)]
struct Record {
    question: String,
    choices: Vec<String>,
    /// Index of the correct choice.
    answer: usize,
    subject: Option<String>,
}

/// Most choices, one for each letter.
const MAX_CHOICES: usize = 26;

/// Returns `true` if a record has this format.
pub(super) fn is_it(record: &Value) -> bool {
    record["choices"].is_array() && record["answer"].is_number()
}

/// Returns the question of a record, or the problem with it. `file` is the subject of records without one.
pub(super) fn question(record: Value, file: &str) -> Result<Question, String> {
    let Record { question, choices, answer, subject } =
        serde_json::from_value(record).map_err(|error| error.to_string())?;
    let subject = subject.map_or_else(|| file.to_owned(), |subject| subject.replace('_', " "));
    build(&question, &choices, answer, subject)
}

/// Returns `true` if a line of CSV names its fields. The published files have no such line.
pub(super) fn is_header(fields: &[&str]) -> bool {
    fields.last().is_some_and(|last| last.trim().eq_ignore_ascii_case("answer"))
}

/// Returns the question of a line of CSV, or the problem with it.
pub(super) fn question_of_line(fields: &[&str], subject: &str) -> Result<Question, String> {
    let [question, choices @ .., letter] = fields else {
        return Err(
            "it has a single field, but a question, choices and an answer are needed".into()
        );
    };
    let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
    let answer = (0..choices.len()).find(|&index| letter.trim() == letter_of(index));
    let answer = answer.ok_or_else(|| {
        format!(
            "its last field `{letter}` is not the letter of a choice, of which it has {}",
            choices.len()
        )
    })?;
    build(question, &choices, answer, subject.to_owned())
}

/// Returns the subject that the name of a file tells: `us foreign policy` for `us_foreign_policy_test`.
pub(super) fn subject_of_file(stem: &str) -> String {
    let ends = ["_test", "_dev", "_val"];
    let stem = ends.iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem);
    stem.replace('_', " ")
}

fn letter_of(index: usize) -> String {
    char::from(b'A' + index as u8).to_string()
}

fn build(
    question: &str,
    choices: &[String],
    answer: usize,
    subject: String,
) -> Result<Question, String> {
    if !(2..=MAX_CHOICES).contains(&choices.len()) {
        return Err(format!("it needs 2 to {MAX_CHOICES} choices, but has {}", choices.len()));
    }
    if answer >= choices.len() {
        return Err(format!(
            "its answer is {answer}, but its last choice is {}",
            choices.len() - 1
        ));
    }
    let mut prompt = question.trim().to_owned();
    for (index, choice) in choices.iter().enumerate() {
        let _ = write!(prompt, "\n{}. {choice}", letter_of(index));
    }
    prompt.push_str("\nAnswer:");
    Ok(Question {
        introduction: format!(
            "The following are multiple choice questions (with answers) about {subject}.\n\n"
        ),
        prompt,
        choices: (0..choices.len()).map(letter_of).collect(),
        answer,
        subject: Some(subject),
    })
}
