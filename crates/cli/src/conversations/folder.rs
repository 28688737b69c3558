//! The folder of conversations: those that the user named, and the last ones, which are kept by themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::{Conversation, Existing, Loaded, read, write};
use crate::misuse::similar;

/// Conversations that are kept by themselves. Older ones are removed.
const MAX_KEPT: usize = 100;

/// The places of conversations.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    named: PathBuf,
    kept: PathBuf,
}

/// A file with a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Name to load it by.
    pub name: String,
    pub path: PathBuf,
    /// `true` if the user gave it the name.
    pub is_named: bool,
    /// Time of the last change.
    pub modified: SystemTime,
}

impl Folder {
    /// Returns the places in the data folder.
    pub(crate) fn new(data: &Path) -> Self {
        let named = data.join("chats");
        Self { kept: named.join("kept"), named }
    }

    /// Returns all conversations, the newest first.
    pub(crate) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = files(&self.named, true)?;
        entries.extend(files(&self.kept, false)?);
        entries.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        Ok(entries)
    }

    /// Returns the conversations without those that were kept by themselves and are the beginning of another one, such
    /// as one that was saved under a name.
    pub(crate) fn distinct(&self) -> io::Result<Vec<Entry>> {
        let entries = self.entries()?;
        let read: Vec<_> = entries.iter().map(|entry| read(&entry.path).ok()).collect();
        let is_in = |inner: usize, outer: usize| {
            let (Some(a), Some(b)) = (&read[inner], &read[outer]) else { return false };
            // Two of the same length are in each other; the newer one stays.
            let is_shorter = a.messages.len() < b.messages.len();
            b.continues(a) && (entries[outer].is_named || is_shorter || outer < inner)
        };
        let is_extra = |index: usize| {
            !entries[index].is_named
                && (0..entries.len()).any(|other| other != index && is_in(index, other))
        };
        let extra: Vec<bool> = (0..entries.len()).map(is_extra).collect();
        Ok(entries.into_iter().zip(extra).filter(|(_, extra)| !extra).map(|(it, _)| it).collect())
    }

    /// Returns the file that a name means for saving: the path itself, or a file in our own folder.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some();
        if is_path { PathBuf::from(name) } else { self.named.join(format!("{name}.json")) }
    }

    /// Finds a conversation by its name, its path or its number in the list.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<Entry> {
        let kept = self.kept.join(format!("{name}.json"));
        for (path, is_named) in [(self.place(name), true), (kept, false)] {
            if let Some(modified) = modified(&path) {
                let is_named = is_named && path.parent() != Some(&self.kept);
                return Ok(Entry { name: name.to_owned(), path, is_named, modified });
            }
        }
        let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let entries = self.distinct()?;
        let advice = match similar(name, entries.iter().map(|entry| entry.name.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`mlxk logs` lists them".to_owned(),
        };
        let found = number.and_then(|number| entries.into_iter().nth(number));
        found.with_context(|| format!("No conversation is called `{name}`; {advice}"))
    }

    /// Reads a conversation that [`Folder::find`] finds.
    pub(crate) fn load(&self, name: &str) -> anyhow::Result<Loaded> {
        let entry = self.find(name)?;
        Ok(Loaded { conversation: read(&entry.path)?, entry })
    }

    /// Deletes a conversation in our folder together with those that were kept by themselves and are its beginning:
    /// `logs` doesn't list them, so they would appear only now. One elsewhere is only a file.
    pub(crate) fn delete(&self, entry: &Entry) -> io::Result<()> {
        let is_ours = [&self.named, &self.kept].map(|folder| entry.path.parent() == Some(folder));
        let deleted = read(&entry.path).ok().filter(|_| is_ours.contains(&true));
        std::fs::remove_file(&entry.path)?;
        let Some(deleted) = deleted else { return Ok(()) };
        for kept in files(&self.kept, false)? {
            if read(&kept.path).is_ok_and(|kept| deleted.continues(&kept)) {
                match std::fs::remove_file(&kept.path) {
                    // Another program may have removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result?,
                }
            }
        }
        Ok(())
    }

    /// Returns the last conversation: with this model, if one is given. One that was saved under a name counts, because
    /// it may not have been kept by itself; if it was, it continues there. It has the name that [`Self::distinct`] lists.
    pub(crate) fn last(&self, model: Option<&str>) -> anyhow::Result<Option<Loaded>> {
        let entries = self.entries()?;
        for entry in &entries {
            let conversation = read(&entry.path)?;
            let is_empty = entry.is_named && conversation.turns() == 0;
            if is_empty || model.is_some_and(|model| model != conversation.model) {
                continue;
            }
            let is_same = |other: &&Entry| {
                other.is_named != entry.is_named
                    && read(&other.path)
                        .is_ok_and(|it| it.continues(&conversation) && conversation.continues(&it))
            };
            let (named, kept) = match entries.iter().find(is_same) {
                Some(other) if entry.is_named => (entry, other),
                Some(other) => (other, entry),
                None => (entry, entry),
            };
            let entry = Entry { name: named.name.clone(), ..kept.clone() };
            return Ok(Some(Loaded { entry, conversation }));
        }
        Ok(None)
    }

    /// Keeps a new conversation, and removes the oldest if there are too many. Returns its file.
    pub(crate) fn keep(&self, conversation: &Conversation) -> anyhow::Result<PathBuf> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d-%H%M%S").to_string();
        let mut number = 1;
        let path = loop {
            let name = if number == 1 { now.clone() } else { format!("{now}-{number}") };
            let path = self.kept.join(format!("{name}.json"));
            // Another chat may have begun in the same second.
            match write(&path, conversation, Existing::Refuse) {
                Err(_) if path.exists() => number += 1,
                result => break result.map(|()| path)?,
            }
        };
        let mut kept = files(&self.kept, false)?;
        kept.sort_by_key(|entry| std::cmp::Reverse(entry.modified));
        for old in kept.iter().skip(MAX_KEPT) {
            // Another chat may have removed it.
            let _ = std::fs::remove_file(&old.path);
        }
        Ok(path)
    }
}

/// Returns the conversations in a folder. There are none if it doesn't exist yet.
fn files(folder: &Path, is_named: bool) -> io::Result<Vec<Entry>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if path.extension().is_some_and(|extension| extension == "json")
            && let (Some(name), Some(modified)) = (name, modified(&path))
        {
            found.push(Entry { name, path, is_named, modified });
        }
    }
    Ok(found)
}

/// Returns the time of the last change of a file, or `None` if there is no such file.
fn modified(path: &Path) -> Option<SystemTime> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then(|| metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mlxk_engine::Message;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::new(data.path());
        (data, folder)
    }

    fn with(model: &str) -> Conversation {
        Conversation::new(model.to_owned())
    }

    #[test]
    fn the_newest_are_kept_and_named_ones_stay() {
        let (_data, folder) = folder();
        let named = folder.place("notes");
        write(&named, &with("m"), Existing::Refuse).unwrap();
        let old = SystemTime::now() - Duration::from_hours(1);
        for number in 0..MAX_KEPT + 3 {
            let path = folder.keep(&with(&format!("m{number}"))).unwrap();
            let time = old + Duration::from_secs(number as u64);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        let entries = folder.entries().unwrap();
        assert_eq!(entries.len(), MAX_KEPT + 1);
        assert_eq!((entries[0].name.as_str(), entries[0].is_named), ("notes", true));
        let last = folder.last(None).unwrap().unwrap();
        assert_eq!(last.conversation.model, format!("m{}", MAX_KEPT + 2));
        assert_eq!(last.continued(), Some(last.entry.path));
        assert!(folder.last(Some("m2")).unwrap().is_none());
        assert_eq!(folder.last(Some("m50")).unwrap().unwrap().conversation.model, "m50");
    }

    #[test]
    fn the_last_one_may_have_a_name() {
        let (_data, folder) = folder();
        let mut one = with("m");
        one.messages = vec![Message::new("user", "Hi"), Message::new("assistant", "Hello")];
        let kept = folder.keep(&one).unwrap();
        let old = SystemTime::now() - Duration::from_hours(1);
        std::fs::File::options().write(true).open(&kept).unwrap().set_modified(old).unwrap();
        write(&folder.place("notes"), &one, Existing::Refuse).unwrap();
        // It continues in the file that it was kept in.
        assert_eq!(folder.last(None).unwrap().unwrap().continued(), Some(kept));
        one.messages.push(Message::new("user", "More"));
        write(&folder.place("notes"), &one, Existing::Replace).unwrap();
        // The rest was not kept.
        let last = folder.last(Some("m")).unwrap().unwrap();
        assert_eq!((last.entry.name.as_str(), last.continued()), ("notes", None));
        // A name for settings alone is not a conversation.
        write(&folder.place("settings"), &with("m"), Existing::Refuse).unwrap();
        assert_eq!(folder.last(None).unwrap().unwrap().entry.name, "notes");
    }

    #[test]
    fn a_conversation_is_listed_once() {
        let (_data, folder) = folder();
        let mut one = with("m");
        one.messages = vec![Message::new("user", "Hi"), Message::new("assistant", "Hello")];
        folder.keep(&one).unwrap();
        write(&folder.place("notes"), &one, Existing::Refuse).unwrap();
        folder.keep(&one).unwrap();
        let names = |folder: &Folder| {
            let entries = folder.distinct().unwrap();
            entries.into_iter().map(|entry| entry.is_named).collect::<Vec<_>>()
        };
        assert_eq!(names(&folder), [true]);
        // It went on after it was saved.
        one.messages.push(Message::new("user", "More"));
        folder.keep(&one).unwrap();
        assert_eq!(names(&folder).len(), 2);
        // Another conversation with the same words is another one.
        let other = Conversation { created: Some("2026-01-01T00:00:00Z".into()), ..one };
        folder.keep(&other).unwrap();
        assert_eq!(names(&folder).len(), 3);
    }

    #[test]
    fn the_kept_copy_of_a_named_conversation_has_its_name_and_goes_with_it() {
        let (data, folder) = folder();
        let mut secret = with("m");
        secret.created = Some("2026-01-01T00:00:00Z".into());
        secret.messages = vec![Message::new("user", "Hi"), Message::new("assistant", "Hello")];
        let kept = folder.keep(&secret).unwrap();
        write(&folder.place("secret"), &secret, Existing::Refuse).unwrap();
        let other = folder.keep(&with("other")).unwrap();
        let later = SystemTime::now() + Duration::from_hours(1);
        // The copy may be the older or the newer one.
        for newer in [folder.place("secret"), kept.clone()] {
            std::fs::File::options().write(true).open(newer).unwrap().set_modified(later).unwrap();
            let last = folder.last(None).unwrap().unwrap();
            assert_eq!(last.entry.name, "secret");
            assert_eq!(last.continued(), Some(kept.clone()));
        }
        // A copy elsewhere hides nothing.
        let elsewhere = data.path().join("copy.json");
        write(&elsewhere, &secret, Existing::Refuse).unwrap();
        folder.delete(&folder.find(elsewhere.to_str().unwrap()).unwrap()).unwrap();
        assert!(kept.exists() && !elsewhere.exists());
        folder.delete(&folder.find("secret").unwrap()).unwrap();
        let left: Vec<_> = folder.entries().unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(left, [other]);
    }

    #[test]
    fn more_turns_than_a_deleted_conversation_has_stay() {
        let (_data, folder) = folder();
        let mut longer = with("m");
        write(&folder.place("start"), &longer, Existing::Refuse).unwrap();
        longer.messages.push(Message::new("user", "Hi"));
        let kept = folder.keep(&longer).unwrap();
        folder.delete(&folder.find("start").unwrap()).unwrap();
        assert!(kept.exists());
    }

    #[test]
    fn conversations_have_names_numbers_and_paths() {
        let (data, folder) = folder();
        assert!(folder.entries().unwrap().is_empty() && folder.last(None).unwrap().is_none());
        let kept = folder.keep(&with("m")).unwrap();
        let seven = Conversation { created: None, ..with("m") };
        write(&folder.place("7"), &seven, Existing::Refuse).unwrap();
        let name = kept.file_stem().unwrap().to_str().unwrap();
        assert_eq!(folder.find(name).unwrap().path, kept);
        assert_eq!(folder.find("7").unwrap().path, data.path().join("chats/7.json"));
        assert!(folder.find("2").is_ok() && folder.find("0").is_err());
        let path = kept.to_str().unwrap();
        assert!(!folder.find(path).unwrap().is_named);
        let missing = folder.find("nosuch").unwrap_err().to_string();
        assert!(missing.contains("`nosuch`") && missing.contains("`mlxk logs`"), "{missing}");
        assert_eq!(folder.place("./a"), Path::new("./a"));
    }
}
