//! The cache returns what was stored, as closely as its format allows.

mod model;

use mlxk_ops::{CacheSpec, KvFormat, PAGE_POSITIONS};
use proptest::prelude::*;

use super::{PageHead, SequenceCache};
use crate::kernels::{self, InstructionSet, Queries};
use crate::self_test::{noise, wide};

const HEADS: usize = 2;
const LAYERS: usize = 2;

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut next = noise(seed);
    (0..count).map(|_| next() * 3.0 + 0.5).collect()
}

/// A cache of one sequence, and the keys and values of all positions of one layer and head in it.
fn filled(
    format: KvFormat,
    [head_dim, value_dim]: [usize; 2],
    positions: usize,
    seed: u64,
) -> (SequenceCache, mlxk_ops::Sequence, [Vec<f32>; 2]) {
    let mut cache = SequenceCache::new(format);
    cache.configure(&CacheSpec::uniform(LAYERS, HEADS, head_dim, value_dim));
    let sequence = cache.new_sequence();
    cache.reserve(sequence, 0, positions).unwrap();
    let [mut keys, mut all_values] = [vec![], vec![]];
    for position in 0..positions {
        for layer in 0..LAYERS {
            let seed = seed + (position * LAYERS + layer) as u64;
            let key = values(seed, HEADS * head_dim);
            let value = values(seed + 7919, HEADS * value_dim);
            cache.write(sequence, position, layer, &key, &value);
            if layer == 1 {
                keys.extend(&key[head_dim..]);
                all_values.extend(&value[value_dim..]);
            }
        }
    }
    (cache, sequence, [keys, all_values])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn values_come_back_within_half_a_step(
        dims in prop_oneof![Just([64, 64]), Just([80, 80]), Just([128, 96]), Just([24, 8])],
        format in prop_oneof![
            Just(KvFormat::F32), Just(KvFormat::F16), Just(KvFormat::Affine8), Just(KvFormat::Affine4),
        ],
        positions in 1usize..80,
        seed in 0u64..1000,
    ) {
        // Numbers lie between -2.5 and 3.5; scale and bias are rounded to f16.
        let [eight, four] = [255.0, 15.0].map(|levels| 6.0 / levels * 0.5 + 0.004);
        let [key_bound, value_bound] = match format {
            KvFormat::F32 => [0.0; 2],
            KvFormat::F16 => [0.001; 2],
            KvFormat::Affine8 => [eight; 2],
            KvFormat::Affine4 => [eight, four],
        };
        let (mut cache, sequence, [keys, values]) = filled(format, dims, positions, seed);
        let mut bytes = Vec::new();
        let extent = cache.extent(sequence, positions);
        cache.export(sequence, &extent, &mut |piece| { bytes.extend(piece); Ok(()) }).unwrap();
        prop_assert_eq!(bytes.len() as u64, cache.export_bytes(&extent));
        let mut rest = bytes.as_slice();
        let copy = cache.import(&extent, &mut |into| std::io::Read::read_exact(&mut rest, into)).unwrap();
        for page in 0..positions.div_ceil(PAGE_POSITIONS) {
            let (wide_keys, wide_values) = wide(cache.layer(sequence, 1).head(page, 1), dims);
            prop_assert_eq!(
                &wide(cache.layer(copy, 1).head(page, 1), dims),
                &(wide_keys.clone(), wide_values.clone())
            );
            for slot in 0..PAGE_POSITIONS.min(positions - page * PAGE_POSITIONS) {
                let position = page * PAGE_POSITIONS + slot;
                for i in 0..dims[0] {
                    let (found, given) =
                        (wide_keys[i * PAGE_POSITIONS + slot], keys[position * dims[0] + i]);
                    prop_assert!((found - given).abs() <= key_bound, "key {found} for {given}");
                }
                for i in 0..dims[1] {
                    let (found, given) =
                        (wide_values[slot * dims[1] + i], values[position * dims[1] + i]);
                    prop_assert!((found - given).abs() <= value_bound, "value {found} for {given}");
                }
            }
        }
    }

    /// Each set of kernels makes the same floats of codes.
    #[test]
    fn codes_attend_as_the_floats_they_stand_for(
        dims in prop_oneof![Just([64, 64]), Just([80, 80]), Just([128, 96])],
        four_bits in any::<bool>(),
        seed in 0u64..1000,
    ) {
        let format = if four_bits { KvFormat::Affine4 } else { KvFormat::Affine8 };
        let (cache, sequence, _) = filled(format, dims, PAGE_POSITIONS, seed);
        let head = cache.layer(sequence, 1).head(0, 1);
        let (keys, values) = wide(head, dims);
        for kernels in InstructionSet::available().filter_map(kernels::of) {
            let attend = |head| {
                let mut queries = Queries::default();
                queries.reset(3, dims[0], dims[1]);
                queries.q = self::values(seed + 1, 3 * dims[0]);
                queries.to.fill(PAGE_POSITIONS);
                kernels.attend_page(head, &mut queries, &mut Vec::new());
                queries.acc
            };
            prop_assert_eq!(attend(head), attend(PageHead::F32 { keys: &keys, values: &values }));
        }
    }
}
