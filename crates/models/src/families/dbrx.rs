//! DBRX (Databricks, 2024): a mixture of experts with clipped queries, keys and values.

use mlxk_format::convert::Placement;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, NormSpec,
    QkvLayout, StoredExperts, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "DBRX",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published { place, ..Published::AS_IN_MLX },
        ..Architecture::new("dbrx", "DBRX Base, DBRX Instruct", spec)
    }],
};

/// Names of gate, up and down.
const MODULES: [&str; 3] = ["w1", "v1", "w2"];

/// Takes the matrices of all experts apart. Down is turned.
fn place(config: &Value, name: &str) -> Option<Placement> {
    let (path, module) = name.split_once(".experts.mlp.")?;
    let experts = config.pointer("/ffn_config/moe_num_experts")?.as_u64()?;
    if !MODULES.contains(&module) || !(1..=limit::EXPERTS as u64).contains(&experts) {
        return None;
    }
    let each = (0..experts).map(|expert| format!("{path}.experts.{expert}.{module}.weight"));
    let each = each.collect();
    Some(if module == "w2" { Placement::TurnedShares(each) } else { Placement::Shares(each) })
}

const NAMES: Names = Names {
    embed_tokens: "transformer.wte",
    layers: "transformer.blocks",
    norm: "transformer.norm_f",
    lm_head: "lm_head",
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let child = |key| config.child(key)?.ok_or_else(|| config.missing(key));
    let (attention, experts) = (child("attn_config")?, child("ffn_config")?);
    let common = Common {
        hidden: config.size("d_model", limit::WIDTH)?,
        layers: config.size("n_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_seq_len", 2048, limit::POSITIONS)?,
        norm: NormSpec { bias: false, ..NormSpec::layer(1e-5) },
        mlp: MlpSpec::gated(experts.size("ffn_hidden_size", limit::WIDTH)?),
        tied: Some(false),
    };
    let heads = config.size("n_heads", limit::HEADS)?;
    let kv_heads = attention.size("kv_n_heads", heads)?;
    if !heads.is_multiple_of(kv_heads) {
        return Err(attention.bad("kv_n_heads", format!("a divisor of `n_heads` ({heads})")));
    }
    let keys = ["d_model", "n_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, common.hidden, [heads, kv_heads])?;
    let clip = attention.positive("clip_qkv")? as f32;
    let rope = scaled_rope(config, None, sizes.head_dim, attention.positive("rope_theta")?)?;
    let attention = GroupedSpec {
        names: AttentionNames { qkv: "Wqkv", o: "out_proj", ..AttentionNames::USUAL },
        qkv: QkvLayout::Rows,
        clip: Some(clip),
        ..GroupedSpec::plain(sizes)
    };
    let mixture = mixture(&experts, common.mlp.intermediate)?;
    let layer = |_| {
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        vec![
            block(Input::Norm("norm_attn_norm.norm_1"), attention.into(), "norm_attn_norm.attn"),
            block(Input::Norm("norm_attn_norm.norm_2"), mixture.into(), "ffn"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}

/// Reads the experts. Their weights are divided by the sum of their absolute values.
fn mixture(config: &Config<'_>, intermediate: usize) -> Result<ExpertsSpec, ModelError> {
    if let Some(activation) = config.child("ffn_act_fn")? {
        activation.require("name", "silu")?;
    }
    // 1 is the norm by which the weights are divided.
    config.size_or("moe_normalize_expert_weights", 1, 1)?;
    let experts = config.size("moe_num_experts", limit::EXPERTS)?;
    let route = softmax_route(config.size("moe_top_k", experts)?, true);
    Ok(ExpertsSpec {
        names: ExpertNames { router: "router.layer", experts: "experts" },
        stored: StoredExperts::Single(MODULES),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}
