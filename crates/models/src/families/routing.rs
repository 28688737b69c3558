//! Routing as in DeepSeek-V3 (2024, arXiv:2412.19437, §2.1.2), which many mixtures have taken over.

use mlxk_ops::{RouteGroups, RouteScores, RouteSpec};

use crate::config::{Config, limit};
use crate::error::ModelError;

/// Keys and defaults of a family.
pub(super) struct RouteKeys {
    pub(super) experts_per_row: &'static str,
    pub(super) groups: &'static str,
    pub(super) groups_default: usize,
    pub(super) normalize: &'static str,
    pub(super) normalize_default: bool,
    pub(super) scale: &'static str,
    pub(super) scale_default: f64,
}

impl RouteKeys {
    /// The keys of DeepSeek-V3.
    pub(super) const USUAL: Self = Self {
        experts_per_row: "num_experts_per_tok",
        groups: "n_group",
        groups_default: 1,
        normalize: "norm_topk_prob",
        normalize_default: true,
        scale: "routed_scaling_factor",
        scale_default: 1.0,
    };
}

/// Reads the routing to `num_experts_per_tok` of `experts`, of the best groups if there are any.
pub(super) fn grouped_route(
    config: &Config<'_>,
    experts: usize,
    scores: RouteScores,
    keys: &RouteKeys,
) -> Result<RouteSpec, ModelError> {
    let experts_per_row = config.size(keys.experts_per_row, experts)?;
    let count = config.size_or(keys.groups, keys.groups_default, limit::EXPERTS)?;
    if !experts.is_multiple_of(count) || (count > 1 && experts / count < 2) {
        let expected =
            format!("a divisor of the number of experts ({experts}) that leaves 2 or more");
        return Err(config.bad(keys.groups, expected));
    }
    let groups = if count > 1 {
        Some(RouteGroups {
            count,
            keep: config.size("topk_group", count)?,
            best: 2,
            excluded: false,
        })
    } else {
        None
    };
    let normalize = config.flag_or(keys.normalize, keys.normalize_default)?;
    Ok(RouteSpec {
        groups,
        normalize: normalize && experts_per_row > 1,
        scale: config.positive_or(keys.scale, keys.scale_default)? as f32,
        ..RouteSpec::new(experts_per_row, scores)
    })
}

/// Routing by a softmax over all experts, without groups.
pub(super) const fn softmax_route(experts_per_row: usize, normalize: bool) -> RouteSpec {
    RouteSpec { normalize, ..RouteSpec::new(experts_per_row, RouteScores::Softmax) }
}
