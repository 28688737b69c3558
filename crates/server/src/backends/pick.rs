//! The order in which hosts are asked.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use mlxk_chat::{PromptInput, Request};

use super::host::Host;

/// Bytes of a prompt that decide which host it belongs to. Requests of one application begin alike.
const BEGINNING: usize = 2048;
/// Further running requests that a prompt's own host may have before the least busy one is better.
const SLACK: usize = 4;

/// Returns the hosts in the order in which they are asked: the one that the prompt belongs to, if it is not much busier
/// than the least busy one, then the others, the least busy first.
pub(super) fn order(hosts: &[Arc<Host>], key: &[u8]) -> Vec<Arc<Host>> {
    // Other requests change how busy a host is, but an order needs one figure.
    let seen = |host: &Arc<Host>| (host.running(), Reverse(weight(key, host)), Arc::clone(host));
    let asked = hosts.iter().filter(|host| host.may_be_asked() && !host.is_draining());
    let mut open: Vec<_> = asked.map(seen).collect();
    open.sort_by_key(|&(running, weight, _)| (running, weight));
    let least = open.first().map_or(0, |&(running, ..)| running);
    let own = (0..open.len()).min_by_key(|&index| open[index].1);
    if let Some(own) = own.filter(|&own| open[own].0 <= least + SLACK) {
        open[..=own].rotate_right(1);
    }
    open.into_iter().map(|(_, _, host)| host).collect()
}

/// Returns the weight of a host for a prompt. The one with the most has it (rendezvous hashing, Thaler and Ravishankar,
/// 1998): if a host goes, only its own prompts move.
fn weight(key: &[u8], host: &Host) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    host.address.hash(&mut hasher);
    hasher.finish()
}

/// Returns the beginning of a prompt, which decides the host that it belongs to.
pub(super) fn beginning(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BEGINNING);
    match &request.prompt {
        PromptInput::Text(text) => bytes.extend(text.bytes().take(BEGINNING)),
        PromptInput::Tokens(ids) => {
            bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()).take(BEGINNING));
        }
        PromptInput::Messages { system, messages } => {
            bytes.extend(system.iter().flat_map(|text| text.bytes()).take(BEGINNING));
            // A conversation belongs where its first question was answered.
            let first = messages.iter().take_while(|message| message.role != "assistant");
            for text in first.filter_map(mlxk_chat::Message::text) {
                bytes.extend(text.bytes().take(BEGINNING - bytes.len().min(BEGINNING)));
            }
        }
    }
    bytes
}
