//! The float path: weight rows as f32, and dot products of f32 rows.

use std::arch::aarch64::*;

use mlxk_tensor::{Mode, QuantTensor, Storage, block};

use super::super::{Affine, Kernels, Scalar};
use super::elementwise::{add, multiply_add, sum};
use super::scales::{load, widen};
use super::unpack::{CHUNK, chunk, e4m3, fp4_codes};

/// See [`Kernels::dequantize_row`].
///
/// # Safety
/// The row exists, and `out` has `w.cols` floats.
#[target_feature(enable = "neon")]
pub(super) unsafe fn dequantize_row(w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
    match &w.storage {
        Storage::Dense(dense) => {
            let first = (expert * w.rows + row) * w.cols;
            let lines = out.len() / 4;
            for (line, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                // SAFETY: four values are in bounds, and four floats in `out`.
                unsafe {
                    let values = widen(dense.dtype, dense.data.as_ptr(), first + 4 * line);
                    vst1q_f32(out.as_mut_ptr(), values);
                }
            }
            for (i, out) in out.iter_mut().enumerate().skip(4 * lines) {
                *out = dense.get(first + i);
            }
        }
        Storage::Block { mode: Mode::Mxfp8, packed, scales, .. } => {
            let groups = (expert * w.rows + row) * (w.cols / CHUNK);
            let packed = packed.as_chunks::<CHUNK>().0[groups..].iter();
            let scales = scales[groups..].iter();
            for ((out, packed), &scale) in
                out.as_chunks_mut::<CHUNK>().0.iter_mut().zip(packed).zip(scales)
            {
                let scale = block::e8m0(scale);
                for (out, packed) in out.as_chunks_mut::<8>().0.iter_mut().zip(packed.as_chunks().0)
                {
                    let codes = vmovl_u8(vcreate_u8(u64::from_le_bytes(*packed)));
                    let halves = [vget_low_u16(codes), vget_high_u16(codes)];
                    for (out, codes) in out.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
                        // SAFETY: four floats are in bounds.
                        unsafe { vst1q_f32(out.as_mut_ptr(), vmulq_n_f32(e4m3(codes), scale)) };
                    }
                }
            }
        }
        _ => match Affine::of(w, expert) {
            Some(w) => coded_row(&w, row, out),
            None => Scalar.dequantize_row(w, expert, row, out),
        },
    }
}

/// Writes a row of codes, 16 or 32 at a time.
#[target_feature(enable = "neon")]
fn coded_row(w: &Affine<'_>, row: usize, out: &mut [f32]) {
    let packed = &w.packed[row * w.row_bytes()..][..w.row_bytes()];
    let width = w.group_size.min(CHUNK);
    let chunks = packed.chunks_exact(width * w.bits / 8).zip(out.chunks_exact_mut(width));
    let per_group = w.group_size / width;
    for (index, (packed, out)) in chunks.enumerate() {
        let (scale, bias) = w.scales.get(row * w.groups() + index / per_group);
        if w.is_fp4() {
            // The halved scale times twice the value. Both are exact, so the result is exactly what
            // the format defines.
            let mut padded = [0u8; CHUNK / 2];
            padded[..packed.len()].copy_from_slice(packed);
            // SAFETY: sixteen bytes on the stack.
            let [first, second] = unsafe { chunk::<4>(padded.as_ptr()) };
            let codes = [fp4_codes(first), fp4_codes(second)];
            let zero = vdupq_n_f32(12.0);
            store(codes, out, |code| vmulq_n_f32(vsubq_f32(code, zero), scale));
            continue;
        }
        let from = packed.as_ptr();
        // SAFETY: a chunk of this width is in bounds.
        let codes = unsafe {
            match w.bits {
                2 => chunk::<2>(from),
                3 => chunk::<3>(from),
                4 => chunk::<4>(from),
                5 => chunk::<5>(from),
                6 => chunk::<6>(from),
                _ => chunk::<8>(from),
            }
        };
        // Rounded after each step, like in MLX.
        let bias = vdupq_n_f32(bias);
        store(codes, out, |code| vaddq_f32(vmulq_n_f32(code, scale), bias));
    }
}

/// Stores `value` of each byte, as many as fit into `out`, which is a multiple of sixteen long.
#[inline]
#[target_feature(enable = "neon")]
fn store(bytes: [uint8x16_t; 2], out: &mut [f32], value: impl Fn(float32x4_t) -> float32x4_t) {
    for (bytes, out) in bytes.into_iter().zip(out.as_chunks_mut::<16>().0) {
        let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
        let wide = [
            vmovl_u16(vget_low_u16(low)),
            vmovl_high_u16(low),
            vmovl_u16(vget_low_u16(high)),
            vmovl_high_u16(high),
        ];
        for (codes, out) in wide.into_iter().zip(out.as_chunks_mut::<4>().0) {
            // SAFETY: four floats are in bounds.
            unsafe { vst1q_f32(out.as_mut_ptr(), value(vcvtq_f32_u32(codes))) };
        }
    }
}

/// See [`Kernels::dot4`].
///
/// # Safety
/// `w` is four times as long as `x`.
#[target_feature(enable = "neon")]
pub(super) unsafe fn dot4(w: &[f32], x: &[f32]) -> [f32; 4] {
    debug_assert_eq!(w.len(), 4 * x.len());
    let cols = x.len();
    let mut acc = [[[vdupq_n_f32(0.0); 2]; 2]; 4];
    for at in (0..cols / 16 * 16).step_by(16) {
        // SAFETY: sixteen floats are in bounds, in `x` and in each row.
        unsafe {
            let x = x.as_ptr().add(at);
            let x = [load(x), load(x.add(8))];
            for (row, acc) in acc.iter_mut().enumerate() {
                let w = w.as_ptr().add(row * cols + at);
                acc[0] = multiply_add(acc[0], load(w), x[0]);
                acc[1] = multiply_add(acc[1], load(w.add(8)), x[1]);
            }
        }
    }
    let rest = cols / 16 * 16..cols;
    std::array::from_fn(|row| {
        let [a, b] = acc[row];
        let tail = rest.clone().map(|i| w[row * cols + i] * x[i]).sum::<f32>();
        sum(add(a, b)) + tail
    })
}
