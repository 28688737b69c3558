//! Problems of a model's files.

use std::fmt;

use mlxk_format::FormatError;

use crate::human_bytes::human;

/// Importance of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model is incomplete or damaged.
    Error,
    /// Worth knowing, but harmless.
    Note,
}

/// A problem that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path in the model's folder, with slashes, or the name of a blob. Empty if the finding is
    /// about the whole model.
    pub file: String,
    /// The problem.
    pub problem: Problem,
    /// Its importance.
    pub severity: Severity,
    /// The command that repairs it.
    pub repair: Option<String>,
}

/// A problem of a file, or of a whole model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The underlying model of a derived name is not on this machine.
    NoBase {
        /// Name of that model.
        base: String,
    },
    /// The repository has no revision with files.
    NoRevision,
    /// There is no `config.json`.
    NoConfig,
    /// There are no weights.
    NoWeights,
    /// None of the shards in the index is present.
    NoShards,
    /// A file in the index is missing.
    Missing,
    /// Some numbered shards are missing.
    SomeShards {
        /// Number of shards present.
        here: usize,
        /// Number of shards of the model.
        of: usize,
    },
    /// Numbered shards are complete, but there is no index.
    NoIndex,
    /// The index does not fit the files, which have all its tensors.
    StaleIndex {
        /// A shard in the index that is missing, or that lacks a tensor.
        shard: String,
    },
    /// There is no file that contains a tokenizer.
    NoTokenizer,
    /// There is a vision tower, but no settings of its images.
    NoProcessor,
    /// A link into `blobs` is dead.
    DeadLink,
    /// The blob of a link has been downloaded only in part.
    StartedDownload,
    /// An unfinished download that this revision does not need.
    Leftover,
    /// A file that only an interrupted download leaves behind.
    PartMarker,
    /// The file is empty.
    Empty,
    /// The file is a Git LFS pointer.
    LfsPointer,
    /// The file is not valid JSON.
    Json(String),
    /// The file has a value that makes it unusable.
    Unusable(String),
    /// The chat template does not compile, so the model only continues text.
    BadTemplate(String),
    /// The JSON is not an object, or is empty.
    NotAnObject,
    /// The index names no shards, or files outside the folder.
    BadIndex(String),
    /// A header, a length or a range is wrong.
    Damaged(String),
    /// A tensor in the index is not in its shard.
    NotInShard {
        /// Name of the tensor.
        tensor: String,
    },
    /// A weight file is not in the index.
    Unlisted,
    /// The content does not have the hash in its name.
    WrongHash {
        /// Hash in the name, in hexadecimal.
        expected: String,
        /// Computed hash.
        found: String,
    },
    /// The operating system could not read it.
    Unreadable(String),
}

impl Finding {
    /// Returns the finding of a malformed file. `reason` says what is wrong with it, and `fatal` is
    /// `true` if the model cannot be loaded. Otherwise it is about the chat template.
    pub fn malformed(file: impl Into<String>, reason: String, fatal: bool) -> Self {
        if fatal {
            Self::error(file, Problem::Unusable(reason))
        } else {
            Self::note(file, Problem::BadTemplate(reason))
        }
    }

    pub(crate) fn error(file: impl Into<String>, problem: Problem) -> Self {
        Self { file: file.into(), problem, severity: Severity::Error, repair: None }
    }

    pub(crate) fn note(file: impl Into<String>, problem: Problem) -> Self {
        Self { severity: Severity::Note, ..Self::error(file, problem) }
    }
}

impl Problem {
    /// Returns a word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBase { .. } => "no_base",
            Self::NoRevision => "no_revision",
            Self::NoConfig | Self::NoWeights | Self::NoShards | Self::Missing => "missing",
            Self::SomeShards { .. } => "missing_shards",
            Self::NoIndex => "no_index",
            Self::StaleIndex { .. } => "stale_index",
            Self::NoTokenizer => "no_tokenizer",
            Self::NoProcessor => "no_processor",
            Self::DeadLink => "dead_link",
            Self::StartedDownload | Self::PartMarker => "partial_download",
            Self::Leftover => "leftover_download",
            Self::Empty => "empty",
            Self::LfsPointer => "lfs_pointer",
            Self::Json(_) | Self::NotAnObject => "invalid_json",
            Self::Unusable(_) => "unusable",
            Self::BadTemplate(_) => "bad_template",
            Self::BadIndex(_) => "bad_index",
            Self::Damaged(_) => "damaged",
            Self::NotInShard { .. } => "tensor_missing",
            Self::Unlisted => "unlisted",
            Self::WrongHash { .. } => "wrong_hash",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Returns the problem for an error of the format crate.
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
            FormatError::Truncated { needed, length, .. } => Self::Damaged(ends(needed, length)),
            FormatError::TooLarge { length, .. } => Self::Damaged(format!(
                "its size of {} is more than such a file can have",
                human(length)
            )),
            FormatError::Read { source, .. } => Self::Unreadable(source.to_string()),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Describes a file that is shorter than its header says.
fn ends(needed: u64, length: u64) -> String {
    let missing = match needed.saturating_sub(length) {
        0..1000 => String::new(),
        missing => format!(" ({} are missing)", human(missing)),
    };
    format!(
        "it ends too early: its header asks for {needed} bytes, but it has only {length}{missing}"
    )
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.problem {
            Problem::NoBase { base } => {
                write!(f, "Its model `{base}` is not on this machine")
            }
            Problem::NoRevision => f.write_str("No revision has been downloaded"),
            Problem::NoWeights => f.write_str("No weights found"),
            Problem::NoShards => write!(f, "None of the shards in `{file}` is present"),
            Problem::NoConfig => write!(f, "`{file}` is missing"),
            Problem::Missing => write!(f, "`{file}` is missing, but listed in the index"),
            Problem::SomeShards { here, of } => write!(f, "Only {here} of {of} shards are present"),
            Problem::NoIndex => write!(f, "`{file}`, the index of the shards, is missing"),
            Problem::StaleIndex { shard } => {
                write!(f, "`{file}` does not fit the weights and is not used: see `{shard}`")
            }
            Problem::NoTokenizer => f.write_str("No tokenizer found: `tokenizer.json` is missing"),
            Problem::NoProcessor => write!(f, "`{file}` is missing, which is needed for images"),
            Problem::DeadLink => write!(f, "`{file}` is a link to a missing file"),
            Problem::StartedDownload => write!(f, "`{file}` has not been downloaded completely"),
            Problem::Leftover => write!(f, "`{file}` is left over from another download"),
            Problem::PartMarker => write!(f, "`{file}` is left over from an interrupted download"),
            Problem::Empty => write!(f, "`{file}` is empty"),
            Problem::LfsPointer => write!(f, "`{file}` is a Git LFS pointer, not the file itself"),
            Problem::Json(detail) => write!(f, "`{file}` is not valid JSON: {detail}"),
            Problem::Unusable(detail) => write!(f, "`{file}` is not usable: {detail}"),
            Problem::BadTemplate(detail) => write!(
                f,
                "The chat template in `{file}` has an error, so the model only continues text: \
                 {detail}"
            ),
            Problem::NotAnObject => write!(f, "`{file}` is not a JSON object, or is empty"),
            Problem::BadIndex(detail) => write!(f, "`{file}` is not an index: {detail}"),
            Problem::Damaged(detail) => write!(f, "`{file}` is damaged: {detail}"),
            Problem::NotInShard { tensor } => {
                write!(f, "`{file}` lacks tensor `{tensor}`, which the index places there")
            }
            Problem::Unlisted => {
                write!(f, "`{file}` is not listed in the index, so it is not used")
            }
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
