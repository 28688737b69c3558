//! Saved conversations: one JSON file each.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use mlxk_engine::Message;
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 1;

/// A saved conversation.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    version: u32,
    pub model: String,
    pub system: Option<String>,
    pub messages: Vec<Message>,
}

/// Returns the file of a name: the path itself, or a file in our own folder.
pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
    let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some();
    if is_path { PathBuf::from(name) } else { folder.join(format!("{name}.json")) }
}

/// Saves a conversation. The file appears complete or not at all.
pub(super) fn save(
    path: &Path,
    model: &str,
    system: Option<&str>,
    messages: &[Message],
) -> anyhow::Result<()> {
    let failed = || format!("Cannot save the conversation to `{}`", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).with_context(failed)?;
    let saved = Saved {
        version: VERSION,
        model: model.to_owned(),
        system: system.map(str::to_owned),
        messages: messages.to_vec(),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    serde_json::to_writer_pretty(&mut file, &saved).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// Loads a saved conversation.
pub(super) fn load(path: &Path) -> anyhow::Result<Saved> {
    let failed = || format!("Cannot load the conversation `{}`", path.display());
    let text = std::fs::read(path).with_context(failed)?;
    let saved: Saved =
        serde_json::from_slice(mlxk_format::without_mark(&text)).with_context(failed)?;
    ensure!(
        saved.version == VERSION,
        "`{}` has format version {}, but this mlxk reads version {VERSION}",
        path.display(),
        saved.version
    );
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "notes");
        assert!(path.ends_with("notes.json"));
        let messages = vec![Message::new("user", "Hi"), Message::new("assistant", "Hello\n")];
        save(&path, "some/model", Some("Be brief"), &messages).unwrap();
        let saved = load(&path).unwrap();
        assert_eq!(saved.messages, messages);
        assert_eq!(
            (saved.model.as_str(), saved.system.as_deref()),
            ("some/model", Some("Be brief"))
        );
        std::fs::write(&path, "{\"version\": 2, \"model\": \"\", \"messages\": []}").unwrap();
        assert!(load(&path).err().unwrap().to_string().contains("version 2"));
        std::fs::write(&path, "no json").unwrap();
        assert!(format!("{:#}", load(&path).err().unwrap()).contains("notes.json"));
        assert_eq!(super::path(folder.path(), "./a"), Path::new("./a"));
    }
}
