//! Checks the small files of a model as loading it does, so that listings and the loader agree.

use std::path::{Path, PathBuf};

use mlxk_text::{ChatTemplate, TextError};

use crate::error::EngineError;
use crate::sampling::SamplingDefaults;

/// A small file that is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
    /// `true` if the model cannot be loaded.
    pub fatal: bool,
}

/// Returns the malformed ones among the files with sampling parameters and templates. Without its
/// template, a model still continues text.
pub fn bad_files(folder: &Path) -> Vec<BadFile> {
    let mut found = Vec::new();
    if let Err(EngineError::GenerationConfig { path, reason }) = SamplingDefaults::open(folder) {
        found.push(BadFile { path, reason, fatal: true });
    }
    // Other errors are about files that every check of a model reads.
    let template = ChatTemplate::open(folder).ok().flatten();
    if let Some(Err(TextError::TemplateSyntax { path, reason })) =
        template.map(|template| template.check())
    {
        found.push(BadFile { path, reason, fatal: false });
    }
    found
}
