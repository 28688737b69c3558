//! Ling and Ring with linear attention (Ling Team, 2025, arXiv:2510.19338): most layers forget at fixed
//! speeds, and one of each group has full attention, which is latent in version 2.5.

use mlxk_format::convert::ModuleRule;
use mlxk_ops::RouteScores;

use super::bailing_moe::{self, NAMES};
use super::common::Common;
use super::deepseek::latent_spec;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertsSpec, FadingAttentionSpec, LatentSpec, MlpSpec, PartSpec, SharedExpert,
    partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Ling",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &bailing_moe::PUBLISHED,
            ..Architecture::new("bailing_moe_linear", "Ling- and Ring-mini-linear-2.0", linear_spec)
        },
        Architecture {
            published: &Published {
                modules: &[
                    ("mlp.gate.gate_proj", ROUTER),
                    ("attention.embed_q", ModuleRule::Never),
                    ("attention.unembed_out", ModuleRule::Never),
                ],
                ..bailing_moe::PUBLISHED
            },
            ..Architecture::new("bailing_hybrid", "Ling-2.5-1T, Ring-2.5-1T", hybrid_spec)
        },
    ],
};

/// Returns `true` for the layers with full attention: the last one of each group, and those that are left.
pub(super) fn is_global(
    config: &Config<'_>,
    layers: usize,
) -> Result<impl Fn(usize) -> bool + use<>, ModelError> {
    let group = config.size("layer_group_size", limit::LAYERS)?;
    Ok(move |layer: usize| (layer + 1).is_multiple_of(group) || layer >= layers / group * group)
}

/// Returns the parts of all layers.
pub(super) fn layers(
    count: usize,
    mlp: MlpSpec,
    attention: impl Fn(usize) -> PartSpec,
) -> Vec<Vec<BlockSpec>> {
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |index| {
        vec![
            block("input_layernorm", attention(index), "attention"),
            block("post_attention_layernorm", mlp.into(), "mlp"),
        ]
    };
    (0..count).map(layer).collect()
}

/// Reads linear attention with heads of this width, without the speed of a layer.
fn fading(
    config: &Config<'_>,
    common: &Common,
    head_dim: usize,
    has_norms: bool,
) -> Result<FadingAttentionSpec, ModelError> {
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let groups = config.size("group_norm_size", heads * head_dim)?;
    if !(heads * head_dim).is_multiple_of(groups) {
        let expected = format!("a divisor of the width of all heads ({})", heads * head_dim);
        return Err(config.bad("group_norm_size", expected));
    }
    Ok(FadingAttentionSpec {
        heads,
        head_dim,
        qkv_bias: config.flag_or("use_qkv_bias", false)?,
        out_bias: config.flag_or("use_bias", false)?,
        qk_norm: config.flag_or("use_qk_norm", has_norms)?.then_some(common.norm),
        norm: common.norm,
        groups,
        speed: 1.0,
        rope: 1,
    })
}

/// Returns the factor of the speeds of a layer.
fn speed(layer: usize, layers: usize) -> f32 {
    (1.0 - layer as f64 / layers.saturating_sub(1).max(1) as f64 + 1e-5) as f32
}

fn linear_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    if config.flag_or("norm_head", false)? {
        return Err(config.unsupported("norm_head", "true", "`false`"));
    }
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("use_bias", false)?;
    let attention = bailing_moe::attention(config, &common, sizes)?;
    // The heads of linear attention are together as wide as the residual stream.
    let linear_dim = AttentionSizes::parts_of(
        config,
        ["hidden_size", "num_attention_heads"],
        common.hidden,
        [sizes.heads; 2],
    )?;
    let fading = fading(config, &common, linear_dim.head_dim, false)?;
    let is_global = is_global(config, common.layers)?;
    let part = |layer: usize| -> PartSpec {
        if is_global(layer) {
            return attention.into();
        }
        let speed = speed(layer.saturating_sub(1), common.layers);
        FadingAttentionSpec { speed, ..fading }.into()
    };
    let layers = layers(common.layers, MlpSpec { bias, ..common.mlp }, part);
    let rope = |head_dim| partial_rope_spec(config, config.rotary_dims(head_dim)?, 10_000.0);
    let ropes = vec![rope(sizes.head_dim)?, rope(linear_dim.head_dim)?];
    let mixture = bailing_moe::mixture(config, bias)?;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let spec = DecoderSpec { names: NAMES, ..common.decoder(ropes, layers) };
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

/// Reads latent attention whose norms have the epsilon of all others.
pub(super) fn latent(config: &Config<'_>, common: &Common) -> Result<LatentSpec, ModelError> {
    Ok(LatentSpec { norm: common.norm, output: "dense", ..latent_spec(config, true)? })
}

fn hybrid_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let bias = config.flag_or("use_bias", false)?;
    let latent =
        LatentSpec { bias: config.flag_or("use_qkv_bias", false)?, ..latent(config, &common)? };
    let head_dim = AttentionSizes::from_config(config)?.head_dim;
    let fading = fading(config, &common, head_dim, true)?;
    let is_global = is_global(config, common.layers)?;
    let part = |layer: usize| -> PartSpec {
        if is_global(layer) {
            return latent.into();
        }
        FadingAttentionSpec { speed: speed(layer, common.layers), ..fading }.into()
    };
    let layers = layers(common.layers, MlpSpec { bias, ..common.mlp }, part);
    let mut rope = partial_rope_spec(config, latent.rope, 10_000.0)?;
    rope.interleaved = config.flag_or("rope_interleave", true)?;
    rope.offset = latent.kv_widths().head_dim - latent.rope;
    let dims = config.part_of_head("partial_rotary_factor", head_dim, 0.5)?;
    let mut linear_rope = partial_rope_spec(config, dims, 10_000.0)?;
    linear_rope.interleaved = false;
    let mixture = mixture(config, bias)?;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let decoder = common.decoder(vec![rope, linear_rope], layers);
    let spec = DecoderSpec { names: NAMES, tied: common.tied.or(Some(false)), ..decoder };
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

/// Reads the mixture of version 2.5, whose shared experts have a width of their own.
fn mixture(config: &Config<'_>, bias: bool) -> Result<ExpertsSpec, ModelError> {
    let mut mixture = bailing_moe::mixture(config, bias)?;
    if let (Some(groups), RouteScores::Sigmoid | RouteScores::Softmax) =
        (&mut mixture.route.groups, mixture.route.scores)
    {
        groups.excluded = true;
    }
    if config.get("score_function").is_none() {
        mixture.route.scores = RouteScores::Sigmoid;
    }
    let has_correction = config.flag_or("moe_router_enable_expert_bias", true)?;
    mixture.correction = has_correction.then_some("gate.expert_bias");
    let shared = config.count_or("num_shared_experts", 0, limit::EXPERTS)?;
    let width = config.optional_size("moe_shared_expert_intermediate_size", limit::WIDTH)?;
    let width = width.unwrap_or(mixture.intermediate * shared);
    mixture.shared = (shared > 0)
        .then(|| SharedExpert::plain("shared_experts", MlpSpec { bias, ..MlpSpec::gated(width) }));
    Ok(mixture)
}
