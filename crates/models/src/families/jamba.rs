//! Jamba (AI21, 2024, arXiv:2403.19887): selective scans, a few attention layers without positions, and
//! mixtures of experts in some of the layers.

use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba::{self, KERNEL};
use super::mamba2;
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ColumnMambaSpec, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, PartSpec,
};

pub(super) const FAMILY: Family = Family {
    name: "Jamba",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            experts: USUAL_EXPERTS,
            modules: &[("router", ROUTER)],
            ..mamba2::PUBLISHED
        },
        ..Architecture::new("jamba", "Jamba 1.5 Mini, Jamba Reasoning 3B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 262_144)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec { rope: None, ..GroupedSpec::plain(sizes) };
    let expand = config.size("mamba_expand", limit::HEADS)?;
    let inner = expand * common.hidden;
    if inner > limit::WIDTH {
        return Err(config.bad("mamba_expand", format!("{} or less", limit::WIDTH / common.hidden)));
    }
    let mamba = ColumnMambaSpec {
        inner,
        state_dim: config.size("mamba_d_state", limit::HEAD_DIM)?,
        rank: mamba::rank(config, "mamba_dt_rank", common.hidden)?,
        kernel: config.size("mamba_d_conv", KERNEL)?,
        bias: config.flag_or("mamba_proj_bias", false)?,
        conv_bias: config.flag_or("mamba_conv_bias", true)?,
        norm: Some(common.norm),
    };
    let layers = is_attention(config, common.layers)?.into_iter().map(|is_attention| {
        let (part, path): (PartSpec, _) =
            if is_attention { (attention.into(), "self_attn") } else { (mamba.into(), "mamba") };
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        vec![
            block("input_layernorm", part, path),
            block("pre_ff_layernorm", mlp.into(), "feed_forward"),
        ]
    });
    let layers = layers.collect();
    let spec = DecoderSpec {
        names: Names { norm: "model.final_layernorm", ..Names::USUAL },
        tied: common.tied.or(Some(true)),
        ..common.decoder(vec![], layers)
    };
    let experts = config.size("num_experts", limit::EXPERTS)?;
    if experts == 1 {
        return Ok(spec);
    }
    let experts_per_row = config.size("num_experts_per_tok", experts)?;
    let route = RouteSpec::new(experts_per_row, RouteScores::SoftmaxOfChosen);
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "router", ..ExpertNames::USUAL },
        ..ExpertsSpec::usual(experts, mlp.intermediate, route)
    };
    let offset = config.count_or("expert_layer_offset", 0, limit::LAYERS)?;
    let period = config.size("expert_layer_period", limit::LAYERS)?;
    Ok(spec.with_experts("feed_forward", &mixture, |layer| (layer + offset).is_multiple_of(period)))
}

/// Returns for each layer whether it is attention, by `layers_block_type` or by period and offset.
fn is_attention(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    const KEY: &str = "layers_block_type";
    let Some(list) = config.get(KEY) else {
        let period = config.size("attn_layer_period", limit::LAYERS)?;
        let offset = config.count_or("attn_layer_offset", 0, limit::LAYERS)?;
        return Ok((0..layers).map(|layer| layer % period == offset).collect());
    };
    let kind = |name: &Value| match name.as_str()? {
        "attention" => Some(true),
        "mamba" => Some(false),
        _ => None,
    };
    let list = list.as_array().filter(|list| list.len() == layers);
    let kinds: Option<Vec<bool>> = list.and_then(|list| list.iter().map(kind).collect());
    kinds.ok_or_else(|| config.bad(KEY, format!("a list of {layers} times `mamba` or `attention`")))
}
