//! Writes the files of a plan, keeps the originals, and puts them back.
//!
//! A folder per application has a list of the files, and for each its original and the content that was written. If
//! nothing else has changed a file since, its original comes back byte for byte.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Content, File, merge};
use crate::staged::staged;

/// Name of the list of files.
const LIST: &str = "files.json";
/// Mark at the beginning of a text, which JSON must not have.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A change to a file.
#[derive(Debug)]
pub(crate) struct Change {
    /// Path of the file.
    pub path: PathBuf,
    /// Its content now; `None` if it doesn't exist.
    pub before: Option<Vec<u8>>,
    /// Its content afterwards.
    pub after: Vec<u8>,
}

impl Change {
    /// Returns `true` if the file has its content already.
    pub(crate) fn is_done(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }
}

/// Finds out what a file of a plan changes. Writes nothing.
pub(crate) fn change(file: &File) -> anyhow::Result<Change> {
    let path = &file.path;
    let cannot = || format!("Cannot change `{}`", path.display());
    let before = read(path).with_context(cannot)?;
    let after =
        content(&file.content, before.as_deref().unwrap_or_default()).with_context(cannot)?;
    Ok(Change { path: path.clone(), before, after: after.into_bytes() })
}

/// Returns the text of a file that has the text `before`.
pub(crate) fn content(content: &Content, before: &[u8]) -> anyhow::Result<String> {
    let settings = match content {
        Content::Whole(text) => return Ok(text.clone()),
        Content::Json(settings) => settings,
    };
    let text = std::str::from_utf8(before).context("It is not valid UTF-8 text")?;
    let (mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => ("", text),
    };
    Ok(format!("{mark}{}", merge::json(text, settings)?))
}

/// The list of files that were written for an application.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    files: Vec<Kept>,
}

/// A file that was written.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// Its path.
    path: PathBuf,
    /// `true` if it existed before.
    existed: bool,
}

/// Folder of the originals of an application's files.
#[derive(Debug)]
pub(crate) struct Backup {
    folder: PathBuf,
}

impl Backup {
    /// Returns the folder of an application in `own`.
    pub(crate) fn new(own: &Path, application: &str) -> Self {
        Self { folder: own.join(application) }
    }

    /// Keeps the original of a file, then changes it.
    pub(crate) fn apply(&self, change: &Change) -> anyhow::Result<()> {
        let mut record = self.record()?;
        let known = record.files.iter().position(|kept| kept.path == change.path);
        let index = known.unwrap_or(record.files.len());
        let is_ours = known.is_some() && read(&self.written(index))? == change.before;
        if !is_ours {
            // Someone else has changed the file since, and that must come back.
            if let Some(before) = &change.before {
                write(&self.original(index), before)?;
            }
            let kept = Kept { path: change.path.clone(), existed: change.before.is_some() };
            match record.files.get_mut(index) {
                Some(old) => *old = kept,
                None => record.files.push(kept),
            }
        }
        write(&self.written(index), &change.after)?;
        self.keep(&record)?;
        write(&change.path, &change.after)
            .with_context(|| format!("Cannot change `{}`", change.path.display()))
    }

    /// Puts the originals back. Returns the paths of the files, and whether each has its original again: a file that
    /// was changed since is left alone unless `force` is set.
    pub(crate) fn restore(&self, force: bool) -> anyhow::Result<Vec<Restored>> {
        let record = self.record()?;
        let mut restored = Vec::new();
        for (index, kept) in record.files.iter().enumerate() {
            let now = read(&kept.path)?;
            let original = if kept.existed { read(&self.original(index))? } else { None };
            let is_ours = now == read(&self.written(index))? || now == original;
            let path = kept.path.clone();
            if !is_ours && !force {
                restored.push(Restored::Changed { path, original: self.original(index) });
                continue;
            }
            match original {
                Some(bytes) => write(&path, &bytes)
                    .with_context(|| format!("Cannot restore `{}`", path.display()))?,
                None => remove(&path)?,
            }
            restored.push(Restored::Back { path, existed: kept.existed });
        }
        let is_complete = restored.iter().all(|file| matches!(file, Restored::Back { .. }));
        if is_complete && !restored.is_empty() {
            std::fs::remove_dir_all(&self.folder)
                .with_context(|| format!("Cannot remove `{}`", self.folder.display()))?;
        }
        Ok(restored)
    }

    fn record(&self) -> anyhow::Result<Record> {
        let path = self.folder.join(LIST);
        let Some(text) = read(&path)? else { return Ok(Record::default()) };
        serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
    }

    fn keep(&self, record: &Record) -> anyhow::Result<()> {
        write(&self.folder.join(LIST), &serde_json::to_vec_pretty(record)?)
    }

    fn original(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index}.original"))
    }

    fn written(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index}.written"))
    }
}

/// The end of restoring a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It has its original content again, or is gone if it didn't exist.
    Back { path: PathBuf, existed: bool },
    /// It was changed since and stays as it is.
    Changed { path: PathBuf, original: PathBuf },
}

/// Returns the content of a file, or `None` if it doesn't exist.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("Cannot read `{}`", path.display())),
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("Cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file. It appears complete or not at all, keeps its permissions, and a link to it stays one. Only its
/// owner can read a new one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let cannot = || format!("Cannot write `{}`", target.display());
    let file = staged(&target, bytes).with_context(cannot)?;
    if let Ok(old) = target.metadata() {
        file.as_file().set_permissions(old.permissions()).with_context(cannot)?;
    }
    file.persist(&target).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Setting;
    use super::*;

    fn settings(path: &Path, value: u64) -> File {
        let settings = vec![Setting::new(&["mlxk", "context"], json!(value))];
        File { path: path.to_owned(), content: Content::Json(settings) }
    }

    #[test]
    fn originals_come_back_byte_for_byte() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app/settings.json");
        // A mark, line ends of Windows, a comment and no line end at the end.
        let original = "\u{feff}{\r\n  // mine\r\n  \"a\": 1.50\r\n}".as_bytes();
        write(&path, original).unwrap();
        let backup = Backup::new(&home.path().join("own"), "app");
        for value in [1, 2] {
            let change = change(&settings(&path, value)).unwrap();
            backup.apply(&change).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("\u{feff}{\r\n  // mine\r\n  \"a\": 1.50,"), "{text:?}");
            assert!(text.contains(&format!("\"context\": {value}")), "{text}");
        }
        assert!(change(&settings(&path, 2)).unwrap().is_done());
        let back = Restored::Back { path: path.clone(), existed: true };
        assert_eq!(backup.restore(false).unwrap(), [back]);
        assert_eq!(std::fs::read(&path).unwrap(), original);
        // There is nothing left to restore.
        assert!(backup.restore(false).unwrap().is_empty());
    }

    #[test]
    fn a_new_file_goes_and_a_changed_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("settings.json");
        let backup = Backup::new(&home.path().join("own"), "app");
        backup.apply(&change(&settings(&path, 1)).unwrap()).unwrap();
        std::fs::write(&path, "{\"mine\": true}").unwrap();
        let stays = backup.restore(false).unwrap();
        assert!(matches!(&stays[..], [Restored::Changed { path: at, .. }] if *at == path));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"mine\": true}");
        // The next change keeps the user's own file as the original.
        backup.apply(&change(&settings(&path, 2)).unwrap()).unwrap();
        backup.restore(false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"mine\": true}");
        let fresh = home.path().join("fresh.json");
        backup.apply(&change(&settings(&fresh, 1)).unwrap()).unwrap();
        assert!(fresh.exists());
        backup.restore(false).unwrap();
        assert!(!fresh.exists());
    }

    #[test]
    fn a_file_that_cannot_be_merged_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("settings.json");
        std::fs::write(&path, "{\"mlxk\": [").unwrap();
        let error = change(&settings(&path, 1)).unwrap_err();
        let sentence = crate::failure::message(&error);
        assert!(sentence.starts_with(&format!("Cannot change `{}`: Invalid JSON", path.display())));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let (path, link) = (home.path().join("real.json"), home.path().join("link.json"));
        std::fs::write(&path, "{}").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"{\"a\": 1}").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\": 1}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}
