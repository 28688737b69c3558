//! The model that a command proposes if none is named.

use mlxk_hub::{ModelInfo, Role};

/// Part of the memory that a model may take to be proposed: programs and its KV cache need the rest.
const SHARE: f64 = 0.6;

/// Returns the best chat model that runs here: the largest that fits well into memory, or else the smallest.
/// Without any chat model, it may be another one.
pub(crate) fn favorite(models: &[ModelInfo]) -> Option<&ModelInfo> {
    let memory = mlxk_memory::total_bytes().unwrap_or(u64::MAX);
    best(
        models.iter().filter(|model| model.is_usable() && writes(model)),
        (memory as f64 * SHARE) as u64,
    )
}

fn writes(model: &ModelInfo) -> bool {
    matches!(model.role, Role::Chat | Role::Base)
}

fn best<'a>(usable: impl Iterator<Item = &'a ModelInfo>, memory: u64) -> Option<&'a ModelInfo> {
    usable.max_by_key(|model| rank(model.role == Role::Chat, model.size_bytes, memory))
}

/// Orders models: chat models first, then those that fit, then large ones among these and small ones among the
/// others.
fn rank(is_chat: bool, size: u64, memory: u64) -> (bool, bool, u64) {
    let fits = size <= memory;
    (is_chat, fits, if fits { size } else { u64::MAX - size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_chat_model_that_fits_comes_first() {
        let order = [(true, 8), (true, 2), (true, 12), (true, 50), (false, 9)];
        let ranks: Vec<_> = order.iter().map(|&(chat, size)| rank(chat, size, 10)).collect();
        assert!(ranks.is_sorted_by(|a, b| a > b), "{ranks:?}");
    }
}
