//! Quantizing a matrix row by row, into the bytes that a checkpoint holds.

use mlxk_tensor::{Dtype, Mode, affine, block};

/// Rows of a quantized matrix: what goes into its three tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantizedRows {
    /// Packed values; the values themselves where a matrix stays dense.
    pub values: Vec<u8>,
    /// Scales.
    pub scales: Vec<u8>,
    /// Biases of affine groups.
    pub biases: Vec<u8>,
}

/// Quantizes rows of equal length; holds the buffers of one.
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
    /// For rows of `cols` values; scales and biases of affine groups are stored as `dtype`.
    ///
    /// # Panics
    /// Where the groups of the mode do not divide the row.
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

    /// Appends a row.
    ///
    /// # Panics
    /// Where it is not as long as was said.
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
