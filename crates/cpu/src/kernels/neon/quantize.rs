//! Quantizes activations to int8.

use std::arch::aarch64::*;

use super::super::ColumnOrder;

/// See [`super::super::Kernels::quantize_row`].
///
/// # Safety
/// `x` is a whole number of blocks, `block` is 32 or 64, and `q` is padded to whole spans.
#[target_feature(enable = "neon")]
pub(super) unsafe fn quantize_row(
    x: &[f32],
    order: ColumnOrder,
    block: usize,
    q: &mut [i8],
    scale: &mut [f32],
    sum: &mut [f32],
) {
    q[x.len()..].fill(0);
    scale.fill(0.0);
    sum.fill(0.0);
    for (i, (x, q)) in x.chunks_exact(block).zip(q.chunks_exact_mut(block)).enumerate() {
        let mut max = vdupq_n_f32(0.0);
        for x in x.as_chunks::<4>().0 {
            // SAFETY: four floats are in bounds.
            max = vmaxq_f32(max, vabsq_f32(unsafe { vld1q_f32(x.as_ptr()) }));
        }
        let max = vmaxvq_f32(max);
        let inverse = if max > 0.0 { 127.0 / max } else { 0.0 };
        let mut total = vdupq_n_s32(0);
        for (x, q) in x.as_chunks::<32>().0.iter().zip(q.as_chunks_mut::<32>().0) {
            let [first, second] = [0, 16].map(|at| {
                let [a, b, c, d]: [int32x4_t; 4] = std::array::from_fn(|i| {
                    // SAFETY: sixteen floats are in bounds.
                    let x = unsafe { vld1q_f32(x.as_ptr().add(at + 4 * i)) };
                    vcvtnq_s32_f32(vmulq_n_f32(x, inverse))
                });
                total = vaddq_s32(total, vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d)));
                let low = vqmovn_high_s32(vqmovn_s32(a), b);
                let high = vqmovn_high_s32(vqmovn_s32(c), d);
                vqmovn_high_s16(vqmovn_s16(low), high)
            });
            let (first, second) = match order {
                ColumnOrder::Natural => (first, second),
                ColumnOrder::EvenOdd => (vuzp1q_s8(first, second), vuzp2q_s8(first, second)),
            };
            // SAFETY: 32 bytes are in bounds.
            unsafe {
                vst1q_s8(q.as_mut_ptr(), first);
                vst1q_s8(q.as_mut_ptr().add(16), second);
            }
        }
        scale[i] = max / 127.0;
        sum[i] = scale[i] * vaddvq_s32(total) as f32;
    }
}
