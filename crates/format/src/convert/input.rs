//! Input of a conversion: a tensor or a stack of tensors, read row by row with the arithmetic of
//! MLX.

use half::{bf16, f16};

use super::Arithmetic;
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
        /// If set, only one half of the rows is used.
        half: Option<Half>,
        arithmetic: Arithmetic,
    },
    /// Quantized matrices.
    Quantized(Vec<QuantTensor>),
}

/// Selection of one half of the rows of each matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    pub rows: HalfRows,
    /// `true` for the second half.
    pub second: bool,
    /// Number of rows of a matrix that are selected.
    pub count: usize,
    pub row_bytes: usize,
}

/// Rows that make up a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HalfRows {
    /// Every second row.
    ByTurns,
    /// Rows that follow each other.
    Consecutive,
}

impl Half {
    /// Returns the row of the source that becomes `row`.
    const fn source(&self, row: usize) -> usize {
        match self.rows {
            HalfRows::ByTurns => 2 * row + self.second as usize,
            HalfRows::Consecutive => {
                let (matrix, row) = (row / self.count, row % self.count);
                (2 * matrix + self.second as usize) * self.count + row
            }
        }
    }
}

impl Arithmetic {
    /// Computes on a row, which has the type `dtype`.
    fn apply(&self, dtype: Dtype, row: usize, out: &mut [f32]) {
        let factor = match self {
            Self::None => return,
            Self::Add(number) => {
                let number = round(dtype, *number);
                for out in out {
                    *out = round(dtype, *out + number);
                }
                return;
            }
            Self::Multiply(factor) => round(dtype, *factor),
            Self::UnitRows { eps } => {
                let square: f64 = out.iter().map(|&value| f64::from(value).powi(2)).sum();
                let length = square.sqrt() as f32 + eps;
                for out in out {
                    *out = round(dtype, *out / length);
                }
                return;
            }
            Self::MultiplyRows { common, rows } => {
                round(dtype, round(dtype, *common) * round(dtype, rows[row]))
            }
        };
        for out in out {
            *out = round(dtype, *out * factor);
        }
    }
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
            Self::Dense { entries, dtype, cols, half, .. } => {
                let bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
                let of = if half.is_some() { 2 } else { 1 };
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
            Self::Dense { entries, dtype, cols, half, arithmetic } => {
                let length = cols * dtype.size_bytes();
                let source = half.map_or(row, |half| half.source(row));
                let (entry, at) = locate(entries, source, |entry| entry.data.len() / length);
                let bytes = &entry.data[at * length..][..length];
                for (index, out) in out.iter_mut().enumerate() {
                    *out = dtype.get(bytes, index);
                }
                arithmetic.apply(*dtype, row, out);
                if let Some(cast) = cast {
                    for out in out {
                        *out = round(cast, *out);
                    }
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
            Self::Dense { entries, half: None, .. } => {
                entries.iter().map(|entry| &entry.data[..]).collect()
            }
            Self::Dense { entries, half: Some(half), .. } => {
                let piece = match half.rows {
                    HalfRows::ByTurns => half.row_bytes,
                    HalfRows::Consecutive => half.row_bytes * half.count,
                };
                let pieces = entries.iter().flat_map(|entry| entry.data.chunks(piece));
                pieces.skip(usize::from(half.second)).step_by(2).collect()
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
