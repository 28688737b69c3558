//! Mixtral (Jiang et al., 2024, arXiv:2401.04088): Mistral as a mixture of experts.

use mlxk_ops::{RouteScores, RouteSpec};

use super::family::{Architecture, Family};
use super::llama;
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{AttentionSizes, ExpertsSpec, partial_rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Mixtral",
    gguf: &[],
    architectures: &[Architecture {
        published: PUBLISHED,
        ..Architecture::new("mixtral", "Mixtral 8x7B, 8x22B", spec)
    }],
};

const PUBLISHED: &Published = &Published {
    experts: &[("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")],
    ..Published::AS_IN_MLX
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let dense = llama::spec(config)?;
    let head_dim = AttentionSizes::from_config(config)?.head_dim;
    let experts = config.optional_size("num_local_experts", limit::EXPERTS)?.unwrap_or(8);
    let route = RouteSpec::new(
        config.optional_size("num_experts_per_tok", experts)?.unwrap_or(2),
        RouteScores::SoftmaxOfChosen,
    );
    let intermediate = config.size("intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec::usual(experts, intermediate, route);
    let ropes = vec![partial_rope_spec(config, head_dim, 1_000_000.0)?];
    Ok(DecoderSpec { ropes, ..dense.with_experts("block_sparse_moe", &mixture, |_| true) })
}
