//! The decoder that all architectures are cases of: a stack of layers, each a list of blocks that
//! add to the residual stream.

mod activations;
mod shape;
mod spec;

use mlxk_ops::{Act, Batch, Compute, Pieces, Result, Rope, Weight};

use self::activations::StreamSlots;
use crate::error::ModelError;
use crate::loader::Loader;
use crate::model::{Model, Shape};
use crate::parts::{LayerInputs, Norm, NormSpec, NormWeight, Part, Place, ScratchPlan, Streams};
pub(crate) use spec::{
    BlockSpec, DecoderSpec, EmbedNorm, Input, Names, NormNames, PARALLEL, POST_NORM, Positions,
    layer, pre_norm, sandwich,
};

/// A loaded decoder.
pub(crate) struct Decoder {
    spec: DecoderSpec,
    shape: Shape,
    scratch: ScratchPlan,
    slots: StreamSlots,
    /// `[vocab, hidden]`
    embed_tokens: Weight,
    /// `[positions, hidden]`, and the index of the last position.
    positions: Option<(Weight, usize)>,
    embed_norm: Option<Norm>,
    layer_inputs: Option<LayerInputs>,
    streams: Option<Streams>,
    /// Blocks of all layers, in the order in which they run.
    blocks: Vec<Block>,
    /// Blocks before which the stream is normalized, because the layers run again.
    run_ends: Vec<usize>,
    norm: Norm,
    /// `[vocab, hidden]`; the same as `embed_tokens` if the two are tied.
    lm_head: Weight,
}

struct Block {
    input: BlockInput,
    part: Box<dyn Part>,
    norm_out: Option<Norm>,
    /// Factor of the residual stream after the block.
    stream_scale: Option<f32>,
}

enum BlockInput {
    Norm(Norm),
    Stream,
    Previous,
    Parallel(Norm),
}

impl Decoder {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        spec: DecoderSpec,
    ) -> std::result::Result<Self, ModelError> {
        loader.enter(spec.prefix, spec.skipped);
        let (names, hidden) = (spec.names, spec.hidden);
        let mut ropes = Vec::with_capacity(spec.ropes.len());
        for rope in &spec.ropes {
            ropes.push(loader.rope(rope.clone())?);
        }
        let vocabulary = [spec.vocab_size, hidden];
        let embed_tokens = loader.linear(names.embed_tokens, vocabulary, false)?;
        let positions = match spec.positions {
            None => None,
            Some(Positions { path, count }) => {
                Some((loader.linear(path, [count, hidden], false)?, count - 1))
            }
        };
        let load_norm = |of: EmbedNorm| Norm::load(loader, of.path, hidden, of.norm);
        let embed_norm = spec.embed_norm.map(load_norm).transpose()?;
        let mut scratch = ScratchPlan::default();
        let slots = StreamSlots::plan(&spec, &mut scratch);
        let layer_inputs = match &spec.layer_inputs {
            None => None,
            Some(inputs) => Some(inputs.load(loader, hidden, &mut scratch)?),
        };
        let streams = match spec.streams {
            None => None,
            Some(streams) => Some(streams.load(loader, hidden, &mut scratch)?),
        };
        let mut blocks: Vec<Block> = Vec::new();
        let mut caches = 0;
        let distinct = spec.distinct_layers.unwrap_or(spec.layers.len()).max(1);
        let mut run_ends = Vec::new();
        for (index, layer) in spec.layers.iter().enumerate() {
            let path = format!("{}.{}", names.layers, index % distinct);
            if spec.norm_between && index > 0 && index.is_multiple_of(distinct) {
                run_ends.push(blocks.len());
            }
            for block in layer {
                blocks.push(Block::load(
                    loader,
                    &spec,
                    block,
                    BlockPlace {
                        layer: &path,
                        cache: caches,
                        ropes: &ropes,
                        scratch: &mut scratch,
                    },
                )?);
                caches += usize::from(block.part.cache(hidden).is_some());
            }
            if let (Some(name), Some(last)) = (spec.layer_scalar, blocks.last_mut()) {
                last.stream_scale = Some(loader.number(&format!("{path}.{name}"))?);
            }
        }
        let last_norm = spec.last_norm.unwrap_or(spec.norm);
        let norm = Norm::load(loader, names.norm, hidden, last_norm)?;
        let lm_head =
            loader.head(names.lm_head, spec.tied, embed_tokens, vocabulary, spec.head_bias)?;
        let shape = spec.shape();
        Ok(Self {
            spec,
            shape,
            scratch,
            slots,
            embed_tokens,
            positions,
            embed_norm,
            layer_inputs,
            streams,
            blocks,
            run_ends,
            norm,
            lm_head,
        })
    }

    /// `x = layers(embed(ids))`.
    fn run_layers(&self, ops: &mut dyn Compute, batch: &Batch) -> Act {
        let Self { spec, .. } = self;
        let scratch = self.scratch.allocate(ops, batch.rows());
        let StreamSlots { x, input, out, normed, ahead } = self.slots;
        let (x, input, ahead) = (scratch[x], scratch[input], scratch[ahead]);
        let (out, normed) = (scratch[out], scratch[normed]);

        self.embed(ops, x, input, batch);
        if let Some(inputs) = &self.layer_inputs {
            inputs.forward(ops, x, &scratch, batch);
        }
        if let Some(streams) = &self.streams {
            streams.begin(ops, x, &scratch);
        }
        for (index, block) in self.blocks.iter().enumerate() {
            if self.run_ends.contains(&index) {
                self.norm.forward(ops, input, x);
                copy(ops, x, input, spec.hidden);
            }
            let mut from = input;
            match &block.input {
                BlockInput::Norm(norm) => norm.forward(ops, input, x),
                BlockInput::Stream => copy(ops, input, x, spec.hidden),
                BlockInput::Previous => {}
                BlockInput::Parallel(_) => from = ahead,
            }
            if let Some(BlockInput::Parallel(norm)) =
                self.blocks.get(index + 1).map(|next| &next.input)
            {
                norm.forward(ops, ahead, x);
            }
            block.part.forward(ops, out, from, &scratch, batch);
            let result = match &block.norm_out {
                Some(norm) => {
                    norm.forward(ops, normed, out);
                    normed
                }
                None => out,
            };
            if let Some(factor) = spec.residual_scale {
                ops.scale(result, factor);
            }
            ops.add(x, result);
            if let Some(factor) = block.stream_scale {
                ops.scale(x, factor);
            }
        }
        if let Some(streams) = &self.streams {
            streams.end(ops, x, &scratch);
        }
        x
    }

    /// `x = norm(embedding + position)`. `spare` is of the same shape.
    fn embed(&self, ops: &mut dyn Compute, x: Act, spare: Act, batch: &Batch) {
        ops.embed(x, self.embed_tokens, &batch.ids, self.spec.embed_scale);
        if let Some((table, last)) = self.positions {
            let positions: Vec<u32> = batch
                .segments
                .iter()
                .flat_map(|segment| segment.start..segment.start + segment.rows.len())
                .map(|position| position.min(last) as u32)
                .collect();
            ops.embed(spare, table, &positions, 1.0);
            ops.add(x, spare);
        }
        if let Some(norm) = &self.embed_norm {
            norm.forward(ops, spare, x);
            copy(ops, x, spare, self.spec.hidden);
        }
    }
}

/// Surroundings of a block that is loaded.
struct BlockPlace<'a> {
    /// Path of the layer.
    layer: &'a str,
    /// Number of caches in earlier blocks.
    cache: usize,
    ropes: &'a [Rope],
    scratch: &'a mut ScratchPlan,
}

impl Block {
    fn load(
        loader: &mut Loader<'_>,
        decoder: &DecoderSpec,
        spec: &BlockSpec,
        place: BlockPlace<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let BlockPlace { layer, cache, ropes, scratch } = place;
        let hidden = decoder.hidden;
        let with_offset = |norm: NormSpec, name: &str| {
            let offset = decoder.norm_offsets.iter().find(|(of, _)| *of == name);
            offset.map_or(norm, |&(_, more)| NormSpec { weight: NormWeight::Plus(more), ..norm })
        };
        let norm = |loader: &mut Loader<'_>, name: &str| {
            let norm = with_offset(decoder.norm, name);
            Norm::load(loader, &format!("{layer}.{name}"), hidden, norm)
        };
        let input = match spec.input {
            Input::Norm(name) => BlockInput::Norm(norm(loader, name)?),
            Input::Stream => BlockInput::Stream,
            Input::Previous => BlockInput::Previous,
            Input::Parallel(name) => BlockInput::Parallel(norm(loader, name)?),
        };
        let path = match spec.path {
            "" => layer.to_owned(),
            path => format!("{layer}.{path}"),
        };
        let part = spec.part.load(loader, &Place { path: &path, hidden, cache, ropes }, scratch)?;
        let outer = decoder.norm_out.unwrap_or(decoder.norm);
        let norm_out =
            |name| Norm::load(loader, &format!("{layer}.{name}"), hidden, with_offset(outer, name));
        let norm_out = spec.norm_out.map(norm_out).transpose()?;
        Ok(Self { input, part, norm_out, stream_scale: None })
    }
}

/// `out = x`, both `[rows, width]`.
fn copy(ops: &mut dyn Compute, out: Act, x: Act, width: usize) {
    let whole = Pieces { offset: 0, stride: 0 };
    ops.copy_pieces((out, whole), (x, whole), 1, width);
}

impl Model for Decoder {
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> Result<Act> {
        ops.begin(batch)?;
        let Self { spec, .. } = self;
        let x = self.run_layers(ops, batch);
        let outputs = batch.outputs.len();
        let logits = ops.act(outputs, spec.vocab_size);
        if outputs > 0 {
            let last = ops.act(outputs, spec.hidden);
            ops.select_rows(last, x, &batch.outputs);
            let normed = ops.act(outputs, spec.hidden);
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
