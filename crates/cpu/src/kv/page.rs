//! One page: the keys and values of [`PAGE_POSITIONS`] positions in all layers, as bytes: layer by
//! layer, head by head, keys before values. A page of codes has the codes of all of them first, then
//! the scales and biases that turn them into numbers.

use bytemuck::{Pod, cast_slice, cast_slice_mut};
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

/// Keys `[head_dim][PAGE_POSITIONS]` and values `[PAGE_POSITIONS][value_dim]` of one head in a page.
#[derive(Clone, Copy)]
pub(crate) enum PageHead<'a> {
    F16 {
        keys: &'a [f16],
        values: &'a [f16],
        /// The keys that are read after this page, to ask for early.
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

    /// Features of a key and of a value.
    fn widths(&self) -> [usize; 2] {
        [self.spec.head_dim, self.spec.value_dim]
    }

    /// Bits of the code of a value.
    fn value_bits(&self) -> usize {
        self.format.bits().into()
    }

    /// Index of the first key of a head, of its first value, and behind its last, where a key and a
    /// value take so much each.
    fn range(&self, (layer, head): (usize, usize), [key, value]: [usize; 2]) -> [usize; 3] {
        let size = (key + value) * PAGE_POSITIONS;
        let keys = (layer * self.spec.kv_heads + head) * size;
        [keys, keys + key * PAGE_POSITIONS, keys + size]
    }

    /// Where the codes of a head lie among all codes, and its scales among all scales, which begin at
    /// the byte that comes first.
    fn codes_range(&self, head: (usize, usize)) -> (usize, [usize; 3], [usize; 3]) {
        let [key, value] = self.widths();
        let bytes = [(codes::KEY_BITS, key), (self.value_bits(), value)]
            .map(|(bits, width)| codes::bytes_per_vector(bits, width));
        let [all, ..] = self.range((self.spec.layers, 0), bytes);
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

    /// One head of a page.
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

/// The numbers of a page from its keys to its values, and from there to the end.
fn parts<T: Pod>(page: &[u8], [keys, values, end]: [usize; 3]) -> (&[T], &[T]) {
    cast_slice::<u8, T>(page)[keys..end].split_at(values - keys)
}

fn parts_mut<T: Pod>(page: &mut [u8], [keys, values, end]: [usize; 3]) -> (&mut [T], &mut [T]) {
    cast_slice_mut::<u8, T>(page)[keys..end].split_at_mut(values - keys)
}
