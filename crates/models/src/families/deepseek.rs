//! DeepSeek-MoE (2024, arXiv:2401.06066), V2 (2024, arXiv:2405.04434) and V3 (2024, arXiv:2412.19437): a
//! mixture of many small experts next to shared ones; from V2 on, latent attention. Also Kimi's
//! wrappers of V3, and GLM-4.7-Flash.

use mlxk_format::convert::ModuleRule;
use mlxk_ops::{RouteGroups, RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertsSpec, GroupedSpec, LatentSpec, MlpSpec, NormSpec, PartSpec,
    SharedExpert, rope_spec, scaled_rope, yarn_score_scale,
};

pub(super) const FAMILY: Family = Family {
    name: "DeepSeek",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("deepseek_v2", "DeepSeek-V2-Lite, DeepSeek-Coder-V2-Lite", v2_spec)
        },
        Architecture {
            published: V3_PUBLISHED,
            ..Architecture::new("deepseek_v3", "DeepSeek-V3, DeepSeek-R1, Moonlight", v3_spec)
        },
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("deepseek", "DeepSeek-MoE 16B", v1_spec)
        },
        Architecture {
            published: V3_PUBLISHED,
            ..Architecture::new("kimi_k2", "Kimi K2", v3_spec)
        },
        Architecture {
            published: V3_PUBLISHED,
            ..Architecture::new("joyai_llm_flash", "JoyAI-LLM-Flash", v3_spec)
        },
        Architecture {
            published: V3_PUBLISHED,
            ..Architecture::new("glm4_moe_lite", "GLM-4.7-Flash", glm_spec)
        },
        Architecture {
            wrapper: true,
            published: V3_PUBLISHED,
            ..Architecture::new("kimi_vl", "Kimi-VL-A3B, text only", kimi_spec)
        },
        Architecture {
            wrapper: true,
            published: V3_PUBLISHED,
            ..Architecture::new("kimi_k25", "Kimi K2.5, text only", kimi_spec)
        },
    ],
};

/// mlx-lm's routers are not modules with a matrix product, so they are never quantized.
const PUBLISHED: Published = Published {
    experts: USUAL_EXPERTS,
    modules: &[("mlp.gate", ModuleRule::Never)],
    ..Published::AS_IN_MLX
};

pub(super) const V3_PUBLISHED: &Published =
    &Published { exact: &["e_score_correction_bias"], ..PUBLISHED };

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] =
    &["vision_tower.", "vision_model.", "multi_modal_projector.", "mm_projector."];

fn v1_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 2048)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) };
    let route = |experts_per_row| softmax_route(experts_per_row, false);
    with_mixture(config, spec, false, route)
}

/// Reads GLM-4.7-Flash, whose norms of the latents have the epsilon of all others.
fn glm_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = v3_like(config, &Defaults { theta: 1_000_000.0, scale: 1.8 })?;
    let eps = config.positive("rms_norm_eps")?;
    for part in spec.layers.iter_mut().flatten().map(|block| &mut block.part) {
        if let PartSpec::Latent(latent) = part {
            latent.norm = NormSpec::rms(eps);
        }
    }
    Ok(spec)
}

/// Reads a V3 and a vision tower, which is not loaded.
fn kimi_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    Ok(DecoderSpec { prefix: "language_model.", skipped: VISION, ..v3_spec(&text)? })
}

fn v2_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let groups = match config.text("topk_method")? {
        Some("group_limited_greedy") => Some(groups(config, 1)?),
        Some("greedy" | "gready") | None => None,
        Some(other) => {
            return Err(config.unsupported(
                "topk_method",
                other,
                "`greedy`, `group_limited_greedy`",
            ));
        }
    };
    let scale = config.number_or("routed_scaling_factor", 1.0)? as f32;
    let rotation = Rotation::from_config(config, &Defaults::DEEPSEEK)?;
    spec(config, false, &rotation, |experts_per_row| RouteSpec {
        groups,
        scale,
        ..RouteSpec::new(experts_per_row, RouteScores::Softmax)
    })
}

/// Values of absent keys.
struct Defaults {
    /// `rope_theta`
    theta: f64,
    /// `routed_scaling_factor`
    scale: f64,
}

impl Defaults {
    const DEEPSEEK: Self = Self { theta: 10_000.0, scale: 1.0 };
}

/// Rotary positions.
pub(super) struct Rotation<'a> {
    pub(super) scaling: Option<Config<'a>>,
    pub(super) theta: f64,
}

impl<'a> Rotation<'a> {
    fn from_config(config: &Config<'a>, defaults: &Defaults) -> Result<Self, ModelError> {
        let theta = config.positive_or("rope_theta", defaults.theta)?;
        Ok(Self { scaling: config.child("rope_scaling")?, theta })
    }

    /// The keys and defaults of DeepSeek.
    pub(super) fn usual(config: &Config<'a>) -> Result<Self, ModelError> {
        Self::from_config(config, &Defaults::DEEPSEEK)
    }
}

fn v3_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    v3_like(config, &Defaults::DEEPSEEK)
}

fn v3_like(config: &Config<'_>, defaults: &Defaults) -> Result<DecoderSpec, ModelError> {
    v3_rotated(config, &Rotation::from_config(config, defaults)?, defaults.scale)
}

/// Reads a V3 with these rotary positions. `scale` is the factor of the weights of experts if its key is absent.
pub(super) fn v3_rotated(
    config: &Config<'_>,
    rotation: &Rotation<'_>,
    scale: f64,
) -> Result<DecoderSpec, ModelError> {
    config.require("topk_method", "noaux_tc")?;
    config.require("scoring_func", "sigmoid")?;
    let count = config.optional_size("n_group", limit::EXPERTS)?.unwrap_or(1);
    let groups = if count > 1 { Some(groups(config, 2)?) } else { None };
    let normalize = config.flag("norm_topk_prob")?.unwrap_or(true);
    let scale = config.number_or("routed_scaling_factor", scale)? as f32;
    spec(config, true, rotation, |experts_per_row| RouteSpec {
        groups,
        normalize: normalize && experts_per_row > 1,
        scale,
        ..RouteSpec::new(experts_per_row, RouteScores::Sigmoid)
    })
}

fn groups(config: &Config<'_>, best: usize) -> Result<RouteGroups, ModelError> {
    let count = config.size("n_group", limit::EXPERTS)?;
    Ok(RouteGroups { count, keep: config.size("topk_group", count)?, best, excluded: false })
}

/// Reads what V2 and V3 have in common. `route` makes the routing for a number of experts per row.
fn spec(
    config: &Config<'_>,
    absorbed: bool,
    Rotation { scaling, theta }: &Rotation<'_>,
    route: impl Fn(usize) -> RouteSpec,
) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 2048)?;
    let latent = scaled_latent_spec(config, scaling.as_ref(), absorbed)?;
    let mut rope = scaled_rope(config, scaling.as_ref(), latent.rope, *theta)?;
    rope.interleaved = true;
    rope.offset = latent.kv_widths().head_dim - latent.rope;
    let layers = (0..common.layers).map(|_| pre_norm(latent, common.mlp)).collect();
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) };
    with_mixture(config, spec, absorbed, route)
}

/// Puts experts into all layers but the first ones, if there are any.
fn with_mixture(
    config: &Config<'_>,
    spec: DecoderSpec,
    has_correction: bool,
    route: impl Fn(usize) -> RouteSpec,
) -> Result<DecoderSpec, ModelError> {
    let Some(experts) = config.optional_size("n_routed_experts", limit::EXPERTS)? else {
        return Ok(spec);
    };
    let mixture = mixture(config, experts, has_correction, route)?;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let every = config.optional_size("moe_layer_freq", limit::LAYERS)?.unwrap_or(1);
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first && layer.is_multiple_of(every)))
}

fn mixture(
    config: &Config<'_>,
    experts: usize,
    has_correction: bool,
    route: impl Fn(usize) -> RouteSpec,
) -> Result<ExpertsSpec, ModelError> {
    let route = route(config.size("num_experts_per_tok", experts)?);
    if let Some(groups) = route.groups
        && !(experts.is_multiple_of(groups.count) && experts / groups.count >= groups.best)
    {
        return Err(config.bad(
            "n_group",
            format!(
                "a divisor of `n_routed_experts` ({experts}) that leaves {} or more",
                groups.best
            ),
        ));
    }
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.optional_size("n_shared_experts", limit::EXPERTS)?;
    Ok(ExpertsSpec {
        correction: has_correction.then_some("gate.e_score_correction_bias"),
        shared: shared.map(|count| {
            SharedExpert::plain("shared_experts", MlpSpec::gated(count * intermediate))
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}

pub(super) fn latent_spec(config: &Config<'_>, absorbed: bool) -> Result<LatentSpec, ModelError> {
    scaled_latent_spec(config, config.child("rope_scaling")?.as_ref(), absorbed)
}

fn scaled_latent_spec(
    config: &Config<'_>,
    scaling: Option<&Config<'_>>,
    absorbed: bool,
) -> Result<LatentSpec, ModelError> {
    let width = |key| config.size(key, limit::HEAD_DIM * 4);
    let (nope, rope) = (width("qk_nope_head_dim")?, width("qk_rope_head_dim")?);
    if !rope.is_multiple_of(2) {
        return Err(config.bad("qk_rope_head_dim", "an even number"));
    }
    let scale = yarn_score_scale(scaling)?;
    Ok(LatentSpec {
        heads: config.size("num_attention_heads", limit::HEADS)?,
        q_rank: config.optional_size("q_lora_rank", limit::WIDTH)?,
        kv_rank: width("kv_lora_rank")?,
        nope,
        rope,
        value: width("v_head_dim")?,
        bias: config.flag("attention_bias")?.unwrap_or(false),
        // `config.json` has no key for it.
        norm: NormSpec::rms(1e-6),
        latent_scale: None,
        scale: (scale / ((nope + rope) as f64).sqrt()) as f32,
        absorbed,
        growth: None,
        rope_index: Some(0),
        indexer: None,
        output: "o_proj",
        gate: None,
    })
}
