//! One page: the keys and values of [`PAGE_POSITIONS`] positions in all layers.

use std::collections::TryReserveError;

use half::f16;
use half::slice::HalfFloatSliceExt;
use mlxk_ops::{KvFormat, KvSpec, PAGE_POSITIONS};

use super::codes::{self, Codes};

/// Features of a key that are narrowed at a time.
const CHUNK: usize = 64;

/// What a page holds and how.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub spec: KvSpec,
    pub format: KvFormat,
}

/// The values of a page: layer by layer, head by head, keys before values.
pub(super) enum Page {
    F16(Vec<f16>),
    F32(Vec<f32>),
    /// Codes, and the scales and biases that turn them into numbers.
    Codes(Vec<u8>, Vec<f16>),
}

/// Keys `[head_dim][PAGE_POSITIONS]` and values `[PAGE_POSITIONS][value_dim]` of one head in a page.
#[derive(Clone, Copy)]
pub(crate) enum PageHead<'a> {
    /// `next` are the keys that are read after this page, to ask for early.
    F16 {
        keys: &'a [f16],
        values: &'a [f16],
        next: &'a [f16],
    },
    F32 {
        keys: &'a [f32],
        values: &'a [f32],
    },
    Codes {
        keys: Codes<'a>,
        values: Codes<'a>,
    },
}

/// How an instruction set makes floats of what a page holds.
pub(crate) trait Widen {
    /// Of as many 16-bit floats, a multiple of eight.
    fn halves(&self, from: &[f16], to: &mut [f32]);

    /// Of the codes of keys, `[head_dim][PAGE_POSITIONS]`; `scales` are those of `keys`.
    fn keys(&self, keys: Codes<'_>, scales: &[f32], to: &mut [f32]) {
        codes::wide_keys(keys, scales, to);
    }

    /// Of the codes of values, `[PAGE_POSITIONS][value_dim]`; `scales` are those of `values`.
    fn values(&self, values: Codes<'_>, scales: &[f32], value_dim: usize, to: &mut [f32]) {
        codes::wide_values(values, scales, value_dim, to);
    }
}

impl<'a> PageHead<'a> {
    /// Keys and values as floats: where they lie, or in `scratch`.
    pub(crate) fn floats(
        self,
        [head_dim, value_dim]: [usize; 2],
        scratch: &'a mut Vec<f32>,
        widen: &impl Widen,
    ) -> (&'a [f32], &'a [f32]) {
        let scales = match self {
            Self::F32 { keys, values } => return (keys, values),
            Self::F16 { .. } => 0,
            Self::Codes { keys, values } => keys.scales.len() + values.scales.len(),
        };
        let room = (head_dim + value_dim) * PAGE_POSITIONS;
        scratch.resize(room + scales, 0.0);
        let (wide, scales) = scratch.split_at_mut(room);
        let (wide_keys, wide_values) = wide.split_at_mut(head_dim * PAGE_POSITIONS);
        match self {
            Self::F32 { .. } => {}
            Self::F16 { keys, values, .. } => {
                widen.halves(keys, wide_keys);
                widen.halves(values, wide_values);
            }
            Self::Codes { keys, values } => {
                let (key_scales, value_scales) = scales.split_at_mut(keys.scales.len());
                widen.halves(keys.scales, key_scales);
                widen.halves(values.scales, value_scales);
                widen.keys(keys, key_scales, wide_keys);
                widen.values(values, value_scales, value_dim, wide_values);
            }
        }
        (wide_keys, wide_values)
    }
}

impl Layout {
    pub(super) fn page_bytes(&self) -> usize {
        self.format.position_bytes(&self.spec) * PAGE_POSITIONS
    }

    /// A page of zeros.
    pub(super) fn page(&self) -> Result<Page, TryReserveError> {
        let values = self.spec.values_per_position() * PAGE_POSITIONS;
        Ok(match self.format {
            KvFormat::F32 => Page::F32(filled(0.0, values)?),
            KvFormat::F16 => Page::F16(filled(f16::ZERO, values)?),
            KvFormat::Affine8 | KvFormat::Affine4 => {
                let scales = self.heads() * self.head(codes::scales_per_vector);
                let bits = usize::from(self.format.bits());
                let codes = self.heads() * self.head(|width| codes::bytes_per_vector(bits, width));
                Page::Codes(filled(0, codes)?, filled(f16::ZERO, scales)?)
            }
        })
    }

    /// Heads of all layers.
    fn heads(&self) -> usize {
        self.spec.layers * self.spec.kv_heads
    }

    /// What a head takes in a page, of that which a key or value of some width takes.
    fn head(&self, vector: impl Fn(usize) -> usize) -> usize {
        (vector(self.spec.head_dim) + vector(self.spec.value_dim)) * PAGE_POSITIONS
    }

    /// Index of the first key of a head, of its first value, and behind its last.
    fn range(&self, (layer, head): (usize, usize), vector: impl Fn(usize) -> usize) -> [usize; 3] {
        let size = self.head(&vector);
        let keys = (layer * self.spec.kv_heads + head) * size;
        [keys, keys + vector(self.spec.head_dim) * PAGE_POSITIONS, keys + size]
    }
}

fn filled<T: Clone>(value: T, count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count)?;
    values.resize(count, value);
    Ok(values)
}

impl Page {
    /// Copies a page of the same cache, so of the same representation.
    pub(super) fn copy_from(&mut self, other: &Self) {
        match (other, self) {
            (Self::F16(from), Self::F16(to)) => to.copy_from_slice(from),
            (Self::F32(from), Self::F32(to)) => to.copy_from_slice(from),
            (Self::Codes(from, from_scales), Self::Codes(to, to_scales)) => {
                to.copy_from_slice(from);
                to_scales.copy_from_slice(from_scales);
            }
            _ => unreachable!("all pages of a cache have one representation"),
        }
    }

    /// Appends its bytes, little-endian.
    pub(super) fn export(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::F16(values) => bytes.extend(values.iter().flat_map(|x| x.to_le_bytes())),
            Self::F32(values) => bytes.extend(values.iter().flat_map(|x| x.to_le_bytes())),
            Self::Codes(codes, scales) => {
                bytes.extend(codes);
                bytes.extend(scales.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
    }

    /// Takes the bytes of an export.
    pub(super) fn import(&mut self, bytes: &[u8]) {
        let halves = |values: &mut [f16], bytes: &[u8]| {
            for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                *value = f16::from_le_bytes(*bytes);
            }
        };
        match self {
            Self::F16(values) => halves(values, bytes),
            Self::F32(values) => {
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Self::Codes(codes, scales) => {
                let (code_bytes, scale_bytes) = bytes.split_at(codes.len());
                codes.copy_from_slice(code_bytes);
                halves(scales, scale_bytes);
            }
        }
    }

    /// Stores the key `[head_dim]` and the value `[value_dim]` of one position.
    pub(super) fn write(
        &mut self,
        layout: &Layout,
        head: (usize, usize),
        slot: usize,
        key: &[f32],
        value: &[f32],
    ) {
        match self {
            Self::F16(data) => {
                let [keys, values, end] = layout.range(head, |width| width);
                let (keys, values) = data[keys..end].split_at_mut(values - keys);
                for (keys, x) in keys.chunks_mut(CHUNK * PAGE_POSITIONS).zip(key.chunks(CHUNK)) {
                    let mut narrow = [f16::ZERO; CHUNK];
                    narrow[..x.len()].convert_from_f32_slice(x);
                    for (keys, &x) in keys.chunks_exact_mut(PAGE_POSITIONS).zip(&narrow) {
                        keys[slot] = x;
                    }
                }
                values[slot * value.len()..][..value.len()].convert_from_f32_slice(value);
            }
            Self::F32(data) => {
                let [keys, values, end] = layout.range(head, |width| width);
                let (keys, values) = data[keys..end].split_at_mut(values - keys);
                for (keys, &x) in keys.chunks_exact_mut(PAGE_POSITIONS).zip(key) {
                    keys[slot] = x;
                }
                values[slot * value.len()..][..value.len()].copy_from_slice(value);
            }
            Self::Codes(data, scales) => {
                let bits = usize::from(layout.format.bits());
                let [keys, values, end] =
                    layout.range(head, |width| codes::bytes_per_vector(bits, width));
                let (key_codes, value_codes) = data[keys..end].split_at_mut(values - keys);
                let [keys, values, end] = layout.range(head, codes::scales_per_vector);
                let (key_scales, value_scales) = scales[keys..end].split_at_mut(values - keys);
                codes::write_key(bits, key_codes, key_scales, slot, key);
                codes::write_value(bits, value_codes, value_scales, slot, value);
            }
        }
    }

    pub(super) fn head(&self, layout: &Layout, head: (usize, usize)) -> PageHead<'_> {
        match self {
            Self::F16(data) => {
                let [keys, values, end] = layout.range(head, |width| width);
                let (keys, values) = (&data[keys..values], &data[values..end]);
                PageHead::F16 { keys, values, next: keys }
            }
            Self::F32(data) => {
                let [keys, values, end] = layout.range(head, |width| width);
                PageHead::F32 { keys: &data[keys..values], values: &data[values..end] }
            }
            Self::Codes(data, scales) => {
                let bits = usize::from(layout.format.bits());
                let [keys, values, end] =
                    layout.range(head, |width| codes::bytes_per_vector(bits, width));
                let (key_codes, value_codes) = (&data[keys..values], &data[values..end]);
                let [keys, values, end] = layout.range(head, codes::scales_per_vector);
                let (key_scales, value_scales) = (&scales[keys..values], &scales[values..end]);
                PageHead::Codes {
                    keys: Codes { bits, packed: key_codes, scales: key_scales },
                    values: Codes { bits, packed: value_codes, scales: value_scales },
                }
            }
        }
    }
}
