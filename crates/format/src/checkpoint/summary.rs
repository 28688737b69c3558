//! A summary of a checkpoint for people, from headers alone.

use std::collections::BTreeMap;

use mlxk_tensor::Mode;

use crate::ElementType;

use super::Checkpoint;
use super::ternary;

/// One tensor in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo<'a> {
    /// Full name.
    pub name: &'a str,
    /// Shape as stored: packed weights have fewer columns than the matrix.
    pub shape: &'a [usize],
    /// Element type as stored.
    pub dtype: ElementType,
    /// Length of the data.
    pub size_bytes: u64,
}

/// All modules of one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeShare {
    /// The mode; `None` for dense matrices.
    pub mode: Option<Mode>,
    /// Number of matrices (a stack counts as one).
    pub modules: usize,
    /// Number of parameters in them.
    pub parameters: u64,
    /// Size in bytes, scales included.
    pub size_bytes: u64,
}

/// The quantization of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizationSummary {
    /// Top-level mode of `config.json`, if it states one.
    pub default: Option<Mode>,
    /// The modes in use, the largest in bytes first. Norms and biases are not counted.
    pub shares: Vec<ModeShare>,
}

impl Checkpoint {
    /// Returns all tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.tensors.iter().map(|(name, entry)| TensorInfo {
            name,
            shape: &entry.shape,
            dtype: entry.dtype,
            size_bytes: entry.data.len() as u64,
        })
    }

    /// Returns the size of all tensors in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.tensors().map(|tensor| tensor.size_bytes).sum()
    }

    /// Returns the number of trained parameters. A quantized matrix counts with its values; its
    /// scales and biases don't count, nor does an output matrix that is a copy of the embedding.
    pub fn parameters(&self) -> u64 {
        self.stored_parameters().saturating_sub(self.copied_parameters())
    }

    fn stored_parameters(&self) -> u64 {
        self.tensors().map(|tensor| self.module(&tensor).1).sum()
    }

    /// Returns the bits of a stored parameter over the complete checkpoint; 0 if it is empty.
    pub fn bits_per_weight(&self) -> f64 {
        let parameters = self.stored_parameters();
        if parameters == 0 { 0.0 } else { self.size_bytes() as f64 * 8.0 / parameters as f64 }
    }

    /// Returns the modes in use and the size of each.
    pub fn quantization(&self) -> QuantizationSummary {
        let mut shares: BTreeMap<String, ModeShare> = BTreeMap::new();
        for tensor in self.tensors() {
            let (mode, parameters) = self.module(&tensor);
            let is_matrix = tensor.shape.len() > 1 && tensor.name.ends_with(".weight");
            if !is_matrix || parameters == 0 {
                continue;
            }
            let path = tensor.name.strip_suffix(".weight").unwrap_or(tensor.name);
            let companions: u64 = ["scales", "biases", "global_scale", "weight_scale"]
                .iter()
                .filter_map(|suffix| self.tensors.get(&format!("{path}.{suffix}")))
                .map(|entry| entry.data.len() as u64)
                .sum();
            let label = mode.map_or_else(String::new, |mode| mode.to_string());
            let share = shares.entry(label).or_insert(ModeShare {
                mode,
                modules: 0,
                parameters: 0,
                size_bytes: 0,
            });
            share.modules += 1;
            share.parameters += parameters;
            share.size_bytes += tensor.size_bytes + companions;
        }
        let mut shares: Vec<_> = shares.into_values().collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.size_bytes));
        QuantizationSummary { default: self.table.default.and_then(|claim| claim.mode()), shares }
    }

    /// Returns the mode and the number of parameters of a tensor; 0 if it only accompanies a
    /// weight.
    fn module(&self, tensor: &TensorInfo<'_>) -> (Option<Mode>, u64) {
        let elements = || tensor.shape.iter().map(|&dimension| dimension as u64).product();
        let (path, suffix) = tensor.name.rsplit_once('.').unwrap_or(("", tensor.name));
        let weight = || self.tensors.get(&format!("{path}.weight"));
        if matches!(suffix, "scales" | "biases" | "global_scale")
            && weight().is_some_and(|weight| weight.dtype == ElementType::U32)
        {
            return (None, 0);
        }
        if suffix == "weight_scale"
            && weight().is_some_and(|weight| self.ternary_factor(path, weight).is_some())
        {
            return (None, 0);
        }
        if suffix == "weight"
            && weight().is_some_and(|weight| self.ternary_factor(path, weight).is_some())
        {
            return (
                ternary::mode(tensor.shape.last().copied().unwrap_or(0)),
                elements() * ternary::ROWS as u64,
            );
        }
        if suffix != "weight" || tensor.dtype != ElementType::U32 {
            return (None, elements());
        }
        match self.guess_mode(path) {
            Some(mode) => (Some(mode), tensor.size_bytes * 8 / mode.bits() as u64),
            None => (None, elements()),
        }
    }

    /// Returns the mode of a module whose input width is unknown. The shapes only give the product
    /// `bits · group size`; the table decides between the affine modes that share it.
    fn guess_mode(&self, path: &str) -> Option<Mode> {
        let weight = self.tensors.get(&format!("{path}.weight"))?;
        let scales = self.tensors.get(&format!("{path}.scales"))?;
        let (words, groups) = (*weight.shape.last()?, *scales.shape.last()?);
        let words_bits = words.checked_mul(32)?;
        if groups == 0 || !words_bits.is_multiple_of(groups) {
            return None;
        }
        let product = words_bits / groups;
        let fits = |mode: &Mode| {
            let block = !matches!(mode, Mode::Affine { .. });
            mode.bits() * mode.group_size() == product && block == (scales.dtype == ElementType::U8)
        };
        let claims = match self.table.overrides.get(path) {
            Some(super::table::Override::Claim(claim)) => [Some(*claim), self.table.default],
            _ => [None, self.table.default],
        };
        let stated = claims.into_iter().flatten().find_map(|claim| claim.mode().filter(fits));
        stated.or_else(|| {
            // No stated mode fits. Prefer the group size of the table, then 64, which is common.
            let preferred = self.table.default.and_then(|claim| claim.group_size);
            let mut modes: Vec<Mode> = Mode::all().filter(fits).collect();
            modes.sort_by_key(|mode| {
                let size = mode.group_size() as u64;
                (Some(size) != preferred, size != 64, size)
            });
            modes.first().copied()
        })
    }
}
