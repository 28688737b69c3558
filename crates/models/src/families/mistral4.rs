//! Mistral Small 4 (Mistral AI, 2026): latent attention as in DeepSeek-V3, with scores that grow with
//! the position, and a mixture of experts.

use mlxk_ops::{RouteScores, ScoreGrowth};

use super::common::Common;
use super::deepseek::latent_spec;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    ExpertsSpec, LatentSpec, MlpSpec, SharedExpert, partial_rope_spec, yarn_score_scale,
};

pub(super) const FAMILY: Family = Family {
    name: "Mistral 4",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published { experts: USUAL_EXPERTS, ..Published::AS_IN_MLX },
        ..Architecture::new("mistral4", "Mistral Small 4", spec)
    }],
};

pub(super) fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let parameters =
        config.child("rope_parameters")?.ok_or_else(|| config.missing("rope_parameters"))?;
    let growth = ScoreGrowth {
        first: 0,
        beta: parameters.number_or("llama_4_scaling_beta", 0.0)? as f32,
        step: parameters.size("original_max_position_embeddings", limit::POSITIONS)?,
    };
    let latent = latent_spec(config, true)?;
    let width = (latent.nope + latent.rope) as f64;
    let is_plain = matches!(parameters.text("type")?, Some("default"))
        || (parameters.get("type").is_none()
            && matches!(parameters.text("rope_type")?, None | Some("default")));
    let factor = if is_plain { 1.0 } else { yarn_score_scale(Some(&parameters))? };
    let latent =
        LatentSpec { scale: (factor / width.sqrt()) as f32, growth: Some(growth), ..latent };
    let mut rope = partial_rope_spec(config, latent.rope, 100_000.0)?;
    rope.interleaved = config.flag_or("rope_interleave", true)?;
    rope.offset = latent.kv_widths().head_dim - latent.rope;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let layers = (0..common.layers).map(|_| pre_norm(latent, mlp)).collect();
    let spec = common.decoder(vec![rope], layers);
    let Some(experts) = config.optional_size("n_routed_experts", limit::EXPERTS)? else {
        return Ok(spec);
    };
    let route = grouped_route(config, experts, RouteScores::Softmax, &RouteKeys::USUAL)?;
    let normalize = config.flag_or("norm_topk_prob", true)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.optional_size("n_shared_experts", limit::EXPERTS)?;
    let mut mixture = ExpertsSpec {
        shared: shared.map(|count| {
            SharedExpert::plain("shared_experts", MlpSpec::gated(count * intermediate))
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    mixture.route.normalize = normalize;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}
