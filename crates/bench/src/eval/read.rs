//! Reads files of questions.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;

use super::{EvalError, Format, Question, Task, arc, hellaswag, mmlu};

impl Task {
    /// Parses the content of a file: CSV if its name says so, otherwise JSON, one record in each line or all in
    /// one list.
    pub fn parse(path: &Path, text: &str) -> Result<Self, EvalError> {
        let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
        let (format, questions) = if is_csv { csv(path, text)? } else { json(path, text)? };
        if questions.is_empty() {
            return Err(EvalError::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), format, questions })
    }
}

/// Returns the name of a file without its folder and its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

type Questions = (Format, Vec<Question>);

fn malformed(path: &Path, index: usize, problem: &dyn Display) -> EvalError {
    let problem = problem.to_string();
    EvalError::Malformed { path: path.to_owned(), question: index + 1, problem }
}

fn csv(path: &Path, text: &str) -> Result<Questions, EvalError> {
    let subject = mmlu::subject_of_file(&stem(path));
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut questions = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| malformed(path, index, &error))?;
        let fields: Vec<&str> = record.iter().collect();
        if index == 0 && mmlu::is_header(&fields) {
            continue;
        }
        let question = mmlu::question_of_line(&fields, &subject);
        questions.push(question.map_err(|problem| malformed(path, index, &problem))?);
    }
    Ok((Format::Mmlu, questions))
}

fn json(path: &Path, text: &str) -> Result<Questions, EvalError> {
    let start = text.trim_start();
    // The place of an error in JSON helps only if JSON was meant.
    if !start.is_empty() && !start.starts_with(['[', '{']) {
        return Err(EvalError::NotJson { path: path.to_owned() });
    }
    let records: Vec<Value> = if start.starts_with('[') {
        serde_json::from_str(text).map_err(|error| malformed(path, 0, &error))?
    } else {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
        lines
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|error| malformed(path, index, &error))
            })
            .collect::<Result<_, _>>()?
    };
    let Some(first) = records.first() else {
        return Err(EvalError::Empty { path: path.to_owned() });
    };
    let format = if arc::is_it(first) {
        Format::Arc
    } else if hellaswag::is_it(first) {
        Format::HellaSwag
    } else if mmlu::is_it(first) {
        Format::Mmlu
    } else {
        return Err(EvalError::UnknownFormat { path: path.to_owned() });
    };
    let subject = mmlu::subject_of_file(&stem(path));
    let questions = records.into_iter().enumerate().map(|(index, record)| {
        let question = match format {
            Format::Arc => arc::question(record),
            Format::HellaSwag => hellaswag::question(record),
            Format::Mmlu => mmlu::question(record, &subject),
        };
        question.map_err(|problem| malformed(path, index, &problem))
    });
    Ok((format, questions.collect::<Result<_, _>>()?))
}
