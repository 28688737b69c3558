//! The process that holds a model during its measurement. It receives orders as lines on one stream
//! and replies as lines on another.
//!
//! A process per model keeps their memory apart and lets several models take turns.

use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use mlxk_engine::{
    Arithmetic, CpuOptions, DeviceChoice, Engine, KvFormat, LoadOptions, PromptInput, Request,
    Sampling,
};
use serde::{Deserialize, Serialize};

use crate::InstructionSet;
use crate::random::Random;

/// Settings for loading a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// See [`CpuOptions::threads`].
    pub threads: Option<usize>,
    /// See [`CpuOptions::exact`].
    pub exact: bool,
    /// Bits of [`CpuOptions::kv`].
    pub kv_bits: Option<u8>,
    /// [`InstructionSet::word`] of [`CpuOptions::instructions`].
    pub instructions: Option<String>,
    /// The GPU that computes instead of the processor.
    pub gpu: Option<GpuSettings>,
    /// See [`LoadOptions::prompt_lookup`].
    pub prompt_lookup: bool,
    /// Opposite of [`LoadOptions::migrate_weights`].
    pub no_huge_pages: bool,
    /// See [`LoadOptions::draft_model`].
    pub draft_model: Option<PathBuf>,
}

/// A GPU, see [`DeviceChoice::gpu`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuSettings {
    /// Name of the GPU, `auto` for the faster device, or `mlx`.
    pub name: String,
    /// Folder of its compiled kernels.
    pub kernels: PathBuf,
    /// Number of layers on it, or `None` for as many as fit.
    #[serde(default)]
    pub layers: Option<usize>,
    /// See [`DeviceChoice::automatic`].
    pub decisions: PathBuf,
    /// See [`DeviceChoice::automatic`].
    pub surroundings: String,
    /// See [`DeviceChoice::mlx`].
    #[serde(default)]
    pub mlx_library: Option<PathBuf>,
}

impl EngineSettings {
    /// Returns `true` if several tokens may be computed in one step.
    pub(crate) fn drafts(&self) -> bool {
        self.prompt_lookup || self.draft_model.is_some()
    }
}

/// An order to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Loads a model. Must be the first order.
    Load {
        folder: PathBuf,
        settings: Box<EngineSettings>,
        /// Number of positions for all prompts and answers together.
        positions: usize,
    },
    /// Answers a prompt.
    Run(Workload),
}

/// A prompt of random tokens and an answer of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Workload {
    /// Tokens of the prompt.
    pub(super) prompt_tokens: usize,
    /// Prompts of the same salt begin with the same tokens.
    pub(super) salt: u64,
    /// Tokens of the answer.
    pub(super) max_tokens: usize,
}

/// A reply of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The model is loaded.
    Loaded(Loaded),
    /// The answer is complete.
    Ran(Sample),
    /// The order failed for this reason.
    Failed(String),
}

/// A loaded model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Loaded {
    pub(super) load_seconds: f64,
    pub(super) device: String,
    pub(super) context: usize,
    pub(super) kv_bytes_per_position: u64,
}

/// A measured answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) prompt_tokens: usize,
    pub(super) cached_tokens: usize,
    pub(super) completion_tokens: usize,
    pub(super) drafted_tokens: usize,
    pub(super) accepted_tokens: usize,
    pub(super) time_to_first_token_seconds: f64,
    pub(super) prefill_tokens_per_second: Option<f64>,
    pub(super) decode_tokens_per_second: Option<f64>,
    /// Peak memory of the process so far.
    pub(super) peak_memory_bytes: Option<u64>,
}

/// Follows orders until there are no more. `peak_memory` returns the peak memory of this process.
pub fn serve(
    orders: impl BufRead,
    mut replies: impl Write,
    peak_memory: &dyn Fn() -> Option<u64>,
) -> io::Result<()> {
    let mut engine = None;
    for line in orders.lines() {
        let reply = match serde_json::from_str(&line?) {
            Ok(order) => follow(order, &mut engine, peak_memory),
            Err(error) => Reply::Failed(format!("Malformed order: {error}")),
        };
        serde_json::to_writer(&mut replies, &reply)?;
        writeln!(replies)?;
        replies.flush()?;
    }
    Ok(())
}

fn follow(
    order: Order,
    engine: &mut Option<Engine>,
    peak_memory: &dyn Fn() -> Option<u64>,
) -> Reply {
    match order {
        Order::Load { folder, settings, positions } => match load(folder, &settings, positions) {
            Ok(loaded) => {
                let reply = Reply::Loaded(Loaded {
                    load_seconds: loaded.load_time().as_secs_f64(),
                    device: loaded.device().to_owned(),
                    context: loaded.context(),
                    kv_bytes_per_position: loaded.memory().kv_bytes_per_position,
                });
                *engine = Some(loaded);
                reply
            }
            Err(error) => Reply::Failed(error.to_string()),
        },
        Order::Run(workload) => match engine {
            None => Reply::Failed("No model is loaded".to_owned()),
            Some(engine) => match run(engine, workload) {
                Ok(sample) => Reply::Ran(Sample { peak_memory_bytes: peak_memory(), ..sample }),
                Err(error) => Reply::Failed(error.to_string()),
            },
        },
    }
}

fn load(
    folder: PathBuf,
    settings: &EngineSettings,
    positions: usize,
) -> Result<Engine, Box<dyn std::error::Error>> {
    let checkpoint = mlxk_format::Checkpoint::open(&folder)?;
    let most = mlxk_models::shape(&checkpoint)?.max_positions;
    let (exact, kv) = (settings.exact, settings.kv_bits.and_then(KvFormat::of_bits));
    let cpu = CpuOptions {
        threads: settings.threads,
        exact,
        kv,
        instructions: settings.instructions.as_deref().and_then(InstructionSet::of_word),
    };
    let device = match settings.gpu.clone() {
        Some(GpuSettings { name, kernels, layers, decisions, surroundings, .. })
            if name == "auto" =>
        {
            let (kernels, decisions) = (Some(kernels), Some(decisions));
            DeviceChoice::automatic(cpu, kernels, layers, decisions, surroundings)
        }
        Some(GpuSettings { name, mlx_library, .. }) if name == "mlx" => {
            DeviceChoice::mlx(Arithmetic { exact, kv }, mlx_library)
        }
        Some(GpuSettings { name, kernels, layers, .. }) => {
            DeviceChoice::gpu(&name, Arithmetic { exact, kv }, Some(kernels), layers)?
        }
        None => DeviceChoice::Cpu(cpu),
    };
    let options = LoadOptions {
        device,
        prompt_lookup: settings.prompt_lookup,
        migrate_weights: !settings.no_huge_pages,
        draft_model: settings.draft_model.clone(),
        context: Some(positions.min(most)),
        ..LoadOptions::new(folder)
    };
    Ok(Engine::load(&options, &mut |_, _| ControlFlow::Continue(()))?)
}

fn run(engine: &Engine, workload: Workload) -> Result<Sample, mlxk_engine::EngineError> {
    let request = Request {
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        max_tokens: Some(workload.max_tokens),
        ignore_eos: true,
        ..Request::new(PromptInput::Tokens(tokens(workload, engine.vocab_size() as u32)))
    };
    let (_, done) = engine.submit(request)?.wait()?;
    let (usage, timings) = (&done.usage, &done.timings);
    Ok(Sample {
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        completion_tokens: usage.completion_tokens,
        drafted_tokens: usage.drafted_tokens,
        accepted_tokens: usage.accepted_tokens,
        time_to_first_token_seconds: timings.time_to_first_token.as_secs_f64(),
        prefill_tokens_per_second: timings.prefill_tokens_per_second(usage),
        decode_tokens_per_second: timings.decode_tokens_per_second(usage),
        peak_memory_bytes: None,
    })
}

/// Returns the tokens of a prompt. The shorter of two prompts with the same salt is the beginning
/// of the longer one.
fn tokens(workload: Workload, vocab_size: u32) -> Vec<u32> {
    let mut random = Random::of(&format!("prompt {}", workload.salt));
    (0..workload.prompt_tokens).map(|_| random.below(vocab_size.max(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_prompts_go_on_from_shorter_ones() {
        let prompt =
            |prompt_tokens, salt| tokens(Workload { prompt_tokens, salt, max_tokens: 1 }, 1000);
        assert_eq!(prompt(100, 3)[..10], prompt(10, 3));
        assert_ne!(prompt(10, 3)[0], prompt(10, 4)[0]);
        assert!(prompt(1000, 1).iter().all(|&id| id < 1000));
    }

    #[test]
    fn orders_that_cannot_be_followed_are_answered() {
        let orders = "nonsense\n{\"run\":{\"prompt_tokens\":1,\"salt\":0,\"max_tokens\":1}}\n\
            {\"load\":{\"folder\":\"/no/such/folder\",\"settings\":{\"exact\":false,\
            \"prompt_lookup\":false,\"no_huge_pages\":false,\"draft_model\":null},\"positions\":9}}\n";
        let mut replies = Vec::new();
        serve(orders.as_bytes(), &mut replies, &|| None).unwrap();
        let text = String::from_utf8(replies).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        for (line, word) in lines.iter().zip(["Malformed order", "No model", "/no/such/folder"]) {
            assert!(line.starts_with("{\"failed\":") && line.contains(word), "{line}");
        }
    }
}
