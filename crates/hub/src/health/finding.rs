//! What can be wrong with a file of a model.

use std::fmt;

use mlxk_format::FormatError;

use crate::disk::human;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model is not whole.
    Error,
    /// Worth knowing; the model is none the worse.
    Note,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, by its path in the model's folder with slashes; a blob by its name. Empty for the
    /// model as a whole.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
    /// How much it matters.
    pub severity: Severity,
    /// The command that repairs it.
    pub repair: Option<String>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The model that a derived name stands for is not on this machine.
    NoBase {
        /// That model.
        base: String,
    },
    /// The repository has no revision with files.
    NoRevision,
    /// There is no `config.json`.
    NoConfig,
    /// No file has weights.
    NoWeights,
    /// The index lists shards, and none is here.
    NoShards,
    /// A file that the index lists is not here.
    Missing,
    /// Numbered shards are not all here.
    SomeShards {
        /// How many are.
        here: usize,
        /// How many there are.
        of: usize,
    },
    /// Numbered shards, complete, without an index.
    NoIndex,
    /// No file that a tokenizer could be made of.
    NoTokenizer,
    /// A vision tower without the settings of its images.
    NoProcessor,
    /// A link into `blobs` that leads nowhere.
    DeadLink,
    /// A link whose blob is being downloaded, or was.
    StartedDownload,
    /// The blob of a download that did not end, and that this revision does not need.
    Leftover,
    /// A file that a download leaves only where it was cut off.
    PartMarker,
    /// No bytes.
    Empty,
    /// A Git LFS pointer in place of the file.
    LfsPointer,
    /// Not the JSON that it should be.
    Json(String),
    /// JSON, but no object, or an empty one.
    NotAnObject,
    /// The index names no shard, or something that is no file of the folder.
    BadIndex(String),
    /// A header, a length or a range is not what it should be.
    Damaged(String),
    /// The index promises a tensor that the shard does not hold.
    NotInShard {
        /// The tensor.
        tensor: String,
    },
    /// Weights that the index does not list.
    Unlisted,
    /// The content has another hash than its name says.
    WrongHash {
        /// By its name, in hexadecimal.
        expected: String,
        /// As computed.
        found: String,
    },
    /// The operating system could not read it.
    Unreadable(String),
}

impl Finding {
    pub(crate) fn error(file: impl Into<String>, problem: Problem) -> Self {
        Self { file: file.into(), problem, severity: Severity::Error, repair: None }
    }

    pub(crate) fn note(file: impl Into<String>, problem: Problem) -> Self {
        Self { severity: Severity::Note, ..Self::error(file, problem) }
    }
}

impl Problem {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBase { .. } => "no_base",
            Self::NoRevision => "no_revision",
            Self::NoConfig | Self::NoWeights | Self::NoShards | Self::Missing => "missing",
            Self::SomeShards { .. } => "missing_shards",
            Self::NoIndex => "no_index",
            Self::NoTokenizer => "no_tokenizer",
            Self::NoProcessor => "no_processor",
            Self::DeadLink => "dead_link",
            Self::StartedDownload | Self::PartMarker => "partial_download",
            Self::Leftover => "leftover_download",
            Self::Empty => "empty",
            Self::LfsPointer => "lfs_pointer",
            Self::Json(_) | Self::NotAnObject => "invalid_json",
            Self::BadIndex(_) => "bad_index",
            Self::Damaged(_) => "damaged",
            Self::NotInShard { .. } => "tensor_missing",
            Self::Unlisted => "unlisted",
            Self::WrongHash { .. } => "wrong_hash",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// What an error of the format crate means for the file.
    pub(crate) fn of(error: FormatError) -> Self {
        match error {
            FormatError::LfsPointer { .. } => Self::LfsPointer,
            FormatError::Json { source, .. } => Self::Json(source.to_string()),
            FormatError::NotAnObject { .. } => Self::NotAnObject,
            FormatError::Header { problem, .. } => Self::Damaged(problem.to_string()),
            FormatError::GgufDamaged { problem, .. } => Self::Damaged(problem.to_string()),
            FormatError::Tensor { tensor, problem, .. } => {
                Self::Damaged(format!("tensor `{tensor}` {problem}"))
            }
            FormatError::Truncated { end, length, .. } => Self::Damaged(format!(
                "it ends too early, by {} or more",
                human(end.saturating_sub(length))
            )),
            FormatError::TooLarge { length, .. } => {
                Self::Damaged(format!("its {} are more than such a file has", human(length)))
            }
            FormatError::Read { source, .. } => Self::Unreadable(source.to_string()),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.problem {
            Problem::NoBase { base } => {
                write!(f, "`{base}`, which it stands for, is not on this machine")
            }
            Problem::NoRevision => f.write_str("No revision of it has been downloaded"),
            Problem::NoWeights => f.write_str("There are no weights"),
            Problem::NoShards => write!(f, "None of the shards that `{file}` lists is here"),
            Problem::NoConfig => write!(f, "`{file}` is missing"),
            Problem::Missing => write!(f, "`{file}` is missing, although the index lists it"),
            Problem::SomeShards { here, of } => write!(f, "Only {here} of {of} shards are here"),
            Problem::NoIndex => write!(f, "The shards have no index `{file}`"),
            Problem::NoTokenizer => {
                f.write_str("There is no tokenizer: `tokenizer.json` is missing")
            }
            Problem::NoProcessor => write!(f, "`{file}` is missing, which images need"),
            Problem::DeadLink => write!(f, "`{file}` is a link to a file that is not there"),
            Problem::StartedDownload => write!(f, "The download of `{file}` has not ended"),
            Problem::Leftover => write!(f, "`{file}` is left of another download"),
            Problem::PartMarker => write!(f, "`{file}` was left by a download that did not end"),
            Problem::Empty => write!(f, "`{file}` is empty"),
            Problem::LfsPointer => write!(f, "`{file}` is a Git LFS pointer, not the file itself"),
            Problem::Json(detail) => write!(f, "`{file}` is not valid JSON: {detail}"),
            Problem::NotAnObject => write!(f, "`{file}` holds no JSON object with content"),
            Problem::BadIndex(detail) => write!(f, "`{file}` is no index: {detail}"),
            Problem::Damaged(detail) => write!(f, "`{file}` is damaged: {detail}"),
            Problem::NotInShard { tensor } => {
                write!(f, "`{file}` lacks tensor `{tensor}`, which the index places there")
            }
            Problem::Unlisted => write!(f, "`{file}` is not listed in the index and not used"),
            Problem::WrongHash { expected, found } => write!(
                f,
                "`{file}` is damaged: its hash is {}…, not {}…",
                found.get(..12).unwrap_or(found),
                expected.get(..12).unwrap_or(expected)
            ),
            Problem::Unreadable(detail) => write!(f, "`{file}` cannot be read: {detail}"),
        }
    }
}
