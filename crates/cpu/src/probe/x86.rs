//! The probes for x86-64.
//!
//! Invariant: [`super::Probe`] has an instruction set that the processor was found to support, and
//! these functions only run instructions of that set. Every result depends on every round, so that
//! the compiler can't leave one out.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::x86_64::{
    __m256, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi16, _mm256_add_ps,
    _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_maddubs_epi16,
    _mm256_set1_epi8, _mm256_set1_ps, _mm256_setzero_si256, _mm256_xor_si256, _mm512_add_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_set1_ps,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use super::portable::{digest, read_words};
use crate::InstructionSet;

/// Number of chains of dependent instructions: enough to hide their latency, few enough for the
/// registers.
const CHAINS: usize = 12;
/// Prefetch distance.
const AHEAD_BYTES: usize = 2048;
const LINE_BYTES: usize = 64;

pub(super) fn read(set: InstructionSet, bytes: &[u8]) -> u64 {
    match set {
        // SAFETY: the set was found on this processor.
        InstructionSet::Avx2 | InstructionSet::AvxVnni => unsafe { read_avx2(bytes) },
        // SAFETY: as above.
        InstructionSet::Avx512Vnni => unsafe { read_avx512(bytes) },
        _ => read_words(bytes),
    }
}

pub(super) fn integer_multiply_adds_per_round(set: InstructionSet) -> Option<u64> {
    let bytes: u64 = match set {
        InstructionSet::Avx2 | InstructionSet::AvxVnni => 32,
        InstructionSet::Avx512Vnni => 64,
        _ => return None,
    };
    Some(bytes * CHAINS as u64)
}

pub(super) fn float_multiply_adds_per_round(set: InstructionSet) -> Option<u64> {
    let lanes: u64 = match set {
        InstructionSet::Avx2 | InstructionSet::AvxVnni => 8,
        InstructionSet::Avx512Vnni => 16,
        _ => return None,
    };
    Some(lanes * CHAINS as u64)
}

pub(super) fn integer(set: InstructionSet, rounds: u64) -> u64 {
    match set {
        // SAFETY: the set was found on this processor.
        InstructionSet::Avx2 => unsafe { integer_avx2(rounds) },
        // SAFETY: as above.
        InstructionSet::AvxVnni => unsafe { integer_avx_vnni(rounds) },
        // SAFETY: as above.
        InstructionSet::Avx512Vnni => unsafe { integer_avx512(rounds) },
        _ => 0,
    }
}

pub(super) fn float(set: InstructionSet, rounds: u64) -> u64 {
    match set {
        // SAFETY: the set was found on this processor.
        InstructionSet::Avx2 | InstructionSet::AvxVnni => unsafe { float_avx2(rounds) },
        // SAFETY: as above.
        InstructionSet::Avx512Vnni => unsafe { float_avx512(rounds) },
        _ => 0,
    }
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn read_avx2(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<{ 2 * LINE_BYTES }>();
    let mut seen = [_mm256_setzero_si256(); 4];
    for block in blocks {
        for line in [0, LINE_BYTES] {
            let ahead = block.as_ptr().wrapping_add(line + AHEAD_BYTES);
            _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
        }
        for (part, seen) in seen.iter_mut().enumerate() {
            // SAFETY: a block has four vectors; prefetching reads nothing.
            let vector = unsafe { _mm256_loadu_si256(block.as_ptr().add(32 * part).cast()) };
            *seen = _mm256_xor_si256(*seen, vector);
        }
    }
    let [a, b, c, d] = seen;
    let all = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    // SAFETY: both are 32 plain bytes.
    let words: [u64; 4] = unsafe { std::mem::transmute::<__m256i, [u64; 4]>(all) };
    words.into_iter().fold(read_words(rest), |all, word| all ^ word)
}

/// # Safety
/// The processor must have AVX-512 F.
#[target_feature(enable = "avx512f")]
unsafe fn read_avx512(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<{ 4 * LINE_BYTES }>();
    let mut seen = [_mm512_setzero_si512(); 4];
    for block in blocks {
        for (part, seen) in seen.iter_mut().enumerate() {
            let from = block.as_ptr().wrapping_add(LINE_BYTES * part);
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD_BYTES).cast());
            // SAFETY: a block has four vectors; prefetching reads nothing.
            let vector = unsafe { _mm512_loadu_si512(from.cast()) };
            *seen = _mm512_xor_si512(*seen, vector);
        }
    }
    let [a, b, c, d] = seen;
    let all = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
    // SAFETY: both are 64 plain bytes.
    let words: [u64; 8] = unsafe { std::mem::transmute::<__m512i, [u64; 8]>(all) };
    words.into_iter().fold(read_words(rest), |all, word| all ^ word)
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn integer_avx2(rounds: u64) -> u64 {
    let weights = _mm256_set1_epi8(3);
    let mut chains: [__m256i; CHAINS] =
        std::array::from_fn(|chain| _mm256_set1_epi8(chain as i8 + 1));
    for _ in 0..rounds {
        for chain in &mut chains {
            // The chain is the activation too, so nothing stays the same from round to round.
            *chain = _mm256_add_epi16(*chain, _mm256_maddubs_epi16(weights, *chain));
        }
    }
    let all = chains.into_iter().fold(_mm256_setzero_si256(), |a, b| _mm256_xor_si256(a, b));
    // SAFETY: both are 32 plain bytes.
    let words: [u64; 4] = unsafe { std::mem::transmute::<__m256i, [u64; 4]>(all) };
    digest(&words)
}

/// # Safety
/// The processor must have AVX2 and AVX-VNNI.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn integer_avx_vnni(rounds: u64) -> u64 {
    let (weights, x) = (_mm256_set1_epi8(3), _mm256_set1_epi8(-5));
    let mut chains: [__m256i; CHAINS] =
        std::array::from_fn(|chain| _mm256_set1_epi8(chain as i8 + 1));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = _mm256_dpbusd_avx_epi32(*chain, weights, x);
        }
    }
    let all = chains.into_iter().fold(_mm256_setzero_si256(), |a, b| _mm256_xor_si256(a, b));
    // SAFETY: both are 32 plain bytes.
    let words: [u64; 4] = unsafe { std::mem::transmute::<__m256i, [u64; 4]>(all) };
    digest(&words)
}

/// # Safety
/// The processor must have AVX-512 F and VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn integer_avx512(rounds: u64) -> u64 {
    let (weights, x) = (_mm512_set1_epi8(3), _mm512_set1_epi8(-5));
    let mut chains: [__m512i; CHAINS] =
        std::array::from_fn(|chain| _mm512_set1_epi8(chain as i8 + 1));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = _mm512_dpbusd_epi32(*chain, weights, x);
        }
    }
    let all = chains.into_iter().fold(_mm512_setzero_si512(), |a, b| _mm512_xor_si512(a, b));
    // SAFETY: both are 64 plain bytes.
    let words: [u64; 8] = unsafe { std::mem::transmute::<__m512i, [u64; 8]>(all) };
    digest(&words)
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn float_avx2(rounds: u64) -> u64 {
    // The chains approach two, which is neither too large nor too small for full speed.
    let (half, one) = (_mm256_set1_ps(0.5), _mm256_set1_ps(1.0));
    let mut chains: [__m256; CHAINS] = std::array::from_fn(|chain| _mm256_set1_ps(chain as f32));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = _mm256_fmadd_ps(*chain, half, one);
        }
    }
    let all = chains.into_iter().fold(one, |a, b| _mm256_add_ps(a, b));
    // SAFETY: both are 32 plain bytes.
    let words: [u64; 4] = unsafe { std::mem::transmute::<__m256, [u64; 4]>(all) };
    digest(&words)
}

/// # Safety
/// The processor must have AVX-512 F.
#[target_feature(enable = "avx512f")]
unsafe fn float_avx512(rounds: u64) -> u64 {
    let (half, one) = (_mm512_set1_ps(0.5), _mm512_set1_ps(1.0));
    let mut chains: [__m512; CHAINS] = std::array::from_fn(|chain| _mm512_set1_ps(chain as f32));
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = _mm512_fmadd_ps(*chain, half, one);
        }
    }
    let all = chains.into_iter().fold(one, |a, b| _mm512_add_ps(a, b));
    // SAFETY: both are 64 plain bytes.
    let words: [u64; 8] = unsafe { std::mem::transmute::<__m512, [u64; 8]>(all) };
    digest(&words)
}
