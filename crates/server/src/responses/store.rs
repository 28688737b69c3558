//! Responses that later requests may continue. They are kept in memory, within bounds, until the server stops.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlxk_chat::Message;
use serde_json::Value;

use crate::error::{ApiError, Kind, cleaned};

/// Most responses that are kept.
const MAX_RESPONSES: usize = 1000;
/// Most bytes of their texts.
const MAX_BYTES: usize = 64 << 20;

/// Kept responses, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<VecDeque<Arc<Kept>>>);

/// A response, and the conversation up to its end.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) messages: Vec<Message>,
    pub(super) response: Value,
    bytes: usize,
}

impl Store {
    /// Keeps a response. The oldest ones make room.
    pub(super) fn keep(&self, id: String, messages: Vec<Message>, response: Value) {
        let size = |message: &Message| serde_json::to_string(message).map_or(0, |text| text.len());
        let bytes = messages.iter().map(size).sum::<usize>() + response.to_string().len();
        let mut kept = self.lock();
        kept.push_back(Arc::new(Kept { id, messages, response, bytes }));
        let mut total: usize = kept.iter().map(|it| it.bytes).sum();
        while kept.len() > MAX_RESPONSES || total > MAX_BYTES {
            let Some(oldest) = kept.pop_front() else { break };
            total -= oldest.bytes;
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Kept>> {
        self.lock().iter().find(|kept| kept.id == id).map(Arc::clone)
    }

    /// Returns the item with this id of a kept response.
    pub(super) fn item(&self, id: &str) -> Option<Value> {
        let kept = self.lock();
        let mut items = kept.iter().rev().filter_map(|kept| kept.response["output"].as_array());
        items.find_map(|items| items.iter().find(|item| item["id"] == id).cloned())
    }

    /// Returns `true` if there was such a response.
    pub(super) fn remove(&self, id: &str) -> bool {
        let mut kept = self.lock();
        let before = kept.len();
        kept.retain(|kept| kept.id != id);
        kept.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the error for a response that is not kept.
pub(super) fn unknown(id: &str) -> ApiError {
    let message = format!(
        "There is no response `{}`: the server keeps the last {MAX_RESPONSES} until it stops",
        cleaned(id, 80)
    );
    ApiError::new(Kind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let store = Store::default();
        let keep = |id: &str, bytes: usize| {
            store.keep(id.to_owned(), vec![Message::new("user", "x".repeat(bytes))], Value::Null);
        };
        keep("a", 10);
        keep("b", MAX_BYTES / 2);
        assert!(store.get("a").is_some());
        keep("c", MAX_BYTES / 2);
        assert!(store.get("a").is_none() && store.get("b").is_none() && store.get("c").is_some());
        assert!(store.remove("c") && !store.remove("c"));
    }
}
