//! A device that panics when it is told to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mlxk_cpu::Cpu;
use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Cache, CacheSpec, ColumnScanInputs, ColumnScanSpec,
    Compute, ConvSpec, DeltaInputs, DeltaSpec, Extent, GatedUnitInputs, HadamardSpec, IndexInputs,
    IndexSpec, OpsError, Pieces, Reduction, Result, Rope, RopeSpec, RouteSpec, Routes, ScanInputs,
    ScanSpec, Sequence, StatePlace, Vector, Weight, Weights, WkvInputs, WkvSpec,
};
use mlxk_tensor::QuantTensor;

/// Switches that the test sets and counters that it reads.
#[derive(Clone, Default)]
pub(crate) struct Switches {
    /// The next product of a gate panics.
    pub(crate) panic: Arc<AtomicBool>,
    /// The next step is refused.
    pub(crate) refuse: Arc<AtomicBool>,
    /// Sequences that are neither freed nor forgotten.
    pub(crate) sequences: Arc<AtomicUsize>,
}

pub(crate) struct Failing {
    pub(crate) inner: Cpu,
    pub(crate) switches: Switches,
}

impl Weights for Failing {
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight> {
        self.inner.load(tensor, bias)
    }
    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight> {
        self.inner.load_rotated(tensor, rotation)
    }
    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        self.inner.load_vector(values)
    }
    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        self.inner.load_rope(spec)
    }
}

impl Cache for Failing {
    fn configure_cache(&mut self, spec: &CacheSpec) {
        self.inner.configure_cache(spec);
    }
    fn new_sequence(&mut self) -> Sequence {
        self.switches.sequences.fetch_add(1, Ordering::SeqCst);
        self.inner.new_sequence()
    }
    fn free_sequence(&mut self, sequence: Sequence) {
        self.switches.sequences.fetch_sub(1, Ordering::SeqCst);
        self.inner.free_sequence(sequence);
    }
    fn sequence_len(&self, sequence: Sequence) -> usize {
        self.inner.sequence_len(sequence)
    }
    fn rewind(&mut self, sequence: Sequence, len: usize) -> usize {
        self.inner.rewind(sequence, len)
    }
    fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        self.switches.sequences.fetch_add(1, Ordering::SeqCst);
        self.inner.fork(sequence, len)
    }
    fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        self.inner.restorable(sequence, len)
    }
    fn checkpoint(&mut self, sequence: Sequence) {
        self.inner.checkpoint(sequence);
    }
    fn checkpoints(&self, sequence: Sequence) -> Vec<usize> {
        self.inner.checkpoints(sequence)
    }
    fn drop_checkpoint(&mut self, sequence: Sequence, len: usize) {
        self.inner.drop_checkpoint(sequence, len);
    }
    fn cache_bytes(&self) -> usize {
        self.inner.cache_bytes()
    }
    fn cache_layout(&self) -> String {
        self.inner.cache_layout()
    }
    fn extent(&self, sequence: Sequence, len: usize) -> Extent {
        self.inner.extent(sequence, len)
    }
    fn export_bytes(&self, extent: &Extent) -> u64 {
        self.inner.export_bytes(extent)
    }
    fn export(
        &mut self,
        sequence: Sequence,
        extent: &Extent,
        write: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.inner.export(sequence, extent, write)
    }
    fn import(
        &mut self,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> std::io::Result<()>,
    ) -> std::io::Result<Sequence> {
        let sequence = self.inner.import(extent, read)?;
        self.switches.sequences.fetch_add(1, Ordering::SeqCst);
        Ok(sequence)
    }
}

impl Compute for Failing {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        if self.switches.refuse.swap(false, Ordering::SeqCst) {
            return Err(OpsError::OutOfMemory { needed: 4711 });
        }
        self.inner.begin(batch)
    }
    fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.inner.act(rows, cols)
    }
    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        self.inner.embed(out, table, ids, scale);
    }
    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction) {
        self.inner.reduce_rows(out, x, ranges, reduction);
    }
    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        self.inner.select_rows(out, x, rows);
    }
    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        self.inner.linear(outs, x, weights);
    }
    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        self.inner.linear_heads(out, x, weight);
    }
    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        self.inner.route(logits, spec)
    }
    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        self.inner.linear_routed(outs, x, weights, routes);
    }
    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        self.inner.combine(out, x, routes);
    }
    fn add_passed(&mut self, out: Act, x: Act, routes: Routes) {
        self.inner.add_passed(out, x, routes);
    }
    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        self.inner.layer_norm(out, x, weight, bias, eps);
    }
    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        self.inner.copy_pieces(out, x, count, width);
    }
    fn activate(&mut self, x: Act, activation: Activation) {
        self.inner.activate(x, activation);
    }
    fn scale(&mut self, x: Act, factor: f32) {
        self.inner.scale(x, factor);
    }
    fn snap(&mut self, x: Act, step: f32) {
        self.inner.snap(x, step);
    }
    fn scale_columns(&mut self, x: Act, factors: Vector) {
        self.inner.scale_columns(x, factors);
    }
    fn soft_cap(&mut self, x: Act, cap: f32) {
        self.inner.soft_cap(x, cap);
    }
    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        self.inner.rms_norm(out, x, weight, eps);
    }
    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch) {
        self.inner.rope(x, heads, rope, batch);
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
        self.inner.attend(out, q, k, v, layer, spec, batch);
    }
    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        self.inner.attend_shared(out, q, layer, spec, batch);
    }
    fn attend_best(
        &mut self,
        out: Act,
        qkv: [Act; 3],
        layer: usize,
        spec: &AttentionSpec,
        inputs: IndexInputs,
        index: &IndexSpec,
        batch: &Batch,
    ) {
        self.inner.attend_best(out, qkv, layer, spec, inputs, index, batch);
    }
    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch) {
        self.inner.short_conv(out, x, spec, state, batch);
    }
    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        self.inner.delta_rule(out, inputs, spec, state, batch);
    }
    fn column_scan(
        &mut self,
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        self.inner.column_scan(out, inputs, spec, state, batch);
    }
    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        batch: &Batch,
    ) {
        self.inner.gated_unit(out, inputs, speed, state, batch);
    }
    fn wkv(
        &mut self,
        out: Act,
        inputs: WkvInputs,
        spec: &WkvSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        self.inner.wkv(out, inputs, spec, state, batch);
    }
    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize) {
        self.inner.add_scaled(out, x, factors, column);
    }
    fn match_rms(&mut self, x: Act, like: Act) {
        self.inner.match_rms(x, like);
    }
    fn cut_below(&mut self, x: Act, deviations: f32) {
        self.inner.cut_below(x, deviations);
    }
    fn add_columns(&mut self, x: Act, values: Vector) {
        self.inner.add_columns(x, values);
    }
    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        self.inner.selective_scan(out, inputs, spec, state, batch);
    }
    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        assert!(!self.switches.panic.swap(false, Ordering::SeqCst), "the test said so");
        self.inner.glu(gate, up, activation);
    }
    fn multiply(&mut self, out: Act, x: Act) {
        self.inner.multiply(out, x);
    }
    fn add(&mut self, out: Act, x: Act) {
        self.inner.add(out, x);
    }
    fn write(&mut self, x: Act, values: &[f32]) -> Result<()> {
        self.inner.write(x, values)
    }
    fn read(&mut self, x: Act) -> Result<&[f32]> {
        self.inner.read(x)
    }
}
