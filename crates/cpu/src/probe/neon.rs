//! The probes for 64-bit ARM.
//!
//! Invariant: [`super::Probe`] has an instruction set that the processor was found to support, and
//! these functions only run instructions of that set. Every result depends on every round, so that
//! the compiler can't leave one out.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int16x8_t, int32x4_t, uint64x2_t, vaddq_f32, vaddq_s16, vaddq_s32,
    vdupq_n_f32, vdupq_n_s8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u64, veorq_u64, vfmaq_f32,
    vget_low_s8, vgetq_lane_u64, vld1q_u8, vmlal_high_s8, vmlal_s8, vreinterpretq_u64_f32,
    vreinterpretq_u64_s16, vreinterpretq_u64_s32, vreinterpretq_u64_u8,
};

use super::portable::{digest, read_words};
use crate::InstructionSet;
use crate::kernels::sdot;

/// Number of chains of dependent instructions: enough to hide their latency, few enough for the
/// registers.
const CHAINS: usize = 24;
/// Size of a vector in bytes.
const VECTOR_BYTES: usize = 16;

pub(super) fn read(set: InstructionSet, bytes: &[u8]) -> u64 {
    match set {
        // SAFETY: every 64-bit ARM processor has NEON.
        InstructionSet::Neon | InstructionSet::NeonDotprod => unsafe { read_neon(bytes) },
        _ => read_words(bytes),
    }
}

pub(super) fn integer_multiply_adds_per_round(set: InstructionSet) -> Option<u64> {
    let bytes = has_neon(set).then_some(VECTOR_BYTES)?;
    Some((bytes * CHAINS) as u64)
}

pub(super) fn float_multiply_adds_per_round(set: InstructionSet) -> Option<u64> {
    let lanes = has_neon(set).then_some(VECTOR_BYTES / 4)?;
    Some((lanes * CHAINS) as u64)
}

fn has_neon(set: InstructionSet) -> bool {
    matches!(set, InstructionSet::Neon | InstructionSet::NeonDotprod)
}

pub(super) fn integer(set: InstructionSet, rounds: u64) -> u64 {
    match set {
        // SAFETY: as above.
        InstructionSet::Neon => unsafe { integer_widening(rounds) },
        // SAFETY: the set was found on this processor.
        InstructionSet::NeonDotprod => unsafe { integer_dotprod(rounds) },
        _ => 0,
    }
}

pub(super) fn float(set: InstructionSet, rounds: u64) -> u64 {
    // SAFETY: as above.
    if has_neon(set) { unsafe { float_neon(rounds) } } else { 0 }
}

#[target_feature(enable = "neon")]
fn read_neon(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<{ 8 * VECTOR_BYTES }>();
    let mut seen = [vdupq_n_u64(0); 8];
    for block in blocks {
        for (part, seen) in seen.iter_mut().enumerate() {
            // SAFETY: a block has eight vectors.
            let vector = unsafe { vld1q_u8(block.as_ptr().add(VECTOR_BYTES * part)) };
            *seen = veorq_u64(*seen, vreinterpretq_u64_u8(vector));
        }
    }
    let all = seen.into_iter().fold(vdupq_n_u64(0), |a, b| veorq_u64(a, b));
    words(all).into_iter().fold(read_words(rest), |all, word| all ^ word)
}

#[target_feature(enable = "neon")]
fn integer_widening(rounds: u64) -> u64 {
    let (weights, x): (int8x16_t, int8x16_t) = (vdupq_n_s8(3), vdupq_n_s8(-5));
    let mut chains: [int16x8_t; CHAINS] =
        std::array::from_fn(|chain| vdupq_n_s16(chain as i16 + 1));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = vmlal_s8(*chain, vget_low_s8(weights), vget_low_s8(x));
            *chain = vmlal_high_s8(*chain, weights, x);
        }
    }
    let all = chains.into_iter().fold(vdupq_n_s16(0), |a, b| vaddq_s16(a, b));
    digest(&words(vreinterpretq_u64_s16(all)))
}

/// # Safety
/// The processor must have dot products.
#[target_feature(enable = "neon")]
unsafe fn integer_dotprod(rounds: u64) -> u64 {
    let (weights, x) = (vdupq_n_s8(3), vdupq_n_s8(-5));
    let mut chains: [int32x4_t; CHAINS] =
        std::array::from_fn(|chain| vdupq_n_s32(chain as i32 + 1));
    for _ in 0..rounds {
        for chain in &mut chains {
            // SAFETY: by the caller's promise.
            *chain = unsafe { sdot(*chain, weights, x) };
        }
    }
    let all = chains.into_iter().fold(vdupq_n_s32(0), |a, b| vaddq_s32(a, b));
    digest(&words(vreinterpretq_u64_s32(all)))
}

#[target_feature(enable = "neon")]
fn float_neon(rounds: u64) -> u64 {
    // A multiply-add overwrites what it adds to, so the chains grow. That has no influence on
    // speed.
    let (half, one) = (vdupq_n_f32(0.5), vdupq_n_f32(1.0));
    let mut chains: [float32x4_t; CHAINS] = std::array::from_fn(|chain| vdupq_n_f32(chain as f32));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = vfmaq_f32(*chain, one, half);
        }
    }
    let all = chains.into_iter().fold(one, |a, b| vaddq_f32(a, b));
    digest(&words(vreinterpretq_u64_f32(all)))
}

#[target_feature(enable = "neon")]
fn words(vector: uint64x2_t) -> [u64; 2] {
    [vgetq_lane_u64::<0>(vector), vgetq_lane_u64::<1>(vector)]
}
