//! Falcon-H1 (TII, 2025, arXiv:2507.22448): a selective scan and attention in parallel in every layer.
//!
//! mlx-lm multiplies the factors of `config.json` into the weights when it converts a checkpoint. Only that
//! of a tied output matrix is left.

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2::ScanKeys;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::loader::FilterLayout;
use crate::parts::{
    AttentionSizes, Biases, GatedNorm, GroupedSpec, MambaSpec, NormSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Falcon-H1",
    gguf: None,
    architectures: &[Architecture::new("falcon_h1", "Falcon-H1 0.5B to 34B", spec)],
};

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
