//! The tokens that two sequences have in common at their beginning.

/// Returns how many of the first tokens of `wanted` are in `known`, the last of `wanted` excepted: it is
/// always computed, because its logits are wanted.
pub(crate) fn common_prefix(known: &[u32], wanted: &[u32]) -> usize {
    shared(known, wanted).min(wanted.len().saturating_sub(1))
}

/// Returns how many of the first tokens are the same.
pub(super) fn shared(some: &[u32], others: &[u32]) -> usize {
    some.iter().zip(others).take_while(|(a, b)| a == b).count()
}
