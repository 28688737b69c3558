//! Against gguf-py; the blocks and values are written by `tests/golden/blocks.py`.

use std::path::Path;

use super::*;
use mlxk_memory::Bytes;

use crate::safetensors::Shard;

const KINDS: [TensorKind; 5] =
    [TensorKind::Q5_0, TensorKind::Q5_1, TensorKind::Q4_K, TensorKind::Q5_K, TensorKind::Q6_K];

/// Calls `check` with every block of a type and what gguf-py makes of it.
fn blocks(kind: TensorKind, check: &mut dyn FnMut(&[u8], &[f32])) {
    let file = include_bytes!("../../../tests/golden/blocks.safetensors");
    let shard = Shard::from_bytes(Path::new("blocks"), Bytes::from(file.to_vec())).unwrap();
    let bytes = |suffix: &str| {
        let name = format!("{}.{suffix}", kind.name);
        let tensor = shard.tensors().find(|(found, ..)| *found == name);
        tensor.unwrap().3.to_vec()
    };
    let (all, expected) = (bytes("blocks"), bytes("expected"));
    let expected: Vec<f32> =
        expected.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let all = all.chunks_exact(kind.block_bytes as usize);
    assert!(all.len() >= 11);
    for (block, expected) in all.zip(expected.chunks_exact(kind.block as usize)) {
        check(block, expected);
    }
}

fn groups(kind: TensorKind, block: &[u8], rounded: bool) -> Vec<Group> {
    let mut groups = vec![];
    for_each(kind, block, rounded, &mut |group| groups.push(Group { ..*group }));
    groups
}

#[test]
fn lossless_groups_have_the_values_of_gguf_py() {
    for kind in KINDS.into_iter().filter(|&kind| kind != TensorKind::Q6_K) {
        blocks(kind, &mut |block, expected| {
            let found = groups(kind, block, false);
            let found = found.iter().flat_map(|group| {
                group.codes.map(|code| group.scale * f32::from(code) + group.bias)
            });
            // Adding zero turns -0 into 0.
            let found: Vec<f32> = found.map(|value| value + 0.0).collect();
            let expected: Vec<f32> = expected.iter().map(|value| value + 0.0).collect();
            assert_eq!(found, expected, "{}", kind.name);
        });
    }
}

#[test]
fn six_bits_are_read_as_gguf_py_does_and_quantized_within_half_a_step() {
    blocks(TensorKind::Q6_K, &mut |block, expected| {
        let mut values = [0.0; 256];
        q6_k(block, constants(TensorKind::Q6_K, block)[0], &mut values);
        assert_eq!(values.as_slice(), expected);
        for (group, expected) in
            groups(TensorKind::Q6_K, block, false).iter().zip(expected.chunks(32))
        {
            for (&code, expected) in group.codes.iter().zip(expected) {
                let error = group.scale * f32::from(code) + group.bias - expected;
                assert!(error.abs() <= group.scale.abs() * 0.501 + 1e-7, "{error} {}", group.scale);
            }
        }
    });
}

/// Scales that f16 holds as normal numbers: rounding them costs a small part of a step.
#[test]
fn rounded_groups_stay_within_a_part_of_a_step() {
    for kind in KINDS {
        blocks(kind, &mut |block, _| {
            let exact = groups(kind, block, false);
            for (rounded, exact) in groups(kind, block, true).iter().zip(&exact) {
                if !(6.2e-5..100.0).contains(&exact.scale.abs()) {
                    continue;
                }
                for (&code, &exact_code) in rounded.codes.iter().zip(&exact.codes) {
                    let value = rounded.scale * f32::from(code) + rounded.bias;
                    let error = value - (exact.scale * f32::from(exact_code) + exact.bias);
                    // Half a unit in the last place of the scale per code, and of the bias.
                    let bound =
                        2f32.powi(-11) * (f32::from(code) + 1.0 + (exact.bias / exact.scale).abs());
                    let bound = if kind == TensorKind::Q6_K { 1.1 } else { bound };
                    assert!(error.abs() <= bound * exact.scale.abs(), "{}: {error}", kind.name);
                }
            }
        });
    }
}
