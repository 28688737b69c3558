//! [`Cpu`]: the operations of [`Ops`], each a line or two over the kernels.

use mlxk_format::{QuantTensor, Storage};
use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, KvSpec, Ops, OpsError, Result, Rope, RopeSpec, Sequence,
    Vector, Weight,
};

use crate::arena::Arena;
use crate::kernels::{self, Kernels, Scalar, Scratch};
use crate::kv::KvCache;
use crate::linear::Activations;
use crate::pool::Pool;

/// How to set up the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuOptions {
    /// Threads that compute; all that the process may use where `None`.
    pub threads: Option<usize>,
    /// Compute in f32 throughout.
    pub exact: bool,
    /// Use the portable kernels, whatever the processor offers.
    pub portable: bool,
}

/// A weight matrix and the bias of its rows.
pub(crate) struct Matrix {
    pub tensor: QuantTensor,
    /// `[rows]`.
    pub bias: Option<Vec<f32>>,
}

/// Rotary frequencies and the sines of the positions seen so far.
struct RopeTable {
    spec: RopeSpec,
    /// `[positions][2][dims / 2]`: cosines, then sines.
    turns: Vec<f32>,
}

/// The CPU.
pub struct Cpu {
    pub(crate) exact: bool,
    pub(crate) pool: Pool,
    pub(crate) kernels: Box<dyn Kernels>,
    pub(crate) arena: Arena,
    pub(crate) kv: KvCache,
    pub(crate) matrices: Vec<Matrix>,
    pub(crate) activations: Activations,
    /// One per thread.
    pub(crate) scratch: Vec<Scratch>,
    vectors: Vec<Vec<f32>>,
    ropes: Vec<RopeTable>,
}

impl Cpu {
    /// Starts the workers. Fails where the system refuses a thread.
    pub fn new(options: CpuOptions) -> std::io::Result<Self> {
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = Pool::new(options.threads.unwrap_or_else(available))?;
        Ok(Self {
            exact: options.exact,
            scratch: (0..pool.threads()).map(|_| Scratch::default()).collect(),
            pool,
            kernels: if options.portable { Box::new(Scalar) } else { kernels::detect() },
            arena: Arena::default(),
            kv: KvCache::new(options.exact),
            matrices: vec![],
            activations: Activations::default(),
            vectors: vec![],
            ropes: vec![],
        })
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Name of the instruction set that the kernels use.
    pub fn instruction_set(&self) -> &'static str {
        self.kernels.name()
    }

    /// Bytes that one position of the KV cache takes.
    pub fn kv_position_bytes(&self, spec: KvSpec) -> usize {
        spec.values_per_position() * if self.exact { 4 } else { 2 }
    }
}

/// Refuses what no kernel runs.
fn check(tensor: &QuantTensor) -> Result<()> {
    let runs = match &tensor.storage {
        Storage::Dense(_) => true,
        Storage::Affine { bits, .. } => matches!(bits, 4 | 8),
        Storage::Block { .. } => false,
    };
    if runs && tensor.experts == 1 {
        return Ok(());
    }
    Err(OpsError::Unsupported {
        tensor: tensor.name.clone(),
        storage: match tensor.mode() {
            _ if tensor.experts != 1 => "a stack of experts".into(),
            Some(mode) => mode.to_string(),
            None => "dense".into(),
        },
        supported: "affine 4- and 8-bit, BF16, F16 and F32",
    })
}

impl Ops for Cpu {
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
        self.ropes.push(RopeTable { spec, turns: vec![] });
        Ok(Rope(self.ropes.len() as u32 - 1))
    }

    fn kv_configure(&mut self, spec: KvSpec) {
        self.kv.configure(spec);
    }

    fn kv_new(&mut self) -> Sequence {
        self.kv.new_sequence()
    }

    fn kv_fork(&mut self, sequence: Sequence) -> Sequence {
        self.kv.fork(sequence)
    }

    fn kv_truncate(&mut self, sequence: Sequence, len: usize) {
        self.kv.truncate(sequence, len);
    }

    fn kv_free(&mut self, sequence: Sequence) {
        self.kv.free_sequence(sequence);
    }

    fn kv_len(&self, sequence: Sequence) -> usize {
        self.kv.len(sequence)
    }

    fn kv_bytes(&self) -> usize {
        self.kv.bytes()
    }

    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.arena.clear();
        for segment in &batch.segments {
            self.kv.reserve(segment.sequence, segment.start, segment.rows.len())?;
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
            self.kernels.dequantize_row(table, id as usize, out);
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

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let weight = &self.vectors[weight.0 as usize];
        let [out, x] = self.arena.many_mut([out, x]);
        for (out, x) in out.chunks_exact_mut(weight.len()).zip(x.chunks_exact(weight.len())) {
            self.kernels.rms_norm(out, x, weight, eps);
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
        let Activation::Silu = activation;
        let kernels = &*self.kernels;
        crate::linear::for_rows(&mut self.pool, rows, cols, gate, &|row, gate| {
            kernels.silu_mul(gate, &up[row * cols..][..cols]);
        });
    }

    fn add(&mut self, out: Act, x: Act) {
        let [out, x] = self.arena.many_mut([out, x]);
        self.kernels.add(out, x);
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        Ok(self.arena.get(x))
    }
}

impl RopeTable {
    /// Computes the turns of all positions before `end`.
    fn extend(&mut self, end: usize) {
        let half = self.spec.frequencies.len();
        let known = self.turns.len() / (2 * half).max(1);
        for position in known..end {
            let angles = || self.spec.frequencies.iter().map(|&f| position as f64 * f64::from(f));
            let (cos, sin): (Vec<_>, Vec<_>) =
                angles().map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
            self.turns.extend(cos);
            self.turns.extend(sin);
        }
    }

    /// Rotates one head.
    fn turn(&self, head: &mut [f32], position: usize) {
        let half = self.spec.frequencies.len();
        let (cos, sin) = self.turns[position * 2 * half..][..2 * half].split_at(half);
        if self.spec.interleaved {
            for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                let [a, b] = *pair;
                *pair = [a * cos - b * sin, a * sin + b * cos];
            }
        } else {
            let (first, second) = head[..2 * half].split_at_mut(half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}
