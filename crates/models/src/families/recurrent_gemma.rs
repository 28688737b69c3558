//! RecurrentGemma (Botev et al., 2024, arXiv:2404.07839): gated linear recurrent units, and attention in a
//! window in some layers.

use mlxk_ops::Activation;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba::KERNEL;
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GriffinSpec, GroupedSpec, MlpSpec, NormSpec, PartSpec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "RecurrentGemma",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published { filters: &["conv_1d.weight"], ..Published::AS_IN_MLX },
        ..Architecture::new("recurrent_gemma", "RecurrentGemma 2B, 9B", spec)
    }],
};

/// Epsilon of the norms of layers. mlx-lm uses that of `config.json` for the last norm only.
const LAYER_EPS: f64 = 1e-5;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let intermediate = config.size("intermediate_size", limit::WIDTH)?;
    if intermediate < 2 {
        return Err(config.bad("intermediate_size", "2 or more"));
    }
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 8192, limit::POSITIONS)?,
        norm: NormSpec::rms_plus_one(LAYER_EPS),
        mlp: MlpSpec {
            bias: true,
            activation: Activation::GeluTanh,
            ..MlpSpec::gated(intermediate / 2)
        },
        tied: None,
    };
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads, 1])?;
    let attention = GroupedSpec {
        biases: Biases { qkv: false, output: true },
        window: Some(config.size("attention_window_size", limit::POSITIONS)?),
        ..GroupedSpec::plain(sizes)
    };
    let recurrent = GriffinSpec { heads, kernel: config.size_or("conv1d_width", 4, KERNEL)? };
    if recurrent.kernel != 4 {
        return Err(config.unsupported("conv1d_width", &recurrent.kernel.to_string(), "`4`"));
    }
    let kinds = kinds(config)?;
    let layer = |index: usize| {
        let part: PartSpec =
            if kinds[index % kinds.len()] { attention.into() } else { recurrent.into() };
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        vec![
            block("temporal_pre_norm", part, "temporal_block"),
            block("channel_pre_norm", common.mlp.into(), "mlp_block"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let dims = sizes.head_dim / 2;
    if !dims.is_multiple_of(2) {
        return Err(config.bad("hidden_size", "heads whose width is a multiple of 4"));
    }
    let rope = scaled_rope(config, None, dims, 10_000.0)?;
    let eps = config.positive("rms_norm_eps")?;
    let is_scaled = config.flag_or("embeddings_scale_by_sqrt_dim", true)?;
    let cap = config.number_or("logits_soft_cap", 0.0)?;
    Ok(DecoderSpec {
        names: Names { norm: "model.final_norm", ..Names::USUAL },
        embed_scale: if is_scaled { (hidden as f64).sqrt() as f32 } else { 1.0 },
        last_norm: Some(NormSpec::rms_plus_one(eps)),
        logit_cap: (cap > 0.0).then_some(cap as f32),
        ..common.decoder(vec![rope], layers)
    })
}

/// Returns for each layer of a period whether it is attention.
fn kinds(config: &Config<'_>) -> Result<Vec<bool>, ModelError> {
    // The models of 2B and 9B have different names for it.
    let key = if config.get("block_types").is_some() { "block_types" } else { "_block_types" };
    let kind = |name: &Value| match name.as_str()? {
        "attention" => Some(true),
        "recurrent" => Some(false),
        _ => None,
    };
    let list = config.get(key).ok_or_else(|| config.missing("block_types"))?.as_array();
    let kinds: Option<Vec<bool>> = list.and_then(|list| list.iter().map(kind).collect());
    kinds
        .filter(|kinds| (1..=limit::LAYERS).contains(&kinds.len()))
        .ok_or_else(|| config.bad(key, "a list of `recurrent` and `attention`"))
}
