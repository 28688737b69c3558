//! Granite 4 (IBM, 2025): selective scans and a few attention layers, dense or as a mixture of experts next
//! to a feed-forward part.

use mlxk_format::convert::Placement;
use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2::{self, ScanKeys, time_steps};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GatedNorm, GroupedSpec, MambaSpec, MlpKind,
    MlpSpec, PartSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Granite",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: published,
            modules: &[("router.layer", ROUTER)],
            ..mamba2::PUBLISHED
        },
        ..Architecture::new("granitemoehybrid", "Granite 4.0 Micro to Small", spec)
    }],
};

/// Least and greatest time step if the configuration does not state them.
const TIME_STEPS: [f32; 2] = [0.001, 100.0];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let has_positions = match config.text("position_embedding_type")? {
        None | Some("rope") => true,
        Some("nope") => false,
        Some(other) => {
            return Err(config.unsupported("position_embedding_type", other, "`rope`, `nope`"));
        }
    };
    let attention = GroupedSpec {
        biases: Biases::all(config.flag("attention_bias")?.unwrap_or(false)),
        scale: config.positive("attention_multiplier")? as f32,
        rope: has_positions.then_some(0),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let kinds = layer_kinds(config, common.layers)?;
    let mamba = if kinds.contains(&Kind::Mamba) { Some(mamba(config, &common)?) } else { None };
    let forward = feed_forward(config, &common)?;
    let layers = kinds.into_iter().map(|kind| {
        let (part, path): (PartSpec, _) = match (kind, mamba) {
            (Kind::Mamba, Some(mamba)) => (mamba.into(), "mamba"),
            _ => (attention.into(), "self_attn"),
        };
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        let mut layer = vec![block(Input::Norm("input_layernorm"), part, path)];
        let mut input = Input::Norm("post_attention_layernorm");
        for (part, path) in &forward {
            layer.push(block(input, part.clone(), path));
            input = Input::Previous;
        }
        layer
    });
    let layers = layers.collect();
    Ok(DecoderSpec {
        embed_scale: config.positive("embedding_multiplier")? as f32,
        residual_scale: Some(config.positive("residual_multiplier")? as f32),
        logit_scale: Some((1.0 / config.positive("logits_scaling")?) as f32),
        tied: common.tied.or(Some(true)),
        ..common.decoder(vec![rope], layers)
    })
}

/// Returns the place of a fused feed-forward part. MLX has those of experts and those of dense models apart.
fn published(config: &Value, name: &str) -> Option<Placement> {
    let experts = config.get("num_local_experts").and_then(Value::as_u64).unwrap_or(0);
    let (path, into) = match name.split_once(".block_sparse_moe.") {
        Some((path, _)) => (path, "block_sparse_moe.switch_mlp"),
        None if experts == 0 => (name.split_once(".shared_mlp.")?.0, "mlp"),
        None => return None,
    };
    let place = |module: &str| format!("{path}.{into}.{module}.weight");
    if name.ends_with(".input_linear.weight") {
        return Some(Placement::Halves([place("gate_proj"), place("up_proj")]));
    }
    name.ends_with(".output_linear.weight").then(|| Placement::As(place("down_proj")))
}

/// Kind of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mamba,
    Attention,
}

fn layer_kinds(config: &Config<'_>, layers: usize) -> Result<Vec<Kind>, ModelError> {
    let kinds = config.get("layer_types").and_then(|list| list.as_array()).and_then(|list| {
        let kinds: Option<Vec<Kind>> = list
            .iter()
            .map(|name| match name.as_str()? {
                "mamba" => Some(Kind::Mamba),
                "attention" => Some(Kind::Attention),
                _ => None,
            })
            .collect();
        kinds.filter(|kinds| kinds.len() == layers)
    });
    let expected = || format!("a list of {layers} times `mamba` or `attention`");
    kinds.ok_or_else(|| config.bad("layer_types", expected()))
}

fn mamba(config: &Config<'_>, common: &Common) -> Result<MambaSpec, ModelError> {
    let keys = ScanKeys {
        heads: "mamba_n_heads",
        head_dim: "mamba_d_head",
        groups: "mamba_n_groups",
        state_dim: "mamba_d_state",
        kernel: "mamba_d_conv",
    };
    let bias = config.flag("mamba_proj_bias")?.unwrap_or(false);
    Ok(MambaSpec {
        in_bias: bias,
        conv_bias: config.flag("mamba_conv_bias")?.unwrap_or(true),
        out_bias: bias,
        limits: time_steps(config, TIME_STEPS)?,
        norm: GatedNorm::After { norm: common.norm, groups: 1 },
        ..keys.read(config)?
    })
}

/// Returns the parts behind the first of a layer, which run in parallel, with their paths.
fn feed_forward(
    config: &Config<'_>,
    common: &Common,
) -> Result<Vec<(PartSpec, &'static str)>, ModelError> {
    let experts = config.count_or("num_local_experts", 0, limit::EXPERTS)?;
    if experts == 0 {
        return Ok(vec![(common.mlp.into(), "mlp")]);
    }
    let experts_per_row = config.size("num_experts_per_tok", experts)?;
    let route = RouteSpec::new(experts_per_row, RouteScores::SoftmaxOfChosen);
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "router.layer", ..ExpertNames::USUAL },
        ..ExpertsSpec::usual(experts, common.mlp.intermediate, route)
    };
    let shared = MlpSpec {
        kind: MlpKind::Fused { both: "input_linear", down: "output_linear" },
        ..MlpSpec::gated(config.size("shared_intermediate_size", limit::WIDTH)?)
    };
    Ok(vec![(mixture.into(), "block_sparse_moe"), (shared.into(), "shared_mlp")])
}
