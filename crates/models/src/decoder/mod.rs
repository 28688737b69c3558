//! The decoder-only transformer that every architecture so far is a case of: what differs is in
//! [`DecoderSpec`], which an architecture's file reads from `config.json`.

mod buffers;
mod spec;

use mlxk_ops::{Act, Batch, Compute, Pieces, Result, Weight};

use self::buffers::{AttentionBuffers, Buffers};
use crate::loader::Loader;
use crate::parts::{Attention, Experts, LatentAttention, LayerAttention, Mlp, Norm};
use crate::{Model, ModelError, Shape};
pub(crate) use spec::{AttentionKind, DecoderSpec, FeedForward, NormNames};

/// A loaded decoder.
pub(crate) struct Decoder {
    spec: DecoderSpec,
    shape: Shape,
    /// `[vocab, hidden]`
    embed_tokens: Weight,
    layers: Vec<Layer>,
    norm: Norm,
    /// `[vocab, hidden]`; `embed_tokens` where the two are tied.
    lm_head: Weight,
}

struct Layer {
    attention_in: Option<Norm>,
    attention: LayerAttentionWeights,
    attention_out: Option<Norm>,
    mlp_in: Option<Norm>,
    mlp: LayerMlp,
    mlp_out: Option<Norm>,
}

enum LayerAttentionWeights {
    Grouped(Attention),
    Latent(LatentAttention),
}

enum LayerMlp {
    Dense(Mlp),
    Experts(Experts),
}

impl Decoder {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        spec: DecoderSpec,
    ) -> std::result::Result<Self, ModelError> {
        loader.enter(spec.prefix, spec.skipped);
        let hidden = spec.hidden;
        let mut ropes = Vec::with_capacity(spec.ropes.len());
        for rope in &spec.ropes {
            ropes.push(loader.rope(rope.clone())?);
        }
        let embed_tokens = loader.linear("model.embed_tokens", spec.vocab_size, hidden, false)?;
        let mut layers = Vec::with_capacity(spec.layers.len());
        for (index, layer) in spec.layers.iter().enumerate() {
            let path = format!("model.layers.{index}");
            let norm = |loader: &mut Loader<'_>, name: Option<&str>| {
                name.map(|name| Norm::load(loader, &format!("{path}.{name}"), hidden, spec.norm))
                    .transpose()
            };
            let place = LayerAttention {
                layer: index,
                rope: layer.rope.map(|rope| ropes[rope]),
                window: layer.window,
                growth: layer.growth,
            };
            let attention = format!("{path}.self_attn");
            layers.push(Layer {
                attention_in: norm(loader, spec.names.attention_in)?,
                attention: match &spec.attention {
                    AttentionKind::Grouped(spec) => LayerAttentionWeights::Grouped(
                        Attention::load(loader, &attention, spec, place)?,
                    ),
                    AttentionKind::Latent(spec) => LayerAttentionWeights::Latent(
                        LatentAttention::load(loader, &attention, spec, place)?,
                    ),
                },
                attention_out: norm(loader, spec.names.attention_out)?,
                mlp_in: norm(loader, spec.names.mlp_in)?,
                mlp: match &layer.mlp {
                    FeedForward::Dense(mlp) => {
                        LayerMlp::Dense(Mlp::load(loader, &format!("{path}.mlp"), hidden, mlp)?)
                    }
                    FeedForward::Experts(experts) => {
                        LayerMlp::Experts(Experts::load(loader, &path, hidden, experts)?)
                    }
                },
                mlp_out: norm(loader, spec.names.mlp_out)?,
            });
        }
        let norm = Norm::load(loader, "model.norm", hidden, spec.norm)?;
        let lm_head = loader.head(spec.tied, embed_tokens, spec.vocab_size, hidden)?;
        Ok(Self { shape: spec.shape(), spec, embed_tokens, layers, norm, lm_head })
    }

    /// `x += scale · norm(h)`.
    fn add(&self, ops: &mut dyn Compute, buffers: &Buffers, norm: Option<&Norm>) {
        let Buffers { x, mut h, side, .. } = *buffers;
        if let Some(norm) = norm {
            norm.forward(ops, side, h);
            h = side;
        }
        if let Some(factor) = self.spec.residual_scale {
            ops.scale(h, factor);
        }
        ops.add(x, h);
    }
}

impl Layer {
    /// `h = attention(h)`.
    fn attend(&self, ops: &mut dyn Compute, buffers: &Buffers, batch: &Batch) {
        match (&self.attention, &buffers.attention) {
            (LayerAttentionWeights::Grouped(part), AttentionBuffers::Grouped(room)) => {
                part.forward(ops, buffers.h, room, batch);
            }
            (LayerAttentionWeights::Latent(part), AttentionBuffers::Latent(room)) => {
                part.forward(ops, buffers.h, room, batch);
            }
            _ => unreachable!("weights and buffers follow from the same specification"),
        }
    }

    /// `h = mlp(x)`.
    fn feed_forward(&self, ops: &mut dyn Compute, buffers: &Buffers, x: Act) {
        match (&self.mlp, &buffers.experts) {
            (LayerMlp::Dense(part), _) => part.forward(ops, buffers.h, x, &buffers.mlp),
            (LayerMlp::Experts(part), Some(room)) => {
                part.forward(ops, buffers.h, x, (room, &buffers.mlp));
            }
            (LayerMlp::Experts(_), None) => {
                unreachable!("weights and buffers follow from the same specification")
            }
        }
    }
}

/// `out = norm(x)`, or a copy where there is no norm.
fn norm_or_copy(ops: &mut dyn Compute, norm: Option<&Norm>, out: Act, x: Act, width: usize) {
    match norm {
        Some(norm) => norm.forward(ops, out, x),
        None => copy(ops, out, x, width),
    }
}

fn copy(ops: &mut dyn Compute, out: Act, x: Act, width: usize) {
    let whole = Pieces { offset: 0, stride: 0 };
    ops.copy_pieces((out, whole), (x, whole), 1, width);
}

impl Model for Decoder {
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> Result<Act> {
        ops.begin(batch)?;
        let Self { spec, .. } = self;
        let (rows, hidden) = (batch.rows(), spec.hidden);
        let buffers = Buffers::new(spec, &mut |per_row, width| ops.act(rows * per_row, width));
        let Buffers { x, h, side, .. } = buffers;

        ops.embed(x, self.embed_tokens, &batch.ids, spec.embed_scale);
        for layer in &self.layers {
            norm_or_copy(ops, layer.attention_in.as_ref(), h, x, hidden);
            if spec.parallel {
                copy(ops, side, h, hidden);
            }
            layer.attend(ops, &buffers, batch);
            if spec.parallel {
                ops.add(x, h);
                layer.feed_forward(ops, &buffers, side);
                ops.add(x, h);
                continue;
            }
            self.add(ops, &buffers, layer.attention_out.as_ref());
            norm_or_copy(ops, layer.mlp_in.as_ref(), h, x, hidden);
            layer.feed_forward(ops, &buffers, h);
            self.add(ops, &buffers, layer.mlp_out.as_ref());
        }

        let outputs = batch.outputs.len();
        let logits = ops.act(outputs, spec.vocab_size);
        if outputs > 0 {
            let last = ops.act(outputs, hidden);
            ops.select_rows(last, x, &batch.outputs);
            let normed = ops.act(outputs, hidden);
            self.norm.forward(ops, normed, last);
            ops.linear(&[logits], normed, &[self.lm_head]);
            if let Some(factor) = spec.logit_scale {
                ops.scale(logits, factor);
            }
            if let Some(cap) = spec.logit_cap {
                ops.soft_cap(logits, cap);
            }
        }
        Ok(logits)
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }
}
