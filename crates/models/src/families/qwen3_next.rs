//! Qwen3-Next (2025): gated delta nets, attention with a gate in every fourth layer, and mixtures of
//! experts. Also the mixtures of Qwen3.5.

use mlxk_format::convert::{ModuleRule, Placement};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{
    FILTERS, Published, PublishedValues, ROUTER, USUAL_EXPERTS, fused_experts, norms_around_zero,
};
use super::routing::softmax_route;
use super::{qwen3, qwen3_5};
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, DeltaProjections, ExpertsSpec, MlpSpec, SharedExpert, SharedWeight,
    partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Qwen3-Next",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &Published {
                place: |_, name| qwen3_5::is_guess(name).then_some(Placement::Drop),
                experts: USUAL_EXPERTS,
                modules: ROUTERS,
                filters: FILTERS,
                values: Some(PublishedValues {
                    sign: |name, _| name.ends_with(".mlp.experts.0.up_proj.weight"),
                    arithmetic: |_, name| norms_around_zero(name),
                }),
                ..Published::AS_IN_MLX
            },
            ..Architecture::new("qwen3_next", "Qwen3-Next-80B-A3B, Qwen3-Coder-Next", spec)
        },
        Architecture {
            wrapper: true,
            published: &Published {
                place: |_, name| {
                    if qwen3_5::is_guess(name) {
                        return Some(Placement::Drop);
                    }
                    fused_experts(name, ["mlp.experts", "mlp.switch_mlp"])
                },
                experts: USUAL_EXPERTS,
                modules: ROUTERS,
                ..qwen3_5::PUBLISHED
            },
            ..Architecture::new(
                "qwen3_5_moe",
                "Qwen3.5-35B-A3B and 122B-A10B, Qwen3.6-35B-A3B, text only",
                moe_spec,
            )
        },
    ],
};

const ROUTERS: &[(&str, ModuleRule)] = &[("mlp.gate", ROUTER), ("shared_expert_gate", ROUTER)];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let common = Common::from_config(config, 262_144)?;
    let sizes = AttentionSizes::from_config(config)?;
    let dims = config.rotary_dims(sizes.head_dim)?;
    let rope = partial_rope_spec(config, dims, 10_000.0)?;
    let layers = qwen3_5::hybrid(config, &common, sizes, DeltaProjections::ByKeyHead)?;
    let spec = DecoderSpec { skipped: &["mtp."], ..common.decoder(vec![rope], layers) };
    let mixture = mixture(config, false)?;
    let is_mixture = qwen3::mixture_layers(config)?;
    Ok(spec.with_experts("mlp", &mixture, is_mixture))
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = qwen3_5::text(config)?;
    let mixture = mixture(&text, true)?;
    // Every layer has experts instead.
    let replaced = MlpSpec::gated(mixture.intermediate);
    Ok(qwen3_5::text_spec(&text, replaced)?.with_experts("mlp", &mixture, |_| true))
}

/// Reads the mixture. `normalize` is the default of `norm_topk_prob`.
fn mixture(config: &Config<'_>, normalize: bool) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let route = softmax_route(
        config.size("num_experts_per_tok", experts)?,
        config.flag_or("norm_topk_prob", normalize)?,
    );
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.size("shared_expert_intermediate_size", limit::WIDTH)?;
    Ok(ExpertsSpec {
        shared: Some(SharedExpert {
            name: "shared_expert",
            mlp: MlpSpec::gated(shared),
            weight: SharedWeight::Gate("shared_expert_gate"),
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}
