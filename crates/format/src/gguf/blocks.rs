//! Converts GGUF blocks to affine groups: here the types that lose nothing, in [`super::groups`]
//! those whose scales are products.
//!
//! Q4_0, Q4_1 and Q8_0 already are affine groups of 32: `w = d·(q − 8)`, `d·q + m` and `d·q` with
//! signed bytes. The biases −8·d and −128·d are halves doubled three and seven times, so they are
//! halves as well unless they overflow. If one does, the tensor keeps its scales and biases in f32.

use half::f16;

use super::reader::Tensor;
use super::{GgufDamage, TensorKind, groups};
use mlxk_tensor::{Dtype, affine};

/// Group size of a GGUF block and of its affine form.
pub(super) const GROUP: usize = 32;

/// Affine form of a quantized tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Affine {
    /// The GGUF type, one of the quantized ones.
    pub(super) kind: TensorKind,
    /// Bits of a value.
    pub(super) bits: usize,
    /// Type of scales and biases: f16, or f32 if one of them would overflow or lose precision.
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
    /// Plans the affine form of a tensor after looking at all its scales. Returns `None` for dense
    /// types and for types without an affine form.
    ///
    /// If `lossless` is set, products that are not halves stay in f32.
    pub(super) fn plan(tensor: &Tensor, lossless: bool) -> Result<Option<Self>, GgufDamage> {
        let Ok(kind) = tensor.kind else { return Ok(None) };
        let bits = match kind {
            TensorKind::Q4_0 | TensorKind::Q4_1 => 4,
            TensorKind::Q8_0 => 8,
            _ => match groups::bits(kind) {
                Some(bits) => return Self::plan_groups(tensor, kind, bits, lossless).map(Some),
                None => return Ok(None),
            },
        };
        let mut plan = Self { kind, bits, dtype: Dtype::F16 };
        for block in tensor.data.chunks_exact(kind.block_bytes as usize) {
            let (scale, offset) = (half_bits(block, 0), plan.offset(block));
            if !is_finite(scale) || matches!(offset, Offset::Stored(bias) if !is_finite(bias)) {
                return Err(GgufDamage::NotFinite(tensor.name.clone()));
            }
            if let Offset::Doubled(times) = offset
                && magnitude(scale) > LARGEST_HALF - (times << MANTISSA_BITS)
            {
                plan.dtype = Dtype::F32;
            }
        }
        Ok(Some(plan))
    }

    /// Plans the affine form of the types whose scales are products.
    fn plan_groups(
        tensor: &Tensor,
        kind: TensorKind,
        bits: usize,
        lossless: bool,
    ) -> Result<Self, GgufDamage> {
        let exact_in_halves = matches!(kind, TensorKind::Q5_0 | TensorKind::Q5_1);
        let dtype = if lossless && !exact_in_halves { Dtype::F32 } else { Dtype::F16 };
        let mut plan = Self { kind, bits, dtype };
        let largest = f16::MAX.to_f32();
        for block in tensor.data.chunks_exact(kind.block_bytes as usize) {
            if groups::constants(kind, block).iter().any(|constant| !constant.is_finite()) {
                return Err(GgufDamage::NotFinite(tensor.name.clone()));
            }
            groups::for_each(kind, block, false, &mut |group| {
                if group.scale.abs() > largest || group.bias.abs() > largest {
                    plan.dtype = Dtype::F32;
                }
            });
        }
        Ok(plan)
    }

    /// Appends a part of a row of blocks, for the types whose scales are products.
    fn append_groups(&self, part: Part, row: &[u8], out: &mut Vec<u8>) {
        let rounded = self.dtype == Dtype::F16;
        for block in row.chunks_exact(self.kind.block_bytes as usize) {
            groups::for_each(self.kind, block, rounded, &mut |group| match part {
                Part::Weight => {
                    let start = out.len();
                    out.resize(start + affine::row_bytes(GROUP, self.bits), 0);
                    affine::pack_row(&group.codes, self.bits, &mut out[start..]);
                }
                Part::Scales => self.dtype.put(group.scale, out),
                Part::Biases => self.dtype.put(group.bias, out),
            });
        }
    }

    /// Returns the origin of the bias of a block.
    fn offset(&self, block: &[u8]) -> Offset {
        match self.kind {
            TensorKind::Q4_0 => Offset::Doubled(3),
            TensorKind::Q4_1 => Offset::Stored(half_bits(block, 2)),
            _ => Offset::Doubled(7),
        }
    }

    fn append_scale(&self, block: &[u8], out: &mut Vec<u8>) {
        let bits = half_bits(block, 0);
        match self.dtype {
            Dtype::F32 => Dtype::F32.put(f16::from_bits(bits).to_f32(), out),
            _ => out.extend_from_slice(&bits.to_le_bytes()),
        }
    }

    fn append_bias(&self, block: &[u8], out: &mut Vec<u8>) {
        let scale = half_bits(block, 0);
        match self.offset(block) {
            // Of the three types, only those with a product are ever kept in f32.
            Offset::Stored(bias) => out.extend_from_slice(&bias.to_le_bytes()),
            // A normal number is doubled by incrementing its exponent. The plan made sure that
            // there is room.
            Offset::Doubled(times)
                if self.dtype == Dtype::F16 && magnitude(scale) >= SMALLEST_NORMAL =>
            {
                let bias = (scale ^ SIGN) + (times << MANTISSA_BITS);
                out.extend_from_slice(&bias.to_le_bytes());
            }
            Offset::Doubled(times) => {
                let factor = -f32::from(1_u8 << times);
                self.dtype.put(factor * f16::from_bits(scale).to_f32(), out);
            }
        }
    }

    /// Appends a part of a row of whole blocks.
    pub(super) fn append(&self, part: Part, row: &[u8], out: &mut Vec<u8>) {
        if groups::bits(self.kind).is_some() {
            return self.append_groups(part, row, out);
        }
        let blocks = row.chunks_exact(self.kind.block_bytes as usize);
        match part {
            Part::Weight => match self.kind {
                TensorKind::Q4_0 => blocks.for_each(|block| append_nibbles(&block[2..18], out)),
                TensorKind::Q4_1 => blocks.for_each(|block| append_nibbles(&block[4..20], out)),
                // Two's complement plus 128 is the byte with its highest bit flipped.
                _ => blocks.for_each(|block| out.extend(block[2..34].iter().map(|q| q ^ 0x80))),
            },
            Part::Scales => blocks.for_each(|block| self.append_scale(block, out)),
            Part::Biases => blocks.for_each(|block| self.append_bias(block, out)),
        }
    }
}

/// Appends a part of a row of MXFP4 blocks: a byte with the exponent of the scale, then 16 bytes of E2M1
/// values. MLX has the same scales and values, in another order.
pub(super) fn append_mxfp4(part: Part, row: &[u8], out: &mut Vec<u8>) {
    for block in row.chunks_exact(TensorKind::MXFP4.block_bytes as usize) {
        match part {
            Part::Weight => append_nibbles(&block[1..], out),
            _ => out.push(block[0]),
        }
    }
}

/// Origin of the bias of a block.
enum Offset {
    /// The half that follows the scale.
    Stored(u16),
    /// Minus the scale, doubled this many times.
    Doubled(u16),
}

const SIGN: u16 = 0x8000;
const MANTISSA_BITS: u16 = 10;
const SMALLEST_NORMAL: u16 = 1 << MANTISSA_BITS;
/// 65504. Without their signs, halves are ordered like their bits.
const LARGEST_HALF: u16 = 0x7bff;

fn half_bits(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

fn magnitude(half: u16) -> u16 {
    half & !SIGN
}

fn is_finite(half: u16) -> bool {
    magnitude(half) <= LARGEST_HALF
}

/// GGUF keeps values 0–15 in the low halves of 16 bytes and 16–31 in the high ones; MLX keeps
/// neighbours in one byte.
fn append_nibbles(halves: &[u8], out: &mut Vec<u8>) {
    let mut packed = [0; GROUP / 2];
    let (low, high) = packed.split_at_mut(GROUP / 4);
    for (index, pair) in halves.chunks_exact(2).enumerate() {
        low[index] = (pair[0] & 15) | (pair[1] << 4);
        high[index] = (pair[0] >> 4) | (pair[1] & 0xf0);
    }
    out.extend_from_slice(&packed);
}
