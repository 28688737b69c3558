//! Memory budget of a model.

use mlxk_engine::MemoryPlan;

/// Other models are unloaded to make room for a context of this size. A longer one gets what is free.
const WANTED_CONTEXT: usize = 32_768;

/// Returns the bytes that a model wants: others are unloaded until it gets them.
pub(super) fn wanted_bytes(plan: &MemoryPlan, asked: Option<usize>) -> u64 {
    plan.bytes_for(asked.unwrap_or_else(|| plan.context.min(WANTED_CONTEXT)))
}

/// Returns the bytes that a model gets of `free`: what it wants and half of the rest, for concurrent requests. The
/// other half is left for the next model.
pub(super) fn share_bytes(wanted: u64, free: u64, is_last: bool) -> u64 {
    let rest = free.saturating_sub(wanted);
    wanted.min(free) + if is_last { rest } else { rest / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_gets_what_it_wants_and_leaves_some() {
        assert_eq!(share_bytes(10, 30, false), 20);
        assert_eq!(share_bytes(10, 30, true), 30);
        assert_eq!(share_bytes(40, 30, false), 30);
    }
}
