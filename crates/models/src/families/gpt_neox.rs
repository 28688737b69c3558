//! GPT-NeoX and Pythia (Black et al., 2022, arXiv:2204.06745): attention and the feed-forward part run
//! in parallel, each with a norm of its own. Rotary positions in a quarter of each head.

use mlxk_format::convert::Placement;
use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "GPT-NeoX",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            rename: published_name,
            place: |_, name| published(name),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("gpt_neox", "Pythia, GPT-NeoX-20B, RedPajama-INCITE", spec)
    }],
};

const NAMES: Names = Names {
    embed_tokens: "model.embed_in",
    layers: "model.h",
    norm: "model.final_layer_norm",
    lm_head: "model.embed_out",
};

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "query_key_value", o: "dense", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads; 2])?;
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size("max_position_embeddings", limit::POSITIONS)?,
        norm: NormSpec::layer(config.positive("layer_norm_eps")?),
        // Like mlx-lm, always four times as wide, and with the approximated GELU.
        mlp: MlpSpec {
            kind: MlpKind::Plain { up: "dense_h_to_4h", down: "dense_4h_to_h" },
            bias: true,
            activation: Activation::GeluTanh,
            ..MlpSpec::gated(4 * hidden)
        },
        tied: Some(false),
    };
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Groups,
        biases: Biases::all(true),
        ..GroupedSpec::plain(sizes)
    };
    let dims = config.part_of_head("rotary_pct", sizes.head_dim, 0.25)?;
    let theta = config.positive_or("rotary_emb_base", 10_000.0)?;
    let rope = scaled_rope(config, None, dims, theta)?;
    let mlp_norm = "post_attention_layernorm";
    let mlp_in = if config.flag_or("use_parallel_residual", true)? {
        Input::Parallel(mlp_norm)
    } else {
        Input::Norm(mlp_norm)
    };
    let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
    let layer = |_| {
        vec![
            block(Input::Norm("input_layernorm"), attention.into(), "attention"),
            block(mlp_in, common.mlp.into(), "mlp"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}

fn published_name(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("gpt_neox.layers.") {
        return format!("model.h.{rest}");
    }
    match name.strip_prefix("gpt_neox.") {
        Some(rest) => format!("model.{rest}"),
        None if name.starts_with("model.") => name.to_owned(),
        None => format!("model.{name}"),
    }
}

/// Drops masks and frequencies, which old files store.
fn published(name: &str) -> Option<Placement> {
    let ends = [".attention.bias", ".attention.masked_bias"];
    ends.iter().any(|end| name.ends_with(end)).then_some(Placement::Drop)
}
