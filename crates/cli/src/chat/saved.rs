//! Conversations on disk: `/save`, `/load`, and what is kept by itself.

use super::editor::Editor;
use super::{Chat, settings};
use crate::commands::logs;
use crate::conversations::{Conversation, Existing, Loaded, read, write};
use crate::failure;
use crate::format::count;
use crate::models::resolve;

/// Conversations that `/load` lists at most.
const MAX_LISTED: usize = 20;

impl Chat<'_> {
    /// Returns the conversation as it is saved.
    fn conversation(&self) -> Conversation {
        let mut conversation = Conversation::new(self.model.name.clone());
        conversation.updated.clone_from(&conversation.created);
        if let Some(created) = &self.created {
            conversation.created = Some(created.clone());
        }
        conversation.system.clone_from(&self.chosen.system);
        conversation.settings = settings::chosen(&self.chosen);
        conversation.given = self.begun;
        conversation.messages.clone_from(&self.messages);
        conversation
    }

    /// Keeps the conversation. One without turns has no file.
    pub(super) fn keep(&mut self) {
        let conversation = self.conversation();
        if conversation.turns() == 0 {
            self.keeper.forget();
            return;
        }
        self.created.clone_from(&conversation.created);
        if let Err(problem) = self.keeper.keep(&conversation) {
            self.note(format_args!("warning: {problem}"));
        }
    }

    /// Keeps settings that were changed after the last answer.
    pub(super) fn keep_settings(&mut self) {
        if self.keeper.file.is_some() {
            self.keep();
        }
    }

    pub(super) fn save(&self, name: &str, editor: &mut Editor) -> anyhow::Result<()> {
        let conversation = self.conversation();
        if conversation.is_blank() {
            self.note("There is nothing to save yet");
            return Ok(());
        }
        if name.parse::<usize>().is_ok() {
            self.note(format_args!(
                "`{name}` is a number in the list of `/load`; save under a name with a letter"
            ));
            return Ok(());
        }
        let path = self.keeper.folder.place(name);
        // Saving more of the same conversation loses nothing.
        let is_own = read(&path).is_ok_and(|old| conversation.continues(&old));
        if path.exists() && !is_own {
            if !self.context.may_ask {
                self.note(format_args!(
                    "`{}` already exists; save under another name",
                    path.display()
                ));
                return Ok(());
            }
            if !editor.confirm(&format!("`{name}` already exists. Replace it?"))? {
                self.note("Not saved");
                return Ok(());
            }
        }
        let what =
            if conversation.turns() == 0 { " the system prompt and the settings" } else { "" };
        match write(&path, &conversation, Existing::Replace) {
            Ok(()) => self.note(format_args!(
                "Saved{what} to `{}`. To add what follows, save again",
                path.display()
            )),
            Err(error) => self.note(failure::message(&error)),
        }
        Ok(())
    }

    pub(super) fn list_saved(&mut self) {
        self.listed = Some("/load");
        let entries = match self.keeper.folder.distinct() {
            Ok(entries) => entries,
            Err(error) => return self.note(failure::message(&error.into())),
        };
        if entries.is_empty() {
            return self.note("No conversations yet");
        }
        let mut text = String::new();
        for (number, entry) in entries.iter().take(MAX_LISTED).enumerate() {
            text.push_str(&logs::line(number + 1, entry));
            text.push('\n');
        }
        if entries.len() > MAX_LISTED {
            text.push_str("`mlxk logs` lists all of them. ");
        }
        self.note(text + "To continue one, type `/load NAME` or `/load NUMBER`");
    }

    pub(super) fn load(&mut self, name: &str) {
        match self.keeper.folder.load(name) {
            Ok(loaded) => {
                let saved = loaded.conversation.settings.clone();
                self.chosen.system.clone_from(&loaded.conversation.system);
                for problem in settings::restore(&mut self.chosen, &saved, false) {
                    self.note(format_args!("warning: {problem}"));
                }
                for problem in settings::drop_refused(&self.engine, &mut self.chosen) {
                    self.note(format_args!("{problem}. It is back at its default"));
                }
                self.settings = self.fill(&self.chosen);
                self.take_up(loaded);
                self.note("Its system prompt and settings replace yours; /show lists them");
            }
            Err(_) if self.is_model(name) => {
                self.note(format_args!(
                    "`{name}` is a model; type `/model {name}` to switch to it"
                ));
            }
            Err(error) => self.note(failure::message(&error)),
        }
    }

    /// Returns `true` if a model on this machine has this name.
    fn is_model(&self, name: &str) -> bool {
        resolve::is_here(name, self.context)
    }

    /// Continues a conversation.
    pub(super) fn take_up(&mut self, loaded: Loaded) {
        self.keeper.file = loaded.continued();
        self.keeper.is_private = false;
        let Loaded { conversation, entry } = loaded;
        self.begun = conversation.given.min(conversation.messages.len());
        (self.messages, self.created) = (conversation.messages, conversation.created);
        (self.used_tokens, self.warned) = (0, false);
        self.files.clear();
        self.note(format_args!(
            "Loaded {} of `{}`; /history shows them",
            count(self.messages.len(), "message"),
            entry.name
        ));
        if self.keeper.file.is_none() {
            self.note(format_args!(
                "`{0}` stays as it is; `/save {0}` adds what follows, and `chat -c` continues that in any case",
                entry.name
            ));
        }
        if conversation.model != self.model.name {
            self.note(format_args!(
                "This conversation was with `{0}`; `/model {0}` switches to it",
                conversation.model
            ));
        }
    }
}
