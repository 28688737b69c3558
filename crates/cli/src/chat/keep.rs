//! Keeps the conversation after every turn, without being asked.

use std::path::PathBuf;

use crate::conversations::{Conversation, Existing, Folder, write};
use crate::failure;

/// The file that a conversation is kept in.
pub(super) struct Keeper {
    pub folder: Folder,
    /// `None` before the first turn.
    pub file: Option<PathBuf>,
    /// `false` if the user wants no history.
    pub is_on: bool,
    /// `true` if the conversation has parts that the user wanted no history of.
    pub is_private: bool,
    /// `true` if the user knows that it failed.
    warned: bool,
}

impl Keeper {
    pub(super) fn new(folder: Folder, is_on: bool) -> Self {
        Self { folder, file: None, is_on, is_private: false, warned: false }
    }

    /// Keeps the conversation as it is now. The first failure is an error; a chat continues without its file.
    pub(super) fn keep(&mut self, conversation: &Conversation) -> Result<(), String> {
        self.is_private |= !self.is_on;
        if self.is_private {
            return Ok(());
        }
        let kept = match &self.file {
            Some(file) => write(file, conversation, Existing::Replace),
            None => self.folder.keep(conversation).map(|file| self.file = Some(file)),
        };
        match kept {
            Err(error) if !self.warned => {
                self.warned = true;
                Err(failure::message(&error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the file of a conversation from which everything was removed.
    pub(super) fn forget(&mut self) {
        if let Some(file) = self.file.take().filter(|_| self.is_on && !self.is_private) {
            // It may be gone already.
            let _ = std::fs::remove_file(file);
        }
    }
}
