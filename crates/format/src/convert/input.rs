//! Input of a conversion: a tensor or a stack of tensors, read row by row with the arithmetic of
//! MLX.

use half::{bf16, f16};

use crate::safetensors::Entry;
use mlxk_tensor::{Dtype, QuantTensor, Storage, affine};

/// A matrix, or a stack of matrices of equal shape.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Plain values, of one tensor or of several in sequence.
    Dense {
        entries: Vec<Entry>,
        dtype: Dtype,
        cols: usize,
        /// If set, only every second row is used.
        turn: Option<Turn>,
    },
    /// Quantized matrices.
    Quantized(Vec<QuantTensor>),
}

/// Selection of every second row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The first selected row, 0 or 1.
    pub first: usize,
    pub row_bytes: usize,
}

impl Input {
    /// Returns the type of the values that [`row`](Self::row) returns if scales are first cast to
    /// `cast`.
    pub(super) fn dtype(&self, cast: Option<Dtype>) -> Dtype {
        match self {
            Self::Dense { dtype, .. } => cast.unwrap_or(*dtype),
            Self::Quantized(parts) => match parts.first().map(|part| &part.storage) {
                Some(Storage::Affine { scales, .. }) => cast.unwrap_or(scales.dtype),
                Some(Storage::Dense(dense)) => cast.unwrap_or(dense.dtype),
                // Products of two short values are exact in bf16, and MLX computes them in it.
                Some(Storage::Block { .. }) | None => Dtype::Bf16,
            },
        }
    }

    /// Returns the number of rows of all matrices together.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Dense { entries, dtype, cols, turn } => {
                let bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
                let of = if turn.is_some() { 2 } else { 1 };
                bytes / (dtype.size_bytes() * cols * of).max(1)
            }
            Self::Quantized(parts) => parts.iter().map(|part| part.experts * part.rows).sum(),
        }
    }

    pub(super) fn cols(&self) -> usize {
        match self {
            Self::Dense { cols, .. } => *cols,
            Self::Quantized(parts) => parts.first().map_or(0, |part| part.cols),
        }
    }

    /// Writes row `row` to `out`, with every value rounded to the type that [`dtype`](Self::dtype)
    /// returns.
    pub(super) fn row(&self, row: usize, cast: Option<Dtype>, out: &mut [f32]) {
        match self {
            Self::Dense { entries, dtype, cols, turn } => {
                let length = cols * dtype.size_bytes();
                let row = turn.map_or(row, |turn| 2 * row + turn.first);
                let (entry, row) = locate(entries, row, |entry| entry.data.len() / length);
                let bytes = &entry.data[row * length..][..length];
                for (index, out) in out.iter_mut().enumerate() {
                    let value = dtype.get(bytes, index);
                    *out = cast.map_or(value, |cast| round(cast, value));
                }
            }
            Self::Quantized(parts) => {
                let (part, row) = locate(parts, row, |part| part.experts * part.rows);
                quantized_row(part, row, cast, out);
            }
        }
    }

    /// Returns the bytes of a dense input, in order.
    pub(super) fn pieces(&self) -> Vec<&[u8]> {
        match self {
            Self::Dense { entries, turn: None, .. } => {
                entries.iter().map(|entry| &entry.data[..]).collect()
            }
            Self::Dense { entries, turn: Some(turn), .. } => {
                let rows = entries.iter().flat_map(|entry| entry.data.chunks(turn.row_bytes));
                rows.skip(turn.first).step_by(2).collect()
            }
            Self::Quantized(_) => Vec::new(),
        }
    }
}

/// Returns the part that contains a row, and the index of the row in that part.
fn locate<T>(parts: &[T], mut row: usize, rows: impl Fn(&T) -> usize) -> (&T, usize) {
    for part in parts {
        let count = rows(part);
        if row < count {
            return (part, row);
        }
        row -= count;
    }
    panic!("row {row} lies behind the last part")
}

fn quantized_row(part: &QuantTensor, row: usize, cast: Option<Dtype>, out: &mut [f32]) {
    if let Storage::Affine { bits, group_size, packed, scales, biases } = &part.storage {
        let dtype = cast.unwrap_or(scales.dtype);
        let length = affine::row_bytes(part.cols, *bits);
        let mut values = vec![0; part.cols];
        affine::unpack_row(&packed[row * length..][..length], *bits, &mut values);
        let first = row * (part.cols / group_size);
        for (index, (out, value)) in out.iter_mut().zip(values).enumerate() {
            let group = first + index / group_size;
            let scale = round(dtype, scales.get(group));
            let bias = round(dtype, biases.get(group));
            *out = round(dtype, round(dtype, scale * f32::from(value)) + bias);
        }
    } else {
        part.dequantize_row(row / part.rows, row % part.rows, out);
        for out in out {
            *out = round(Dtype::Bf16, *out);
        }
    }
}

/// Rounds to the nearest value of a type.
pub(super) fn round(dtype: Dtype, value: f32) -> f32 {
    match dtype {
        Dtype::F32 => value,
        Dtype::F16 => f16::from_f32(value).to_f32(),
        Dtype::Bf16 => bf16::from_f32(value).to_f32(),
    }
}
