//! [`Cpu`]: the operations of [`mlxk_ops::Ops`], each a line or two over the kernels.

use std::io;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Cache, CacheSpec, Compute, Extent, KvFormat, OpsError,
    PAGE_POSITIONS, Pieces, Result, Rope, RopeSpec, RouteSpec, Routes, Sequence, Vector, Weight,
    Weights,
};
use mlxk_tensor::QuantTensor;

use crate::arena::Arena;
use crate::cache::SequenceCache;
use crate::huge_pages::Moving;
use crate::kernels::{self, InstructionSet, Kernels, Scratch};
use crate::linear::Activations;
use crate::pool::Pool;
use crate::rope::RopeTable;
use crate::router::RouteTable;

/// How to set up the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuOptions {
    /// Threads that compute; all that the process may use where `None`.
    pub threads: Option<usize>,
    /// Compute in f32 throughout.
    pub exact: bool,
    /// How the KV cache keeps its values; f32 in exact mode and f16 else where `None`.
    pub kv: Option<KvFormat>,
    /// Which kernels to use; the best that the processor runs where `None`.
    pub instructions: Option<InstructionSet>,
}

impl CpuOptions {
    /// How the KV cache keeps its values.
    pub const fn kv_format(&self) -> KvFormat {
        match self.kv {
            Some(format) => format,
            None if self.exact => KvFormat::F32,
            None => KvFormat::F16,
        }
    }
}

/// A weight matrix and the bias of its rows.
pub(crate) struct Matrix {
    pub tensor: QuantTensor,
    /// `[rows]`.
    pub bias: Option<Vec<f32>>,
}

/// The CPU.
pub struct Cpu {
    instructions: InstructionSet,
    pub(crate) exact: bool,
    pub(crate) pool: Pool,
    pub(crate) kernels: Box<dyn Kernels>,
    pub(crate) arena: Arena,
    pub(crate) cache: SequenceCache,
    pub(crate) matrices: Vec<Matrix>,
    pub(crate) moving: Moving,
    pub(crate) activations: Activations,
    /// One per thread.
    pub(crate) scratch: Vec<Scratch>,
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Of the current step.
    pub(crate) routes: Vec<RouteTable>,
    ropes: Vec<RopeTable>,
}

impl Cpu {
    /// Starts the workers. Fails where the system refuses a thread, or where the processor does not
    /// have the instructions asked for.
    pub fn new(options: CpuOptions) -> std::io::Result<Self> {
        let instructions = options.instructions.unwrap_or_else(InstructionSet::best);
        let kernels = kernels::of(instructions).ok_or(std::io::ErrorKind::Unsupported)?;
        let pool = pool(options.threads)?;
        Ok(Self {
            instructions,
            exact: options.exact,
            scratch: (0..pool.threads()).map(|_| Scratch::default()).collect(),
            pool,
            kernels,
            arena: Arena::default(),
            cache: SequenceCache::new(options.kv_format()),
            matrices: vec![],
            moving: Moving::default(),
            activations: Activations::default(),
            vectors: vec![],
            routes: vec![],
            ropes: vec![],
        })
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Name of the instruction set that the kernels use.
    pub fn instruction_set(&self) -> &'static str {
        self.instructions.name()
    }
}

/// A pool of so many threads; of all that the process may use where `None`.
pub(crate) fn pool(threads: Option<usize>) -> std::io::Result<Pool> {
    let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Pool::new(threads.unwrap_or_else(available))
}

/// Refuses what no kernel runs.
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
        self.matrices.push(Matrix { tensor, bias });
        Ok(Weight(self.matrices.len() as u32 - 1))
    }

    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        self.vectors.push(values);
        Ok(Vector(self.vectors.len() as u32 - 1))
    }

    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        self.ropes.push(RopeTable::new(spec));
        Ok(Rope(self.ropes.len() as u32 - 1))
    }

    fn migrate_weights(&mut self, room: u64) -> bool {
        self.move_piece(room)
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
        let mode = if self.exact { "exact" } else { "fast" };
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
        self.arena.clear();
        self.routes.clear();
        for segment in &batch.segments {
            self.cache.reserve(segment.sequence, segment.start, segment.rows.len())?;
        }
        let end = batch.segments.iter().map(|segment| segment.start + segment.rows.len()).max();
        for rope in &mut self.ropes {
            rope.extend(end.unwrap_or(0));
        }
        Ok(())
    }

    fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.arena.act(rows, cols)
    }

    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        let (_, cols) = self.arena.shape(out);
        let table = &self.matrices[table.0 as usize].tensor;
        for (&id, out) in ids.iter().zip(self.arena.get_mut(out).chunks_exact_mut(cols)) {
            self.kernels.dequantize_row(table, 0, id as usize, out);
            for out in out {
                *out *= scale;
            }
        }
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let (_, cols) = self.arena.shape(x);
        let [out, x] = self.arena.many_mut([out, x]);
        for (out, &row) in out.chunks_exact_mut(cols).zip(rows) {
            out.copy_from_slice(&x[row * cols..][..cols]);
        }
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        self.linear_all(outs, x, weights);
    }

    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        self.linear_heads_all(out, x, weight);
    }

    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        self.route_all(logits, spec)
    }

    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        self.linear_routed_all(outs, x, weights, routes);
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        self.combine_all(out, x, routes);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let weight = &self.vectors[weight.0 as usize];
        let [out, x] = self.arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(weight.len()).zip(x.chunks_exact(weight.len())) {
            self.kernels.rms_norm(out, x, weight, eps);
        }
    }

    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        let weight = &self.vectors[weight.0 as usize];
        let bias = bias.map(|bias| self.vectors[bias.0 as usize].as_slice());
        let [out, x] = self.arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(weight.len()).zip(x.chunks_exact(weight.len())) {
            self.kernels.layer_norm(out, x, weight, bias, eps);
        }
    }

    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        let ((out, to), (x, from)) = (out, x);
        let (out_cols, x_cols) = (self.arena.shape(out).1, self.arena.shape(x).1);
        let [out, x] = self.arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(out_cols).zip(x.chunks_exact(x_cols)) {
            for piece in 0..count {
                let x = &x[from.offset + piece * from.stride..][..width];
                out[to.offset + piece * to.stride..][..width].copy_from_slice(x);
            }
        }
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch) {
        let table = &self.ropes[rope.0 as usize];
        let (_, cols) = self.arena.shape(x);
        let x = self.arena.get_mut(x);
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
        self.attend_all(out, q, [k, v], layer, spec, batch);
    }

    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        let (rows, cols) = self.arena.shape(gate);
        let [gate, up] = self.arena.many_mut([gate, up]);
        let kernels = &*self.kernels;
        crate::linear::for_rows(&mut self.pool, rows, cols, gate, &|row, gate| {
            let up = &up[row * cols..][..cols];
            match activation {
                Activation::Silu => kernels.silu_mul(gate, up),
                _ => kernels.gate(gate, up, activation),
            }
        });
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        let (rows, cols) = self.arena.shape(x);
        let kernels = &*self.kernels;
        let x = self.arena.get_mut(x);
        crate::linear::for_rows(&mut self.pool, rows, cols, x, &|_, x| {
            kernels.activate(x, activation);
        });
    }

    fn add(&mut self, out: Act, x: Act) {
        let [out, x] = self.arena.many_mut([out, x]);
        self.kernels.add(out, x);
    }

    fn scale(&mut self, x: Act, factor: f32) {
        for x in self.arena.get_mut(x) {
            *x *= factor;
        }
    }

    fn soft_cap(&mut self, x: Act, cap: f32) {
        for x in self.arena.get_mut(x) {
            *x = cap * (*x / cap).tanh();
        }
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        Ok(self.arena.get(x))
    }
}
