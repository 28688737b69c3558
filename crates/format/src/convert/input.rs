//! Input of a conversion: a tensor or a stack of tensors, read row by row with the arithmetic of
//! MLX.

use half::{bf16, f16};

use super::Arithmetic;
use crate::safetensors::Entry;
use mlxk_tensor::{Dtype, QuantTensor, Storage, affine, unit_row_divisor};

/// A matrix, or a stack of matrices of equal shape.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Plain values, of one tensor or of several in sequence.
    Dense {
        entries: Vec<Entry>,
        dtype: Dtype,
        cols: usize,
        /// If set, only a share of the rows is used.
        share: Option<Share>,
        arithmetic: Arithmetic,
    },
    /// Quantized matrices.
    Quantized(Vec<QuantTensor>),
}

/// Selection of a share of the rows of each matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub rows: ShareRows,
    /// Its number among `of`.
    pub index: usize,
    pub of: usize,
    /// Number of rows of a matrix that are selected.
    pub count: usize,
    pub row_bytes: usize,
}

/// Rows that make up a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShareRows {
    /// One after the other goes to each share by turns.
    ByTurns,
    /// Rows that follow each other.
    Consecutive,
    /// Rows that follow each other. They become columns.
    Turned,
}

impl ShareRows {
    /// Returns the axis of the rows in a tensor of this many dimensions.
    pub(super) const fn axis(self, dims: usize) -> usize {
        match self {
            Self::ByTurns => 1,
            Self::Consecutive | Self::Turned => dims.saturating_sub(2),
        }
    }
}

impl Share {
    /// Returns the row of the source that becomes `row`, or that becomes column `row`.
    const fn source(&self, row: usize) -> usize {
        let Self { index, of, count, .. } = *self;
        match self.rows {
            ShareRows::ByTurns => of * row + index,
            ShareRows::Consecutive | ShareRows::Turned => {
                let (matrix, row) = (row / count, row % count);
                (of * matrix + index) * count + row
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
                let divisor = unit_row_divisor(out, *eps);
                for out in out {
                    *out = round(dtype, *out / divisor);
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
            Self::Dense { entries, dtype, cols, share, .. } => {
                let bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
                let of = share.map_or(1, |share| share.of);
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
            Self::Dense { entries, dtype, cols, share, arithmetic } => {
                match share {
                    Some(share) if share.rows == ShareRows::Turned => {
                        for (column, out) in out.iter_mut().enumerate() {
                            let start = share.source(column) * share.row_bytes;
                            *out = dtype.get(&entries[0].data[start..][..share.row_bytes], row);
                        }
                    }
                    _ => {
                        let length = cols * dtype.size_bytes();
                        let source = share.map_or(row, |share| share.source(row));
                        let rows = |entry: &Entry| entry.data.len() / length;
                        let (entry, at) = locate(entries, source, rows);
                        let bytes = &entry.data[at * length..][..length];
                        for (index, out) in out.iter_mut().enumerate() {
                            *out = dtype.get(bytes, index);
                        }
                    }
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
            Self::Dense { entries, share: None, .. } => {
                entries.iter().map(|entry| &entry.data[..]).collect()
            }
            Self::Dense { entries, share: Some(share), .. } => {
                let piece = match share.rows {
                    ShareRows::ByTurns => share.row_bytes,
                    ShareRows::Consecutive | ShareRows::Turned => share.row_bytes * share.count,
                };
                let pieces = entries.iter().flat_map(|entry| entry.data.chunks(piece));
                pieces.skip(share.index).step_by(share.of).collect()
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
