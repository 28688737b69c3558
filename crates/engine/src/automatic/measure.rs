//! Measures a model on both devices.

use std::ops::ControlFlow;
use std::time::Instant;

use mlxk_models::{Model, ModelError, Progress};
use mlxk_ops::{Batch, Ops, PAGE_POSITIONS};

use super::decision::{Measured, Speeds, is_clear};
use crate::device::DeviceChoice;
use crate::error::EngineError;
use crate::load_options::LoadOptions;
use crate::placed::Placed;

/// Tokens of a prompt on the GPU, which needs many at once, and on the processor.
const GPU_PROMPT: usize = 256;
const CPU_PROMPT: usize = 32;
/// Tokens of an answer that are timed. Those before get the clock of a GPU up.
const GPU_ANSWER: usize = 16;
const CPU_ANSWER: usize = 3;

/// Measures how fast the model of the options is on a GPU and on the processor. Calls `progress` while it loads the
/// model, and before every token.
pub(super) fn measure(
    options: &LoadOptions,
    gpu: DeviceChoice,
    cpu: DeviceChoice,
    progress: &mut Progress<'_>,
) -> Result<Measured, EngineError> {
    let mut placed = place(options, gpu, progress)?;
    let mut timed = Timed::new(&mut placed, progress);
    // The first time, kernels are compiled.
    timed.prompt(GPU_PROMPT)?;
    timed.answer(GPU_ANSWER)?;
    let prefill = Some(timed.prompt(GPU_PROMPT)?);
    let gpu = Speeds { decode: timed.answer(GPU_ANSWER)?, prefill };
    drop(placed);
    let mut placed = place(options, cpu, progress)?;
    let mut timed = Timed::new(&mut placed, progress);
    // The first time, weights come from the disk.
    timed.prompt(1)?;
    let decode = timed.answer(CPU_ANSWER)?;
    let prefill = if is_clear(gpu, decode) { None } else { Some(timed.prompt(CPU_PROMPT)?) };
    Ok(Measured { gpu, cpu: Speeds { decode, prefill } })
}

fn place(
    options: &LoadOptions,
    device: DeviceChoice,
    progress: &mut Progress<'_>,
) -> Result<Placed, EngineError> {
    // A draft model would only take memory.
    let options = LoadOptions { device, draft_model: None, ..options.clone() };
    check(progress)?;
    let device = options.device.open()?;
    let mut placed = Placed::load(device, &options, progress)?;
    let Placed { ops, model, .. } = &mut placed;
    ops.configure_cache(model.cache());
    Ok(placed)
}

/// Returns an error if the measurement is to end.
fn check(progress: &mut Progress<'_>) -> Result<(), EngineError> {
    match progress(0, 0) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ModelError::Cancelled.into()),
    }
}

/// A model that is timed.
struct Timed<'a, 'p> {
    model: &'a dyn Model,
    ops: &'a mut dyn Ops,
    most: usize,
    progress: &'a mut Progress<'p>,
}

impl<'a, 'p> Timed<'a, 'p> {
    fn new(placed: &'a mut Placed, progress: &'a mut Progress<'p>) -> Self {
        let Placed { model, ops, plan, .. } = placed;
        Self { model: &**model, ops: &mut **ops, most: plan.context / 2, progress }
    }

    /// Computes a prompt, and returns its tokens per second.
    fn prompt(&mut self, tokens: usize) -> Result<f64, EngineError> {
        let tokens = tokens.min(self.most).max(1);
        self.run(tokens, 0)
    }

    /// Computes an answer token by token, and returns its tokens per second.
    fn answer(&mut self, tokens: usize) -> Result<f64, EngineError> {
        self.run(PAGE_POSITIONS.min(self.most).max(1), tokens.min(self.most))
    }

    /// Computes a prompt and an answer, and returns the tokens per second of what comes last.
    fn run(&mut self, prompt: usize, answer: usize) -> Result<f64, EngineError> {
        let sequence = self.ops.new_sequence();
        let vocab_size = self.model.vocab_size();
        let ids: Vec<u32> = (0..prompt).map(|at| ((at * 7919 + 1) % vocab_size) as u32).collect();
        let mut started = Instant::now();
        let mut seconds = 0.0;
        for step in 0..=answer {
            check(self.progress)?;
            let mut batch = Batch::default();
            let (start, ids) =
                if step == 0 { (0, &ids[..]) } else { (prompt + step - 1, &ids[..1]) };
            batch.push(sequence, start, ids, true);
            let logits = self.model.forward(self.ops, &batch)?;
            self.ops.argmax(logits, vocab_size)?;
            if step == 0 && answer > 0 {
                started = Instant::now();
            }
            seconds = started.elapsed().as_secs_f64();
        }
        self.ops.free_sequence(sequence);
        let tokens = if answer > 0 { answer } else { prompt };
        Ok(tokens as f64 / seconds.max(1e-9))
    }
}
