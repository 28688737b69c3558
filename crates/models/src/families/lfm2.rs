//! LFM2 and LFM2.5 (Liquid AI, 2025, arXiv:2511.23404): gated convolutions over the last few tokens, and
//! a few attention layers between them.

use mlxk_ops::{RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS, in_language_model};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, ExpertsSpec, GroupedSpec, MlpKind, MlpSpec, NormSpec, PartSpec,
    QkNorm, ShortConvSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "LFM2",
    gguf: None,
    architectures: &[
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("lfm2", "LFM2, LFM2.5 230M to 2.6B", spec)
        },
        Architecture {
            wrapper: true,
            published: &Published { rename: in_language_model, ..PUBLISHED },
            ..Architecture::new("lfm2-vl", "LFM2-VL, text only", wrapper_spec)
        },
        Architecture {
            published: &Published {
                rename: published_name,
                experts: USUAL_EXPERTS,
                modules: &[("feed_forward.gate", ROUTER)],
                exact: &["expert_bias"],
                ..PUBLISHED
            },
            ..Architecture::new("lfm2_moe", "LFM2-8B-A1B, LFM2-24B-A2B", moe_spec)
        },
    ],
};

const PUBLISHED: Published = Published { filters: &["conv.weight"], ..Published::AS_IN_MLX };

/// Returns the name of a module of a mixture in MLX. Published files number the matrices of a feed-forward
/// part.
fn published_name(name: &str) -> String {
    let names = [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")];
    let renamed = names.into_iter().find_map(|(published, in_mlx)| {
        let path = name.strip_suffix(".weight")?.strip_suffix(published)?;
        Some(format!("{path}{in_mlx}.weight"))
    });
    renamed.unwrap_or_else(|| name.to_owned())
}

/// Longest convolution.
const KERNEL: usize = 64;

fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let skipped = &["vision_tower.", "multi_modal_projector."];
    Ok(DecoderSpec { prefix: "language_model.", skipped, ..spec(&text)? })
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let kind = MlpKind::Gated { gate: "w1", up: "w3", down: "w2" };
    let mlp = MlpSpec { kind, ..MlpSpec::gated(intermediate(config)?) };
    hybrid(config, mlp)
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let intermediate = config.size("intermediate_size", limit::WIDTH)?;
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let route = RouteSpec {
        // mlx-lm adds 1e-6 to the sum, which is as much as f32 rounds it by.
        normalize: config.flag_or("norm_topk_prob", false)?,
        scale: config.number_or("routed_scaling_factor", 1.0)? as f32,
        ..RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::Sigmoid)
    };
    let expert = config.size("moe_intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec {
        correction: config.flag_or("use_expert_bias", false)?.then_some("expert_bias"),
        ..ExpertsSpec::usual(experts, expert, route)
    };
    let dense = config.count_or("num_dense_layers", 0, limit::LAYERS)?;
    let spec = hybrid(config, MlpSpec::gated(intermediate))?;
    Ok(spec.with_experts("feed_forward", &mixture, |layer| layer >= dense))
}

/// Reads everything but the feed-forward part.
fn hybrid(config: &Config<'_>, mlp: MlpSpec) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::rms(config.positive("norm_eps")?);
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config
            .optional_size("max_position_embeddings", limit::POSITIONS)?
            .unwrap_or(128_000),
        norm,
        mlp,
        tied: Some(true),
    };
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec {
        names: AttentionNames {
            o: "out_proj",
            q_norm: "q_layernorm",
            k_norm: "k_layernorm",
            ..AttentionNames::USUAL
        },
        qk_norm: Some(QkNorm::Heads(norm)),
        ..GroupedSpec::plain(sizes)
    };
    let conv = ShortConvSpec {
        kernel: config.size("conv_L_cache", KERNEL)?,
        bias: config.flag("conv_bias")?.unwrap_or(false),
    };
    let layers = attention_layers(config, common.layers)?.into_iter().map(|is_attention| {
        let (part, path): (PartSpec, _) =
            if is_attention { (attention.into(), "self_attn") } else { (conv.into(), "conv") };
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        vec![block("operator_norm", part, path), block("ffn_norm", mlp.into(), "feed_forward")]
    });
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    Ok(DecoderSpec {
        names: Names { norm: "model.embedding_norm", ..Names::USUAL },
        ..common.decoder(vec![rope], layers.collect())
    })
}

/// Returns for each layer whether it is attention, by `full_attn_idxs` or by `layer_types`.
fn attention_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let key = if config.get("full_attn_idxs").is_some() { "full_attn_idxs" } else { "layer_types" };
    let list = config.get(key).ok_or_else(|| config.missing("layer_types"))?.as_array();
    let found = list.and_then(|list| {
        if key == "layer_types" {
            let types: Option<Vec<bool>> = list
                .iter()
                .map(|name| match name.as_str()? {
                    "full_attention" => Some(true),
                    "conv" => Some(false),
                    _ => None,
                })
                .collect();
            return types.filter(|types| types.len() == layers);
        }
        let mut found = vec![false; layers];
        for index in list {
            *found.get_mut(usize::try_from(index.as_u64()?).ok()?)? = true;
        }
        Some(found)
    });
    found.ok_or_else(|| {
        let expected = match key {
            "layer_types" => format!("a list of {layers} times `full_attention` or `conv`"),
            _ => format!("a list of layers below {layers}"),
        };
        config.bad(key, expected)
    })
}

/// Returns the width of the feed-forward part.
fn intermediate(config: &Config<'_>) -> Result<usize, ModelError> {
    let width = match config.optional_size("block_ff_dim", limit::WIDTH)? {
        Some(width) => width,
        None => config.size("intermediate_size", limit::WIDTH)?,
    };
    if !config.flag("block_auto_adjust_ff_dim")?.unwrap_or(false) {
        return Ok(width);
    }
    let factor = config.optional_positive("block_ffn_dim_multiplier")?.unwrap_or(1.0);
    let multiple = config.size("block_multiple_of", limit::WIDTH)?;
    let wanted = (2 * width / 3) as f64 * factor;
    let most = limit::WIDTH as f64;
    if (1.0..=most).contains(&wanted) {
        let width = (wanted as usize).next_multiple_of(multiple);
        if width <= limit::WIDTH {
            return Ok(width);
        }
    }
    let expected = format!("a factor that leaves a width from 1 to {}", limit::WIDTH);
    Err(config.bad("block_ffn_dim_multiplier", expected))
}
