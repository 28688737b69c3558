//! [`Cpu`]: the parts of the device, and the operations of [`mlxk_ops::Ops`] as a few lines over them.
//!
//! Each operation takes the parts that it needs. Long ones are free functions in their own files
//! and know nothing about [`Cpu`].

use std::io;
use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Cache, CacheSpec, ColumnScanInputs, ColumnScanSpec,
    Compute, ConvSpec, DeltaInputs, DeltaSpec, Extent, GatedUnitInputs, HadamardSpec, IndexInputs,
    IndexSpec, KvFormat, OpsError, PAGE_POSITIONS, Pieces, Reduction, Result, Rope, RopeSpec,
    RouteSpec, Routes, ScanInputs, ScanSpec, Sequence, StatePlace, Vector, Weight, Weights,
    WkvInputs, WkvSpec,
};
use mlxk_tensor::QuantTensor;

use crate::arena::Arena;
use crate::attention::{self, Call};
use crate::cache::SequenceCache;
use crate::huge_pages::Migration;
use crate::kernels::{self, InstructionSet};
use crate::pool::Pool;
use crate::recurrent::{self, Parts};
use crate::router::{self, RouteTable, RouteVectors};
use crate::sparse::{self, Index};
use crate::weights::{Matrix, WeightStore};
use crate::workers::Workers;
use crate::{experts, hadamard, linear, recurrent_columns, reduce};

/// Settings of the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuOptions {
    /// Number of compute threads; all that the process may use if `None`.
    pub threads: Option<usize>,
    /// `true` to compute in f32 throughout.
    pub exact: bool,
    /// Format of the KV cache; if `None`, f32 in exact mode and f16 otherwise.
    pub kv: Option<KvFormat>,
    /// Kernels to use; the best that the processor supports if `None`.
    pub instructions: Option<InstructionSet>,
}

impl CpuOptions {
    /// Returns the format of the KV cache.
    pub const fn kv_format(&self) -> KvFormat {
        match self.kv {
            Some(format) => format,
            None if self.exact => KvFormat::F32,
            None => KvFormat::F16,
        }
    }
}

/// Activations and routes of the current step.
#[derive(Default)]
struct Step {
    arena: Arena,
    routes: Vec<RouteTable>,
}

/// The CPU.
pub struct Cpu {
    instructions: InstructionSet,
    pub(crate) weights: WeightStore,
    pub(crate) migration: Migration,
    cache: SequenceCache,
    step: Step,
    workers: Workers,
}

impl Cpu {
    /// Starts the workers. Fails if the system refuses a thread, or if the processor lacks the
    /// requested instructions.
    pub fn new(options: CpuOptions) -> std::io::Result<Self> {
        let instructions = options.instructions.unwrap_or_else(InstructionSet::best);
        let kernels = kernels::of(instructions).ok_or(std::io::ErrorKind::Unsupported)?;
        let pool = Pool::start(options.threads)?;
        Ok(Self {
            instructions,
            weights: WeightStore::default(),
            migration: Migration::default(),
            cache: SequenceCache::new(options.kv_format()),
            step: Step::default(),
            workers: Workers::new(pool, kernels, options.exact),
        })
    }

    /// Returns the number of compute threads.
    pub fn threads(&self) -> usize {
        self.workers.pool.threads()
    }

    /// Returns the name of the instruction set that the kernels use.
    pub fn instruction_set(&self) -> &'static str {
        self.instructions.name()
    }

    fn parts(&mut self) -> Parts<'_> {
        let Self { workers, weights, step, cache, .. } = self;
        Parts { workers, weights, arena: &mut step.arena, cache }
    }
}

/// Refuses a tensor if there are no kernels for it.
fn check(tensor: &QuantTensor) -> Result<()> {
    match tensor.mode().filter(|&mode| !kernels::supported(mode)) {
        None => Ok(()),
        Some(mode) => Err(OpsError::Unsupported {
            tensor: tensor.name.clone(),
            storage: mode.to_string(),
            supported: "every mode of MLX",
        }),
    }
}

impl Weights for Cpu {
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight> {
        check(&tensor)?;
        Ok(self.weights.add_matrix(Matrix { tensor, bias, rotation: None }))
    }

    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight> {
        check(&tensor)?;
        let rotation = Some(self.weights.add_rotation(rotation));
        Ok(self.weights.add_matrix(Matrix { tensor, bias: None, rotation }))
    }

    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        Ok(self.weights.add_vector(values))
    }

    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        Ok(self.weights.add_rope(spec))
    }

    fn migrate_weights(&mut self, room: u64) -> bool {
        self.migration.step(self.weights.matrices_mut(), room)
    }
}

impl Cache for Cpu {
    fn configure_cache(&mut self, spec: &CacheSpec) {
        self.cache.configure(spec);
    }

    fn new_sequence(&mut self) -> Sequence {
        self.cache.new_sequence()
    }

    fn free_sequence(&mut self, sequence: Sequence) {
        self.cache.free_sequence(sequence);
    }

    fn sequence_len(&self, sequence: Sequence) -> usize {
        self.cache.len(sequence)
    }

    fn rewind(&mut self, sequence: Sequence, len: usize) -> usize {
        self.cache.rewind(sequence, len)
    }

    fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        self.cache.fork(sequence, len)
    }

    fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        self.cache.restorable(sequence, len)
    }

    fn checkpoint(&mut self, sequence: Sequence) {
        self.cache.checkpoint(sequence);
    }

    fn checkpoints(&self, sequence: Sequence) -> Vec<usize> {
        self.cache.checkpoints(sequence)
    }

    fn drop_checkpoint(&mut self, sequence: Sequence, len: usize) {
        self.cache.drop_checkpoint(sequence, len);
    }

    fn cache_bytes(&self) -> usize {
        self.cache.bytes()
    }

    fn cache_layout(&self) -> String {
        let mode = if self.workers.exact { "exact" } else { "fast" };
        let format = match self.cache.format() {
            KvFormat::F32 => "f32",
            KvFormat::F16 => "f16",
            KvFormat::Affine8 => "8-bit codes",
            KvFormat::Affine4 => "8-bit keys and 4-bit values",
        };
        format!(
            "cpu {}, {mode}, {format}, pages of {PAGE_POSITIONS}, {}",
            self.instruction_set(),
            self.cache.layout()
        )
    }

    fn extent(&self, sequence: Sequence, len: usize) -> Extent {
        self.cache.extent(sequence, len)
    }

    fn export_bytes(&self, extent: &Extent) -> u64 {
        self.cache.export_bytes(extent)
    }

    fn export(
        &mut self,
        sequence: Sequence,
        extent: &Extent,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.cache.export(sequence, extent, write)
    }

    fn import(
        &mut self,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence> {
        self.cache.import(extent, read)
    }
}

impl Compute for Cpu {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.step.arena.clear();
        self.step.routes.clear();
        for segment in &batch.segments {
            self.cache.reserve(segment.sequence, segment.start, segment.rows.len())?;
        }
        let end = batch.segments.iter().map(|segment| segment.start + segment.rows.len()).max();
        self.weights.extend_ropes(end.unwrap_or(0));
        Ok(())
    }

    fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.step.arena.act(rows, cols)
    }

    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        let arena = &mut self.step.arena;
        let (_, cols) = arena.shape(out);
        let Matrix { tensor, rotation, .. } = self.weights.matrix(table);
        let rotation = rotation.map(|index| self.weights.rotation(index));
        for (&id, out) in ids.iter().zip(arena.get_mut(out).chunks_exact_mut(cols)) {
            self.workers.kernels.dequantize_row(tensor, 0, id as usize, out);
            if let Some(rotation) = rotation {
                hadamard::rotate_back(out, rotation);
            }
            for out in out {
                *out *= scale;
            }
        }
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let (_, cols) = self.step.arena.shape(x);
        let [out, x] = self.step.arena.many_mut([out, x]);
        for (out, &row) in out.chunks_exact_mut(cols).zip(rows) {
            out.copy_from_slice(&x[row * cols..][..cols]);
        }
    }

    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction) {
        let (_, cols) = self.step.arena.shape(x);
        let [out, x] = self.step.arena.many_mut([out, x]);
        for (out, range) in out.chunks_exact_mut(cols).zip(ranges) {
            reduce::rows(out, &x[range.start * cols..range.end * cols], reduction);
        }
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        linear::linear(&mut self.workers, &self.weights, &mut self.step.arena, outs, x, weights);
    }

    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        let Self { workers, weights, step, .. } = self;
        experts::linear_heads(workers, weights, &mut step.arena, out, x, weight);
    }

    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        let Step { arena, routes } = &mut self.step;
        let (_, experts) = arena.shape(logits);
        let vectors = RouteVectors {
            correction: spec.correction.map(|vector| self.weights.vector(vector)),
            factors: spec.factors.map(|vector| self.weights.vector(vector)),
        };
        routes.push(router::route(arena.get(logits), experts, spec, vectors));
        Routes(routes.len() as u32 - 1)
    }

    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        let Step { arena, routes: tables } = &mut self.step;
        let table = &tables[routes.0 as usize];
        experts::linear_routed(&mut self.workers, &self.weights, arena, table, outs, x, weights);
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        let Step { arena, routes: tables } = &mut self.step;
        let (_, cols) = arena.shape(out);
        let [out, x] = arena.many_mut([out, x]);
        router::combine(out, x, cols, &tables[routes.0 as usize]);
    }

    fn add_passed(&mut self, out: Act, x: Act, routes: Routes) {
        let Step { arena, routes: tables } = &mut self.step;
        let (_, cols) = arena.shape(out);
        let [out, x] = arena.many_mut([out, x]);
        router::add_passed(out, x, cols, &tables[routes.0 as usize]);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let weight = self.weights.vector(weight);
        let [out, x] = self.step.arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(weight.len()).zip(x.chunks_exact(weight.len())) {
            self.workers.kernels.rms_norm(out, x, weight, eps);
        }
    }

    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        let weight = self.weights.vector(weight);
        let bias = bias.map(|bias| self.weights.vector(bias));
        let [out, x] = self.step.arena.many_mut([out, x]);
        let cols = weight.len();
        self.workers.for_rows(cols, out, &|kernels, row, out| {
            kernels.layer_norm(out, &x[row * cols..][..cols], weight, bias, eps);
        });
    }

    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        let ((out, to), (x, from)) = (out, x);
        let arena = &mut self.step.arena;
        let (out_cols, x_cols) = (arena.shape(out).1, arena.shape(x).1);
        let [out, x] = arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(out_cols).zip(x.chunks_exact(x_cols)) {
            for piece in 0..count {
                let x = &x[from.offset + piece * from.stride..][..width];
                out[to.offset + piece * to.stride..][..width].copy_from_slice(x);
            }
        }
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch) {
        let table = self.weights.rope(rope);
        let (_, cols) = self.step.arena.shape(x);
        let x = self.step.arena.get_mut(x);
        for segment in &batch.segments {
            for (i, row) in segment.rows.clone().enumerate() {
                let row = &mut x[row * cols..][..cols];
                for head in row.chunks_exact_mut(cols / heads) {
                    table.turn(head, segment.start + i);
                }
            }
        }
    }

    fn attend(
        &mut self,
        out: Act,
        q: Act,
        k: Act,
        v: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        let sinks = spec.sinks.map(|sinks| self.weights.vector(sinks));
        let call = Call { out, q, layer, spec, sinks, batch };
        let arena = &mut self.step.arena;
        attention::append(arena, &mut self.cache, [k, v], &call);
        attention::attend(&mut self.workers, arena, &self.cache, &call);
    }

    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        let sinks = spec.sinks.map(|sinks| self.weights.vector(sinks));
        let call = Call { out, q, layer, spec, sinks, batch };
        attention::attend(&mut self.workers, &mut self.step.arena, &self.cache, &call);
    }

    fn attend_best(
        &mut self,
        out: Act,
        [q, k, v]: [Act; 3],
        layer: usize,
        spec: &AttentionSpec,
        inputs: IndexInputs,
        index: &IndexSpec,
        batch: &Batch,
    ) {
        let sinks = spec.sinks.map(|sinks| self.weights.vector(sinks));
        let call = Call { out, q, layer, spec, sinks, batch };
        let index = Index { inputs, spec: index };
        let arena = &mut self.step.arena;
        attention::append(arena, &mut self.cache, [k, v], &call);
        sparse::append(arena, &mut self.cache, index, batch);
        sparse::attend(&mut self.workers, arena, &self.cache, &call, index);
    }

    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch) {
        recurrent::short_conv(self.parts(), [out, x], spec, state, batch);
    }

    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::delta_rule(self.parts(), out, inputs, spec, state, batch);
    }

    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::selective_scan(self.parts(), out, inputs, spec, state, batch);
    }

    fn column_scan(
        &mut self,
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent_columns::column_scan(self.parts(), out, inputs, spec, state, batch);
    }

    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent_columns::gated_unit(self.parts(), out, inputs, speed, state, batch);
    }

    fn wkv(
        &mut self,
        out: Act,
        inputs: WkvInputs,
        spec: &WkvSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent_columns::wkv(self.parts(), out, inputs, spec, state, batch);
    }

    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        let (_, cols) = self.step.arena.shape(gate);
        let [gate, up] = self.step.arena.many_mut([gate, up]);
        self.workers.for_rows(cols, gate, &|kernels, row, gate| {
            let up = &up[row * cols..][..cols];
            match activation {
                Activation::Silu => kernels.silu_mul(gate, up),
                _ => kernels.gate(gate, up, activation),
            }
        });
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        let (_, cols) = self.step.arena.shape(x);
        let x = self.step.arena.get_mut(x);
        self.workers.for_rows(cols, x, &|kernels, _, x| kernels.activate(x, activation));
    }

    fn multiply(&mut self, out: Act, x: Act) {
        let arena = &mut self.step.arena;
        let ((_, cols), (_, x_cols)) = (arena.shape(out), arena.shape(x));
        let [out, x] = arena.many_mut([out, x]);
        self.workers.for_rows(cols, out, &|_, row, out| {
            let x = &x[row * x_cols..][..x_cols];
            if x_cols == cols {
                out.iter_mut().zip(x).for_each(|(out, x)| *out *= x);
                return;
            }
            for (out, x) in out.chunks_exact_mut(cols / x_cols).zip(x) {
                for out in out {
                    *out *= x;
                }
            }
        });
    }

    fn add(&mut self, out: Act, x: Act) {
        let [out, x] = self.step.arena.many_mut([out, x]);
        self.workers.kernels.add(out, x);
    }

    fn scale(&mut self, x: Act, factor: f32) {
        for x in self.step.arena.get_mut(x) {
            *x *= factor;
        }
    }

    fn snap(&mut self, x: Act, step: f32) {
        for x in self.step.arena.get_mut(x) {
            *x = (*x / step).round_ties_even().clamp(-128.0, 127.0) * step;
        }
    }

    fn scale_columns(&mut self, x: Act, factors: Vector) {
        let factors = self.weights.vector(factors);
        for x in self.step.arena.get_mut(x).chunks_exact_mut(factors.len()) {
            for (x, factor) in x.iter_mut().zip(factors) {
                *x *= factor;
            }
        }
    }

    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize) {
        let arena = &mut self.step.arena;
        let ((_, cols), (_, width)) = (arena.shape(out), arena.shape(factors));
        let [out, x, factors] = arena.many_mut([out, x, factors]);
        for (row, (out, x)) in out.chunks_exact_mut(cols).zip(x.chunks_exact(cols)).enumerate() {
            let factor = factors[row * width + column];
            for (out, x) in out.iter_mut().zip(x) {
                *out += factor * x;
            }
        }
    }

    fn match_rms(&mut self, x: Act, like: Act) {
        let (_, cols) = self.step.arena.shape(x);
        let [x, like] = self.step.arena.many_mut([x, like]);
        let square = |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        for (x, like) in x.chunks_exact_mut(cols).zip(like.chunks_exact(cols)) {
            let factor = (square(like) / square(x)).sqrt() as f32;
            for x in x {
                *x *= factor;
            }
        }
    }

    fn cut_below(&mut self, x: Act, deviations: f32) {
        let (_, cols) = self.step.arena.shape(x);
        let x = self.step.arena.get_mut(x);
        self.workers.for_rows(cols, x, &|_, _, row| {
            let count = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
            let cut = (mean + f64::from(deviations) * variance.sqrt()) as f32;
            for x in row {
                *x = (*x - cut).max(0.0);
            }
        });
    }

    fn add_columns(&mut self, x: Act, values: Vector) {
        let values = self.weights.vector(values);
        for x in self.step.arena.get_mut(x).chunks_exact_mut(values.len()) {
            for (x, value) in x.iter_mut().zip(values) {
                *x += value;
            }
        }
    }

    fn soft_cap(&mut self, x: Act, cap: f32) {
        for x in self.step.arena.get_mut(x) {
            *x = cap * (*x / cap).tanh();
        }
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        Ok(self.step.arena.get(x))
    }

    fn write(&mut self, x: Act, values: &[f32]) -> Result<()> {
        self.step.arena.get_mut(x).copy_from_slice(values);
        Ok(())
    }
}
