//! K-EXAONE (LG AI Research, 2026): a mixture routed as in DeepSeek-V3. Three of four layers have a
//! window and rotary positions, and the fourth has neither.

use mlxk_ops::RouteScores;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::glm4_moe;
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertsSpec, GroupedSpec, MlpSpec, QkNorm, SharedExpert, layer_windows,
    rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "K-EXAONE",
    gguf: &[],
    architectures: &[Architecture {
        published: glm4_moe::PUBLISHED,
        ..Architecture::new("exaone_moe", "K-EXAONE 236B-A23B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    config.require("topk_method", "noaux_tc")?;
    config.require("scoring_func", "sigmoid")?;
    let common = Common::from_config(config, 262_144)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { qk_norm: Some(QkNorm::Heads(common.norm)), ..GroupedSpec::plain(sizes) };
    let windows = layer_windows(config, common.layers, common.layers)?;
    let rotates_all = windows.iter().all(Option::is_none);
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let layers = windows.into_iter().map(|window| {
        let rope = (rotates_all || window.is_some()).then_some(0);
        pre_norm(GroupedSpec { window, rope, ..attention }, mlp)
    });
    let layers = layers.collect();
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let keys = RouteKeys { scale_default: 2.5, ..RouteKeys::USUAL };
    let route = grouped_route(config, experts, RouteScores::Sigmoid, &keys)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.count_or("num_shared_experts", 0, limit::EXPERTS)?;
    let mixture = ExpertsSpec {
        correction: Some("gate.e_score_correction_bias"),
        shared: (shared > 0)
            .then(|| SharedExpert::plain("shared_experts", MlpSpec::gated(shared * intermediate))),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    let key = "is_moe_layer";
    let flags: Option<Vec<bool>> = config
        .get(key)
        .and_then(Value::as_array)
        .filter(|list| list.len() == common.layers)
        .and_then(|list| list.iter().map(Value::as_bool).collect());
    let flags =
        flags.ok_or_else(|| config.bad(key, format!("a list of {} flags", common.layers)))?;
    let spec = common.decoder(vec![rope], layers);
    Ok(spec.with_experts("mlp", &mixture, |layer| flags[layer]))
}
