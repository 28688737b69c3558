//! Conversations on disk: one JSON file each, which only the user can read.

mod folder;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, ensure};
use mlxk_engine::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use folder::{Entry, Folder};

use crate::staged::staged;
use crate::{format, input};

/// The version of the format.
const VERSION: u32 = 1;

/// A conversation with a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Conversation {
    version: u32,
    /// Full name of the model.
    pub model: String,
    /// The system prompt that the user chose; an empty one means none.
    pub system: Option<String>,
    /// Settings that the user chose, by their names in `/set`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Number of messages at the beginning that come from the model itself.
    #[serde(default)]
    pub given: usize,
    /// Time of the first message, in UTC.
    #[serde(default)]
    pub created: Option<String>,
    /// Time of the last message, in UTC.
    #[serde(default)]
    pub updated: Option<String>,
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Creates a conversation without messages.
    pub(crate) fn new(model: String) -> Self {
        Self {
            version: VERSION,
            model,
            system: None,
            settings: Map::new(),
            given: 0,
            created: format::utc(SystemTime::now()),
            updated: None,
            messages: Vec::new(),
        }
    }

    /// Returns the number of questions of the user.
    pub(crate) fn turns(&self) -> usize {
        self.asked().count()
    }

    /// Returns `true` if there is nothing to come back to: no questions, no system prompt and no settings.
    pub(crate) fn is_blank(&self) -> bool {
        self.turns() == 0 && self.system.is_none() && self.settings.is_empty()
    }

    /// Returns `true` if it is `other` with nothing removed and perhaps more turns.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        self.created.is_some()
            && self.created == other.created
            && self.messages.starts_with(&other.messages)
    }

    /// Returns the first question of the user.
    pub(crate) fn first(&self) -> String {
        self.asked().next().and_then(Message::text).unwrap_or_default()
    }

    fn asked(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().skip(self.given).filter(|message| message.role == "user")
    }
}

/// Treatment of a file that already exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    Refuse,
}

/// Writes a conversation. The file appears complete or not at all.
pub(crate) fn write(
    path: &Path,
    conversation: &Conversation,
    existing: Existing,
) -> anyhow::Result<()> {
    let failed = || format!("Cannot save the conversation to `{}`", path.display());
    let bytes = serde_json::to_vec_pretty(conversation).with_context(failed)?;
    let file = staged(path, &bytes).with_context(failed)?;
    match existing {
        Existing::Replace => file.persist(path).with_context(failed)?,
        Existing::Refuse => file.persist_noclobber(path).with_context(failed)?,
    };
    Ok(())
}

/// Reads a conversation.
pub(crate) fn read(path: &Path) -> anyhow::Result<Conversation> {
    let failed = || format!("Cannot load the conversation `{}`", path.display());
    let text = input::read_file(path, input::MAX_PROMPT_BYTES).with_context(failed)?;
    let conversation: Conversation = serde_json::from_slice(&text).with_context(failed)?;
    ensure!(
        conversation.version == VERSION,
        "`{}` has format version {}, but this mlxk reads version {VERSION}",
        path.display(),
        conversation.version
    );
    Ok(conversation)
}

/// A conversation that was read, and where it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub entry: Entry,
    pub conversation: Conversation,
}

impl Loaded {
    /// Returns the file that later turns are kept in: its own, unless the user gave it a name. A named one only
    /// changes if the user saves it again.
    pub(crate) fn continued(&self) -> Option<PathBuf> {
        (!self.entry.is_named).then(|| self.entry.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/notes.json");
        let mut conversation = Conversation::new("some/model".to_owned());
        conversation.messages =
            vec![Message::new("user", "Hi"), Message::new("assistant", "Hello\n")];
        conversation.system = Some("Be brief".to_owned());
        conversation.settings.insert("temperature".to_owned(), 0.2.into());
        write(&path, &conversation, Existing::Refuse).unwrap();
        assert!(write(&path, &conversation, Existing::Refuse).is_err());
        write(&path, &conversation, Existing::Replace).unwrap();
        let read_back = read(&path).unwrap();
        assert_eq!(
            serde_json::to_value(&read_back).unwrap(),
            serde_json::to_value(&conversation).unwrap()
        );
        assert_eq!((read_back.turns(), read_back.first().as_str()), (1, "Hi"));
        std::fs::write(&path, "{\"version\": 2, \"model\": \"\", \"messages\": []}").unwrap();
        assert!(read(&path).err().unwrap().to_string().contains("version 2"));
        std::fs::write(&path, "no json").unwrap();
        assert!(format!("{:#}", read(&path).err().unwrap()).contains("notes.json"));
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, &Conversation::new(String::new()), Existing::Refuse).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
