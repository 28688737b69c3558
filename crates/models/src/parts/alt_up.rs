//! Alternating updates (Baykal et al., 2023, arXiv:2301.13310) as in Gemma 3n: several residual streams, of
//! which a layer computes one, and predicts and corrects the others.

use mlxk_ops::{Act, Activation, Batch, Compute, Pieces, Vector, Weight};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use super::attention::{Attention, GroupedSpec};
use super::layer_input::{LayerInput, LayerInputSpec};
use super::mlp::{Mlp, MlpSpec};
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Labels of the streams and of their predictions.
const STREAMS: [[&str; 2]; 8] = [
    ["alt_up.stream_0", "alt_up.prediction_0"],
    ["alt_up.stream_1", "alt_up.prediction_1"],
    ["alt_up.stream_2", "alt_up.prediction_2"],
    ["alt_up.stream_3", "alt_up.prediction_3"],
    ["alt_up.stream_4", "alt_up.prediction_4"],
    ["alt_up.stream_5", "alt_up.prediction_5"],
    ["alt_up.stream_6", "alt_up.prediction_6"],
    ["alt_up.stream_7", "alt_up.prediction_7"],
];

/// Most streams.
pub(crate) const MOST_STREAMS: usize = STREAMS.len();

/// Description of the streams. Layers compute the first one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamsSpec {
    /// Number of streams, the first one included.
    pub(crate) count: usize,
}

/// The streams besides the decoder's, which is the first.
pub(crate) struct Streams {
    /// `altup_projections` and `altup_unembed_projections`, `[hidden, hidden]` each.
    begin: Vec<Weight>,
    end: Vec<Weight>,
    others: Vec<Slot>,
    spare: Slot,
    hidden: usize,
}

impl StreamsSpec {
    fn slots(self, hidden: usize, scratch: &mut ScratchPlan) -> Vec<Slot> {
        STREAMS[1..self.count].iter().map(|[label, _]| scratch.row(label, hidden)).collect()
    }

    pub(crate) fn plan(self, hidden: usize, scratch: &mut ScratchPlan) {
        self.slots(hidden, scratch);
        scratch.row("alt_up.spare", hidden);
    }

    pub(crate) fn load(
        self,
        loader: &mut Loader<'_>,
        hidden: usize,
        scratch: &mut ScratchPlan,
    ) -> Result<Streams, ModelError> {
        let mut matrices = |name: &str| {
            let paths = (0..self.count - 1).map(|index| format!("{name}.{index}"));
            let load = |path: String| loader.linear(&path, [hidden, hidden], false);
            paths.map(load).collect::<Result<Vec<_>, _>>()
        };
        Ok(Streams {
            begin: matrices("altup_projections")?,
            end: matrices("altup_unembed_projections")?,
            others: self.slots(hidden, scratch),
            spare: scratch.row("alt_up.spare", hidden),
            hidden,
        })
    }
}

impl Streams {
    /// Makes the other streams from the embeddings `x`.
    pub(crate) fn begin(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch) {
        for (stream, weight) in self.others.iter().zip(&self.begin) {
            let stream = scratch[*stream];
            ops.linear(&[stream], x, &[*weight]);
            ops.match_rms(stream, x);
        }
    }

    /// `x = mean(streams)`.
    pub(crate) fn end(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch) {
        let spare = scratch[self.spare];
        // The lengths are those of the first stream before the sum.
        for (stream, weight) in self.others.iter().zip(&self.end) {
            let stream = scratch[*stream];
            ops.linear(&[spare], stream, &[*weight]);
            ops.match_rms(spare, x);
            copy(ops, stream, spare, self.hidden);
        }
        for stream in &self.others {
            ops.add(x, scratch[*stream]);
        }
        ops.scale(x, 1.0 / (self.others.len() + 1) as f32);
    }
}

/// Description of a layer.
#[derive(Clone, Debug)]
pub(crate) struct AltUpSpec {
    pub(crate) streams: StreamsSpec,
    pub(crate) attention: GroupedSpec,
    pub(crate) mlp: MlpSpec,
    pub(crate) input: LayerInputSpec,
    pub(crate) norm: NormSpec,
    /// Bound of the coefficients.
    pub(crate) clip: Option<f32>,
    /// `true` if the first stream is scaled before it gates the input of the layer.
    pub(crate) scales: bool,
    /// Width of the space through which a part of the residual goes.
    pub(crate) laurel_rank: usize,
}

pub(crate) struct AltUp {
    router_norm: Norm,
    /// `[count, hidden]`
    router: Weight,
    /// `[count², count]` and `[count, count]`
    prediction: Weight,
    correction: Weight,
    scale: Option<Vector>,
    laurel: [Weight; 2],
    laurel_norm: Norm,
    attention: Attention,
    mlp: Mlp,
    input: LayerInput,
    norms: Norms,
    count: usize,
    hidden: usize,
    slots: AltUpSlots,
}

struct Norms {
    attention_in: Norm,
    attention_out: Norm,
    mlp_in: Norm,
    mlp_out: Norm,
    input_out: Norm,
}

pub(crate) struct AltUpSlots {
    /// `[rows, hidden]` each; the first stream is the input of the layer.
    streams: Vec<Slot>,
    predictions: Vec<Slot>,
    normed: Slot,
    residual: Slot,
    result: Slot,
    spare: Slot,
    /// `[rows, rank]`
    laurel: Slot,
    /// `[rows, count]`, `[rows, count²]` and `[rows, count]`
    modalities: Slot,
    coefficients: Slot,
    corrections: Slot,
}

impl AltUpSpec {
    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> AltUpSlots {
        self.attention.plan(scratch);
        self.mlp.plan(scratch);
        self.input.plan(scratch);
        let count = self.streams.count;
        AltUpSlots {
            streams: self.streams.slots(hidden, scratch),
            predictions: STREAMS[..count]
                .iter()
                .map(|[_, label]| scratch.row(label, hidden))
                .collect(),
            normed: scratch.row("alt_up.normed", hidden),
            residual: scratch.row("alt_up.residual", hidden),
            result: scratch.row("alt_up.result", hidden),
            spare: scratch.row("alt_up.spare", hidden),
            laurel: scratch.row("alt_up.laurel", self.laurel_rank),
            modalities: scratch.row("alt_up.modalities", count),
            coefficients: scratch.row("alt_up.coefficients", count * count),
            corrections: scratch.row("alt_up.corrections", count),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<AltUp, ModelError> {
        let (hidden, count, rank) = (place.hidden, self.streams.count, self.laurel_rank);
        let mut norm = |name: &str| Norm::load(loader, &place.of(name), hidden, self.norm);
        let norms = Norms {
            attention_in: norm("input_layernorm")?,
            attention_out: norm("post_attention_layernorm")?,
            mlp_in: norm("pre_feedforward_layernorm")?,
            mlp_out: norm("post_feedforward_layernorm")?,
            input_out: norm("post_per_layer_input_norm")?,
        };
        let router_norm = norm("altup.router_norm")?;
        let laurel_norm = norm("laurel.post_laurel_norm")?;
        let scale = place.of("altup.correct_output_scale");
        let scale = loader.vector(&scale, hidden)?;
        let below = |name: &str| place.of(name);
        let (attention, mlp) = (below("self_attn"), below("mlp"));
        Ok(AltUp {
            router_norm,
            router: loader.linear(&below("altup.modality_router"), [count, hidden], false)?,
            prediction: self.coefficients(
                loader,
                &below("altup.prediction_coefs"),
                count * count,
            )?,
            correction: self.coefficients(loader, &below("altup.correction_coefs"), count)?,
            scale: self.scales.then_some(scale),
            laurel: [
                loader.linear(&below("laurel.linear_left"), [rank, hidden], false)?,
                loader.linear(&below("laurel.linear_right"), [hidden, rank], false)?,
            ],
            laurel_norm,
            attention: self.attention.load(
                loader,
                &Place { path: &attention, ..*place },
                scratch,
            )?,
            mlp: self.mlp.load(loader, &Place { path: &mlp, ..*place }, scratch)?,
            input: self.input.load(loader, place, scratch)?,
            norms,
            count,
            hidden,
            slots: self.plan(hidden, scratch),
        })
    }

    /// Loads the matrix `[rows, count]` of the module `path`, with its values clipped.
    fn coefficients(
        &self,
        loader: &mut Loader<'_>,
        path: &str,
        rows: usize,
    ) -> Result<Weight, ModelError> {
        let count = self.streams.count;
        let values = loader.values(&format!("{path}.weight"), &[rows, count])?;
        let clip = self.clip.unwrap_or(f32::INFINITY);
        let data = values.iter().flat_map(|value| value.clamp(-clip, clip).to_le_bytes());
        let storage = Dense { dtype: Dtype::F32, data: data.collect::<Vec<u8>>().into() };
        let storage = Storage::Dense(storage);
        let name = path.to_owned();
        loader.put(QuantTensor { name, experts: 1, rows, cols: count, storage }, None)
    }
}

impl AltUp {
    /// `modalities = tanh(router(norm(x) / hidden))`.
    fn route(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch) -> Act {
        let (spare, modalities) = (scratch[self.slots.spare], scratch[self.slots.modalities]);
        self.router_norm.forward(ops, spare, x);
        ops.scale(spare, 1.0 / self.hidden as f32);
        ops.linear(&[modalities], spare, &[self.router]);
        ops.activate(modalities, Activation::Tanh);
        modalities
    }

    /// Computes the first stream after the layer from its prediction.
    fn compute(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch, batch: &Batch) -> Act {
        let slots = &self.slots;
        let (normed, residual) = (scratch[slots.normed], scratch[slots.residual]);
        let (result, spare) = (scratch[slots.result], scratch[slots.spare]);
        let laurel = scratch[slots.laurel];
        self.norms.attention_in.forward(ops, normed, x);
        let [left, right] = self.laurel;
        ops.linear(&[laurel], normed, &[left]);
        ops.linear(&[spare], laurel, &[right]);
        self.laurel_norm.forward(ops, residual, spare);
        ops.add(residual, normed);
        self.attention.forward(ops, spare, normed, scratch, batch);
        self.norms.attention_out.forward(ops, result, spare);
        ops.add(result, x);
        ops.add(residual, result);
        ops.scale(residual, std::f32::consts::FRAC_1_SQRT_2);
        self.norms.mlp_in.forward(ops, normed, residual);
        self.mlp.forward(ops, spare, normed, scratch, batch);
        self.norms.mlp_out.forward(ops, result, spare);
        ops.add(result, residual);
        result
    }
}

impl Part for AltUp {
    /// Replaces all streams. The first one is `x`, and `out` is the change of it.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let (slots, hidden) = (&self.slots, self.hidden);
        let coefficients = scratch[slots.coefficients];
        let corrections = scratch[slots.corrections];
        let (normed, spare) = (scratch[slots.normed], scratch[slots.spare]);
        let others = || slots.streams.iter().map(|slot| scratch[*slot]);
        let streams: Vec<Act> = std::iter::once(x).chain(others()).collect();
        let predictions: Vec<Act> = slots.predictions.iter().map(|slot| scratch[*slot]).collect();
        let modalities = self.route(ops, x, scratch);
        ops.linear(&[coefficients], modalities, &[self.prediction]);
        for (index, prediction) in predictions.iter().enumerate() {
            copy(ops, *prediction, streams[index], hidden);
            for (other, stream) in streams.iter().enumerate() {
                ops.add_scaled(*prediction, *stream, coefficients, index * self.count + other);
            }
        }
        let computed = self.compute(ops, predictions[0], scratch, batch);
        let modalities = self.route(ops, computed, scratch);
        ops.linear(&[corrections], modalities, &[self.correction]);
        // `prediction + (1 + correction) · (computed − prediction of the first)`
        copy(ops, normed, predictions[0], hidden);
        ops.scale(normed, -1.0);
        ops.add(normed, computed);
        for (index, prediction) in predictions.iter().enumerate() {
            ops.add_scaled(*prediction, normed, corrections, index);
            ops.add(*prediction, normed);
        }
        let mut gated = predictions[0];
        if let Some(scale) = self.scale {
            copy(ops, spare, gated, hidden);
            ops.scale_columns(spare, scale);
            gated = spare;
        }
        self.input.forward(ops, normed, gated, scratch, batch);
        self.norms.input_out.forward(ops, spare, normed);
        for (stream, prediction) in streams.iter().zip(&predictions).skip(1) {
            copy(ops, *stream, *prediction, hidden);
            ops.add(*stream, spare);
        }
        copy(ops, spare, x, hidden);
        ops.scale(spare, -1.0);
        ops.add(spare, predictions[0]);
        copy(ops, out, spare, hidden);
    }
}

fn copy(ops: &mut dyn Compute, out: Act, x: Act, hidden: usize) {
    let all = Pieces { offset: 0, stride: 0 };
    ops.copy_pieces((out, all), (x, all), 1, hidden);
}
