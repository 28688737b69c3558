//! Checkpoints out of a hash, the same as `tests/parity/fill.py` makes.

use mlxk_format::{CheckpointWriter, ElementType};
use mlxk_tensor::{Dtype, Mode, affine, block};
use serde_json::Value;
use tempfile::TempDir;

use crate::golden::{Golden, Tensor};

/// A checkpoint in memory, as it will be in its files.
pub(crate) struct Made {
    pub(crate) config: Value,
    pub(crate) tensors: Vec<Stored>,
}

/// One tensor of the file.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) dtype: ElementType,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<u8>,
}

/// Element `i` is `centre + spread · u`: `u` in [-1, 1) from the upper 24 bits of SplitMix64's output
/// function (Steele et al., 2014) at `FNV-1a(name) + (i + 1) · γ`.
pub(crate) fn fill(name: &str, count: usize, centre: f32, spread: f32) -> Vec<f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |value, byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut counter = seed;
    (0..count)
        .map(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (counter ^ counter >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            let u = (z >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
            centre + spread * u
        })
        .collect()
}

impl Made {
    pub(crate) fn new(golden: &Golden) -> Self {
        let mut config = golden.config.clone();
        if let Some(table) = config.get("quantization").cloned() {
            config["quantization_config"] = table;
        }
        let mut made = Self { config, tensors: Vec::new() };
        for tensor in &golden.tensors {
            let count = tensor.shape.iter().product();
            let name = format!("{}/{}", golden.seed, tensor.name);
            let mut values = fill(&name, count, tensor.centre, tensor.spread);
            if name.rsplit('.').next() == Some("signs") {
                for value in &mut values {
                    *value = if *value < 0.0 { -1.0 } else { 1.0 };
                }
            }
            made.add(tensor, &values);
        }
        made
    }

    fn add(&mut self, tensor: &Tensor, values: &[f32]) {
        let name = &tensor.name;
        if tensor.ternary {
            let data = values.iter().map(|&value| ternary(value)).collect();
            return self.put(name, ElementType::U8, &tensor.shape, data);
        }
        let Some(mode) = tensor.mode else {
            return self.put(
                name,
                tensor.dtype.into(),
                &tensor.shape,
                floats(values, tensor.dtype),
            );
        };
        let (&cols, leading) = tensor.shape.split_last().unwrap();
        let groups = cols / mode.group_size();
        let mut codes = vec![0; cols];
        let mut row_packed = vec![0; affine::row_bytes(cols, mode.bits())];
        let (mut packed, mut scales, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        let mut factors = Vec::new();
        // A matrix, or each of a stack of experts.
        for matrix in values.chunks_exact(leading[leading.len() - 1] * cols) {
            let largest = matrix.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            factors.push(largest);
            for row in matrix.chunks_exact(cols) {
                if let Mode::Affine { bits, group_size } = mode {
                    let (mut s, mut b) = (vec![0.0; groups], vec![0.0; groups]);
                    let (bits, size) = (bits.into(), group_size.into());
                    affine::quantize_row(row, bits, size, &mut codes, &mut s, &mut b);
                    scales.extend(floats(&s, tensor.dtype));
                    biases.extend(floats(&b, tensor.dtype));
                } else {
                    let mut s = vec![0; groups];
                    let factor = tensor.global_scale.then_some(largest);
                    block::quantize_row(mode, row, factor, &mut codes, &mut s);
                    scales.extend(s);
                }
                affine::pack_row(&codes, mode.bits(), &mut row_packed);
                packed.extend_from_slice(&row_packed);
            }
        }
        let path = name.strip_suffix(".weight").unwrap();
        let with_last = |last: usize| [leading, &[last]].concat();
        self.put(name, ElementType::U32, &with_last(cols * mode.bits() / 32), packed);
        let is_affine = matches!(mode, Mode::Affine { .. });
        let scales_type = if is_affine { tensor.dtype.into() } else { ElementType::U8 };
        self.put(&format!("{path}.scales"), scales_type, &with_last(groups), scales);
        if is_affine {
            let name = format!("{path}.biases");
            self.put(&name, tensor.dtype.into(), &with_last(groups), biases);
        }
        if tensor.global_scale {
            let data = floats(&factors, Dtype::F32);
            let name = format!("{path}.global_scale");
            self.put(&name, ElementType::F32, &leading[..leading.len() - 1], data);
        }
    }

    fn put(&mut self, name: &str, dtype: ElementType, shape: &[usize], data: Vec<u8>) {
        self.tensors.push(Stored { name: name.to_owned(), dtype, shape: shape.to_vec(), data });
    }

    /// Writes the checkpoint into a folder of its own.
    pub(crate) fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = CheckpointWriter::new(self.config.clone());
        for tensor in &self.tensors {
            writer.raw(&tensor.name, tensor.dtype, &tensor.shape, tensor.data.clone());
        }
        writer.write(folder.path()).unwrap();
        folder
    }
}

/// Returns four codes of 0, 1 or 2 in a byte, from a number in [-1, 1).
fn ternary(value: f32) -> u8 {
    let mut number = ((value + 1.0) * (1_u32 << 23) as f32) as u32;
    let mut byte = 0;
    for at in 0..4 {
        byte |= ((number % 3) as u8) << (2 * at);
        number /= 3;
    }
    byte
}

pub(crate) fn floats(values: &[f32], dtype: Dtype) -> Vec<u8> {
    let mut data = Vec::with_capacity(values.len() * dtype.size_bytes());
    for &value in values {
        dtype.put(value, &mut data);
    }
    data
}
