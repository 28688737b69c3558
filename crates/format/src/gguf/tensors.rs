//! Names of an architecture's tensors in MLX, and the shapes they must have.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::{Bias, GgufRope, LayerTensor, Order};
use super::reader::{Gguf, Problem, Tensor};
use super::sizes::GgufSizes;
use super::{GgufDamage, GgufLimit};

/// A tensor of the file, or a matrix of a stack, and its place in the checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Index in [`Gguf::tensors`].
    pub(super) index: usize,
    /// Module path in the checkpoint, or a complete name if `suffix` is empty.
    pub(super) module: String,
    /// `weight`, `bias`, or nothing.
    pub(super) suffix: &'static str,
    /// Shape in the checkpoint, slowest axis first, before quantization.
    pub(super) shape: Vec<usize>,
    /// First row of the file.
    pub(super) first_row: usize,
    /// Number of heads whose rows llama.cpp has interleaved; the import reverses that.
    pub(super) interleaved_heads: Option<usize>,
    /// Piece of the file for each piece of rows of the checkpoint.
    pub(super) row_order: Option<Vec<usize>>,
    /// The same for columns.
    pub(super) column_order: Option<Vec<usize>>,
    /// Reverses a function that llama.cpp has applied to every value.
    pub(super) values: Option<fn(f32) -> f32>,
}

/// The tensor of rotary factors, which becomes an entry of `config.json`.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";
/// The factors of LongRoPE, for long and for short contexts.
pub(super) const LONG_FACTORS: &str = "rope_factors_long.weight";
pub(super) const SHORT_FACTORS: &str = "rope_factors_short.weight";

/// All tensors of a model, in the order of the file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    /// Number of rows of the embedding.
    pub(super) vocabulary: usize,
    /// `true` if the output matrix is the embedding.
    pub(super) tied: bool,
    /// Optional biases that the file has.
    pub(super) biases: GgufBiases,
}

/// Optional biases that a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GgufBiases {
    /// `true` if modules of attention have biases.
    pub attention: bool,
    /// `true` if modules of the feed-forward part have biases.
    pub mlp: bool,
}

impl Layout {
    /// Finds a place for every tensor, and a tensor for every place.
    pub(super) fn of(gguf: &Gguf, sizes: &GgufSizes) -> Result<Self, Problem> {
        let indices: BTreeMap<&str, usize> = gguf
            .tensors
            .iter()
            .enumerate()
            .map(|(index, tensor)| (tensor.name.as_str(), index))
            .collect();
        let architecture = &sizes.architecture;
        let mut layout = Self {
            placed: Vec::with_capacity(gguf.tensors.len()),
            vocabulary: sizes.vocabulary,
            tied: gguf.tensor("output.weight").is_none(),
            biases: GgufBiases::default(),
        };
        let mut rest: BTreeSet<usize> = (0..gguf.tensors.len()).collect();
        let is_expected = |name: &str, tensor: &LayerTensor| {
            let index = indices.get(name).copied();
            if index.is_none() && !tensor.is_optional {
                return Err(GgufDamage::Missing(name.to_owned()));
            }
            Ok(index)
        };
        for tensor in architecture.outside {
            let name = tensor.weight_name();
            let Some(index) = is_expected(&name, tensor)? else { continue };
            rest.remove(&index);
            layout.place(gguf, sizes, index, tensor, tensor.mlx)?;
            layout.place_bias(gguf, sizes, &indices, &mut rest, tensor, ("", tensor.mlx))?;
        }
        for layer in 0..sizes.layers {
            for tensor in architecture.layer_tensors().filter(|it| (it.layers)(sizes, layer)) {
                let name = format!("blk.{layer}.{}", tensor.weight_name());
                let Some(index) = is_expected(&name, tensor)? else { continue };
                rest.remove(&index);
                let path = format!("{}.{layer}.{}", architecture.layers_path, tensor.mlx);
                layout.place(gguf, sizes, index, tensor, &path)?;
                let before = format!("blk.{layer}.");
                layout.place_bias(gguf, sizes, &indices, &mut rest, tensor, (&before, &path))?;
            }
        }
        for index in rest {
            let name = gguf.tensors[index].name.as_str();
            if !is_ignored(name, sizes) {
                return Err(GgufLimit::Tensor {
                    tensor: name.to_owned(),
                    architecture: architecture.name,
                }
                .into());
            }
        }
        layout.placed.sort_by_key(|placed| (placed.index, placed.first_row));
        layout.expect_biases(sizes)?;
        Ok(layout)
    }

    /// Checks that every layer and projection has the biases of a kind if any has: model types
    /// don't allow anything else.
    fn expect_biases(&self, sizes: &GgufSizes) -> Result<(), GgufDamage> {
        let is_needed = |part: &LayerTensor| match part.bias {
            Bias::Absent => false,
            Bias::Required => true,
            Bias::Attention => self.biases.attention,
            Bias::Mlp => self.biases.mlp,
        };
        let architecture = &sizes.architecture;
        let found: BTreeSet<&str> = self
            .placed
            .iter()
            .filter(|placed| placed.suffix == "bias")
            .map(|placed| placed.module.as_str())
            .collect();
        for layer in 0..sizes.layers {
            let here = architecture.layer_tensors().filter(|part| (part.layers)(sizes, layer));
            for part in here.filter(|part| is_needed(part)) {
                let module = format!("{}.{layer}.{}", architecture.layers_path, part.mlx);
                if !found.contains(module.as_str()) {
                    return Err(GgufDamage::Missing(format!("{module}.bias")));
                }
            }
        }
        for part in architecture.outside.iter().filter(|part| is_needed(part)) {
            if !found.contains(part.mlx) {
                return Err(GgufDamage::Missing(format!("{}.bias", part.mlx)));
            }
        }
        Ok(())
    }

    /// Places a weight at `path`.
    fn place(
        &mut self,
        gguf: &Gguf,
        sizes: &GgufSizes,
        index: usize,
        rule: &LayerTensor,
        path: &str,
    ) -> Result<(), Problem> {
        let tensor = &gguf.tensors[index];
        let extents = rule.count.into_iter().chain(rule.rows).chain([rule.cols]);
        let mut shape: Vec<usize> = extents.map(|extent| sizes.extent(extent)).collect();
        expect(tensor, &shape)?;
        let rows_of_matrix = if rule.rows.is_some() { shape[shape.len() - 2] } else { 1 };
        let order = |order: Option<Order>, length: usize| -> Result<_, Problem> {
            let Some(Order { pieces, source }) = order else { return Ok(None) };
            let pieces = sizes.extent(pieces);
            let order: Vec<usize> = (0..pieces).map(|piece| source(sizes, piece)).collect();
            let is_fine = pieces > 0 && length.is_multiple_of(pieces);
            if !is_fine || order.iter().any(|&piece| piece >= pieces) {
                return Err(GgufDamage::Shape {
                    tensor: tensor.name.clone(),
                    found: tensor.shape.clone(),
                    expected: shape.clone(),
                }
                .into());
            }
            Ok(Some(order))
        };
        let is_vector = rule.rows.is_none();
        let rows = if is_vector { sizes.extent(rule.cols) } else { rows_of_matrix };
        let row_order = order(rule.row_order, rows)?;
        let column_order = order(rule.column_order, sizes.extent(rule.cols))?;
        let architecture = &sizes.architecture;
        let one_less: fn(f32) -> f32 = |value| value - 1.0;
        let values = rule.values.or((architecture.norms_plus_one && is_vector).then_some(one_less));
        let (module, suffix) = if rule.is_whole_name { (path, "") } else { (path, "weight") };
        if rule.has_last_axis {
            shape.push(1);
        }
        let placed = Placed {
            index,
            module: module.to_owned(),
            suffix,
            shape,
            first_row: 0,
            interleaved_heads: rule.interleaved.map(|heads| sizes.count(heads)),
            row_order,
            column_order,
            values,
        };
        match module.split_once("{}") {
            None => self.placed.push(placed),
            Some((before, after)) => {
                let count = placed.shape[0];
                self.placed.extend((0..count).map(|number| Placed {
                    module: format!("{before}{number}{after}"),
                    shape: placed.shape[1..].to_vec(),
                    first_row: number * rows_of_matrix,
                    ..placed.clone()
                }));
            }
        }
        Ok(())
    }

    /// Places the bias that belongs to a weight, if the file has it.
    fn place_bias(
        &mut self,
        gguf: &Gguf,
        sizes: &GgufSizes,
        indices: &BTreeMap<&str, usize>,
        rest: &mut BTreeSet<usize>,
        rule: &LayerTensor,
        (before, path): (&str, &str),
    ) -> Result<(), Problem> {
        match rule.bias {
            Bias::Absent => return Ok(()),
            _ if rule.is_whole_name => return Ok(()),
            _ => {}
        }
        let Some(&index) = indices.get(format!("{before}{}.bias", rule.gguf).as_str()) else {
            return Ok(());
        };
        let shape: Vec<usize> = rule
            .count
            .into_iter()
            .chain([rule.rows.unwrap_or(rule.cols)])
            .map(|extent| sizes.extent(extent))
            .collect();
        expect(&gguf.tensors[index], &shape)?;
        match rule.bias {
            Bias::Absent | Bias::Required => {}
            Bias::Attention => self.biases.attention = true,
            Bias::Mlp => self.biases.mlp = true,
        }
        rest.remove(&index);
        self.placed.push(Placed {
            index,
            module: path.to_owned(),
            suffix: "bias",
            shape,
            first_row: 0,
            interleaved_heads: rule.interleaved.map(|heads| sizes.count(heads)),
            row_order: None,
            column_order: None,
            values: None,
        });
        Ok(())
    }
}

/// Returns `true` for tensors that become entries of `config.json`, or that the model doesn't need.
fn is_ignored(name: &str, sizes: &GgufSizes) -> bool {
    let architecture = &sizes.architecture;
    // Layers after the model's own predict further tokens.
    let is_after = || {
        let layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        let layer = layer.and_then(|(layer, _)| layer.parse::<usize>().ok());
        layer.is_some_and(|layer| layer >= sizes.layers && layer < sizes.all_layers)
    };
    name == ROPE_FACTORS
        || architecture.rope == GgufRope::Long && matches!(name, LONG_FACTORS | SHORT_FACTORS)
        || architecture.ignored.iter().any(|start| name.starts_with(start))
        || is_after()
}

/// Checks a shape. Files may leave out leading axes of length 1.
fn expect(tensor: &Tensor, shape: &[usize]) -> Result<(), GgufDamage> {
    fn relevant(shape: &[usize]) -> &[usize] {
        let ones = shape.iter().take_while(|&&length| length == 1).count();
        &shape[ones.min(shape.len().saturating_sub(1))..]
    }
    if relevant(&tensor.shape) == relevant(shape) {
        return Ok(());
    }
    Err(GgufDamage::Shape {
        tensor: tensor.name.clone(),
        found: tensor.shape.clone(),
        expected: shape.to_vec(),
    })
}

/// Returns the row of the file that belongs at `row` of the checkpoint, in a matrix of `rows`.
pub(super) fn source_row(row: usize, rows: usize, interleaved_heads: Option<usize>) -> usize {
    let Some(heads) = interleaved_heads else { return row };
    let width = rows / heads;
    let (head, within) = (row / width, row % width);
    let (half, pair) = (within / (width / 2), within % (width / 2));
    head * width + 2 * pair + half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_are_gathered_by_parity() {
        let order: Vec<usize> = (0..8).map(|row| source_row(row, 8, Some(2))).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(source_row(5, 8, None), 5);
    }
}
