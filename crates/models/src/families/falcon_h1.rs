//! Falcon-H1 (TII, 2025, arXiv:2507.22448): a selective scan and attention in parallel in every layer.
//!
//! mlx-lm multiplies the factors of `config.json` into the weights when it converts a checkpoint. Only that
//! of a tied output matrix is left.

use mlxk_format::config_number;
use mlxk_format::convert::Arithmetic;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2::ScanKeys;
use super::published::{FILTERS, Published, PublishedValues, are_unmoved_filters};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::loader::FilterLayout;
use crate::parts::{
    AttentionSizes, Biases, GatedNorm, GroupedSpec, MambaSpec, NormSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Falcon-H1",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            filters: FILTERS,
            values: Some(PublishedValues { sign: are_unmoved_filters, arithmetic: factors }),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("falcon_h1", "Falcon-H1 0.5B to 34B", spec)
    }],
};

/// Factors of weights, and their values if `config.json` does not have them.
const FACTORS: &[(&str, &str, f64)] = &[
    ("embed_tokens", "embedding_multiplier", 5.656_854_249_492_381),
    ("lm_head", "lm_head_multiplier", 0.039_062_5),
    ("q_proj", "attention_in_multiplier", 1.0),
    ("k_proj", "attention_in_multiplier", 1.0),
    ("o_proj", "attention_out_multiplier", 0.9375),
    ("out_proj", "ssm_out_multiplier", 0.235_702_260_395_515_87),
];

/// Returns the factors that mlx-lm multiplies into a tensor. It leaves `key_multiplier` out, and factors of
/// values, and so do we.
fn factors(config: &Value, name: &str) -> Arithmetic {
    let Some(module) = name.strip_suffix(".weight").and_then(|path| path.rsplit('.').next()) else {
        return Arithmetic::None;
    };
    let number = |value: Option<&Value>, default| value.and_then(config_number).unwrap_or(default);
    let of_list = |key: &str, at: usize, default| {
        number(config.get(key).and_then(|list| list.get(at)), default) as f32
    };
    match module {
        "gate_proj" => Arithmetic::Multiply(of_list("mlp_multipliers", 0, 0.883_883_476_483_184_4)),
        "down_proj" => Arithmetic::Multiply(of_list("mlp_multipliers", 1, 0.585_937_5)),
        "in_proj" => Arithmetic::MultiplyRows {
            common: number(config.get("ssm_in_multiplier"), 1.25) as f32,
            rows: scan_factors(config, of_list),
        },
        _ => match FACTORS.iter().find(|(end, ..)| *end == module) {
            Some((_, key, default)) => {
                Arithmetic::Multiply(number(config.get(*key), *default) as f32)
            }
            None => Arithmetic::None,
        },
    }
}

/// Returns the factors of the rows of `in_proj`: those of the gate, the inputs, the keys, the queries and the
/// time steps.
fn scan_factors(config: &Value, of_list: impl Fn(&str, usize, f64) -> f32) -> Vec<f32> {
    const DEFAULTS: [f64; 5] =
        [0.353_553_390_593_273_8, 0.25, 0.353_553_390_593_273_8, 0.5, 0.353_553_390_593_273_8];
    let size = |key: &str, default: u64| {
        let size = config.get(key).and_then(Value::as_u64).unwrap_or(default);
        usize::try_from(size).unwrap_or(limit::WIDTH).min(limit::WIDTH)
    };
    let inner = size("mamba_d_ssm", 1536);
    let keys = size("mamba_n_groups", 1) * size("mamba_d_state", 128);
    let heads = size("mamba_n_heads", 24);
    let rows = [inner, inner, keys, keys, heads].into_iter().enumerate();
    let factor = |at| of_list("ssm_multipliers", at, DEFAULTS[at]);
    rows.flat_map(|(at, count)| std::iter::repeat_n(factor(at), count.min(limit::WIDTH))).collect()
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let norm = NormSpec::rms(config.optional_positive("rms_norm_eps")?.unwrap_or(1e-5));
    let common = Common::with_norm(config, 131_072, norm)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec {
        biases: Biases::all(config.flag("attention_bias")?.unwrap_or(false)),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 1e11)?;
    let mamba = mamba(config, norm)?;
    let layer = |_| {
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        vec![
            block(Input::Norm("input_layernorm"), mamba.into(), "mamba"),
            block(Input::Previous, attention.into(), "self_attn"),
            block(Input::Norm("pre_ff_layernorm"), common.mlp.into(), "feed_forward"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let tied = common.tied.unwrap_or(true);
    let logit_scale = if tied {
        Some(
            (config.positive("lm_head_multiplier")? / config.positive("embedding_multiplier")?)
                as f32,
        )
    } else {
        None
    };
    Ok(DecoderSpec {
        names: Names { norm: "model.final_layernorm", ..Names::USUAL },
        tied: Some(tied),
        logit_scale,
        ..common.decoder(vec![rope], layers)
    })
}

fn mamba(config: &Config<'_>, norm: NormSpec) -> Result<MambaSpec, ModelError> {
    let keys = ScanKeys {
        heads: "mamba_n_heads",
        head_dim: "mamba_d_head",
        groups: "mamba_n_groups",
        state_dim: "mamba_d_state",
        kernel: "mamba_d_conv",
    };
    let has_norm = config.flag("mamba_rms_norm")?.unwrap_or(false);
    let is_first = config.flag("mamba_norm_before_gate")?.unwrap_or(false);
    let mamba = MambaSpec {
        filters: FilterLayout::Mlx,
        in_bias: config.flag("mamba_proj_bias")?.unwrap_or(false),
        conv_bias: config.flag("mamba_conv_bias")?.unwrap_or(true),
        out_bias: config.flag("projectors_bias")?.unwrap_or(false),
        norm: match (has_norm, is_first) {
            (false, _) => GatedNorm::None,
            (true, false) => GatedNorm::After { norm, groups: 1 },
            (true, true) => GatedNorm::Before(norm),
        },
        ..keys.read(config)?
    };
    let inner = mamba.sizes.inner();
    match config.optional_size("mamba_d_ssm", limit::WIDTH)? {
        Some(stated) if stated != inner => {
            let expected = format!("`mamba_n_heads` times `mamba_d_head` ({inner})");
            Err(config.bad("mamba_d_ssm", expected))
        }
        _ => Ok(mamba),
    }
}
