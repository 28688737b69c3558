//! Mellum 2 (JetBrains, 2026): a mixture in every layer, norms on the heads of queries and keys, and
//! windows with rotary frequencies of their own.

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, ExpertsSpec, GroupedSpec, QkNorm, layer_windows, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "Mellum",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            experts: USUAL_EXPERTS,
            modules: &[("mlp.gate", ROUTER)],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("mellum", "Mellum 2", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { qk_norm: Some(QkNorm::Heads(common.norm)), ..GroupedSpec::plain(sizes) };
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let experts_per_row = config.size("num_experts_per_tok", experts)?;
    let route = softmax_route(experts_per_row, config.flag_or("norm_topk_prob", false)?);
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec::usual(experts, intermediate, route);
    let parameters =
        config.child("rope_parameters")?.ok_or_else(|| config.missing("rope_parameters"))?;
    let mut ropes = Vec::with_capacity(2);
    for kind in ["full_attention", "sliding_attention"] {
        let Some(own) = parameters.child(kind)? else { continue };
        // Like mlx-lm, ignore the factor of `linear`.
        let is_plain = matches!(own.text("rope_type")?, None | Some("default" | "linear"));
        let scaling = (!is_plain).then_some(&own);
        ropes.push(scaled_rope(config, scaling, sizes.head_dim, own.positive("rope_theta")?)?);
    }
    let windows = layer_windows(config, common.layers, common.layers)?;
    let kinds = ropes.len();
    let layer = |window: Option<usize>| {
        let rope = usize::from(window.is_some());
        if rope >= kinds {
            return Err(config.bad("rope_parameters", "an object for each kind of layer"));
        }
        Ok(pre_norm(GroupedSpec { window, rope: Some(rope), ..attention }, mixture))
    };
    let layers = windows.into_iter().map(layer).collect::<Result<_, _>>()?;
    Ok(common.decoder(ropes, layers))
}
