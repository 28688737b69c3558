//! Computing: the fused operations of one step.

use std::ops::Range;

use crate::top::top;
use crate::{
    Act, Activation, AttentionSpec, Batch, Choice, ColumnScanInputs, ColumnScanSpec, ConvSpec,
    DeltaInputs, DeltaSpec, GatedUnitInputs, IndexInputs, IndexSpec, Pieces, Ranked, Reduction,
    Result, Rope, RouteSpec, Routes, ScanInputs, ScanSpec, StatePlace, Survey, Vector, Weight,
    WkvInputs, WkvSpec,
};

/// The part of a device that computes.
///
/// A step starts with [`Compute::begin`]; [`Act`] and [`Routes`] are valid until the next one.
pub trait Compute {
    /// Starts a step: drops all activations and makes room in the KV cache for the batch.
    fn begin(&mut self, batch: &Batch) -> Result<()>;

    /// Returns `true` if the device stopped working, so that everything on it is gone. A model has to be loaded again.
    fn is_lost(&self) -> bool {
        false
    }

    /// Makes an activation `[rows, cols]` with unspecified values.
    fn act(&mut self, rows: usize, cols: usize) -> Act;

    /// `out[r] = table[ids[r]] · scale`.
    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32);

    /// `out[i] = x[rows[i]]`.
    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]);

    /// `outs[i] = x · weights[i]ᵀ + bias[i]`, several matrices in one pass over `x`.
    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]);

    /// `out[r·heads + h] = x[r·heads + h] · weight[h]ᵀ`, for a stack with one matrix per head.
    /// `x` is `[rows, heads · in]`, `out` is `[rows, heads · out]`.
    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight);

    /// `out[i]` is one row made of the rows `ranges[i]` of `x`, none of them empty.
    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction);

    /// Chooses the experts of each row by the router's logits `[rows, experts]`.
    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes;

    /// Like [`Compute::linear`], with the experts of each row. `outs` are
    /// `[rows · experts_per_row, out]`; `x` is `[rows, in]`, or the `[rows · experts_per_row, in]`
    /// result of an earlier call. The results of experts that pass their input on are finite, and
    /// [`Compute::combine`] leaves them out.
    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes);

    /// `out[r] = Σ weight · x[r·experts_per_row + i]` over the experts of row `r`.
    fn combine(&mut self, out: Act, x: Act, routes: Routes);

    /// `out[r] += Σ weight · x[r]` over the experts of row `r` that pass their input on; both are `[rows, cols]`.
    fn add_passed(&mut self, out: Act, x: Act, routes: Routes);

    /// `out = x / √(mean(x²) + eps) · weight` over each row, or over each piece of a row that is as
    /// long as `weight`.
    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32);

    /// `out = (x − mean(x)) / √(variance(x) + eps) · weight + bias` over each row.
    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32);

    /// Copies `count` pieces of `width` columns of every row from `x` to `out`.
    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize);

    /// Rotates each of the `heads` heads of every row in place, by the row's position in `batch`.
    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch);

    /// Appends `k` and `v` to the cache of `layer`, then computes `out = softmax(q·kᵀ·scale) · v` for
    /// each head over the positions of its own sequence that a row may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "one fused operation, each argument a tensor of it"
    )]
    fn attend(
        &mut self,
        out: Act,
        q: Act,
        k: Act,
        v: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    );

    /// Like [`Compute::attend`], over the keys and values that an earlier part of the step has appended
    /// to the cache of `layer`.
    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    );

    /// Like [`Compute::attend`], but a row sees only the positions with the best scores of an indexer, if it would see
    /// more than that many. Among equal scores, the earlier position comes first. Appends the keys of the indexer to
    /// its layer of the cache.
    ///
    /// ```text
    /// score[p] = Σ weights[h] · max(queries[h] · keys[p], 0)
    /// ```
    #[expect(
        clippy::too_many_arguments,
        reason = "one fused operation, each argument a tensor of it"
    )]
    fn attend_best(
        &mut self,
        out: Act,
        qkv: [Act; 3],
        layer: usize,
        spec: &AttentionSpec,
        inputs: IndexInputs,
        index: &IndexSpec,
        batch: &Batch,
    );

    /// `out[t] = activation(Σ weight[j] · x[t − (kernel − 1) + j] + bias)`, column by column. Rows before
    /// the first of a step come from the state, which is that of the last inputs afterwards.
    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch);

    /// The gated delta rule, for each head over the rows of a sequence, one after the other:
    ///
    /// ```text
    /// k = key / √(Σkey² + 1e-6)        g = exp(−exp(a_log) · softplus(decay + dt_bias))
    /// q = query / √(Σquery² + 1e-6) / √key_dim
    /// S = g · S                        S = S + k ⊗ rate_scale · sigmoid(rate) · (value − k·S)
    /// out = q·S
    /// ```
    ///
    /// The decay `g` may be another one, and differ from row to row of `S`; see [`crate::DeltaDecay`].
    /// `out` is `[rows, value_heads · value_dim]`. A key head serves as many value heads in a row as
    /// there are per key head.
    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        batch: &Batch,
    );

    /// The selective scan of Mamba-2, for each head over the rows of a sequence, one after the other:
    ///
    /// ```text
    /// Δ = clamp(softplus(dt + dt_bias), limits)
    /// S = exp(−Δ · exp(a_log)) · S + b ⊗ Δ · x
    /// out = c·S + d · x
    /// ```
    ///
    /// `out` is `[rows, heads · head_dim]`.
    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        batch: &Batch,
    );

    /// A selective scan with decays of each column, over the rows of a sequence, one after the other:
    ///
    /// ```text
    /// Δ = softplus(dt)
    /// S = exp(−Δ · exp(a_log)) · S + keys ⊗ Δ · x
    /// out = queries·S + d · x
    /// ```
    fn column_scan(
        &mut self,
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        batch: &Batch,
    );

    /// A gated linear recurrent unit, for each column over the rows of a sequence, one after the other:
    ///
    /// ```text
    /// l = −8 · sigmoid(decay_gate) · softplus(speed)
    /// y = exp(l) · y + √(1 − exp(2l)) · sigmoid(input_gate) · x
    /// ```
    ///
    /// The first row of a sequence has no factor `√(1 − exp(2l))`.
    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        batch: &Batch,
    );

    /// RWKV-7's time mixing, for each head over the rows of a sequence, one after the other:
    ///
    /// ```text
    /// w = exp(−0.606531 · sigmoid(decay))      c = sigmoid(rate)
    /// r = removed · key / |removed · key|      k = key · (1 + (c − 1) · added)
    /// S = w · S − (c · r) ⊗ (r·S) + k ⊗ value
    /// out = query·S
    /// ```
    ///
    /// `r·S` is that of the state before.
    fn wkv(
        &mut self,
        out: Act,
        inputs: WkvInputs,
        spec: &WkvSpec,
        state: StatePlace,
        batch: &Batch,
    );

    /// `gate = activation(gate) · up`, element by element.
    fn glu(&mut self, gate: Act, up: Act, activation: Activation);

    /// `x = activation(x)`, element by element.
    fn activate(&mut self, x: Act, activation: Activation);

    /// `out *= x`, element by element. If `x` has fewer columns, each counts for as many in a row of
    /// `out`, such as those of a head.
    fn multiply(&mut self, out: Act, x: Act);

    /// `out += x`.
    fn add(&mut self, out: Act, x: Act);

    /// `out[r] += factors[r][column] · x[r]`.
    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize);

    /// Scales each row of `x` so that its root mean square is that of the row of `like`.
    fn match_rms(&mut self, x: Act, like: Act);

    /// `x = max(x − mean(x) − deviations · √variance(x), 0)` over each row.
    fn cut_below(&mut self, x: Act, deviations: f32);

    /// `x = clamp(round(x / step), -128, 127) · step`; a number in the middle of two becomes the even one.
    fn snap(&mut self, x: Act, step: f32);

    /// `x *= factor`.
    fn scale(&mut self, x: Act, factor: f32);

    /// `x[r][c] *= factors[c]` for every column.
    fn scale_columns(&mut self, x: Act, factors: Vector);

    /// `x[r][c] += values[c]` for every column.
    fn add_columns(&mut self, x: Act, values: Vector);

    /// `x = cap · tanh(x / cap)`.
    fn soft_cap(&mut self, x: Act, cap: f32);

    /// Returns the values of `x`, row by row. This operation waits for the device, as do [`Compute::top`] and
    /// [`Compute::argmax`]; no other does.
    fn read(&mut self, x: Act) -> Result<&[f32]>;

    /// Like [`Compute::read`], if operations of the step follow. They may read any activation.
    fn read_within(&mut self, x: Act) -> Result<&[f32]> {
        self.read(x)
    }

    /// Sets the values of `x`, row by row, for the operations that follow.
    fn write(&mut self, x: Act, values: &[f32]) -> Result<()>;

    /// Returns the `k` largest values of each row of `x`, `[rows, width]`, and their columns: largest
    /// first, the lower column first among equal values, NaN before all numbers. If `k` exceeds
    /// `width`, each row has `width` of them.
    ///
    /// A device with memory of its own does better than this default, which reads all of `x`: it sends
    /// `k` values of a row instead of a whole vocabulary.
    fn top(&mut self, x: Act, width: usize, k: usize) -> Result<Vec<Ranked>> {
        Ok(top(self.read(x)?, width, k))
    }

    /// Returns the column of the largest value of each row of `x`, `[rows, width]`; the lowest column
    /// among equal values, that of a NaN if the row has one.
    fn argmax(&mut self, x: Act, width: usize) -> Result<Vec<u32>> {
        Ok(self.top(x, width, 1)?.iter().map(|ranked| ranked.column).collect())
    }

    /// Begins to find the largest value of each row of `x`, `[rows, width]`, without waiting for it: the token of
    /// each row. The next step can begin with these tokens before [`Compute::chosen`] returns them. Returns `None` if
    /// the device has no memory of its own to keep them in.
    fn choose(&mut self, x: Act, width: usize) -> Option<Result<Choice>> {
        let _ = (x, width);
        None
    }

    /// Waits for the tokens of a choice and returns them. At most two choices may be waited for at a time.
    ///
    /// # Panics
    /// Panics if the device didn't make the choice.
    fn chosen(&mut self, choice: Choice) -> Result<Vec<Ranked>> {
        panic!("choice {} is not of this device", choice.0)
    }

    /// Begins to survey each row of `x`, `[rows, width]`, without waiting for it: its `k` largest values, at most
    /// [`Survey::MOST`], and the sum of all weights with the scale of the row. All values of the rows `complete` come
    /// with it; if all rows do, `k` may be zero. Returns `None` if the device has no memory of its own.
    ///
    /// The tokens of the rows are the caller's choice. The next step can begin with them ([`Batch::chosen`]) before they
    /// are known: it is recorded, and computed when [`Compute::tell`] says them. Until then, only
    /// [`Compute::surveyed`] and [`Compute::surveyed_row`] read anything. A step that is never told its tokens is
    /// dropped when the next one begins.
    fn survey(
        &mut self,
        x: Act,
        width: usize,
        k: usize,
        scales: &[f32],
        complete: &[usize],
    ) -> Option<Result<Choice>> {
        let _ = (x, width, k, scales, complete);
        None
    }

    /// Waits for a survey, and returns what it found in each row: nothing in the rows whose values all come with it.
    ///
    /// # Panics
    /// Panics if the device didn't begin it.
    fn surveyed(&mut self, choice: Choice) -> Result<Vec<Survey>> {
        panic!("survey {} is not of this device", choice.0)
    }

    /// Returns all values of a row of the last survey, which [`Compute::surveyed`] has waited for. No later step may have
    /// been computed.
    ///
    /// # Panics
    /// Panics if the device didn't begin it.
    fn surveyed_row(&mut self, choice: Choice, row: usize) -> Result<&[f32]> {
        panic!("row {row} of survey {} is not of this device", choice.0)
    }

    /// Tells the tokens of the rows of the last survey, and computes the step that began with them, if there is one.
    ///
    /// # Panics
    /// Panics if the device didn't begin it.
    fn tell(&mut self, choice: Choice, tokens: &[u32]) -> Result<()> {
        panic!("survey {} with {} rows is not of this device", choice.0, tokens.len())
    }
}
