//! LongCat-Flash (2025, arXiv:2509.01322): two latent attentions in a layer, and experts next to both feed-forward
//! parts. Some experts have no matrices and pass their input on.

use mlxk_format::convert::Placement;
use serde_json::Value;

use super::common::Common;
use super::deepseek::latent_spec;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    ExpertNames, ExpertsSpec, LatentSpec, MlpSpec, NgramsSpec, NormSpec, ShortcutSpec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "LongCat-Flash",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("longcat_flash", "LongCat-Flash-Chat, LongCat-Flash-Thinking", spec)
        },
        Architecture {
            published: &Published { place: place_ngrams, ..PUBLISHED },
            ..Architecture::new("longcat_flash_ngram", "LongCat-Flash-Lite", ngram_spec)
        },
    ],
};

const PUBLISHED: Published = Published {
    place,
    experts: USUAL_EXPERTS,
    modules: &[("classifier", ROUTER)],
    exact: &["e_score_correction_bias"],
    ..Published::AS_IN_MLX
};

/// Leaves out the layer that guesses tokens.
fn place(_: &Value, name: &str) -> Option<Placement> {
    name.starts_with("model.mtp").then_some(Placement::Drop)
}

/// Path of the embeddings of single tokens, next to those of n-grams.
const WORDS: &str = "model.ngram_embeddings.word_embeddings";

fn place_ngrams(config: &Value, name: &str) -> Option<Placement> {
    match name.strip_prefix("model.embed_tokens.") {
        Some(end) => Some(Placement::As(format!("{WORDS}.{end}"))),
        None => place(config, name),
    }
}

/// Reads LongCat-Flash with embeddings of n-grams. The sum of all embeddings is divided by their number.
fn ngram_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = spec(config)?;
    let longest = config.size_or("emb_neighbor_num", 4, 16)?;
    if longest < 2 {
        return Err(config.bad("emb_neighbor_num", "an integer from 2 to 16"));
    }
    let tables = config.size_or("emb_split_num", 4, 64)?;
    let ratio = config.size_or("ngram_vocab_size_ratio", 78, limit::POSITIONS / spec.vocab_size)?;
    let count = tables * (longest - 1);
    if spec.hidden < count {
        return Err(config.bad("hidden_size", format!("at least the number of tables ({count})")));
    }
    let scale = 1.0 / (1 + count) as f32;
    spec.ngrams = Some(NgramsSpec {
        vocab_size: spec.vocab_size,
        longest,
        tables,
        rows: ratio * spec.vocab_size,
        width: spec.hidden / count,
        scale,
    });
    spec.embed_scale = scale;
    spec.names = Names { embed_tokens: WORDS, ..Names::USUAL };
    Ok(spec)
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("attention_method", "MLA")?;
    config.require("zero_expert_type", "identity")?;
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size("max_position_embeddings", limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive("rms_norm_eps")?),
        mlp: MlpSpec::gated(config.size("ffn_hidden_size", limit::WIDTH)?),
        tied: Some(false),
    };
    let latent = scaled_latent(config, common.hidden)?;
    let scaling = config.child("rope_scaling")?;
    let theta = config.positive("rope_theta")?;
    let mut rope = scaled_rope(config, scaling.as_ref(), latent.rope, theta)?;
    rope.interleaved = true;
    rope.offset = latent.kv_widths().head_dim - latent.rope;
    let experts = mixture(config)?;
    let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
    let feed_forward = |path, experts| ShortcutSpec { path, mlp: common.mlp, experts }.into();
    let layer = |_| {
        vec![
            block(Input::Norm("input_layernorm.0"), latent.into(), "self_attn.0"),
            block(
                Input::Norm("post_attention_layernorm.0"),
                feed_forward("mlps.0", Some(experts)),
                "",
            ),
            block(Input::Norm("input_layernorm.1"), latent.into(), "self_attn.1"),
            block(Input::Norm("post_attention_layernorm.1"), feed_forward("mlps.1", None), ""),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { skipped: &["model.mtp"], ..common.decoder(vec![rope], layers) })
}

/// Reads the attention. Queries and the latent of keys and values are scaled by the root of how much wider the
/// residual stream is.
fn scaled_latent(config: &Config<'_>, hidden: usize) -> Result<LatentSpec, ModelError> {
    let rank = config.size("q_lora_rank", limit::WIDTH)?;
    for key in ["mla_scale_q_lora", "mla_scale_kv_lora"] {
        match config.flag(key)? {
            Some(true) => {}
            Some(false) => return Err(config.unsupported(key, "false", "`true`")),
            None => return Err(config.missing(key)),
        }
    }
    let latent = latent_spec(config, true)?;
    let wider = |rank: usize| (hidden as f64 / rank as f64).sqrt();
    Ok(LatentSpec {
        // `config.json` has no key for it.
        norm: NormSpec::rms(1e-5),
        latent_scale: Some(wider(latent.kv_rank) as f32),
        scale: (f64::from(latent.scale) * wider(rank)) as f32,
        ..latent
    })
}

fn mixture(config: &Config<'_>) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size("n_routed_experts", limit::EXPERTS)?;
    if config.get("zero_expert_num").is_none() {
        return Err(config.missing("zero_expert_num"));
    }
    let passing = config.count_or("zero_expert_num", 0, limit::EXPERTS)?;
    let experts_per_row = config.size("moe_topk", experts + passing)?;
    let mut route = softmax_route(experts_per_row, config.flag_or("norm_topk_prob", false)?);
    route.scale = config.positive("routed_scaling_factor")? as f32;
    route.passing = passing;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "router.classifier", experts: "switch_mlp" },
        correction: Some("router.e_score_correction_bias"),
        router_bias: config.flag_or("router_bias", false)?,
        ..ExpertsSpec::usual(experts, config.size("expert_ffn_hidden_size", limit::WIDTH)?, route)
    })
}
