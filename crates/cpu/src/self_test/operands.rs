//! Makes operands for the kernels from a seed.

use mlxk_memory::Bytes;
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};

/// Returns a generator of values in −1..1.
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

fn dense(dtype: Dtype, values: impl Iterator<Item = f32>) -> Dense {
    let mut data = Vec::new();
    values.for_each(|value| dtype.put(value, &mut data));
    Dense { dtype, data: Bytes::from(data) }
}

/// Makes a stack of two matrices in any mode, or dense for `None`. `dtype` is the type of the
/// scales, or of all values.
pub(crate) fn tensor(mode: Option<Mode>, rows: usize, cols: usize, dtype: Dtype) -> QuantTensor {
    let mut next = noise((mode.map_or(1, Mode::bits) * rows * cols) as u64);
    let mut bytes = |count: usize| -> Vec<u8> {
        (0..count).map(|_| ((next() + 1.0) * 128.0).min(255.0) as u8).collect()
    };
    let values = 2 * rows * cols;
    let storage = match mode {
        None => {
            let mut next = noise(cols as u64);
            Storage::Dense(dense(dtype, (0..values).map(|_| next())))
        }
        Some(Mode::Affine { bits, group_size }) => {
            let (bits, group_size) = (usize::from(bits), usize::from(group_size));
            let packed = bytes(values * bits / 8).into();
            let mut next = noise((bits * cols) as u64);
            let count = values / group_size;
            let scales = dense(dtype, (0..count).map(|_| next() * 0.02));
            let biases = dense(dtype, (0..count).map(|_| next() * 0.1));
            Storage::Affine { bits, group_size, packed, scales, biases }
        }
        Some(mode) => {
            // Usual scales and the smallest one. NaN would spoil every comparison.
            let scales = bytes(values / mode.group_size()).into_iter().map(|byte| match byte {
                0..6 => 0,
                _ if mode == Mode::Nvfp4 => byte & 0x3f | (byte & 0x40) << 1,
                _ => 118 + byte % 8,
            });
            let scales: Vec<u8> = scales.collect();
            let global_scale = (mode == Mode::Nvfp4 && dtype == Dtype::F16).then(|| vec![0.7, 0.3]);
            // 0x7f and 0xff are NaN in E4M3.
            let packed = bytes(values * mode.bits() / 8).into_iter();
            let packed = packed.map(|byte| if mode == Mode::Mxfp8 { byte & 0xbf } else { byte });
            let packed = packed.collect::<Vec<u8>>().into();
            Storage::Block { mode, packed, scales: scales.into(), global_scale }
        }
    };
    QuantTensor { name: "w".into(), experts: 2, rows, cols, storage }
}

/// Describes the storage of the weights.
pub(super) fn form(tensor: &QuantTensor) -> String {
    match (&tensor.storage, tensor.mode()) {
        (Storage::Dense(dense), _) => dense.dtype.name().to_lowercase(),
        (Storage::Affine { scales, .. }, Some(mode)) => {
            format!("{mode} weights with {} scales", scales.dtype.name().to_lowercase())
        }
        (_, mode) => mode.map_or_else(String::new, |mode| format!("{mode} weights")),
    }
}
