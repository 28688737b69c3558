//! The operations of a split model, each on one of the devices.

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, ColumnScanInputs, ColumnScanSpec, Compute, ConvSpec,
    DeltaInputs, DeltaSpec, GatedUnitInputs, IndexInputs, IndexSpec, OpsError, Pieces, Ranked,
    Reduction, Result, Rope, RouteSpec, Routes, ScanInputs, ScanSpec, Segment, StatePlace, Vector,
    Weight, WkvInputs, WkvSpec,
};

use super::{CPU, Copies, GPU, Split};

impl Split {
    /// Returns the activations on a device, after copying those that it doesn't have. `written` are theirs alone from
    /// now on.
    fn on<const N: usize>(&mut self, device: usize, read: [Act; N], written: &[Act]) -> [Act; N] {
        self.current = device;
        let found = read.map(|act| {
            if let Err(failure) = self.copy_to(device, act) {
                self.failure.get_or_insert(failure);
            }
            self.copies[act.0 as usize].acts[device]
        });
        for act in written {
            let valid = &mut self.copies[act.0 as usize].valid;
            *valid = [false; 2];
            valid[device] = true;
        }
        found
    }

    fn copy_to(&mut self, device: usize, act: Act) -> Result<()> {
        let Copies { acts, valid } = &mut self.copies[act.0 as usize];
        let other = 1 - device;
        // One that is nowhere is about to be written.
        if !valid[device] && valid[other] {
            let [gpu, cpu] = &mut self.devices;
            let (from, to) = if other == GPU { (gpu, cpu) } else { (cpu, gpu) };
            let values = from.read_within(acts[other])?;
            to.write(acts[device], values)?;
            valid[device] = true;
        }
        Ok(())
    }

    /// Returns an activation that is only written.
    fn out(&mut self, device: usize, act: Act) -> Act {
        let copies = &mut self.copies[act.0 as usize];
        copies.valid = [false; 2];
        copies.valid[device] = true;
        copies.acts[device]
    }

    fn outs(&mut self, device: usize, acts: &[Act]) -> Vec<Act> {
        acts.iter().map(|&act| self.out(device, act)).collect()
    }

    /// Returns the weights on their device, which is the same for all that are multiplied together.
    fn placed(&self, weights: &[Weight]) -> Option<(usize, Vec<Weight>)> {
        let all = weights.iter().map(|weight| self.weights[weight.0 as usize]);
        let (devices, weights): (Vec<_>, Vec<_>) = all.unzip();
        let device = *devices.first()?;
        assert!(devices.iter().all(|it| *it == device), "weights of a layer are together");
        Some((device, weights))
    }

    /// Returns the device, the operations there, and the batch with its sequences.
    fn here(&mut self, device: usize) -> (&mut dyn Compute, &Batch) {
        (&mut *self.devices[device], &self.batches[device])
    }
}

impl Compute for Split {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.failure = None;
        self.copies.clear();
        self.routes.clear();
        self.current = GPU;
        for device in [GPU, CPU] {
            let segments = batch.segments.iter().map(|segment| {
                let both = self.sequences[segment.sequence.0 as usize];
                let sequence = both.expect("a sequence is in use until it is freed")[device];
                Segment { sequence, ..segment.clone() }
            });
            let here = Batch { segments: segments.collect(), ..batch.clone() };
            self.devices[device].begin(&here)?;
            self.batches[device] = here;
        }
        Ok(())
    }

    fn is_lost(&self) -> bool {
        self.devices.iter().any(|ops| ops.is_lost())
    }

    fn act(&mut self, rows: usize, cols: usize) -> Act {
        let acts = [GPU, CPU].map(|device| self.devices[device].act(rows, cols));
        self.copies.push(Copies { acts, valid: [false; 2] });
        Act(self.copies.len() as u32 - 1)
    }

    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        let (device, table) = self.weights[table.0 as usize];
        let [] = self.on(device, [], &[]);
        let out = self.out(device, out);
        self.devices[device].embed(out, table, ids, scale);
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let device = self.current;
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].select_rows(out, x, rows);
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        let Some((device, weights)) = self.placed(weights) else { return };
        let [x] = self.on(device, [x], &[]);
        let outs = self.outs(device, outs);
        self.devices[device].linear(&outs, x, &weights);
    }

    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        let (device, weight) = self.weights[weight.0 as usize];
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].linear_heads(out, x, weight);
    }

    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction) {
        let device = self.current;
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].reduce_rows(out, x, ranges, reduction);
    }

    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        let device = self.current;
        let [logits] = self.on(device, [logits], &[]);
        let routes = self.devices[device].route(logits, spec);
        self.routes.push((device, routes));
        Routes(self.routes.len() as u32 - 1)
    }

    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        let Some((device, weights)) = self.placed(weights) else { return };
        let (chosen_on, routes) = self.routes[routes.0 as usize];
        assert_eq!(chosen_on, device, "a router and its experts are of one layer");
        let [x] = self.on(device, [x], &[]);
        let outs = self.outs(device, outs);
        self.devices[device].linear_routed(&outs, x, &weights, routes);
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        let (device, routes) = self.routes[routes.0 as usize];
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].combine(out, x, routes);
    }

    fn add_passed(&mut self, out: Act, x: Act, routes: Routes) {
        let (device, routes) = self.routes[routes.0 as usize];
        let [out, x] = self.on(device, [out, x], &[out]);
        self.devices[device].add_passed(out, x, routes);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].rms_norm(out, x, weight, eps);
    }

    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        self.devices[device].layer_norm(out, x, weight, bias, eps);
    }

    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        let device = self.current;
        // The other pieces of the result stay.
        let [to, from] = self.on(device, [out.0, x.0], &[out.0]);
        self.devices[device].copy_pieces((to, out.1), (from, x.1), count, width);
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, _: &Batch) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        let (ops, batch) = self.here(device);
        ops.rope(x, heads, rope, batch);
    }

    fn attend(
        &mut self,
        out: Act,
        q: Act,
        k: Act,
        v: Act,
        layer: usize,
        spec: &AttentionSpec,
        _: &Batch,
    ) {
        let device = self.owners[layer];
        let [q, k, v] = self.on(device, [q, k, v], &[]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.attend(out, q, k, v, layer, spec, batch);
    }

    fn attend_shared(&mut self, out: Act, q: Act, layer: usize, spec: &AttentionSpec, _: &Batch) {
        let device = self.owners[layer];
        let [q] = self.on(device, [q], &[]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.attend_shared(out, q, layer, spec, batch);
    }

    fn attend_best(
        &mut self,
        out: Act,
        [q, k, v]: [Act; 3],
        layer: usize,
        spec: &AttentionSpec,
        inputs: IndexInputs,
        index: &IndexSpec,
        _: &Batch,
    ) {
        let device = self.owners[layer];
        let IndexInputs { queries, keys, weights } = inputs;
        let all = [q, k, v, queries, keys, weights];
        let [q, k, v, queries, keys, weights] = self.on(device, all, &[]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        let inputs = IndexInputs { queries, keys, weights };
        ops.attend_best(out, [q, k, v], layer, spec, inputs, index, batch);
    }

    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, _: &Batch) {
        let device = self.owners[state.layer];
        let [x] = self.on(device, [x], &[]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.short_conv(out, x, spec, state, batch);
    }

    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        _: &Batch,
    ) {
        let device = self.owners[state.layer];
        let DeltaInputs { qkv, decay, rate } = inputs;
        // A device may prepare the inputs in place, as in the operations below.
        let [qkv, decay, rate] = self.on(device, [qkv, decay, rate], &[qkv, decay, rate]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.delta_rule(out, DeltaInputs { qkv, decay, rate }, spec, state, batch);
    }

    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        _: &Batch,
    ) {
        let device = self.owners[state.layer];
        let ScanInputs { xbc, dt } = inputs;
        let [xbc, dt] = self.on(device, [xbc, dt], &[xbc, dt]);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.selective_scan(out, ScanInputs { xbc, dt }, spec, state, batch);
    }

    fn column_scan(
        &mut self,
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        _: &Batch,
    ) {
        let device = self.owners[state.layer];
        let ColumnScanInputs { x, dt, keys, queries } = inputs;
        let all = [x, dt, keys, queries];
        let [x, dt, keys, queries] = self.on(device, all, &all);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        ops.column_scan(out, ColumnScanInputs { x, dt, keys, queries }, spec, state, batch);
    }

    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        _: &Batch,
    ) {
        let device = self.owners[state.layer];
        let GatedUnitInputs { x, input_gate, decay_gate } = inputs;
        let all = [x, input_gate, decay_gate];
        let [x, input_gate, decay_gate] = self.on(device, all, &all);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        let inputs = GatedUnitInputs { x, input_gate, decay_gate };
        ops.gated_unit(out, inputs, speed, state, batch);
    }

    fn wkv(&mut self, out: Act, inputs: WkvInputs, spec: &WkvSpec, state: StatePlace, _: &Batch) {
        let device = self.owners[state.layer];
        let WkvInputs { queries, keys, values, decay, rate, removed, bonus } = inputs;
        let all = [queries, keys, values, decay, rate, removed, bonus];
        let [queries, keys, values, decay, rate, removed, bonus] = self.on(device, all, &all);
        let out = self.out(device, out);
        let (ops, batch) = self.here(device);
        let inputs = WkvInputs { queries, keys, values, decay, rate, removed, bonus };
        ops.wkv(out, inputs, spec, state, batch);
    }

    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        let device = self.current;
        let [gate, up] = self.on(device, [gate, up], &[gate]);
        self.devices[device].glu(gate, up, activation);
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].activate(x, activation);
    }

    fn multiply(&mut self, out: Act, x: Act) {
        let device = self.current;
        let [out, x] = self.on(device, [out, x], &[out]);
        self.devices[device].multiply(out, x);
    }

    fn add(&mut self, out: Act, x: Act) {
        let device = self.current;
        let [out, x] = self.on(device, [out, x], &[out]);
        self.devices[device].add(out, x);
    }

    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize) {
        let device = self.current;
        let [out, x, factors] = self.on(device, [out, x, factors], &[out]);
        self.devices[device].add_scaled(out, x, factors, column);
    }

    fn match_rms(&mut self, x: Act, like: Act) {
        let device = self.current;
        let [x, like] = self.on(device, [x, like], &[x]);
        self.devices[device].match_rms(x, like);
    }

    fn cut_below(&mut self, x: Act, deviations: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].cut_below(x, deviations);
    }

    fn scale(&mut self, x: Act, factor: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].scale(x, factor);
    }

    fn snap(&mut self, x: Act, step: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].snap(x, step);
    }

    fn scale_columns(&mut self, x: Act, factors: Vector) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].scale_columns(x, factors);
    }

    fn add_columns(&mut self, x: Act, values: Vector) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].add_columns(x, values);
    }

    fn soft_cap(&mut self, x: Act, cap: f32) {
        let device = self.current;
        let [x] = self.on(device, [x], &[x]);
        self.devices[device].soft_cap(x, cap);
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        let (device, x) = self.result(x)?;
        self.devices[device].read(x)
    }

    fn read_within(&mut self, x: Act) -> Result<&[f32]> {
        let (device, x) = self.result(x)?;
        self.devices[device].read_within(x)
    }

    fn write(&mut self, x: Act, values: &[f32]) -> Result<()> {
        let device = self.current;
        let x = self.out(device, x);
        self.devices[device].write(x, values)
    }

    fn top(&mut self, x: Act, width: usize, k: usize) -> Result<Vec<Ranked>> {
        let (device, x) = self.result(x)?;
        self.devices[device].top(x, width, k)
    }
}

impl Split {
    /// Returns the device that has a result. Fails if something failed on the way.
    fn result(&mut self, x: Act) -> std::result::Result<(usize, Act), OpsError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Copies { acts, valid } = self.copies[x.0 as usize];
        let device = if valid[CPU] { CPU } else { GPU };
        Ok((device, acts[device]))
    }
}
