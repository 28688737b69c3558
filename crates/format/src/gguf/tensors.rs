//! Names of an architecture's tensors in MLX, and the shapes they must have.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{Gguf, Problem, Tensor};
use super::sizes::{Architecture, Sizes};
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

/// A part of a layer: GGUF's name, MLX's name, and the shape as `(rows, columns)`. Norms have no
/// rows.
type LayerPart = (&'static str, &'static str, Option<usize>, usize);

fn layer_parts(sizes: &Sizes) -> Vec<LayerPart> {
    let (hidden, intermediate) = (sizes.hidden, sizes.intermediate);
    let (query, key) = (sizes.query_width(), sizes.key_width());
    let mut parts: Vec<LayerPart> = vec![
        ("attn_norm", "input_layernorm", None, hidden),
        ("attn_output", "self_attn.o_proj", Some(hidden), query),
        ("ffn_down", "mlp.down_proj", Some(hidden), intermediate),
    ];
    if sizes.architecture == Architecture::Phi3 {
        parts.extend([
            ("attn_qkv", "self_attn.qkv_proj", Some(query + 2 * key), hidden),
            ("ffn_up", "mlp.gate_up_proj", Some(2 * intermediate), hidden),
        ]);
    } else {
        parts.extend([
            ("attn_q", "self_attn.q_proj", Some(query), hidden),
            ("attn_k", "self_attn.k_proj", Some(key), hidden),
            ("attn_v", "self_attn.v_proj", Some(key), hidden),
            ("ffn_gate", "mlp.gate_proj", Some(intermediate), hidden),
            ("ffn_up", "mlp.up_proj", Some(intermediate), hidden),
        ]);
    }
    if sizes.architecture == Architecture::Gemma3 {
        parts.extend([
            ("ffn_norm", "pre_feedforward_layernorm", None, hidden),
            ("post_attention_norm", "post_attention_layernorm", None, hidden),
            ("post_ffw_norm", "post_feedforward_layernorm", None, hidden),
        ]);
    } else {
        parts.push(("ffn_norm", "post_attention_layernorm", None, hidden));
    }
    if matches!(sizes.architecture, Architecture::Gemma3 | Architecture::Qwen3) {
        parts.extend([
            ("attn_q_norm", "self_attn.q_norm", None, sizes.head_dim),
            ("attn_k_norm", "self_attn.k_norm", None, sizes.head_dim),
        ]);
    }
    parts
}

/// All tensors of a model, in the order of the file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    /// Number of rows of the embedding.
    pub(super) vocabulary: usize,
    /// `true` if the output matrix is the embedding.
    pub(super) tied: bool,
    /// `true` if any attention projection has an additive bias.
    pub(super) attention_bias: bool,
    /// `true` if any projection of the feed-forward part has an additive bias.
    pub(super) mlp_bias: bool,
}

impl Layout {
    /// Finds a place for every tensor, and a tensor for every place.
    pub(super) fn of(gguf: &Gguf, sizes: &Sizes) -> Result<Self, Problem> {
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
            for (theirs, _, rows, cols) in layer_parts(sizes) {
                let shape: Vec<usize> = rows.into_iter().chain([cols]).collect();
                expect(required(&format!("blk.{layer}.{theirs}.weight"))?, &shape)?;
            }
        }
        let mut layout = Self {
            placed: Vec::with_capacity(gguf.tensors.len()),
            vocabulary,
            tied: gguf.tensor("output.weight").is_none(),
            attention_bias: false,
            mlp_bias: false,
        };
        for (index, tensor) in gguf.tensors.iter().enumerate() {
            layout.place(index, tensor, sizes)?;
        }
        layout.expect_biases(sizes)?;
        Ok(layout)
    }

    /// Checks that every layer and projection has the biases of a kind if any has: model types
    /// don't allow anything else.
    fn expect_biases(&self, sizes: &Sizes) -> Result<(), GgufDamage> {
        let attention: &[&str] = match sizes.architecture {
            Architecture::Qwen2 => &["q_proj", "k_proj", "v_proj"],
            Architecture::Llama if self.attention_bias => &["q_proj", "k_proj", "v_proj", "o_proj"],
            _ => &[],
        };
        let mlp: &[&str] = if self.mlp_bias { &["gate_proj", "up_proj", "down_proj"] } else { &[] };
        let found: BTreeSet<&str> = self
            .placed
            .iter()
            .filter(|placed| placed.suffix == "bias")
            .map(|placed| placed.module.as_str())
            .collect();
        for layer in 0..sizes.layers {
            let parts = attention.iter().map(|part| ("self_attn", part));
            for (group, part) in parts.chain(mlp.iter().map(|part| ("mlp", part))) {
                let module = format!("model.layers.{layer}.{group}.{part}");
                if !found.contains(module.as_str()) {
                    return Err(GgufDamage::Missing(format!("{module}.bias")));
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, index: usize, tensor: &Tensor, sizes: &Sizes) -> Result<(), Problem> {
        let module = match tensor.name.as_str() {
            ROPE_FACTORS => return Ok(()),
            LONG_FACTORS | SHORT_FACTORS if sizes.architecture == Architecture::Phi3 => {
                return Ok(());
            }
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
                one_more: sizes.architecture == Architecture::Gemma3 && tensor.shape.len() == 1,
            },
            None => {
                self.place_in_layer(index, tensor, sizes)?.ok_or_else(|| GgufLimit::Tensor {
                    tensor: tensor.name.clone(),
                    architecture: sizes.architecture.name(),
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
        sizes: &Sizes,
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
        let part = layer_parts(sizes).into_iter().find(|(theirs, ..)| *theirs == part);
        let (Some(number), Some((theirs, ours, rows, _))) = (number, part) else {
            return Ok(None);
        };
        let suffix = match (suffix, rows) {
            ("weight", _) => "weight",
            ("bias", Some(rows)) => {
                expect(tensor, &[rows])?;
                let in_attention = theirs.starts_with("attn_");
                // Qwen2 only has biases on q, k and v, and its model type has no place for more.
                let has_place = match sizes.architecture {
                    Architecture::Llama => true,
                    Architecture::Qwen2 => matches!(theirs, "attn_q" | "attn_k" | "attn_v"),
                    _ => false,
                };
                if !has_place {
                    return Ok(None);
                }
                self.attention_bias |= in_attention;
                self.mlp_bias |= !in_attention;
                "bias"
            }
            _ => return Ok(None),
        };
        // llama.cpp rotates pairs of neighbours in a head, MLX pairs of halves. For this one
        // architecture, llama.cpp has reordered the rows to match.
        let interleaved_heads = match (sizes.architecture, theirs) {
            (Architecture::Llama, "attn_q") => Some(sizes.heads),
            (Architecture::Llama, "attn_k") => Some(sizes.kv_heads),
            _ => None,
        };
        Ok(Some(Placed {
            index,
            module: format!("model.layers.{number}.{ours}"),
            suffix,
            interleaved_heads,
            one_more: sizes.architecture == Architecture::Gemma3 && rows.is_none(),
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
