//! Errors of questions.

use std::path::PathBuf;

use mlxk_engine::EngineError;
use mlxk_engine::choices::ChoicesError;

/// Failure of reading or answering questions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The model failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file has no questions.
    #[error("`{}` has no questions", path.display())]
    Empty { path: PathBuf },
    /// The first record belongs to none of the formats.
    #[error(
        "`{}` is not a file of questions: its first record has none of the formats of ARC, HellaSwag \
         and MMLU, whose fields `mlxk eval --help` lists",
        path.display()
    )]
    UnknownFormat { path: PathBuf },
    /// The file is neither JSON nor, by its name, CSV.
    #[error(
        "`{}` is neither JSON Lines nor a JSON list in the format of ARC, HellaSwag or MMLU, and not a `.csv` file of \
         MMLU",
        path.display()
    )]
    NotJson { path: PathBuf },
    /// A record is malformed.
    #[error("`{}`, question {question}: {problem}", path.display())]
    Malformed {
        path: PathBuf,
        /// Number of the record, from 1.
        question: usize,
        problem: String,
    },
    /// The choices of a question cannot be scored.
    #[error("`{}`, question {question}: {source}", path.display())]
    Choices {
        path: PathBuf,
        /// Number of the question, from 1.
        question: usize,
        source: Box<ChoicesError>,
    },
    /// There are fewer examples than wanted.
    #[error(
        "`--shots` is {wanted}, but there are only {found} examples{} in the format of {format}",
        subject.as_ref().map(|subject| format!(" about {subject}")).unwrap_or_default()
    )]
    TooFewExamples { wanted: usize, found: usize, format: &'static str, subject: Option<String> },
    /// The observer cancelled.
    #[error("The evaluation was cancelled")]
    Cancelled,
}
