//! Names of an architecture's tensors in MLX, and the shapes they must have.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::{Bias, LayerTensor};
use super::reader::{Gguf, Problem, Tensor};
use super::sizes::GgufSizes;
use super::{GgufDamage, GgufLimit};

/// A tensor of the file and its place in the checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Index in [`Gguf::tensors`].
    pub(super) index: usize,
    /// Module path in the checkpoint.
    pub(super) module: String,
    /// Either `weight` or `bias`.
    pub(super) suffix: &'static str,
    /// Number of heads whose rows llama.cpp has interleaved; the import reverses that.
    pub(super) interleaved_heads: Option<usize>,
    /// `true` if llama.cpp has added 1 to every value, as in Gemma's norms; the import reverses
    /// that.
    pub(super) one_more: bool,
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
        let by_name: BTreeMap<&str, &Tensor> =
            gguf.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let required = |name: &str| {
            by_name.get(name).copied().ok_or_else(|| GgufDamage::Missing(name.to_owned()))
        };
        let embedding = required("token_embd.weight")?;
        let vocabulary = embedding.shape.first().copied().unwrap_or(0);
        expect(embedding, &[vocabulary, sizes.hidden])?;
        expect(required("output_norm.weight")?, &[sizes.hidden])?;
        for layer in 0..sizes.layers {
            for part in sizes.architecture.layer {
                let shape: Vec<usize> =
                    part.rows.into_iter().chain([part.cols]).map(|it| sizes.extent(it)).collect();
                expect(required(&format!("blk.{layer}.{}.weight", part.gguf))?, &shape)?;
            }
        }
        let mut layout = Self {
            placed: Vec::with_capacity(gguf.tensors.len()),
            vocabulary,
            tied: gguf.tensor("output.weight").is_none(),
            biases: GgufBiases::default(),
        };
        for (index, tensor) in gguf.tensors.iter().enumerate() {
            layout.place(index, tensor, sizes)?;
        }
        layout.expect_biases(sizes)?;
        Ok(layout)
    }

    /// Checks that every layer and projection has the biases of a kind if any has: model types
    /// don't allow anything else.
    fn expect_biases(&self, sizes: &GgufSizes) -> Result<(), GgufDamage> {
        let is_needed = |part: &&LayerTensor| match part.bias {
            Bias::Absent => false,
            Bias::Required => true,
            Bias::Attention => self.biases.attention,
            Bias::Mlp => self.biases.mlp,
        };
        let needed: Vec<&str> =
            sizes.architecture.layer.iter().filter(is_needed).map(|part| part.mlx).collect();
        let found: BTreeSet<&str> = self
            .placed
            .iter()
            .filter(|placed| placed.suffix == "bias")
            .map(|placed| placed.module.as_str())
            .collect();
        for layer in 0..sizes.layers {
            for part in &needed {
                let module = format!("model.layers.{layer}.{part}");
                if !found.contains(module.as_str()) {
                    return Err(GgufDamage::Missing(format!("{module}.bias")));
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, index: usize, tensor: &Tensor, sizes: &GgufSizes) -> Result<(), Problem> {
        let module = match tensor.name.as_str() {
            ROPE_FACTORS => return Ok(()),
            LONG_FACTORS | SHORT_FACTORS if sizes.architecture.long_rope => return Ok(()),
            "token_embd.weight" => Some("model.embed_tokens"),
            "output_norm.weight" => Some("model.norm"),
            "output.weight" => {
                expect(tensor, &[self.vocabulary, sizes.hidden])?;
                Some("lm_head")
            }
            _ => None,
        };
        let placed = match module {
            Some(module) => Placed {
                index,
                module: module.to_owned(),
                suffix: "weight",
                interleaved_heads: None,
                one_more: sizes.architecture.norms_plus_one && tensor.shape.len() == 1,
            },
            None => {
                self.place_in_layer(index, tensor, sizes)?.ok_or_else(|| GgufLimit::Tensor {
                    tensor: tensor.name.clone(),
                    architecture: sizes.architecture.name,
                })?
            }
        };
        self.placed.push(placed);
        Ok(())
    }

    /// Places `blk.LAYER.PART.weight` or `.bias`. Returns `None` if the name has neither form.
    fn place_in_layer(
        &mut self,
        index: usize,
        tensor: &Tensor,
        sizes: &GgufSizes,
    ) -> Result<Option<Placed>, Problem> {
        let mut words = tensor.name.split('.');
        let (Some("blk"), Some(layer), Some(part), Some(suffix), None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        // Comparing the text again refuses spellings such as `+1` and `01`.
        let number = layer
            .parse::<usize>()
            .ok()
            .filter(|&number| number < sizes.layers && number.to_string() == layer);
        let part = sizes.architecture.layer.iter().find(|it| it.gguf == part);
        let (Some(number), Some(part)) = (number, part) else { return Ok(None) };
        let suffix = match (suffix, part.rows) {
            ("weight", _) => "weight",
            ("bias", Some(rows)) => {
                expect(tensor, &[sizes.extent(rows)])?;
                match part.bias {
                    Bias::Absent => return Ok(None),
                    Bias::Required => {}
                    Bias::Attention => self.biases.attention = true,
                    Bias::Mlp => self.biases.mlp = true,
                }
                "bias"
            }
            _ => return Ok(None),
        };
        Ok(Some(Placed {
            index,
            module: format!("model.layers.{number}.{}", part.mlx),
            suffix,
            interleaved_heads: part.interleaved.map(|heads| sizes.count(heads)),
            one_more: sizes.architecture.norms_plus_one && part.rows.is_none(),
        }))
    }
}

fn expect(tensor: &Tensor, shape: &[usize]) -> Result<(), GgufDamage> {
    if tensor.shape == shape {
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
