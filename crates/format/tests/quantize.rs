//! Quantized bytes are those of `mx.quantize`. The file is made by `golden/quantize.py`.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use mlxk_format::safetensors::Shard;
use mlxk_tensor::{Mode, affine, block};

const COLS: usize = 128;

fn bytes(shard: &Shard, name: &str) -> Vec<u8> {
    let found = shard.tensors().find(|tensor| tensor.0 == name);
    found.unwrap_or_else(|| panic!("no `{name}`")).3.to_vec()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn every_mode_is_quantized_as_mlx_does() {
    let shard = Shard::open(&common::golden("quantized.safetensors")).unwrap();
    let input = floats(&bytes(&shard, "input"));
    let largest = input.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let plain = Mode::all().map(|mode| match mode {
        Mode::Affine { bits, group_size } => (format!("affine_{bits}_{group_size}"), mode, None),
        _ => (mode.name().to_owned(), mode, None),
    });
    for (name, mode, global_scale) in
        plain.chain([("nvfp4_global".to_owned(), Mode::Nvfp4, Some(largest))])
    {
        let groups = COLS / mode.group_size();
        let mut values = vec![0; COLS];
        let mut packed = vec![0; affine::row_bytes(COLS, mode.bits())];
        let mut found = [Vec::new(), Vec::new(), Vec::new()];
        for row in input.chunks_exact(COLS) {
            if let Mode::Affine { bits, group_size } = mode {
                let (mut scales, mut biases) = (vec![0.0; groups], vec![0.0; groups]);
                let (bits, size) = (bits.into(), group_size.into());
                affine::quantize_row(row, bits, size, &mut values, &mut scales, &mut biases);
                found[1].extend(scales.iter().flat_map(|x| x.to_le_bytes()));
                found[2].extend(biases.iter().flat_map(|x| x.to_le_bytes()));
            } else {
                let mut scales = vec![0; groups];
                block::quantize_row(mode, row, global_scale, &mut values, &mut scales);
                found[1].extend(scales);
            }
            affine::pack_row(&values, mode.bits(), &mut packed);
            found[0].extend_from_slice(&packed);
        }
        for (part, found) in ["weight", "scales", "biases"].iter().zip(&found) {
            if !found.is_empty() {
                assert!(*found == bytes(&shard, &format!("{name}.{part}")), "{part} of {name}");
            }
        }
    }
}
