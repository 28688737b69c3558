//! Attention: storing of keys and values, and the kernel that fits the rows of a step.

use mlxk_ops::{
    Act, AttentionSpec, Batch, BlockMask, IndexInputs, IndexSpec, KvFormat, Mask, Rope,
    ScoreGrowth, Vector,
};

use crate::cache::element_bits;
use crate::compute::ELEMENT_THREADS;
use crate::device::Gpu;
use crate::kernels;
use crate::kernels::decode_attention::DecodeAttention;
use crate::kernels::flash_attention::FlashAttention;
use crate::pipelines::Variant;
use crate::sparse::ChosenPositions;
use crate::step::{Attend, Bind, MATRIX_FROM, Op};

/// Most sequences of a batch that are computed on matrix units, one after the other.
const MOST_SEGMENTS: usize = 8;
/// Memory of a workgroup that every device has.
const WORKGROUP_BYTES: usize = 16 << 10;

/// Norms of each head of queries and keys by their root mean squares.
#[derive(Clone, Copy)]
pub(crate) struct HeadNorms {
    /// Weights of queries and keys.
    pub weights: [Vector; 2],
    pub eps: f32,
}

impl Gpu {
    /// Records attention, as an operation that rotations may become part of.
    pub(crate) fn attend_to(
        &mut self,
        [out, q]: [Act; 2],
        kv: Option<[Act; 2]>,
        layer: usize,
        spec: &AttentionSpec,
        index: Option<(IndexInputs, IndexSpec)>,
        batch: &Batch,
    ) {
        let factors = spec.growth.map_or(0, |growth| self.growth_factors(growth, batch));
        let (rows, spec) = (batch.rows(), *spec);
        let attend = Attend { out, q, kv, layer, spec, rows, factors, index };
        self.step.record(Op::Attend(Box::new(attend)));
    }

    /// Records attention in kernels that take any rows.
    pub(crate) fn attend_plainly(&mut self, attend: &Attend) {
        if let Some([k, v]) = attend.kv {
            self.append([k, v], attend.layer, &attend.spec, attend.rows);
        }
        let choice =
            attend.index.map(|(inputs, index)| self.choose_positions(inputs, &index, attend.rows));
        self.attention(attend, choice);
    }

    /// Returns `true` if attention is that of one token of each sequence, in a kernel that also rotates and stores.
    pub(crate) fn attends_to_one(&self, attend: &Attend) -> bool {
        let AttentionSpec { head_dim, value_dim, .. } = attend.spec;
        let is_plain = head_dim == value_dim && DecodeAttention::takes(head_dim);
        let is_half = self.options().kv_format() == KvFormat::F16;
        let can = !self.options().exact && attend.kv.is_some() && self.batch.is_decode;
        can && attend.index.is_none() && is_plain && is_half && is_sliding(&attend.spec)
    }

    /// Records attention of one token of each sequence. `rope` turns its queries and keys after `norms`.
    pub(crate) fn attend_one(
        &mut self,
        attend: &Attend,
        rope: Option<Rope>,
        norms: Option<HeadNorms>,
    ) {
        let Attend { out, q, layer, ref spec, rows, factors, kv, .. } = *attend;
        let [k, v] = kv.expect("a token has a key and a value");
        let (pages, tables) = self.layer(layer, spec);
        let shared_by = spec.heads / spec.kv_heads;
        // One chunk may be twice as long, so that nothing is to be joined.
        let is_short = self.batch.end <= 2 * self.tuning.chunk;
        let chunk = if is_short { 2 * self.tuning.chunk } else { self.tuning.chunk };
        let chunks = self.batch.end.div_ceil(chunk);
        let heads =
            if chunks >= self.tuning.grouped_from && chunk * 4 * shared_by <= WORKGROUP_BYTES / 2 {
                shared_by
            } else {
                1
            };
        let (turns, rotation, [pairs, offset]) = self.rotation(rope);
        let shape = DecodeAttention {
            head_dim: spec.head_dim as u32,
            heads: heads as u32,
            chunk: chunk as u32,
            rope: rotation,
            cap: spec.soft_cap.is_some(),
            sinks: spec.sinks.is_some(),
            growth: spec.growth.is_some(),
            norm: norms.is_some(),
            split: chunks > 1,
        };
        let mut parameters = self.score_parameters(spec, tables, factors);
        let eps = norms.map_or(0.0, |norms| norms.eps);
        parameters.extend([pairs as u32, offset as u32, eps.to_bits()]);
        let parts = if chunks > 1 {
            self.step.act(rows * spec.heads * chunks, spec.head_dim + 2)
        } else {
            out
        };
        let acts = [q, k, v].map(Bind::Act);
        let sinks = self.vector(spec.sinks);
        let buffers = [Bind::Words].into_iter().chain(acts);
        let buffers = buffers.chain([turns, sinks.clone(), Bind::Buffer(pages), Bind::Act(parts)]);
        let weights = norms.into_iter().flat_map(|norms| norms.weights);
        let weights = weights.map(|weight| self.vector(Some(weight)));
        let buffers = buffers.chain(weights);
        let variant = Variant::new(&kernels::DECODE_ATTENTION, &shape.constants());
        let groups = [spec.heads / heads, chunks, rows];
        self.step.dispatch(&variant, buffers.collect(), parameters, groups);
        if chunks > 1 {
            let constants = [spec.head_dim as u32, u32::from(spec.sinks.is_some())];
            let variant = Variant::new(&kernels::JOIN_CHUNKS, &constants);
            let buffers = vec![Bind::Act(parts), sinks, Bind::Act(out)];
            let parameters = vec![spec.heads as u32, chunks as u32];
            self.step.dispatch(&variant, buffers, parameters, [spec.heads, rows, 1]);
        }
    }

    /// Returns `true` if attention is computed on matrix units.
    pub(crate) fn attends_on_matrices(&self, attend: &Attend) -> bool {
        let AttentionSpec { head_dim, value_dim, .. } = attend.spec;
        let is_plain = head_dim == value_dim && DecodeAttention::takes(head_dim);
        let is_half = self.options().kv_format() == KvFormat::F16;
        let can = self.context.has_matrices && !self.options().exact && attend.kv.is_some();
        can && attend.index.is_none()
            && is_plain
            && is_half
            && is_sliding(&attend.spec)
            && attend.rows >= MATRIX_FROM
            && self.batch.segments.len() <= MOST_SEGMENTS
    }

    /// Records attention on matrix units, with rotations. The result is in tiles.
    pub(crate) fn attend_on_matrices(&mut self, attend: &Attend, rope: Option<Rope>) {
        let Attend { out, q, layer, ref spec, rows, factors, kv, .. } = *attend;
        let [k, v] = kv.expect("keys and values are stored");
        let (pages, tables) = self.layer(layer, spec);
        let group = self.cache.pages_of(layer).group;
        let (turns, rotation, [pairs, offset]) = self.rotation(rope);
        let width = spec.heads * spec.head_dim;
        let queries = self.step.act(16 * self.batch.tiles, width.div_ceil(2));
        let sizes = [spec.heads, spec.kv_heads].map(|size| size as u32);
        let scale = spec.scale * std::f32::consts::LOG2_E;
        let words = [self.batch.positions, tables, factors, self.batch.places];
        let more = [pairs as u32, offset as u32, scale.to_bits()];
        let parameters = [&sizes[..], &words, &more].concat();
        let growth = u32::from(spec.growth.is_some());
        let variant = Variant::new(&kernels::ROPE_TILES, &[spec.head_dim as u32, rotation, growth]);
        let acts = [q, k, v].map(Bind::Act);
        let buffers = [Bind::Words].into_iter().chain(acts);
        let pages = Bind::Buffer(pages);
        let buffers = buffers.chain([turns, pages.clone(), Bind::Act(queries)]).collect();
        let groups = [rows, spec.heads + 2 * spec.kv_heads, 1];
        self.step.dispatch(&variant, buffers, parameters, groups);
        let shape = FlashAttention {
            head_dim: spec.head_dim as u32,
            window: spec.window.is_some(),
            cap: spec.soft_cap.is_some(),
            sinks: spec.sinks.is_some(),
            splits: 1,
        };
        let (sinks, out) = (self.vector(spec.sinks), self.step.tiles(out));
        for index in 0..self.batch.segments.len() {
            let segment = &self.batch.segments[index];
            let places = [segment.start, segment.rows, segment.first, segment.tile];
            let (table, tiles) = (segment.tables[group], segment.rows.div_ceil(16));
            let most = self.tuning.attention_subgroups / (tiles * spec.heads).max(1);
            let splits = [4, 2].into_iter().find(|splits| *splits <= most).unwrap_or(1);
            let shape = FlashAttention { splits: splits as u32, ..shape };
            let variant = Variant::new(&kernels::FLASH_ATTENTION, &shape.constants());
            let window = spec.window.map_or(0, |window| window.min(1 << 30) as u32);
            let cap = spec.soft_cap.unwrap_or(0.0) * std::f32::consts::LOG2_E;
            let places = places.map(|place| place as u32);
            let parameters = [&sizes[..], &[table], &places, &[window, cap.to_bits()]].concat();
            let (words, queries) = (Bind::Words, Bind::Act(queries));
            let buffers = vec![words, queries, pages.clone(), sinks.clone(), out.clone()];
            self.step.dispatch(&variant, buffers, parameters, [tiles, spec.heads, 1]);
        }
    }

    /// Returns the table of a rotation, its kind as kernels get it, and its pairs and first dimension.
    fn rotation(&self, rope: Option<Rope>) -> (Bind, u32, [usize; 2]) {
        let Some(rope) = rope else { return (Bind::Words, 0, [0, 0]) };
        let table = self.weights.rope(rope);
        let sizes = [table.spec.frequencies.len(), table.spec.offset];
        let kind = if table.spec.interleaved { 2 } else { 1 };
        (Bind::Buffer(table.buffer.clone()), kind, sizes)
    }

    /// Records that keys and values are stored. `v` isn't read if values have no width.
    pub(crate) fn append(
        &mut self,
        [k, v]: [Act; 2],
        layer: usize,
        spec: &AttentionSpec,
        rows: usize,
    ) {
        let (pages, tables) = self.layer(layer, spec);
        let [key_bits, value_bits] = element_bits(self.options().kv_format());
        let constants = [spec.head_dim as u32, spec.value_dim as u32, key_bits, value_bits];
        let parameters = vec![rows as u32, spec.kv_heads as u32, self.batch.positions, tables];
        let stretches = [spec.head_dim, spec.value_dim].map(|width| width.div_ceil(32));
        let threads = spec.kv_heads * (stretches[0] + stretches[1]);
        let buffers = vec![Bind::Words, Bind::Act(k), Bind::Act(v), Bind::Buffer(pages)];
        let variant = Variant::new(&kernels::APPEND, &constants);
        let groups = [threads.div_ceil(ELEMENT_THREADS), rows, 1];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    /// Records attention to keys and values in pages, to all that a row may see or to those of a choice.
    fn attention(&mut self, attend: &Attend, choice: Option<ChosenPositions>) {
        let Attend { out, q, layer, ref spec, rows, factors, .. } = *attend;
        let (pages, tables) = self.layer(layer, spec);
        let [key_bits, value_bits] = element_bits(self.options().kv_format());
        let mask = match spec.mask {
            Mask::Causal if choice.is_some() => 4,
            Mask::Causal if slides(spec) => 0,
            Mask::Causal => 1,
            Mask::Full => 2,
            Mask::Blocks(_) => 3,
        };
        let constants = [
            spec.head_dim as u32,
            spec.value_dim as u32,
            key_bits,
            value_bits,
            u32::from(spec.soft_cap.is_some()),
            u32::from(spec.sinks.is_some()),
            u32::from(spec.growth.is_some()),
            mask,
        ];
        let ends = if mask == 2 { self.ends() } else { 0 };
        let mut parameters = self.score_parameters(spec, tables, factors);
        parameters.push(ends);
        let blocks = match spec.mask {
            Mask::Blocks(BlockMask { size, local, stride }) => [size, local, stride],
            _ => [0; 3],
        };
        parameters.extend(blocks.map(|number| number.min(1 << 31) as u32));
        let (chosen, choice) = choice.map_or((Bind::Words, [0; 2]), |it| (it.bits, it.parameters));
        parameters.extend(choice);
        let buffers = vec![
            Bind::Words,
            Bind::Act(q),
            Bind::Buffer(pages),
            self.vector(spec.sinks),
            Bind::Act(out),
            chosen,
        ];
        let variant = Variant::new(&kernels::ATTENTION, &constants);
        self.step.dispatch(&variant, buffers, parameters, [spec.heads, rows, 1]);
    }

    /// Returns the parameters that all kernels of attention begin with.
    fn score_parameters(&self, spec: &AttentionSpec, tables: u32, factors: u32) -> Vec<u32> {
        vec![
            spec.heads as u32,
            spec.kv_heads as u32,
            self.batch.positions,
            tables,
            factors,
            spec.window.map_or(0, |window| window.min(1 << 31) as u32),
            spec.scale.to_bits(),
            spec.soft_cap.unwrap_or(0.0).to_bits(),
        ]
    }

    /// Adds the ends of the sequences of the rows, and returns the index of the first.
    fn ends(&mut self) -> u32 {
        let segments = self.batch.segments.iter();
        let ends: Vec<u32> = segments
            .flat_map(|it| std::iter::repeat_n((it.start + it.rows) as u32, it.rows))
            .collect();
        self.step.words(ends)
    }

    /// Adds the factors of the scores of each row, and returns the index of the first.
    fn growth_factors(&mut self, growth: ScoreGrowth, batch: &Batch) -> u32 {
        let ScoreGrowth { beta, step, first } = growth;
        let positions = batch.segments.iter().flat_map(|it| it.start..it.start + it.rows.len());
        let factors = positions.map(|at| 1.0 + beta * ((1 + (at + first) / step) as f32).ln());
        self.step.words(factors.map(f32::to_bits))
    }
}

/// Returns `true` if windows slide.
fn slides(spec: &AttentionSpec) -> bool {
    !spec.chunked || spec.window.is_none()
}

/// Returns `true` if a row sees what is before it, up to a window that slides.
fn is_sliding(spec: &AttentionSpec) -> bool {
    spec.mask == Mask::Causal && slides(spec)
}
