//! From GGUF blocks to affine groups, without loss.
//!
//! Q4_0, Q4_1 and Q8_0 are affine groups of 32 already: `w = d·(q − 8)`, `d·q + m` and `d·q` with
//! signed bytes. The biases −8·d and −128·d are powers of two times a half, so they are halves as
//! well unless they overflow; a tensor where one does keeps its scales and biases in f32.

use half::f16;

use super::reader::Tensor;
use super::{GgufDamage, TensorKind};
use crate::Dtype;

/// The groups of a GGUF block and of its affine form.
pub(super) const GROUP: usize = 32;

/// How a quantized tensor is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Affine {
    /// One of the three types.
    pub(super) kind: TensorKind,
    /// Bits of a value.
    pub(super) bits: usize,
    /// Type of scales and biases: f16, or f32 where a bias would overflow.
    pub(super) dtype: Dtype,
}

/// One of the three tensors of an affine module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Weight,
    Scales,
    Biases,
}

impl Affine {
    /// The affine form of a tensor of such a type, after a look at all its scales; `None` for the
    /// dense types and for those without such a form.
    pub(super) fn plan(tensor: &Tensor) -> Result<Option<Self>, GgufDamage> {
        let Ok(kind) = tensor.kind else { return Ok(None) };
        let bits = match kind {
            TensorKind::Q4_0 | TensorKind::Q4_1 => 4,
            TensorKind::Q8_0 => 8,
            _ => return Ok(None),
        };
        let mut plan = Self { kind, bits, dtype: Dtype::F16 };
        for block in tensor.data.chunks_exact(kind.block_bytes as usize) {
            let (scale, bias) = plan.scale_and_bias(block);
            if !(scale.is_finite() && bias.is_finite()) {
                return Err(GgufDamage::NotFinite(tensor.name.clone()));
            }
            if f16::from_f32(bias).to_f32().to_bits() != bias.to_bits() {
                plan.dtype = Dtype::F32;
            }
        }
        Ok(Some(plan))
    }

    /// Exact in f32: a half times a power of two, or a half as it is.
    fn scale_and_bias(&self, block: &[u8]) -> (f32, f32) {
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
        let scale = half(0);
        let bias = match self.kind {
            TensorKind::Q4_0 => -8.0 * scale,
            TensorKind::Q4_1 => half(2),
            _ => -128.0 * scale,
        };
        (scale, bias)
    }

    /// Appends a part of a row of whole blocks.
    pub(super) fn append(&self, part: Part, row: &[u8], out: &mut Vec<u8>) {
        let blocks = row.chunks_exact(self.kind.block_bytes as usize);
        match part {
            Part::Weight => match self.kind {
                TensorKind::Q4_0 => blocks.for_each(|block| append_nibbles(&block[2..18], out)),
                TensorKind::Q4_1 => blocks.for_each(|block| append_nibbles(&block[4..20], out)),
                // Two's complement plus 128 is the byte with its highest bit flipped.
                _ => blocks.for_each(|block| out.extend(block[2..34].iter().map(|q| q ^ 0x80))),
            },
            Part::Scales => {
                blocks.for_each(|block| self.dtype.put(self.scale_and_bias(block).0, out));
            }
            Part::Biases => {
                blocks.for_each(|block| self.dtype.put(self.scale_and_bias(block).1, out));
            }
        }
    }
}

/// GGUF holds values 0–15 in the low halves of 16 bytes and 16–31 in the high ones; MLX holds
/// neighbours in a byte.
fn append_nibbles(halves: &[u8], out: &mut Vec<u8>) {
    let mut packed = [0; GROUP / 2];
    let (low, high) = packed.split_at_mut(GROUP / 4);
    for (index, pair) in halves.chunks_exact(2).enumerate() {
        low[index] = (pair[0] & 15) | (pair[1] << 4);
        high[index] = (pair[0] >> 4) | (pair[1] & 0xf0);
    }
    out.extend_from_slice(&packed);
}
