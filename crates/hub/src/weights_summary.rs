//! A summary of a model's weights, from their headers.

use std::path::Path;

use mlxk_format::Checkpoint;

/// A summary of a model's weights.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsSummary {
    /// Number of parameters.
    pub parameters: u64,
    /// Bits per parameter, with scales.
    pub bits_per_weight: f64,
    /// Type of the largest tensor that is not quantized, in the file's words, such as `BF16`.
    pub dense_type: Option<String>,
    /// Name, type and shape of every tensor, as stored.
    pub tensors: Vec<(String, String, Vec<usize>)>,
}

/// Returns a summary of the weights in a checkpoint folder, or `None` if they cannot be read.
pub fn weights_summary(folder: &Path) -> Option<WeightsSummary> {
    let checkpoint = Checkpoint::open(folder).ok()?;
    let kind = |dtype: &dyn std::fmt::Debug| format!("{dtype:?}").to_ascii_uppercase();
    let is_dense = |name: &str| matches!(name, "F64" | "F32" | "F16" | "BF16");
    let largest = checkpoint
        .tensors()
        .filter(|tensor| is_dense(&kind(&tensor.dtype)))
        .max_by_key(|tensor| tensor.size_bytes);
    Some(WeightsSummary {
        parameters: checkpoint.parameters(),
        bits_per_weight: checkpoint.bits_per_weight(),
        dense_type: largest.map(|tensor| kind(&tensor.dtype)),
        tensors: checkpoint
            .tensors()
            .map(|tensor| (tensor.name.to_owned(), kind(&tensor.dtype), tensor.shape.to_vec()))
            .collect(),
    })
}
