//! Quantizes a matrix row by row into the bytes of a checkpoint.

use mlxk_tensor::{Dtype, Mode, affine, block};

/// Rows of a quantized matrix, for its three tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantizedRows {
    /// Packed values, or plain values if the matrix stays dense.
    pub values: Vec<u8>,
    /// Scales.
    pub scales: Vec<u8>,
    /// Biases of affine groups.
    pub biases: Vec<u8>,
}

/// Quantizer of rows of equal length, with the buffers for one row.
#[derive(Clone, Debug)]
pub struct RowQuantizer {
    mode: Mode,
    dtype: Dtype,
    codes: Vec<u8>,
    packed: Vec<u8>,
    scales: Vec<f32>,
    biases: Vec<f32>,
    bytes: Vec<u8>,
}

impl RowQuantizer {
    /// Makes a quantizer of rows of `cols` values. Scales and biases of affine groups are stored as
    /// `dtype`.
    ///
    /// # Panics
    /// Panics if the group size does not divide `cols`.
    pub fn new(mode: Mode, cols: usize, dtype: Dtype) -> Self {
        assert!(cols.is_multiple_of(mode.group_size()), "rows are whole groups");
        let groups = cols / mode.group_size();
        Self {
            mode,
            dtype,
            codes: vec![0; cols],
            packed: vec![0; affine::row_bytes(cols, mode.bits())],
            scales: vec![0.0; groups],
            biases: vec![0.0; groups],
            bytes: vec![0; groups],
        }
    }

    /// Quantizes a row and appends it.
    ///
    /// # Panics
    /// Panics if the row is not `cols` long.
    pub fn row(&mut self, values: &[f32], made: &mut QuantizedRows) {
        if let Mode::Affine { bits, group_size } = self.mode {
            let (bits, size) = (usize::from(bits), usize::from(group_size));
            let (scales, biases) = (&mut self.scales, &mut self.biases);
            affine::quantize_row(values, bits, size, &mut self.codes, scales, biases);
            for &scale in scales.iter() {
                self.dtype.put(scale, &mut made.scales);
            }
            for &bias in biases.iter() {
                self.dtype.put(bias, &mut made.biases);
            }
        } else {
            block::quantize_row(self.mode, values, None, &mut self.codes, &mut self.bytes);
            made.scales.extend_from_slice(&self.bytes);
        }
        affine::pack_row(&self.codes, self.mode.bits(), &mut self.packed);
        made.values.extend_from_slice(&self.packed);
    }
}
