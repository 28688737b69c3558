//! Granite 3 (IBM, 2024), dense and as a mixture of experts: Llama with factors on embeddings, scores,
//! residual stream and logits.

use mlxk_ops::{RouteScores, RouteSpec};

use super::family::{Architecture, Family};
use super::llama;
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{ExpertNames, ExpertsSpec};

pub(super) const FAMILY: Family = Family {
    name: "Granite",
    gguf: None,
    architectures: &[
        Architecture::new("granite", "Granite 3", spec),
        Architecture {
            published: &Published {
                modules: &[
                    ("block_sparse_moe.router.layer", ROUTER),
                    ("self_attn.o_proj", ROUTER),
                    ("lm_head", ROUTER),
                ],
                ..Published::AS_IN_MLX
            },
            ..Architecture::new("granitemoe", "Granite 3 1B-A400M, 3B-A800M", moe_spec)
        },
    ],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = llama::spec(config)?;
    let scale = config.positive("attention_multiplier")? as f32;
    for attention in spec.attentions_mut() {
        attention.scale = scale;
    }
    Ok(DecoderSpec {
        embed_scale: config.positive("embedding_multiplier")? as f32,
        residual_scale: Some(config.positive("residual_multiplier")? as f32),
        logit_scale: Some((1.0 / config.positive("logits_scaling")?) as f32),
        tied: spec.tied.or(Some(true)),
        ..spec
    })
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let experts = config.size("num_local_experts", limit::EXPERTS)?;
    let route =
        RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::SoftmaxOfChosen);
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "router.layer", ..ExpertNames::USUAL },
        ..ExpertsSpec::usual(experts, config.size("intermediate_size", limit::WIDTH)?, route)
    };
    Ok(spec(config)?.with_experts("block_sparse_moe", &mixture, |_| true))
}
