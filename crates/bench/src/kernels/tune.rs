//! Search for the shapes of kernels that suit a GPU.

use mlxk_gpu::{Gpu, Tuning};
use mlxk_ops::{KvFormat, Weights};

use super::gpu::{Attention, GpuKernelOptions, product_seconds};
use super::gpu_report::{TriedShape, TunedField};
use super::{INPUTS, MatrixShape, weight};
use crate::BenchError;

/// A shape has to be faster by this factor than the one before, so that noise changes nothing.
const LEAST_GAIN: f64 = 0.98;
/// Copies of each weight.
const COPIES: usize = 8;
/// Rows of a prompt.
const PROMPT_ROWS: usize = 512;

/// Kernels that a field changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    TokenProducts,
    PromptProducts,
    TokenAttention,
    PromptAttention,
}

/// Returns the kernels that a field changes.
fn use_of(field: &str) -> Use {
    match field {
        "matrix_groups" => Use::PromptProducts,
        "attention_subgroups" => Use::PromptAttention,
        "chunk" | "grouped_from" => Use::TokenAttention,
        _ => Use::TokenProducts,
    }
}

/// Tries the values of one field after the other, and keeps the fastest of each.
pub(super) fn tune(
    options: &GpuKernelOptions,
    begin: &mut dyn FnMut(&str) -> Result<(), BenchError>,
) -> Result<(Tuning, Vec<TunedField>), BenchError> {
    let mut trial = Trial::new(options)?;
    let mut tuning = Tuning::default();
    let mut found = Vec::new();
    for &(field, values) in Tuning::candidates() {
        begin(&format!("Trying values of `{field}`"))?;
        let kind = use_of(field);
        let default = tuning.field(field).map_or(0, |value| *value);
        let mut best = (default, trial.seconds(kind, tuning)?);
        let mut tried = vec![TriedShape { value: default, seconds: best.1 }];
        for &value in values.iter().filter(|&&value| value != default) {
            let mut other = tuning;
            if let Some(place) = other.field(field) {
                *place = value;
            }
            let seconds = trial.seconds(kind, other)?;
            tried.push(TriedShape { value, seconds });
            if seconds < LEAST_GAIN * best.1 {
                best = (value, seconds);
            }
        }
        if let Some(place) = tuning.field(field) {
            *place = best.0;
        }
        found.push(TunedField { field: field.to_owned(), chosen: best.0, default, tried });
    }
    Ok((tuning, found))
}

/// A GPU with everything that is timed.
struct Trial<'a> {
    options: &'a GpuKernelOptions,
    gpu: Gpu,
    inputs: Vec<mlxk_ops::Weight>,
    weights: Vec<Vec<mlxk_ops::Weight>>,
}

impl<'a> Trial<'a> {
    fn new(options: &'a GpuKernelOptions) -> Result<Self, BenchError> {
        let mut gpu = Gpu::open(options.gpu.clone())?;
        let (mut inputs, mut weights) = (Vec::new(), Vec::new());
        for &shape in &options.shapes {
            let input = weight::tensor(INPUTS, MatrixShape { out: 1, ..shape });
            inputs.push(gpu.load(input, None)?);
            let tensor = weight::tensor(options.forms[0], shape);
            let copies = (0..COPIES).map(|_| gpu.load(weight::copy(&tensor), None));
            weights.push(copies.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Self { options, gpu, inputs, weights })
    }

    /// Returns the geometric mean of the times of everything that a field changes.
    fn seconds(&mut self, kind: Use, tuning: Tuning) -> Result<f64, BenchError> {
        self.gpu.set_tuning(tuning);
        let (options, gpu) = (self.options, &mut self.gpu);
        let mut times = Vec::new();
        match kind {
            Use::TokenProducts | Use::PromptProducts => {
                let rows = if kind == Use::TokenProducts { 1 } else { PROMPT_ROWS };
                for ((&shape, &input), weights) in
                    options.shapes.iter().zip(&self.inputs).zip(&self.weights)
                {
                    let seconds = product_seconds(gpu, (input, weights), shape, rows, options.runs);
                    times.push(seconds?.median);
                }
            }
            Use::TokenAttention => {
                for &context in &options.contexts {
                    let case = Attention { kv: KvFormat::F16, rows: 1, context };
                    times.push(case.seconds(gpu, options.runs)?.median);
                }
            }
            Use::PromptAttention => {
                let case = Attention { kv: KvFormat::F16, rows: PROMPT_ROWS, context: 0 };
                times.push(case.seconds(gpu, options.runs)?.median);
            }
        }
        let logarithms: f64 = times.iter().map(|seconds| seconds.ln()).sum();
        Ok((logarithms / times.len().max(1) as f64).exp())
    }
}
