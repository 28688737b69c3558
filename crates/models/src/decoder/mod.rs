//! The decoder that all architectures are cases of: a stack of layers, each a list of blocks that
//! add to the residual stream.

mod activations;
mod shape;
mod spec;

use mlxk_ops::{Act, Batch, Compute, Pieces, Result, Rope, Vector, Weight};

use self::activations::StreamSlots;
use crate::error::ModelError;
use crate::head::Head;
use crate::loader::Loader;
use crate::model::{Model, Output, Shape};
use crate::parts::{
    LayerInputs, Ngrams, Norm, NormSpec, NormWeight, Part, Place, ScratchPlan, Streams,
};
pub(crate) use spec::{
    BlockSpec, DecoderSpec, EmbedNorm, Input, Names, NormNames, PARALLEL, POST_NORM, Positions,
    Table, layer, pre_norm, sandwich,
};

/// A loaded decoder.
pub(crate) struct Decoder {
    spec: DecoderSpec,
    shape: Shape,
    scratch: ScratchPlan,
    slots: StreamSlots,
    embeddings: Embeddings,
    ngrams: Option<Ngrams>,
    layer_inputs: Option<LayerInputs>,
    streams: Option<Streams>,
    /// Blocks of all layers, in the order in which they run.
    blocks: Vec<Block>,
    /// Blocks before which the stream is normalized, because the layers run again.
    run_ends: Vec<usize>,
    norm: Option<Norm>,
    /// `[vocab, hidden]`; the same as `embed_tokens` if the two are tied. `None` if there are no logits.
    lm_head: Option<Weight>,
    /// Factor of the logits in the files.
    head_factor: Option<f32>,
    /// `[vocab]` numbers that are added to the logits.
    bans: Option<Vector>,
    head: Head,
}

/// Tables of vectors that a token begins with.
struct Embeddings {
    /// `[vocab, hidden]`
    tokens: Weight,
    positions: Option<PositionTable>,
    /// `[types, hidden]`
    types: Option<Weight>,
    norm: Option<Norm>,
}

impl Embeddings {
    fn load(loader: &mut Loader<'_>, spec: &DecoderSpec) -> std::result::Result<Self, ModelError> {
        let hidden = spec.hidden;
        let tokens = loader.linear(spec.names.embed_tokens, [spec.vocab_size, hidden], false)?;
        let positions = match spec.positions {
            None => None,
            Some(Positions { table: Table { path, count }, first }) => {
                let weight = loader.linear(path, [count, hidden], false)?;
                Some(PositionTable { weight, first, last: count - 1 })
            }
        };
        let types = match spec.token_types {
            None => None,
            Some(Table { path, count }) => Some(loader.linear(path, [count, hidden], false)?),
        };
        let load_norm = |EmbedNorm { path, norm }| Norm::load(loader, path, hidden, norm);
        let norm = spec.embed_norm.map(load_norm).transpose()?;
        Ok(Self { tokens, positions, types, norm })
    }
}

/// Learned vectors of positions.
struct PositionTable {
    /// `[positions, hidden]`
    weight: Weight,
    /// Row of the first position, and the last row.
    first: usize,
    last: usize,
}

struct Block {
    input: BlockInput,
    part: Box<dyn Part>,
    norm_out: Option<Norm>,
    /// Factor of the result.
    factor: Option<f32>,
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
        let (names, hidden) = (spec.names, spec.hidden);
        let prefix = loader.choose_prefix(spec.prefix, spec.other_prefixes, names.embed_tokens);
        loader.enter(prefix, spec.skipped);
        loader.pack(&spec.packed);
        let mut ropes = Vec::with_capacity(spec.ropes.len());
        for rope in &spec.ropes {
            ropes.push(loader.rope(rope.clone())?);
        }
        let embeddings = Embeddings::load(loader, &spec)?;
        let mut scratch = ScratchPlan::default();
        let slots = StreamSlots::plan(&spec, &mut scratch);
        let ngrams = spec.ngrams.map(|it| it.load(loader, hidden, &mut scratch)).transpose()?;
        let layer_inputs = match &spec.layer_inputs {
            None => None,
            Some(inputs) => Some(inputs.load(loader, hidden, &mut scratch)?),
        };
        let streams = spec.streams.map(|it| it.load(loader, hidden, &mut scratch)).transpose()?;
        let mut blocks: Vec<Block> = Vec::new();
        let (mut caches, sees_all) = (usize::from(ngrams.is_some()), spec.sees_all());
        let distinct = spec.distinct();
        let mut run_ends = Vec::new();
        for (index, layer) in spec.layers.iter().enumerate() {
            let path = spec.layer_path(index);
            if spec.norm_between && index > 0 && index.is_multiple_of(distinct) {
                run_ends.push(blocks.len());
            }
            for (at, block) in layer.iter().enumerate() {
                let mut loaded = Block::load(
                    loader,
                    &spec,
                    block,
                    BlockPlace {
                        layer: &path,
                        cache: if sees_all { 0 } else { caches },
                        ropes: &ropes,
                        scratch: &mut scratch,
                    },
                )?;
                if let Some(name) = spec.block_factors.get(at) {
                    loaded.factor = Some(loader.number(&format!("{path}.{name}"))?);
                }
                blocks.push(loaded);
                caches += block.part.caches(hidden).count();
            }
            if let (Some(name), Some(last)) = (spec.layer_scalar, blocks.last_mut()) {
                last.stream_scale = Some(loader.number(&format!("{path}.{name}"))?);
            }
        }
        let last_norm = spec.last_norm.unwrap_or(spec.norm);
        let norm = if spec.has_last_norm {
            Some(Norm::load(loader, names.norm, hidden, last_norm)?)
        } else {
            None
        };
        let lm_head = load_head(loader, &spec, embeddings.tokens)?;
        let head_factor = spec.head_factor.map(|name| loader.number(name)).transpose()?;
        let bans = load_bans(loader, &spec)?;
        // Heads are next to the body of the model.
        loader.enter("", spec.skipped);
        let head = Head::load(loader, &spec.head, hidden)?;
        let shape = spec.shape();
        Ok(Self {
            spec,
            shape,
            scratch,
            slots,
            embeddings,
            ngrams,
            layer_inputs,
            streams,
            blocks,
            run_ends,
            norm,
            lm_head,
            head_factor,
            bans,
            head,
        })
    }

    /// `x = layers(embed(ids))`.
    fn run_layers(&self, ops: &mut dyn Compute, batch: &Batch) -> Result<Stream> {
        let Self { spec, .. } = self;
        let mut scratch = self.scratch.allocate(ops, batch.rows());
        let StreamSlots { x, input, out, normed, ahead, embeddings } = self.slots;
        let (mut x, mut input, ahead) = (scratch[x], scratch[input], scratch[ahead]);
        let (mut out, mut normed) = (scratch[out], scratch[normed]);

        self.embed(ops, x, input, batch);
        if let Some(ngrams) = &self.ngrams {
            ngrams.forward(ops, x, &scratch, batch)?;
        }
        if let Some(kept) = embeddings {
            copy(ops, scratch[kept], x, spec.hidden);
        }
        if let Some(inputs) = &self.layer_inputs {
            inputs.forward(ops, x, &scratch, batch);
        }
        if let Some(streams) = &self.streams {
            streams.begin(ops, x, &scratch);
        }
        let narrow_from = if is_narrow(batch) { self.row_wise_from() } else { None };
        for (index, block) in self.blocks.iter().enumerate() {
            if narrow_from == Some(index) {
                if batch.outputs.is_empty() {
                    return Ok(Stream { x, is_narrow: false });
                }
                let few = self.scratch.allocate(ops, batch.outputs.len());
                ops.select_rows(few[self.slots.x], x, &batch.outputs);
                (x, input) = (few[self.slots.x], few[self.slots.input]);
                (out, normed) = (few[self.slots.out], few[self.slots.normed]);
                scratch = few;
            }
            if self.run_ends.contains(&index)
                && let Some(norm) = &self.norm
            {
                norm.forward(ops, input, x);
                copy(ops, x, input, spec.hidden);
            }
            let mut from = input;
            match &block.input {
                BlockInput::Norm(norm) => norm.forward(ops, input, x),
                BlockInput::Stream if spec.norm_stream => from = x,
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
            if spec.norm_stream {
                ops.add(x, out);
                if let Some(norm) = &block.norm_out {
                    norm.forward(ops, normed, x);
                    std::mem::swap(&mut x, &mut normed);
                }
                continue;
            }
            let result = match &block.norm_out {
                Some(norm) => {
                    norm.forward(ops, normed, out);
                    normed
                }
                None => out,
            };
            if let Some(factor) = block.factor {
                ops.scale(result, factor);
            }
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
        Ok(Stream { x, is_narrow: narrow_from.is_some() })
    }

    /// Returns the last block if it computes every row by itself, so that it needs the wanted rows only.
    fn row_wise_from(&self) -> Option<usize> {
        let index = self.blocks.len().checked_sub(1)?;
        let last = &self.blocks[index];
        let is_plain = matches!(last.input, BlockInput::Norm(_)) && last.part.is_row_wise();
        let is_alone = self.streams.is_none() && !self.run_ends.contains(&index);
        (is_plain && is_alone && !self.spec.norm_stream).then_some(index)
    }

    /// Returns the rows of the batch that are wanted, after the last norm.
    fn select(&self, ops: &mut dyn Compute, Stream { x, is_narrow }: Stream, batch: &Batch) -> Act {
        let (outputs, hidden) = (batch.outputs.len(), self.spec.hidden);
        let last = if is_narrow || outputs == batch.rows() {
            x
        } else {
            let last = ops.act(outputs, hidden);
            ops.select_rows(last, x, &batch.outputs);
            last
        };
        let Some(norm) = &self.norm else { return last };
        let normed = ops.act(outputs, hidden);
        norm.forward(ops, normed, last);
        normed
    }

    /// `x = norm(embedding + position + type)`. `spare` is of the same shape.
    fn embed(&self, ops: &mut dyn Compute, x: Act, spare: Act, batch: &Batch) {
        let Embeddings { tokens, positions, types, norm } = &self.embeddings;
        ops.embed(x, *tokens, &batch.ids, self.spec.embed_scale);
        if let Some(PositionTable { weight, first, last }) = *positions {
            let rows: Vec<u32> = batch
                .segments
                .iter()
                .flat_map(|segment| segment.start..segment.start + segment.rows.len())
                .map(|position| (first + position).min(last) as u32)
                .collect();
            ops.embed(spare, weight, &rows, 1.0);
            ops.add(x, spare);
        }
        if let Some(weight) = *types {
            let mut types = batch.types.clone();
            types.resize(batch.rows(), 0);
            ops.embed(spare, weight, &types, 1.0);
            ops.add(x, spare);
        }
        if let Some(norm) = norm {
            norm.forward(ops, spare, x);
            copy(ops, x, spare, self.spec.hidden);
        }
    }
}

/// Loads the output projection, unless there are no logits.
fn load_head(
    loader: &mut Loader<'_>,
    spec: &DecoderSpec,
    tokens: Weight,
) -> std::result::Result<Option<Weight>, ModelError> {
    let (path, shape) = (spec.names.lm_head, [spec.vocab_size, spec.hidden]);
    if let (Some(eps), Output::Logits) = (spec.unit_head, spec.output) {
        return loader.unit_rows(path, shape, eps).map(Some);
    }
    Ok(match spec.output {
        Output::Logits if spec.bare_head => Some(loader.bare_matrix(path, shape)?),
        Output::Logits => Some(loader.head(path, spec.tied, tokens, shape, spec.head_bias)?),
        Output::States | Output::Score => None,
    })
}

/// Loads numbers that make tokens impossible.
fn load_bans(
    loader: &mut Loader<'_>,
    spec: &DecoderSpec,
) -> std::result::Result<Option<Vector>, ModelError> {
    let ids = spec.banned.iter().cloned().flatten().filter(|&id| id < spec.vocab_size);
    let mut bans = Vec::new();
    for id in ids {
        bans.resize(spec.vocab_size, 0.0);
        bans[id] = f32::NEG_INFINITY;
    }
    if bans.is_empty() { Ok(None) } else { loader.put_vector(bans).map(Some) }
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
        Ok(Self { input, part, norm_out, factor: None, stream_scale: None })
    }
}

/// The residual stream after the last layer.
struct Stream {
    /// `[rows, hidden]`
    x: Act,
    /// `true` if its rows are only those that are wanted.
    is_narrow: bool,
}

/// Returns `true` if so few rows of a batch are wanted that it pays to leave out the others.
fn is_narrow(batch: &Batch) -> bool {
    batch.outputs.len() * 8 <= batch.rows()
}

/// `out = x`, both `[rows, width]`.
fn copy(ops: &mut dyn Compute, out: Act, x: Act, width: usize) {
    let whole = Pieces { offset: 0, stride: 0 };
    ops.copy_pieces((out, whole), (x, whole), 1, width);
}

impl Model for Decoder {
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> Result<Act> {
        let lm_head = self.lm_head.expect("a model without logits is asked for states");
        let Self { spec, .. } = self;
        let outputs = batch.outputs.len();
        ops.begin(batch)?;
        let stream = self.run_layers(ops, batch)?;
        let logits = ops.act(outputs, spec.vocab_size);
        if outputs > 0 {
            let normed = self.select(ops, stream, batch);
            ops.linear(&[logits], normed, &[lm_head]);
            for factor in spec.logit_scale.into_iter().chain(self.head_factor) {
                ops.scale(logits, factor);
            }
            if let Some(cap) = spec.logit_cap {
                ops.soft_cap(logits, cap);
            }
            if let Some(bans) = self.bans {
                ops.add_columns(logits, bans);
            }
        }
        Ok(logits)
    }

    fn states(&self, ops: &mut dyn Compute, batch: &Batch) -> Result<Act> {
        ops.begin(batch)?;
        let stream = self.run_layers(ops, batch)?;
        Ok(self.select(ops, stream, batch))
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }
}
