//! Multiple-choice questions: how many of them a model answers correctly.
//!
//! Questions come from files in the formats of ARC, HellaSwag and MMLU. Prompts and scores are those of
//! lm-evaluation-harness 0.4: the answer is the choice that the model finds most probable, in total (`acc`) or
//! per character (`acc_norm`).

mod arc;
mod error;
mod hellaswag;
mod mmlu;
mod prompt;
mod read;
mod score;

use std::ops::ControlFlow;
use std::path::PathBuf;

use mlxk_engine::Engine;
use mlxk_engine::choices::{ChoicesError, log_likelihoods};

/// Probability that the interval of a score contains the share of all such questions.
pub use crate::statistics::CONFIDENCE;
pub use error::EvalError;
pub use prompt::Examples;
pub use score::{Answered, Difference, Judgement, Score, difference, score};

/// Format of a file of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Arc,
    HellaSwag,
    Mmlu,
}

impl Format {
    /// Returns the name, to show to the user.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arc => "ARC",
            Self::HellaSwag => "HellaSwag",
            Self::Mmlu => "MMLU",
        }
    }

    /// Returns `true` if choices differ in length, so that a score per character is useful.
    pub fn is_normalized(self) -> bool {
        self != Self::Mmlu
    }
}

/// A question with its choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Text before the question and its examples; empty for most formats.
    pub introduction: String,
    /// Text that the choices continue.
    pub prompt: String,
    /// Possible continuations, without the space before them.
    pub choices: Vec<String>,
    /// Index of the correct choice.
    pub answer: usize,
    /// Subject, for MMLU.
    pub subject: Option<String>,
}

/// The questions of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub path: PathBuf,
    pub format: Format,
    /// Questions, at least one.
    pub questions: Vec<Question>,
}

impl Task {
    /// Returns the name of the file without its folder and its ending.
    pub fn name(&self) -> String {
        read::stem(&self.path)
    }

    /// Returns the share of questions that guessing answers correctly.
    pub fn chance(&self) -> f64 {
        let shares = self.questions.iter().map(|question| 1.0 / question.choices.len() as f64);
        shares.sum::<f64>() / self.questions.len() as f64
    }
}

/// Answers all questions of a task. Calls `observe` with the number of questions answered every few
/// milliseconds, which may cancel.
pub fn answer(
    engine: &Engine,
    task: &Task,
    examples: &Examples,
    observe: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Answered>, EvalError> {
    let mut answers = Vec::with_capacity(task.questions.len());
    for (index, question) in task.questions.iter().enumerate() {
        let text = examples.prompt(task.format, question)?;
        let choices: Vec<String> =
            question.choices.iter().map(|choice| format!(" {choice}")).collect();
        let found = log_likelihoods(engine, &text, &choices, &mut || observe(index));
        let found = found.map_err(|error| match error {
            ChoicesError::Cancelled => EvalError::Cancelled,
            ChoicesError::Engine(error) => EvalError::Engine(error),
            error => EvalError::Choices {
                path: task.path.clone(),
                question: index + 1,
                source: Box::new(error),
            },
        })?;
        answers.push(Answered::new(question, found));
    }
    Ok(answers)
}
