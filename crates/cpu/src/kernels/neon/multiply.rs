//! Products of bytes in one set of instructions. This is the only part of the kernels that differs
//! between processors with and without dot products.

use std::arch::aarch64::*;
use std::arch::asm;

/// Products of signed bytes, summed exactly in 32 bits.
///
/// Every function needs the instructions of the implementation. Callers have a [`super::Neon`] of
/// it, which only exists on a processor with these instructions.
pub(crate) trait Multiply: Send + Sync + 'static {
    /// Number of activation rows that the tile kernel keeps in registers.
    const TOKENS: usize;
    /// Sums of a tile that are not yet widened.
    type Sums: Copy;

    /// Returns sums of `w[i][lane] · x[i][lane]`, spread over the lanes in any way. Codes `w` have
    /// `BITS` bits; those of eight bits are signed.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn dot<const BITS: usize, const N: usize>(
        w: [int8x16_t; N],
        x: [int8x16_t; N],
    ) -> int32x4_t;

    /// Returns how many times [`Multiply::step`] may be called before [`Multiply::finish`], at most
    /// 16.
    fn steps(bits: usize) -> usize;

    /// Starts adding to `dots`.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn start(dots: int32x4_t) -> Self::Sums;

    /// Adds the products of four columns of four rows. Row `i` is in bytes `4 · i..` of `w`; `x`
    /// has the same columns of the activations four times.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn step(sums: Self::Sums, w: int8x16_t, x: int8x16_t) -> Self::Sums;

    /// Returns the sums, a lane per row, added to `dots` unless [`Multiply::start`] has done so.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn finish(dots: int32x4_t, sums: Self::Sums) -> int32x4_t;
}

/// 16-bit products, some of which are added before they are widened. Every 64-bit ARM processor
/// supports this.
pub(crate) struct Widening;

impl Widening {
    /// Number of products whose sum fits 16 bits: two of 128·127, four of 63·127, eight of 31·127.
    const fn products(bits: usize) -> usize {
        match bits {
            8 => 2,
            6 => 4,
            _ => 8,
        }
    }
}

impl Multiply for Widening {
    const TOKENS: usize = 2;
    type Sums = [int16x8_t; 2];

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn dot<const BITS: usize, const N: usize>(
        w: [int8x16_t; N],
        x: [int8x16_t; N],
    ) -> int32x4_t {
        // A vector has two products for each 16-bit lane.
        let vectors = const { Self::products(BITS) / 2 };
        let mut total = vdupq_n_s32(0);
        for (w, x) in w.chunks(vectors).zip(x.chunks(vectors)) {
            let mut sums = vdupq_n_s16(0);
            for (&w, &x) in w.iter().zip(x) {
                sums = vmlal_s8(sums, vget_low_s8(w), vget_low_s8(x));
                sums = vmlal_high_s8(sums, w, x);
            }
            total = vpadalq_s16(total, sums);
        }
        total
    }

    fn steps(bits: usize) -> usize {
        Self::products(bits)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn start(_: int32x4_t) -> Self::Sums {
        [vdupq_n_s16(0); 2]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step([low, high]: Self::Sums, w: int8x16_t, x: int8x16_t) -> Self::Sums {
        [vmlal_s8(low, vget_low_s8(w), vget_low_s8(x)), vmlal_high_s8(high, w, x)]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(dots: int32x4_t, [low, high]: Self::Sums) -> int32x4_t {
        vaddq_s32(dots, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
    }
}

/// Dot products of four bytes in one instruction: ARMv8.2 with the extension, all of ARMv8.4.
pub(crate) struct Dotprod;

impl Multiply for Dotprod {
    const TOKENS: usize = 4;
    type Sums = int32x4_t;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn dot<const BITS: usize, const N: usize>(
        w: [int8x16_t; N],
        x: [int8x16_t; N],
    ) -> int32x4_t {
        let mut total = vdupq_n_s32(0);
        for (w, x) in w.into_iter().zip(x) {
            // SAFETY: by the caller's promise.
            total = unsafe { sdot(total, w, x) };
        }
        total
    }

    fn steps(_: usize) -> usize {
        16
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn start(dots: int32x4_t) -> Self::Sums {
        dots
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step(sums: Self::Sums, w: int8x16_t, x: int8x16_t) -> Self::Sums {
        // SAFETY: by the caller's promise.
        unsafe { sdot(sums, w, x) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(_: int32x4_t, sums: Self::Sums) -> int32x4_t {
        sums
    }
}

/// Adds to each 32-bit lane the products of its four bytes. Stable Rust has no intrinsic for it.
/// The assembler is told about the extension here, so that the surrounding kernels are compiled for
/// every processor and still include this.
///
/// # Safety
/// The processor must have the extension.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn sdot(mut sums: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: by the caller's promise; one instruction on registers.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {w:v}.16b, {x:v}.16b",
            sums = inout(vreg) sums,
            w = in(vreg) w,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}
