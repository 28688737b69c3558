//! [`Mlx`]: the parts of the device, its weights, and its cache.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mlxk_ops::{
    Act, Batch, Cache, CacheSpec, Choice, Extent, HadamardSpec, KvFormat, OpsError, Result, Rope,
    RopeSpec, Sequence, Vector, Weight, Weights,
};
use mlxk_paging::SequenceCache;
use mlxk_tensor::QuantTensor;

use crate::array::Array;
use crate::attention::Masks;
use crate::cache::MlxMemory;
use crate::choice::Chosen;
use crate::error::MlxError;
use crate::experts::Routing;
use crate::functions::Type;
use crate::graph::{self, Graph};
use crate::library::Library;
use crate::weights::{Matrix, RopeTable, WeightStore, own_type};

/// Settings of the device.
#[derive(Clone, Debug, Default)]
pub struct MlxOptions {
    /// Path of MLX's C library, or `None` to look in the usual places.
    pub library: Option<PathBuf>,
    /// `true` to compute in f32 throughout, as is always done without a GPU.
    pub exact: bool,
    /// Format of the KV cache, of 16 or 32 bits; if `None`, f32 in exact mode and 16 bits otherwise.
    pub kv: Option<KvFormat>,
}

impl MlxOptions {
    /// Returns the format of the KV cache. Values of 16 bits are those of the checkpoint's type, f16 or bf16.
    pub const fn kv_format(&self) -> KvFormat {
        match self.kv {
            Some(format) => format,
            None if self.exact => KvFormat::F32,
            None => KvFormat::F16,
        }
    }
}

/// An activation.
struct Slot {
    rows: usize,
    cols: usize,
    /// `[rows, cols]`, or `None` if nothing was written yet.
    value: Option<Array>,
}

/// MLX.
pub struct Mlx {
    pub(crate) graph: Arc<Graph>,
    options: MlxOptions,
    pub(crate) weights: WeightStore,
    pub(crate) cache: SequenceCache<MlxMemory>,
    /// Type of activations; known when the first matrix is loaded.
    type_: Option<Type>,
    slots: Vec<Slot>,
    pub(crate) routes: Vec<Routing>,
    pub(crate) masks: Masks,
    /// States that were written since they were computed.
    pub(crate) changed: Vec<Array>,
    /// Tokens that were chosen last.
    pub(crate) choices: Vec<Chosen>,
    pub(crate) choices_made: u32,
    /// Tokens that the rows of the step have, if only the device knows them.
    pub(crate) chosen: Option<Choice>,
    /// Values of the last read.
    pub(crate) values: Vec<f32>,
    name: String,
}

impl Mlx {
    /// Opens the library.
    pub fn open(options: MlxOptions) -> std::result::Result<Self, MlxError> {
        if let Some(KvFormat::Affine8 | KvFormat::Affine4) = options.kv {
            return Err(MlxError::NoSuchCache { bits: options.kv_format().bits() });
        }
        let library = Library::open(options.library.as_deref())?;
        let graph = Arc::new(Graph::new(library));
        graph::check(&graph)?;
        let device = graph.gpu_name();
        let device = device.unwrap_or_else(|| if graph.has_gpu { "GPU" } else { "CPU" }.to_owned());
        let name = format!("MLX {} · {device}", graph.library.version);
        let spec = CacheSpec::default();
        let memory = MlxMemory::new(&spec, Type::F32, &graph);
        Ok(Self {
            graph,
            options,
            weights: WeightStore::default(),
            cache: SequenceCache::new(&spec, memory),
            type_: None,
            slots: vec![],
            routes: vec![],
            masks: Masks::default(),
            changed: vec![],
            choices: vec![],
            choices_made: 0,
            chosen: None,
            values: vec![],
            name,
        })
    }

    /// Returns the version of MLX and the name of the processor that it uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if MLX computes on a GPU.
    pub fn has_gpu(&self) -> bool {
        self.graph.has_gpu
    }

    /// Returns the bytes that the GPU uses without becoming slow, or `None` if there is no GPU, or it doesn't say.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.graph.gpu_bytes()
    }

    /// Returns the type of activations.
    pub(crate) fn type_(&self) -> Type {
        self.type_.filter(|_| self.is_narrow()).unwrap_or(Type::F32)
    }

    /// Returns `true` if activations have the type of the checkpoint. MLX's CPU backend also sums products in that type:
    /// 4,096 ones sum to 256 in bf16 (measured with 0.31 and 0.32). So they are of f32 there.
    fn is_narrow(&self) -> bool {
        self.graph.has_gpu && !self.options.exact
    }

    /// Returns the type of keys and values in the cache.
    fn cache_type(&self) -> Type {
        match (self.options.kv_format(), self.type_()) {
            (KvFormat::F32, _) => Type::F32,
            (_, Type::Bf16) => Type::Bf16,
            _ => Type::F16,
        }
    }

    /// Makes an activation.
    pub(crate) fn add_slot(&mut self, rows: usize, cols: usize) -> Act {
        self.slots.push(Slot { rows, cols, value: None });
        Act(self.slots.len() as u32 - 1)
    }

    /// Returns rows and columns of an activation.
    pub(crate) fn shape(&self, x: Act) -> [usize; 2] {
        let slot = &self.slots[x.0 as usize];
        [slot.rows, slot.cols]
    }

    /// Returns the value of an activation.
    pub(crate) fn get(&self, x: Act) -> Array {
        let Slot { rows, cols, value } = &self.slots[x.0 as usize];
        match value {
            Some(value) => value.clone(),
            None => self.graph.zeros(&[*rows, *cols], self.type_()),
        }
    }

    /// Sets an activation to an array of as many values.
    pub(crate) fn set(&mut self, x: Act, value: &Array) {
        let value = self.graph.cast(value, self.type_());
        let [rows, cols] = self.shape(x);
        let value = self.graph.reshape(&value, &[rows, cols]);
        self.slots[x.0 as usize].value = Some(value);
    }

    /// Returns a vector of the type of activations.
    pub(crate) fn vector(&self, vector: Vector) -> Array {
        self.graph.cast(self.weights.vector(vector), self.type_())
    }

    /// Returns a number of the type of activations.
    pub(crate) fn number(&self, value: f32) -> Array {
        self.graph.number(value, self.type_())
    }

    /// Returns the first failure since the last call.
    pub(crate) fn check(&self) -> Result<()> {
        match self.graph.take_failure() {
            None => Ok(()),
            Some(problem) => Err(OpsError::Device { device: self.name.clone(), problem }),
        }
    }

    /// Starts a step.
    pub(crate) fn begin_step(&mut self, batch: &Batch) -> Result<()> {
        self.slots.clear();
        self.routes.clear();
        self.masks = Masks::default();
        self.settle_cache();
        self.check()?;
        self.chosen = batch.chosen;
        for segment in &batch.segments {
            let (start, rows) = (segment.start, segment.rows.len());
            self.cache.reserve(segment.sequence, start, rows)?;
        }
        Ok(())
    }

    /// Begins to compute what the last step has written to the cache, so that its graph doesn't grow from step to step.
    fn settle_cache(&mut self) {
        let changed = self.take_changed();
        if !changed.is_empty() {
            self.graph.begin(&changed);
        }
    }

    /// Returns what was written to the cache since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Array> {
        let mut changed = self.cache.memory_mut().take_changed();
        changed.append(&mut self.changed);
        changed
    }

    fn add(&mut self, tensor: &QuantTensor, bias: Option<&[f32]>) -> Matrix {
        let own = own_type(tensor);
        if self.type_.is_none() {
            self.type_ = own;
        }
        let type_ =
            if self.is_narrow() { own.or(self.type_).unwrap_or(Type::Bf16) } else { Type::F32 };
        Matrix::new(&self.graph, tensor, bias, type_)
    }

    fn push(&mut self, matrix: Matrix) -> Result<Weight> {
        self.check()?;
        self.weights.matrices.push(matrix);
        Ok(Weight(self.weights.matrices.len() as u32 - 1))
    }
}

impl Weights for Mlx {
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight> {
        let matrix = self.add(&tensor, bias.as_deref());
        self.push(matrix)
    }

    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight> {
        let matrix = self.add(&tensor, None).turned(&self.graph, &rotation);
        self.push(matrix)
    }

    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        let vector = self.graph.of_f32(&values, &[values.len()]);
        self.check()?;
        self.weights.vectors.push(vector);
        Ok(Vector(self.weights.vectors.len() as u32 - 1))
    }

    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        let periods: Vec<f32> = spec.frequencies.iter().map(|frequency| 1.0 / frequency).collect();
        let periods = self.graph.of_f32(&periods, &[periods.len()]);
        self.check()?;
        self.weights.ropes.push(RopeTable { spec, periods });
        Ok(Rope(self.weights.ropes.len() as u32 - 1))
    }
}

impl Cache for Mlx {
    fn configure_cache(&mut self, spec: &CacheSpec) {
        let memory = MlxMemory::new(spec, self.cache_type(), &self.graph);
        self.cache = SequenceCache::new(spec, memory);
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
        let (name, layout) = (&self.name, self.cache.layout());
        format!("{name}, {:?}, {:?}, {layout}", self.type_(), self.cache_type())
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
