//! One page: the keys and values of [`PAGE_POSITIONS`] positions in all layers of a group, as bytes.
//!
//! They are stored layer by layer and head by head, keys before values. A page of codes has the codes of
//! all of them first, then the scales and biases that turn them into numbers.

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use half::f16;
use half::slice::HalfFloatSliceExt;
use mlxk_ops::{KvFormat, PAGE_POSITIONS};

use super::codes::{self, Codes};

/// Features of a key that are narrowed at a time.
const CHUNK: usize = 64;

/// Layout of a page.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub layers: usize,
    pub kv_heads: usize,
    /// Width of a key.
    pub head_dim: usize,
    /// Width of a value.
    pub value_dim: usize,
    pub format: KvFormat,
}

/// Keys `[head_dim][PAGE_POSITIONS]` and values `[PAGE_POSITIONS][value_dim]` of one head in a page.
#[derive(Clone, Copy)]
pub(crate) enum PageHead<'a> {
    F16 {
        keys: &'a [f16],
        values: &'a [f16],
        /// The keys that are read after this page, so that they can be prefetched.
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

/// Conversion of the contents of a page to floats by one instruction set.
pub(crate) trait Widen {
    /// Converts 16-bit floats; their number is a multiple of eight.
    fn halves(&self, from: &[f16], to: &mut [f32]);

    /// Converts the codes of keys, `[head_dim][PAGE_POSITIONS]`; `scales` are those of `keys`.
    fn keys(&self, keys: Codes<'_>, scales: &[f32], to: &mut [f32]) {
        codes::wide_keys(keys, scales, to);
    }

    /// Converts the codes of values, `[PAGE_POSITIONS][value_dim]`; `scales` are those of `values`.
    fn values(&self, values: Codes<'_>, scales: &[f32], value_dim: usize, to: &mut [f32]) {
        codes::wide_values(values, scales, value_dim, to);
    }
}

impl<'a> PageHead<'a> {
    /// Returns keys and values as floats: in place if they are floats, in `scratch` otherwise.
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
                // The keys of an indexer have no values.
                if value_dim > 0 {
                    widen.values(values, value_scales, value_dim, wide_values);
                }
            }
        }
        (wide_keys, wide_values)
    }
}

impl Layout {
    pub(super) fn page_bytes(&self) -> usize {
        let [key, value] = self.format.head_bytes(self.head_dim, self.value_dim);
        self.layers * self.kv_heads * (key + value) * PAGE_POSITIONS
    }

    /// Returns the number of features of a key and of a value.
    fn widths(&self) -> [usize; 2] {
        [self.head_dim, self.value_dim]
    }

    /// Returns the bits of the code of a value.
    fn value_bits(&self) -> usize {
        self.format.bits().into()
    }

    /// Returns the index of the first key of a head, of its first value, and the index behind its last value.
    /// `key` and `value` are the sizes of one key and one value.
    fn range(&self, (layer, head): (usize, usize), [key, value]: [usize; 2]) -> [usize; 3] {
        let size = (key + value) * PAGE_POSITIONS;
        let keys = (layer * self.kv_heads + head) * size;
        [keys, keys + key * PAGE_POSITIONS, keys + size]
    }

    /// Returns the byte at which the scales of the page begin, the range of a head's codes among all codes,
    /// and the range of its scales among all scales.
    fn codes_range(&self, head: (usize, usize)) -> (usize, [usize; 3], [usize; 3]) {
        let [key, value] = self.widths();
        let bytes = [(codes::KEY_BITS, key), (self.value_bits(), value)]
            .map(|(bits, width)| codes::bytes_per_vector(bits, width));
        let [all, ..] = self.range((self.layers, 0), bytes);
        let scales = self.widths().map(codes::scales_per_vector);
        (all, self.range(head, bytes), self.range(head, scales))
    }

    /// Stores the key `[head_dim]` and the value `[value_dim]` of one position in a page.
    pub(super) fn write(
        &self,
        page: &mut [u8],
        head: (usize, usize),
        slot: usize,
        key: &[f32],
        value: &[f32],
    ) {
        match self.format {
            KvFormat::F16 => {
                let (keys, values) = parts_mut::<f16>(page, self.range(head, self.widths()));
                for (keys, x) in keys.chunks_mut(CHUNK * PAGE_POSITIONS).zip(key.chunks(CHUNK)) {
                    let mut narrow = [f16::ZERO; CHUNK];
                    narrow[..x.len()].convert_from_f32_slice(x);
                    for (keys, &x) in keys.chunks_exact_mut(PAGE_POSITIONS).zip(&narrow) {
                        keys[slot] = x;
                    }
                }
                values[slot * value.len()..][..value.len()].convert_from_f32_slice(value);
            }
            KvFormat::F32 => {
                let (keys, values) = parts_mut::<f32>(page, self.range(head, self.widths()));
                for (keys, &x) in keys.chunks_exact_mut(PAGE_POSITIONS).zip(key) {
                    keys[slot] = x;
                }
                values[slot * value.len()..][..value.len()].copy_from_slice(value);
            }
            KvFormat::Affine8 | KvFormat::Affine4 => {
                let (all, codes, scales) = self.codes_range(head);
                let (all_codes, all_scales) = page.split_at_mut(all);
                let (key_codes, value_codes) = parts_mut::<u8>(all_codes, codes);
                let (key_scales, value_scales) = parts_mut::<f16>(all_scales, scales);
                codes::write_key(key_codes, key_scales, slot, key);
                codes::write_value(self.value_bits(), value_codes, value_scales, slot, value);
            }
        }
    }

    /// Returns one head of a page.
    pub(super) fn read<'a>(&self, page: &'a [u8], head: (usize, usize)) -> PageHead<'a> {
        match self.format {
            KvFormat::F16 => {
                let (keys, values) = parts(page, self.range(head, self.widths()));
                PageHead::F16 { keys, values, next: keys }
            }
            KvFormat::F32 => {
                let (keys, values) = parts(page, self.range(head, self.widths()));
                PageHead::F32 { keys, values }
            }
            KvFormat::Affine8 | KvFormat::Affine4 => {
                let (all, codes, scales) = self.codes_range(head);
                let (all_codes, all_scales) = page.split_at(all);
                let (key_codes, value_codes) = parts(all_codes, codes);
                let (key_scales, value_scales) = parts(all_scales, scales);
                PageHead::Codes {
                    keys: Codes { packed: key_codes, scales: key_scales },
                    values: Codes { packed: value_codes, scales: value_scales },
                }
            }
        }
    }
}

/// Splits the numbers of a head in a page into its keys and its values.
fn parts<T: Pod>(page: &[u8], [keys, values, end]: [usize; 3]) -> (&[T], &[T]) {
    cast_slice::<u8, T>(page)[keys..end].split_at(values - keys)
}

fn parts_mut<T: Pod>(page: &mut [u8], [keys, values, end]: [usize; 3]) -> (&mut [T], &mut [T]) {
    cast_slice_mut::<u8, T>(page)[keys..end].split_at_mut(values - keys)
}
