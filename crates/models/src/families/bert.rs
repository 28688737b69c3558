//! BERT (Devlin et al., 2018, arXiv:1810.04805) and RoBERTa (Liu et al., 2019, arXiv:1907.11692), also
//! multilingual (Conneau et al., 2019, arXiv:1911.02116): encoders with learned positions, and norms of the
//! residual stream after each part.

use mlxk_ops::{Activation, Mask};

use super::common::Common;
use super::encoder::{self, Task};
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names, Positions, Table};
use crate::error::ModelError;
use crate::head::{HeadActivation, HeadSpec, HeadStep};
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec,
};

pub(super) const FAMILY: Family = Family {
    name: "BERT",
    gguf: &[],
    architectures: &[
        Architecture::new("bert", "all-MiniLM, BGE, E5, mxbai-embed-large", bert_spec),
        Architecture::new("roberta", "all-distilroberta, all-roberta-large", roberta_spec),
        Architecture::new("xlm-roberta", "BGE-M3, multilingual E5, bge-reranker", roberta_spec),
    ],
};

const NAMES: Names = Names {
    embed_tokens: "embeddings.word_embeddings",
    layers: "encoder.layer",
    norm: "",
    lm_head: "",
};

const ATTENTION: AttentionNames = AttentionNames {
    q: "self.query",
    k: "self.key",
    v: "self.value",
    o: "output.dense",
    ..AttentionNames::USUAL
};

/// Tensors of tasks other than embeddings.
const SKIPPED: &[&str] = &[
    "bert.pooler.",
    "bert.embeddings.position_ids",
    "cls.",
    "embeddings.position_ids",
    "lm_head.",
    "pooler.",
    "roberta.embeddings.position_ids",
    "roberta.pooler.",
];

fn bert_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let spec = spec(config, 0)?;
    let tanh = HeadStep::Activate(HeadActivation::Tanh);
    let dense = |path, rows| HeadStep::Dense { path, rows, bias: true };
    let steps = vec![dense("bert.pooler.dense", spec.hidden), tanh, dense("classifier", 1)];
    Ok(with_task(spec, encoder::task(config)?, steps))
}

fn roberta_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    // Positions are counted from the one after that of padding.
    let first = config.count_or("pad_token_id", 1, limit::VOCAB)? + 1;
    let spec = spec(config, first)?;
    let tanh = HeadStep::Activate(HeadActivation::Tanh);
    let dense = |path, rows| HeadStep::Dense { path, rows, bias: true };
    let steps = vec![dense("classifier.dense", spec.hidden), tanh, dense("classifier.out_proj", 1)];
    Ok(with_task(spec, encoder::task(config)?, steps))
}

fn with_task(spec: DecoderSpec, task: Task, classifier: Vec<HeadStep>) -> DecoderSpec {
    let steps = if task == Task::Score { classifier } else { Vec::new() };
    DecoderSpec { output: task.output(), head: HeadSpec { steps }, ..spec }
}

fn spec(config: &Config<'_>, first_position: usize) -> Result<DecoderSpec, ModelError> {
    config.require("position_embedding_type", "absolute")?;
    encoder::refuse_decoder(config)?;
    let positions = config.size("max_position_embeddings", limit::POSITIONS)?;
    if positions <= first_position {
        let expected = format!("an integer above {first_position}");
        return Err(config.bad("max_position_embeddings", expected));
    }
    let norm = NormSpec::layer(config.positive_or("layer_norm_eps", 1e-12)?);
    let mlp = MlpSpec {
        kind: MlpKind::Plain { up: "intermediate.dense", down: "output.dense" },
        bias: true,
        activation: activation(config)?,
        ..MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?)
    };
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: positions - first_position,
        norm,
        mlp,
        tied: None,
    };
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, common.hidden, [heads; 2])?;
    let attention = GroupedSpec {
        names: ATTENTION,
        biases: Biases::all(true),
        mask: Mask::Full,
        rope: None,
        ..GroupedSpec::plain(sizes)
    };
    let block = |part, path, norm_out| BlockSpec {
        input: Input::Stream,
        part,
        path,
        norm_out: Some(norm_out),
    };
    let layer = |_| {
        vec![
            block(attention.into(), "attention", "attention.output.LayerNorm"),
            block(mlp.into(), "", "output.LayerNorm"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let types = config.size_or("type_vocab_size", 2, limit::VOCAB)?;
    Ok(DecoderSpec {
        names: NAMES,
        other_prefixes: &["bert.", "roberta."],
        skipped: SKIPPED,
        positions: Some(Positions {
            table: Table { path: "embeddings.position_embeddings", count: positions },
            first: first_position,
        }),
        token_types: Some(Table { path: "embeddings.token_type_embeddings", count: types }),
        embed_norm: Some(EmbedNorm { path: "embeddings.LayerNorm", norm }),
        norm_stream: true,
        has_last_norm: false,
        ..common.decoder(vec![], layers)
    })
}

fn activation(config: &Config<'_>) -> Result<Activation, ModelError> {
    match config.text("hidden_act")? {
        None | Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some("silu") => Ok(Activation::Silu),
        Some(other) => {
            Err(config.unsupported("hidden_act", other, "`gelu`, `gelu_pytorch_tanh`, `silu`"))
        }
    }
}
