//! Nemotron-H and Nemotron 3 (NVIDIA, 2025, arXiv:2504.03624): selective scans, attention without positions,
//! feed-forward parts and mixtures, each in a layer of its own.

use mlxk_format::convert::{ModuleRule, Placement};
use mlxk_ops::{Activation, RouteScores};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2::{self, BACKBONE, ScanKeys, time_steps};
use super::published::Published;
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GatedNorm, GroupedSpec, LatentSpace, MambaSpec, MlpKind, MlpSpec,
    NormSpec, PartSpec, PlainExpertsSpec,
};

pub(super) const FAMILY: Family = Family {
    name: "Nemotron-H",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            experts: &[("up_proj", "fc1"), ("down_proj", "fc2")],
            modules: &[("mixer.gate", ModuleRule::Never)],
            exact: &["e_score_correction_bias", "A_log"],
            place: |_, name| name.starts_with("mtp.").then_some(Placement::Drop),
            ..mamba2::PUBLISHED
        },
        ..Architecture::new("nemotron_h", "Nemotron-H, Nemotron Nano 2, Nemotron 3", spec)
    }],
};

/// Kind of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mamba,
    Attention,
    Mlp,
    Experts,
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("mlp_hidden_act", "relu2")?;
    let norm = NormSpec::rms(config.positive("layer_norm_epsilon")?);
    let kinds = kinds(config)?;
    let bias = config.flag_or("mlp_bias", false)?;
    let mlp = |intermediate| MlpSpec {
        kind: MlpKind::Plain { up: "up_proj", down: "down_proj" },
        bias,
        activation: Activation::ReluSquared,
        ..MlpSpec::gated(intermediate)
    };
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: kinds.len(),
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 262_144, limit::POSITIONS)?,
        norm,
        mlp: mlp(config.size("intermediate_size", limit::WIDTH)?),
        tied: Some(false),
    };
    let attention = GroupedSpec {
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        rope: None,
        ..GroupedSpec::plain(AttentionSizes::from_config(config)?)
    };
    let mamba = mamba(config, norm)?;
    let experts = if kinds.contains(&Kind::Experts) { Some(experts(config, mlp)?) } else { None };
    let part = |kind: &Kind| -> PartSpec {
        match (kind, experts) {
            (Kind::Mamba, _) => mamba.into(),
            (Kind::Attention, _) => attention.into(),
            (Kind::Experts, Some(experts)) => experts.into(),
            (Kind::Mlp | Kind::Experts, _) => common.mlp.into(),
        }
    };
    let layers = kinds.iter().map(|kind| {
        let part = part(kind);
        vec![BlockSpec { input: Input::Norm("norm"), part, path: "mixer", norm_out: None }]
    });
    let layers = layers.collect();
    Ok(DecoderSpec { names: BACKBONE, skipped: &["mtp."], ..common.decoder(vec![], layers) })
}

/// Returns the kinds of all layers, by `hybrid_override_pattern` or one of the lists of names.
fn kinds(config: &Config<'_>) -> Result<Vec<Kind>, ModelError> {
    const PATTERN: &str = "hybrid_override_pattern";
    let lists = ["layers_block_type", "layer_types"];
    let (key, names): (_, Option<Vec<String>>) = match config.get(PATTERN) {
        Some(Value::String(text)) => (PATTERN, Some(text.chars().map(String::from).collect())),
        Some(list) => (PATTERN, strings(list)),
        None => match lists.into_iter().find_map(|key| Some((key, config.get(key)?))) {
            Some((key, list)) => (key, strings(list)),
            None => return Err(config.missing(PATTERN)),
        },
    };
    let kinds: Option<Vec<Kind>> = names.and_then(|names| {
        let kind = |name: &String| match name.as_str() {
            "M" | "mamba" | "linear_attention" | "conv" => Some(Kind::Mamba),
            "*" | "attention" | "full_attention" => Some(Kind::Attention),
            "-" | "mlp" => Some(Kind::Mlp),
            "E" | "moe" => Some(Kind::Experts),
            _ => None,
        };
        names.iter().map(kind).collect()
    });
    kinds.filter(|kinds| (1..=limit::LAYERS).contains(&kinds.len())).ok_or_else(|| {
        config.bad(key, "a list of `M`, `*`, `-` and `E`, or of the names of such layers")
    })
}

fn strings(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn mamba(config: &Config<'_>, norm: NormSpec) -> Result<MambaSpec, ModelError> {
    let keys = ScanKeys {
        heads: "mamba_num_heads",
        head_dim: "mamba_head_dim",
        groups: "n_groups",
        state_dim: "ssm_state_size",
        kernel: "conv_kernel",
    };
    let mamba = keys.read(config)?;
    let bias = config.flag_or("mamba_proj_bias", false)?;
    Ok(MambaSpec {
        in_bias: bias,
        conv_bias: config.flag_or("use_conv_bias", true)?,
        out_bias: bias,
        limits: time_steps(config, [0.0, f32::INFINITY])?,
        norm: GatedNorm::After { norm, groups: mamba.sizes.groups },
        ..mamba
    })
}

fn experts(
    config: &Config<'_>,
    mlp: impl Fn(usize) -> MlpSpec,
) -> Result<PlainExpertsSpec, ModelError> {
    let experts = config.size("n_routed_experts", limit::EXPERTS)?;
    let keys = RouteKeys { normalize_default: false, ..RouteKeys::USUAL };
    let route = grouped_route(config, experts, RouteScores::Sigmoid, &keys)?;
    let latent = config.optional_size("moe_latent_size", limit::WIDTH)?;
    let bias = config.flag_or("mlp_bias", false)?;
    Ok(PlainExpertsSpec {
        experts,
        intermediate: config.size("moe_intermediate_size", limit::WIDTH)?,
        route,
        has_correction: true,
        bias: false,
        activation: Activation::ReluSquared,
        latent: latent.map(|width| LatentSpace { width, bias }),
        shared: match config.get("n_shared_experts") {
            None => None,
            Some(_) => Some(mlp(config.size("moe_shared_expert_intermediate_size", limit::WIDTH)?)),
        },
    })
}
