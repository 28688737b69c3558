//! Writes the weights of a synthetic model as GGUF, for llama.cpp and its relatives.

use std::path::Path;

use mlxk_format::gguf::{Export, GgufWriter, MetaValue, RowEncoding, TensorEntry};
use mlxk_models::TensorKind;

use super::{Done, Progress, Synthetic, Tensor, rows};
use crate::SyntheticError;
use crate::synthetic::values::Values;

/// Encoding of matrices whose rows are not whole blocks.
const NARROW: RowEncoding = RowEncoding::F16;
/// Version of the block types, unchanged since K-quants exist.
const QUANTIZATION_VERSION: u32 = 2;

impl Synthetic {
    /// Writes the model as one file, including embeddings and output matrix. Norms and biases are
    /// F32.
    pub fn write_gguf(
        &self,
        path: &Path,
        encoding: RowEncoding,
        progress: &mut Progress<'_>,
    ) -> Result<(), SyntheticError> {
        let export = Export::new(
            &self.config,
            &self.name,
            &self.vocabulary()?,
            &mlxk_models::gguf_architectures(),
        )?;
        let mut placed = Vec::with_capacity(self.tensors.len());
        let mut entries = Vec::with_capacity(self.tensors.len() + 1);
        for tensor in &self.tensors {
            let exported = export.place(&tensor.need.name)?;
            let (_, cols) = tensor.rows();
            let encoding = if exported.is_dense {
                RowEncoding::F32
            } else {
                encoding_of(tensor, encoding, cols)
            };
            entries.push(TensorEntry {
                name: exported.name.clone(),
                shape: tensor.shape(cols),
                kind: encoding.kind(),
            });
            placed.push((tensor, exported, encoding));
        }
        if let Some((name, factors)) = export.rope_factors() {
            let kind = RowEncoding::F32.kind();
            entries.push(TensorEntry { name: name.to_owned(), shape: vec![factors.len()], kind });
        }
        let mut metadata = export.metadata().to_vec();
        let number = |key: &str, value| (key.to_owned(), MetaValue::U32(value));
        metadata.push(number("general.file_type", encoding.file_type()));
        metadata.push(number("general.quantization_version", QUANTIZATION_VERSION));
        let mut file = GgufWriter::create(path, &metadata, &entries)?;
        let total = entries.iter().map(TensorEntry::size_bytes).sum();
        let mut done = Done { bytes: 0, total, progress };
        for (tensor, exported, encoding) in placed {
            let (count, cols) = tensor.rows();
            let is_matrix = matches!(tensor.need.kind, TensorKind::Matrix { .. });
            let values = Values::of(&tensor.need);
            let make = |range: std::ops::Range<usize>| {
                let (mut made, mut row) = (Vec::new(), vec![0.0; cols]);
                for index in range {
                    let source = if is_matrix { exported.source_row(index, count) } else { index };
                    values.row(source, &mut row);
                    encoding.append(&row, &mut made);
                }
                made
            };
            rows::in_order(count, cols, &make, &mut |made: Vec<u8>| {
                file.write(&made)?;
                done.add(made.len())
            })?;
        }
        if let Some((_, factors)) = export.rope_factors() {
            let mut made = Vec::new();
            RowEncoding::F32.append(factors, &mut made);
            file.write(&made)?;
        }
        Ok(file.finish()?)
    }
}

fn encoding_of(tensor: &Tensor, usual: RowEncoding, cols: usize) -> RowEncoding {
    match tensor.need.kind {
        TensorKind::Floats(_) => RowEncoding::F32,
        _ if usual.fits(cols) => usual,
        _ => NARROW,
    }
}
