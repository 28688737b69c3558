//! A probe without special instructions. It reads memory and doesn't multiply.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(dead_code, reason = "these have counterparts of their own to all but the helpers")
)]

use crate::InstructionSet;

/// Returns a number that depends on every bit, even if all lanes are equal.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn digest(words: &[u64]) -> u64 {
    words.iter().fold(0, |all: u64, word| all.rotate_left(7) ^ word)
}

/// Returns the exclusive or of all 64-bit words; the remainder is processed byte by byte.
pub(super) fn read_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    // Four sums, so that none waits for the previous one.
    let mut seen = [0; 4];
    let (fours, last) = words.as_chunks::<4>();
    for four in fours {
        for (seen, bytes) in seen.iter_mut().zip(four) {
            *seen ^= word(bytes);
        }
    }
    let tail = last.iter().map(word).chain(rest.iter().map(|&byte| byte.into()));
    tail.chain(seen).fold(0, |all, word| all ^ word)
}

pub(super) fn read(_: InstructionSet, bytes: &[u8]) -> u64 {
    read_words(bytes)
}

pub(super) fn integer_multiply_adds_per_round(_: InstructionSet) -> Option<u64> {
    None
}

pub(super) fn float_multiply_adds_per_round(_: InstructionSet) -> Option<u64> {
    None
}

pub(super) fn integer(_: InstructionSet, _: u64) -> u64 {
    0
}

pub(super) fn float(_: InstructionSet, _: u64) -> u64 {
    0
}
