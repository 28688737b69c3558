//! Hunyuan (Tencent, 2024, arXiv:2411.02265), dense and as a mixture of experts: norms on the heads of
//! queries and keys after their rotation, and rotary frequencies stretched by a factor `alpha`.

use mlxk_ops::{RopeSpec, RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec,
    PartSpec, QkNorm, SharedExpert, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Hunyuan",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &Published { experts: USUAL_EXPERTS, ..Published::AS_IN_MLX },
            ..Architecture::new("hunyuan", "Hunyuan-A13B", moe_spec)
        },
        Architecture::new("hunyuan_v1_dense", "Hunyuan 0.5B to 7B, Hunyuan-MT", spec),
    ],
};

const NAMES: AttentionNames =
    AttentionNames { q_norm: "query_layernorm", k_norm: "key_layernorm", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_config(config)?;
    let alpha = match config.child("rope_scaling")? {
        Some(scaling) => Some(scaling.positive("alpha")?),
        None => None,
    };
    let tied = Some(common.tied.unwrap_or(false));
    Ok(DecoderSpec { tied, ..decoder(config, &common, sizes, true, alpha)? })
}

fn decoder(
    config: &Config<'_>,
    common: &Common,
    sizes: AttentionSizes,
    has_norms: bool,
    alpha: Option<f64>,
) -> Result<DecoderSpec, ModelError> {
    let bias = config.flag_or("attention_bias", false)?;
    let has_norms = config.flag_or("use_qk_norm", has_norms)?;
    let attention = GroupedSpec {
        names: NAMES,
        biases: Biases::all(bias),
        qk_norm: has_norms.then_some(QkNorm::Heads(common.norm)),
        rope_first: true,
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let rope = stretched(config, sizes.head_dim, alpha.unwrap_or(1.0))?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(common.decoder(vec![rope], layers))
}

/// Returns frequencies with a base of `theta · alpha^(d / (d − 2))`.
fn stretched(config: &Config<'_>, dims: usize, alpha: f64) -> Result<RopeSpec, ModelError> {
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let exponent = dims as f64 / (dims as f64 - 2.0).max(1.0);
    scaled_rope(config, None, dims, theta * alpha.powf(exponent))
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    if config.flag_or("use_cla", false)? {
        return Err(config.unsupported("use_cla", "true", "`false`"));
    }
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let scaling = config.child("rope_scaling")?.ok_or_else(|| config.missing("rope_scaling"))?;
    let alpha = Some(scaling.positive("alpha")?);
    let mut spec =
        DecoderSpec { tied: Some(true), ..decoder(config, &common, sizes, false, alpha)? };
    let experts = config.size("num_experts", limit::EXPERTS)?;
    if experts == 1 {
        return Ok(spec);
    }
    for (index, layer) in spec.layers.iter_mut().enumerate() {
        let mixture = mixture(config, &common, experts, index)?;
        for block in layer {
            if matches!(block.part, PartSpec::Mlp(_)) {
                block.part = mixture.into();
            }
        }
    }
    Ok(spec)
}

/// Returns the mixture of a layer.
fn mixture(
    config: &Config<'_>,
    common: &Common,
    experts: usize,
    layer: usize,
) -> Result<ExpertsSpec, ModelError> {
    let of_layer = |key, max| of_layer(config, key, layer, max);
    let experts_per_row =
        of_layer("moe_topk", experts)?.ok_or_else(|| config.missing("moe_topk"))?;
    let intermediate = of_layer("moe_intermediate_size", limit::WIDTH)?;
    let shared = if config.flag_or("use_mixed_mlp_moe", false)? {
        of_layer("num_shared_expert", limit::EXPERTS)?
    } else {
        None
    };
    let route = RouteSpec::new(experts_per_row, RouteScores::Softmax);
    let width = common.mlp.intermediate;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "gate.wg", ..ExpertNames::USUAL },
        shared: shared
            .map(|count| SharedExpert::plain("shared_mlp", MlpSpec::gated(count * width))),
        ..ExpertsSpec::usual(experts, intermediate.unwrap_or(width), route)
    })
}

/// Returns a size that may differ from layer to layer: a number, or a list of them.
fn of_layer(
    config: &Config<'_>,
    key: &str,
    layer: usize,
    max: usize,
) -> Result<Option<usize>, ModelError> {
    let value = match config.get(key) {
        None => return Ok(None),
        Some(Value::Array(list)) => list.get(layer).and_then(Value::as_u64),
        Some(_) => return config.optional_size(key, max),
    };
    value
        .filter(|&size| (1..=max as u64).contains(&size))
        .map(|size| Some(size as usize))
        .ok_or_else(|| config.bad(key, format!("an integer from 1 to {max} for every layer")))
}
