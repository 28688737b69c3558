//! [`Gpu`]: the parts of the device, its weights, and its cache.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use mlxk_ops::{
    Act, AttentionSpec, Batch, Cache, CacheSpec, Choice, Extent, HadamardSpec, KvFormat, OpsError,
    PAGE_POSITIONS, Result, Rope, RopeSpec, Sequence, Vector, Weight, Weights,
};
use mlxk_paging::SequenceCache;
use mlxk_tensor::QuantTensor;
use wgpu::Buffer;

use crate::adapters::{self, AdapterInfo};
use crate::cache::GpuMemory;
use crate::choice::{self, Choices};
use crate::context::Context;
use crate::error::GpuError;
use crate::hadamard::Rotation;
use crate::products::PartialSums;
use crate::profile::Profile;
use crate::rope::RopeTable;
use crate::step::Step;
use crate::tuning::Tuning;
use crate::upload::Ring;
use crate::weights::{Matrix, upload};

/// Settings of the device.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Part of the adapter's name, or its number in [`crate::adapters`]. If `None`, the first one that isn't
    /// software.
    pub adapter: Option<String>,
    /// `true` to compute in f32 throughout.
    pub exact: bool,
    /// Format of the KV cache; if `None`, f32 in exact mode and f16 otherwise.
    pub kv: Option<KvFormat>,
    /// Folder for compiled kernels, so that the next process doesn't compile them again, and for their shapes if they
    /// were measured.
    pub kernels: Option<PathBuf>,
    /// Number of steps after which the device is lost, for tests.
    pub lost_after: Option<usize>,
}

impl GpuOptions {
    /// Returns the format of the KV cache.
    pub const fn kv_format(&self) -> KvFormat {
        match self.kv {
            Some(format) => format,
            None if self.exact => KvFormat::F32,
            None => KvFormat::F16,
        }
    }

    /// Returns the memory that the adapter offers, or `None` if there is no such adapter or it doesn't say.
    pub fn memory_bytes(&self) -> Option<u64> {
        let adapter = adapters::choose(self.adapter.as_deref()).ok()?;
        adapters::describe(&adapter).memory_bytes
    }
}

/// Everything that was loaded.
#[derive(Default)]
pub(crate) struct WeightStore {
    matrices: Vec<Matrix>,
    vectors: Vec<VectorBuffer>,
    ropes: Vec<RopeTable>,
    pub rotations: Vec<Rotation>,
    /// Vectors that a kernel reads as one.
    pub joined: HashMap<[Vector; 3], Buffer>,
}

/// A vector on the device.
pub(crate) struct VectorBuffer {
    pub buffer: Buffer,
    pub len: usize,
}

impl WeightStore {
    pub(crate) fn matrix(&self, weight: Weight) -> &Matrix {
        &self.matrices[weight.0 as usize]
    }

    pub(crate) fn vector(&self, vector: Vector) -> &VectorBuffer {
        &self.vectors[vector.0 as usize]
    }

    pub(crate) fn ropes(&self) -> impl Iterator<Item = &RopeTable> {
        self.ropes.iter()
    }

    pub(crate) fn rope(&self, rope: Rope) -> &RopeTable {
        &self.ropes[rope.0 as usize]
    }
}

/// Places of the data of a batch among the words of a step.
#[derive(Default)]
pub(crate) struct BatchWords {
    /// First of the rows' positions.
    pub positions: u32,
    /// For each group of layers, the first of the rows' places of block tables.
    pub tables: Vec<u32>,
    /// Sequences of the batch.
    pub segments: Vec<SegmentWords>,
    /// First of the rows' places among tiles of queries, where each sequence begins with a tile of its own.
    pub places: u32,
    /// Number of those tiles.
    pub tiles: usize,
    /// Tokens of the rows whose ids only the device knows.
    pub chosen: Option<Choice>,
    /// `true` if the batch has one row of each sequence.
    pub is_decode: bool,
    /// Length of the longest sequence, with the rows of the batch.
    pub end: usize,
}

/// Rows of a sequence in a batch.
#[derive(Clone, PartialEq)]
pub(crate) struct SegmentWords {
    /// Position of the first row.
    pub start: usize,
    pub first: usize,
    pub rows: usize,
    /// First tile of its queries.
    pub tile: usize,
    /// First word of its block table in each group.
    pub tables: Vec<u32>,
}

/// A GPU.
pub struct Gpu {
    pub(crate) context: Context,
    options: GpuOptions,
    pub(crate) weights: WeightStore,
    pub(crate) cache: SequenceCache<GpuMemory>,
    pub(crate) step: Step,
    pub(crate) batch: BatchWords,
    pub(crate) choices: Choices,
    pub(crate) tuning: Tuning,
    /// Parts of the last product that was lowered.
    pub(crate) sums: Option<PartialSums>,
    /// Activations whose tiles are up to date while a step is lowered, and the operation that wrote them.
    pub(crate) tiled: HashMap<Act, usize>,
    /// Activations that layers share while a step is lowered: by rows, columns, and a number.
    pub(crate) shared: HashMap<[usize; 3], Act>,
    /// Activations next to rotations of the step, by rows and columns.
    pub(crate) rotated: HashMap<[usize; 2], Act>,
    /// Values of the last read.
    pub(crate) read: Vec<f32>,
    /// Buffers for uploads of weights, until a step begins.
    ring: Ring,
    /// Number of steps so far.
    steps: usize,
    /// `true` while the first operations of a step are submitted.
    pub(crate) is_partial: bool,
}

impl Gpu {
    /// Opens an adapter.
    pub fn open(options: GpuOptions) -> std::result::Result<Self, GpuError> {
        let adapter = adapters::choose(options.adapter.as_deref())?;
        let context = Context::open(&adapter)?;
        let failed = |error: OpsError| GpuError::NotOpened {
            name: adapter.get_info().name,
            problem: error.to_string(),
        };
        let spec = CacheSpec::default();
        let memory = GpuMemory::new(&spec, options.kv_format(), context.clone()).map_err(failed)?;
        let folder = options.kernels.as_deref();
        let file = folder.map(|folder| folder.join(context.info.file_name("kernels")));
        let tuning = Tuning::read(folder, &context.info);
        let step = Step::new(context.clone(), file).map_err(failed)?;
        Ok(Self {
            context,
            options,
            weights: WeightStore::default(),
            cache: SequenceCache::new(&spec, memory),
            step,
            batch: BatchWords::default(),
            choices: Choices::default(),
            tuning,
            sums: None,
            tiled: HashMap::new(),
            shared: HashMap::new(),
            rotated: HashMap::new(),
            read: vec![],
            ring: Ring::default(),
            steps: 0,
            is_partial: false,
        })
    }

    /// Returns the adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.context.info
    }

    /// Returns the options that it was opened with.
    pub fn options(&self) -> &GpuOptions {
        &self.options
    }

    /// Begins to measure the time of kernels, or ends it, and returns the times since it began. Each kernel is then
    /// submitted in a pass of its own, so a step takes longer. Does nothing if the device has no clock.
    pub fn measure_kernels(&mut self, on: bool) -> Option<Profile> {
        let on = on && self.context.info.timestamps;
        std::mem::replace(&mut self.step.profile, on.then(Profile::default))
    }

    /// Returns the shapes of kernels.
    pub const fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Changes the shapes of kernels.
    pub fn set_tuning(&mut self, tuning: Tuning) {
        self.tuning = tuning;
        self.step.forget_plan();
    }

    /// Submits everything that was recorded.
    pub(crate) fn submit(&mut self) -> Result<()> {
        self.lower();
        self.step.submit()
    }

    /// Submits the first operations of a step. Those that follow may read any activation.
    pub(crate) fn submit_part(&mut self) -> Result<()> {
        self.is_partial = true;
        let result = self.submit();
        self.is_partial = false;
        result
    }

    /// Submits everything that was recorded, before the cache hands out memory that it writes. If that fails, so
    /// does the next step.
    fn settle(&mut self) {
        if let Err(failure) = self.submit() {
            self.step.fail(failure);
        }
    }

    /// Starts a step.
    pub(crate) fn begin_step(&mut self, batch: &Batch) -> Result<()> {
        self.submit()?;
        self.steps += 1;
        if self.options.lost_after.is_some_and(|most| self.steps > most) {
            self.context.lose();
        }
        self.context.check()?;
        choice::forget_held(self);
        if self.choices.waits(batch.chosen) {
            self.step.hold();
        }
        self.ring.clear();
        self.step.clear();
        self.rotated.clear();
        for segment in &batch.segments {
            self.cache.reserve(segment.sequence, segment.start, segment.rows.len())?;
        }
        let end = batch.segments.iter().map(|segment| segment.start + segment.rows.len()).max();
        for rope in &mut self.weights.ropes {
            rope.extend(end.unwrap_or(0), &self.context)?;
        }
        self.batch = self.batch_words(batch);
        self.step.keep_words();
        Ok(())
    }

    fn batch_words(&mut self, batch: &Batch) -> BatchWords {
        let segments = &batch.segments;
        let positions = segments.iter().flat_map(|it| it.start..it.start + it.rows.len());
        let positions = self.step.words(positions.map(|position| position as u32));
        let mut known: Vec<SegmentWords> = Vec::with_capacity(segments.len());
        let (mut tile, mut places) = (0, Vec::with_capacity(batch.rows()));
        for segment in segments {
            let rows = segment.rows.len();
            places.extend((0..rows).map(|row| (16 * tile + row) as u32));
            let (start, first) = (segment.start, segment.rows.start);
            known.push(SegmentWords { start, first, rows, tile, tables: vec![] });
            tile += rows.div_ceil(16);
        }
        let places = self.step.words(places);
        let mut tables = Vec::new();
        for group in 0..self.cache.groups().count() {
            let mut places = Vec::with_capacity(batch.rows());
            for (segment, known) in segments.iter().zip(&mut known) {
                let pages = self.cache.table(segment.sequence, group).pages();
                // A page that was given back is never read.
                let table = self.step.words(pages.iter().map(|page| page.unwrap_or(0)));
                known.tables.push(table);
                places.extend(segment.rows.clone().map(|_| table));
            }
            tables.push(self.step.words(places));
        }
        let is_decode = segments.iter().all(|segment| segment.rows.len() == 1);
        let end = segments.iter().map(|segment| segment.start + segment.rows.len()).max();
        BatchWords {
            positions,
            tables,
            segments: known,
            places,
            tiles: tile,
            chosen: batch.chosen,
            is_decode,
            end: end.unwrap_or(0),
        }
    }

    /// Returns the pages of a layer, and the first of the rows' places of block tables.
    pub(crate) fn layer(&self, layer: usize, spec: &AttentionSpec) -> (Buffer, u32) {
        self.cache.check(layer, spec);
        let place = self.cache.pages_of(layer);
        let pages = self.cache.memory().pages(place.group, place.layer).clone();
        (pages, self.batch.tables[place.group])
    }
}

impl Weights for Gpu {
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight> {
        let matrix = upload(&self.context, &mut self.ring, &tensor, bias.as_deref())?;
        self.weights.matrices.push(matrix);
        Ok(Weight(self.weights.matrices.len() as u32 - 1))
    }

    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight> {
        let mut matrix = upload(&self.context, &mut self.ring, &tensor, None)?;
        matrix.rotation = Some(self.add_rotation(rotation)?);
        self.weights.matrices.push(matrix);
        Ok(Weight(self.weights.matrices.len() as u32 - 1))
    }

    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        let buffer = self.context.buffer(size_of_val(&*values))?;
        self.context.write(&buffer, 0, bytemuck::cast_slice(&values));
        self.weights.vectors.push(VectorBuffer { buffer, len: values.len() });
        Ok(Vector(self.weights.vectors.len() as u32 - 1))
    }

    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        self.weights.ropes.push(RopeTable::new(spec, &self.context)?);
        Ok(Rope(self.weights.ropes.len() as u32 - 1))
    }
}

impl Cache for Gpu {
    fn configure_cache(&mut self, spec: &CacheSpec) {
        self.settle();
        self.step.forget_plan();
        let memory = GpuMemory::new(spec, self.options.kv_format(), self.context.clone());
        let memory = memory.expect("a device has room for empty buffers");
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
        self.settle();
        self.cache.rewind(sequence, len)
    }

    fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        self.settle();
        self.cache.fork(sequence, len)
    }

    fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        self.cache.restorable(sequence, len)
    }

    fn checkpoint(&mut self, sequence: Sequence) {
        self.settle();
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
        let mode = if self.options.exact { "exact" } else { "fast" };
        let format = match self.options.kv_format() {
            KvFormat::F32 => "f32",
            KvFormat::F16 => "f16",
            KvFormat::Affine8 => "8-bit codes",
            KvFormat::Affine4 => "8-bit keys and 4-bit values",
        };
        let AdapterInfo { name, driver, .. } = &*self.context.info;
        let layout = self.cache.layout();
        format!("gpu {name}, {driver}, {mode}, {format}, pages of {PAGE_POSITIONS}, {layout}")
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
        self.submit().map_err(io::Error::other)?;
        self.cache.export(sequence, extent, write)
    }

    fn import(
        &mut self,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence> {
        self.submit().map_err(io::Error::other)?;
        self.cache.import(extent, read)
    }
}
