//! Llama (Touvron et al., 2023, arXiv:2302.13971; Llama 3, 2024, arXiv:2407.21783), and Mistral
//! (Jiang et al., 2023, arXiv:2310.06825), which adds a sliding window.

use mlxk_ops::{Act, Batch, Ops, Result, Weight};

use crate::config::{Config, limit};
use crate::loader::Loader;
use crate::parts::{
    Attention, AttentionBuffers, AttentionSizes, Biases, Mlp, MlpBuffers, RmsNorm, layer_windows,
    rope_spec,
};
use crate::{Model, ModelError, Shape};

/// What `config.json` says.
struct Args {
    attention: AttentionSizes,
    attention_bias: bool,
    intermediate_size: usize,
    mlp_bias: bool,
    rms_norm_eps: f32,
    tie_word_embeddings: Option<bool>,
    /// `[layers]` what each of them sees.
    windows: Vec<Option<usize>>,
    vocab_size: usize,
    max_positions: usize,
}

impl Args {
    fn from_config(config: &Config<'_>) -> std::result::Result<Self, ModelError> {
        config.require("hidden_act", "silu")?;
        let layers = config.size("num_hidden_layers", limit::LAYERS)?;
        // A Llama has no window unless its layers name one; a Mistral has one by the number alone.
        let first_windowed = if config.text("model_type")? == Some("mistral") { 0 } else { layers };
        Ok(Self {
            attention: AttentionSizes::from_config(config)?,
            attention_bias: config.flag("attention_bias")?.unwrap_or(false),
            intermediate_size: config.size("intermediate_size", limit::WIDTH)?,
            mlp_bias: config.flag("mlp_bias")?.unwrap_or(false),
            rms_norm_eps: config.positive("rms_norm_eps")? as f32,
            tie_word_embeddings: config.flag("tie_word_embeddings")?,
            windows: layer_windows(config, layers, first_windowed)?,
            vocab_size: config.size("vocab_size", limit::VOCAB)?,
            max_positions: config
                .optional_size("max_position_embeddings", limit::POSITIONS)?
                .unwrap_or(2048),
        })
    }

    fn shape(&self) -> Shape {
        Shape {
            kv: self.attention.kv(self.windows.len()),
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            activation_values: 2 * self.attention.hidden
                + AttentionBuffers::values(&self.attention)
                + MlpBuffers::values(self.intermediate_size),
        }
    }
}

pub(crate) fn shape(config: &Config<'_>) -> std::result::Result<Shape, ModelError> {
    let args = Args::from_config(config)?;
    rope_spec(config, args.attention.head_dim, 10_000.0)?;
    Ok(args.shape())
}

struct Llama {
    args: Args,
    shape: Shape,
    /// `[vocab, hidden]`
    embed_tokens: Weight,
    layers: Vec<Layer>,
    norm: RmsNorm,
    /// `[vocab, hidden]`; `embed_tokens` where the two are tied.
    lm_head: Weight,
}

struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

pub(crate) fn load(loader: &mut Loader<'_>) -> std::result::Result<Box<dyn Model>, ModelError> {
    let config = loader.config();
    let args = Args::from_config(&config)?;
    let AttentionSizes { hidden, head_dim, .. } = args.attention;
    let rope = loader.rope(rope_spec(&config, head_dim, 10_000.0)?)?;
    let biases = Biases { qkv: args.attention_bias, output: args.attention_bias };

    let embed_tokens = loader.linear("model.embed_tokens", args.vocab_size, hidden, false)?;
    let mut layers = Vec::with_capacity(args.windows.len());
    for (index, &window) in args.windows.iter().enumerate() {
        let path = format!("model.layers.{index}");
        let norm = |loader: &mut Loader<'_>, name| {
            RmsNorm::load(loader, &format!("{path}.{name}"), hidden, args.rms_norm_eps)
        };
        layers.push(Layer {
            input_layernorm: norm(loader, "input_layernorm")?,
            self_attn: Attention::load(
                loader,
                &format!("{path}.self_attn"),
                &args.attention,
                biases,
                rope,
                index,
                window,
            )?,
            post_attention_layernorm: norm(loader, "post_attention_layernorm")?,
            mlp: Mlp::load(
                loader,
                &format!("{path}.mlp"),
                hidden,
                args.intermediate_size,
                args.mlp_bias,
            )?,
        });
    }
    let norm = RmsNorm::load(loader, "model.norm", hidden, args.rms_norm_eps)?;
    let lm_head = loader.head(args.tie_word_embeddings, embed_tokens, args.vocab_size, hidden)?;
    Ok(Box::new(Llama { shape: args.shape(), args, embed_tokens, layers, norm, lm_head }))
}

impl Model for Llama {
    fn forward(&self, ops: &mut dyn Ops, batch: &Batch) -> Result<Act> {
        ops.begin(batch)?;
        let (rows, hidden) = (batch.rows(), self.args.attention.hidden);
        let x = ops.act(rows, hidden);
        let h = ops.act(rows, hidden);
        let attention = AttentionBuffers::new(ops, rows, &self.args.attention);
        let mlp = MlpBuffers::new(ops, rows, self.args.intermediate_size);

        ops.embed(x, self.embed_tokens, &batch.ids, 1.0);
        for layer in &self.layers {
            layer.input_layernorm.forward(ops, h, x);
            layer.self_attn.forward(ops, h, &attention, batch);
            ops.add(x, h);
            layer.post_attention_layernorm.forward(ops, h, x);
            layer.mlp.forward(ops, h, &mlp);
            ops.add(x, h);
        }

        let outputs = batch.outputs.len();
        let logits = ops.act(outputs, self.args.vocab_size);
        if outputs > 0 {
            let last = ops.act(outputs, hidden);
            ops.select_rows(last, x, &batch.outputs);
            let normed = ops.act(outputs, hidden);
            self.norm.forward(ops, normed, last);
            ops.linear(&[logits], normed, &[self.lm_head]);
        }
        Ok(logits)
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }
}
