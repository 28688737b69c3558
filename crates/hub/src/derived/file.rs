//! The files with settings: that of a derived name, and that of an imported model.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::path_of;
use super::overrides::{Overrides, Turn};
use super::parameters::Parameters;
use crate::derived::error::DerivedError;
use crate::error::{HubError, Result};
use crate::human_bytes::human;
use crate::io_error::IoError;
use crate::locations::Locations;

/// File with the settings of an imported model, in its folder.
pub(crate) const SETTINGS_FILE: &str = "mlxk-settings.toml";
/// Ending of the file of a derived name.
pub(super) const SUFFIX: &str = ".toml";
const MAX_FILE_BYTES: u64 = 4 << 20;
const WRITE: &str = "write the settings of the model";

/// The file of a derived name: a model, and its [`Overrides`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    license: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Turn>,
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    parameters: Parameters,
}

impl File {
    pub(super) fn new(from: String, overrides: Overrides) -> Self {
        let Overrides { system, license, messages, parameters } = overrides;
        Self { from, system, license, messages, parameters }
    }

    /// Returns the settings.
    pub(super) fn overrides(&self) -> Overrides {
        let Self { system, license, messages, parameters, .. } = self.clone();
        Overrides { system, license, messages, parameters }
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    /// Writes the file completely or not at all. Without `replace`, a file that appeared meanwhile
    /// is not overwritten. Only its owner can read it: a system prompt may be private.
    pub(super) fn write(
        &self,
        name: &str,
        replace: bool,
        locations: &Locations,
    ) -> Result<PathBuf> {
        let failed = || HubError::io(WRITE);
        let root = locations.models_dir();
        fs_err::create_dir_all(&root).map_err(failed())?;
        // Names are checked before, so this one has a path.
        let path = path_of(&root, name).unwrap_or_else(|| root.join(SUFFIX));
        let text = text(self, &path)?;
        let mut temporary =
            tempfile::Builder::new().prefix(".deriving-").tempfile_in(&root).map_err(failed())?;
        temporary.write_all(text.as_bytes()).map_err(failed())?;
        temporary.as_file().sync_all().map_err(failed())?;
        if replace {
            temporary.persist(&path).map_err(|error| failed()(error.error))?;
            return Ok(path);
        }
        temporary.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => HubError::Derived(DerivedError::NameTaken {
                name: name.to_owned(),
                by: "a name created earlier".into(),
                removed: Some(name.to_owned()),
            }),
            _ => failed()(error.error),
        })?;
        Ok(path)
    }
}

/// Returns the settings of the imported model in `folder`.
pub(crate) fn read_settings(folder: &Path) -> Result<Overrides> {
    let path = folder.join(SETTINGS_FILE);
    if path.is_file() { read(&path) } else { Ok(Overrides::default()) }
}

/// Writes the settings of a model into its folder in the store, if there are any. Only their owner can read them.
pub fn write_settings(folder: &Path, overrides: &Overrides) -> Result<()> {
    if overrides.is_empty() {
        return Ok(());
    }
    let path = folder.join(SETTINGS_FILE);
    let failed = || HubError::io(WRITE);
    let mut temporary =
        tempfile::Builder::new().prefix(".settings-").tempfile_in(folder).map_err(failed())?;
    temporary.write_all(text(overrides, &path)?.as_bytes()).map_err(failed())?;
    temporary.persist(&path).map_err(|error| failed()(error.error))?;
    Ok(())
}

fn text(value: &impl Serialize, path: &Path) -> Result<String> {
    let bad = |problem| {
        HubError::Derived(DerivedError::BadFile { path: path.to_owned(), line: None, problem })
    };
    let text = toml::to_string(value).map_err(|error| bad(error.to_string()))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        // It could not be read again.
        return Err(bad(format!("the settings would have more than {}", human(MAX_FILE_BYTES))));
    }
    Ok(text)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bad = |line, problem| {
        HubError::Derived(DerivedError::BadFile { path: path.to_owned(), line, problem })
    };
    if path.metadata().is_ok_and(|metadata| metadata.len() > MAX_FILE_BYTES) {
        return Err(bad(None, "the file is too large for settings".into()));
    }
    let text = crate::text_file::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => bad(None, "not UTF-8 text".into()),
        _ => IoError { action: "read the settings of a model", reason: error }.into(),
    })?;
    toml::from_str(&text).map_err(|error| {
        let line =
            error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        bad(line, error.message().trim().replace('\n', "; "))
    })
}
