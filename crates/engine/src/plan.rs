//! The memory plan: what a model takes, and which context fits, before a byte of it is loaded.

use mlxk_format::Checkpoint;
use mlxk_models::{Output, Shape};
use mlxk_ops::{CacheSpec, KvFormat, LayerCache, SequenceBounds, SequenceCost};

use crate::cache::checkpoints::MAX_CHECKPOINTS;
use crate::device::{Layers, MemoryBudget};
use crate::draft::MAX_DRAFT;
use crate::error::EngineError;
use crate::load_options::LoadOptions;
use crate::split::layer_of;

/// The smallest context that is chosen without being asked for.
const LEAST_CONTEXT: usize = 512;
/// The context that a model is split for, so that it isn't too short.
const SPLIT_CONTEXT: usize = 4096;
/// Memory of the tokenizer, the code and the buffers of the device.
const BASE_BYTES: u64 = 64 << 20;

/// Memory that the engine takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// Bytes of the weights, including those of the draft model.
    pub weights_bytes: u64,
    /// Bytes of one position in the KV cache, while every layer holds it. Layers with a window give it back.
    pub kv_bytes_per_position: u64,
    /// Bytes that the KV cache may take. `u64::MAX` if nothing bounds it.
    pub kv_bytes: u64,
    /// Estimate of everything that a step computes.
    pub activation_bytes: u64,
    /// Bytes that were available when the model was loaded. `None` if the system doesn't say.
    pub available_bytes: Option<u64>,
    /// Tokens of prompt and answer together.
    pub context: usize,
    /// Positions that there is room for in one sequence.
    pub positions: usize,
    /// Number of layers that stay on the processor, because a GPU has no room for them.
    pub cpu_layers: usize,
    /// Bytes of their weights.
    cpu_weights_bytes: u64,
    /// Number of layers.
    layers: usize,
    pub(crate) cost: SequenceCost,
}

/// Input of the plan.
pub(crate) struct Needs<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) weights_bytes: u64,
    /// Bytes of a sequence in the KV cache.
    pub(crate) cost: SequenceCost,
    /// Most rows of a step, and most of them with logits.
    pub(crate) rows: usize,
    pub(crate) outputs: usize,
    pub(crate) available_bytes: Option<u64>,
    /// Context that was asked for.
    pub(crate) context: Option<usize>,
}

/// Input of the plan of a model on two devices.
struct Halves<'a> {
    checkpoint: &'a Checkpoint,
    cpu_layers: usize,
    format: KvFormat,
    bounds: SequenceBounds,
}

impl MemoryPlan {
    /// Returns what [`crate::Engine::load`] would take with these options; only the headers of the files are
    /// read. Fails if loading would fail because there is not enough memory, or because the model is damaged or
    /// not supported.
    pub fn for_load(options: &LoadOptions) -> Result<Self, EngineError> {
        let checkpoint = Checkpoint::open(&options.path)?;
        let shape = mlxk_models::shape(&checkpoint)?;
        Self::of(options, &options.device.budget(), &checkpoint, &shape)
    }

    pub(crate) fn of(
        options: &LoadOptions,
        budget: &MemoryBudget,
        checkpoint: &Checkpoint,
        shape: &Shape,
    ) -> Result<Self, EngineError> {
        let draft = options.draft_model.as_deref().map(Checkpoint::open).transpose()?;
        let draft_shape = draft.as_ref().map(mlxk_models::shape).transpose()?;
        let mut rows = options.chunk() + options.max_sequences + MAX_DRAFT;
        let mut outputs = options.max_sequences + MAX_DRAFT;
        if shape.output != Output::Logits {
            // An encoder computes a text in one step, and has no logits.
            rows = rows.max(options.context.unwrap_or(shape.max_positions));
            outputs = 0;
        }
        let drafts = draft.as_ref().map_or(0, Checkpoint::size_bytes);
        let checkpoints = if options.reuse_prefixes { MAX_CHECKPOINTS } else { 0 };
        let bounds = SequenceBounds { step_rows: rows, checkpoints };
        let cost = |shape: &Shape| shape.cache.cost(budget.kv_format, bounds);
        let needs = Needs {
            shape,
            weights_bytes: checkpoint.size_bytes() + drafts,
            cost: draft_shape.iter().fold(cost(shape), |sum, draft| sum.plus(cost(draft))),
            rows,
            outputs,
            available_bytes: available(options, budget),
            context: options.context,
        };
        let whole = Self::new(&needs);
        let layers = shape.cache.layers.len();
        let split = |cpu_layers| {
            let halves = Halves { checkpoint, cpu_layers, format: budget.kv_format, bounds };
            Self::split(&needs, &halves)
        };
        let fitting = |problem| {
            // As many as there is room for, with a context that is worth it.
            let wanted = options.context.unwrap_or(shape.max_positions.min(SPLIT_CONTEXT));
            let plans: Vec<Self> =
                (1..=layers).filter_map(|cpu_layers| split(cpu_layers).ok()).collect();
            let best = plans.iter().position(|plan| plan.context >= wanted);
            let best = best.unwrap_or(plans.len().saturating_sub(1));
            plans.into_iter().nth(best).ok_or(problem)
        };
        match options.device.layers() {
            Layers::Together => whole,
            Layers::AsManyAsFit => whole.or_else(fitting),
            Layers::OnGpu(count) if count >= layers => whole,
            Layers::OnGpu(count) => split(layers - count),
        }
    }

    /// Plans for a model whose first layers are on the processor.
    fn split(needs: &Needs<'_>, halves: &Halves<'_>) -> Result<Self, EngineError> {
        let Halves { checkpoint, cpu_layers, format, bounds } = *halves;
        let sizes = checkpoint.sizes();
        let on_cpu = sizes.filter(|(name, _)| layer_of(name).is_some_and(|it| it < cpu_layers));
        let cpu_bytes: u64 = on_cpu.map(|(_, bytes)| bytes).sum();
        let cost_of = |on_cpu: bool| {
            let layers = needs.shape.cache.layers.iter().enumerate().map(|(index, layer)| {
                if (index < cpu_layers) == on_cpu { *layer } else { LayerCache::None }
            });
            CacheSpec { layers: layers.collect() }.cost(format, bounds)
        };
        let gpu = Self::new(&Needs {
            weights_bytes: needs.weights_bytes - cpu_bytes,
            cost: cost_of(false),
            ..*needs
        })?;
        let cpu = Self::new(&Needs {
            weights_bytes: cpu_bytes,
            cost: cost_of(true),
            available_bytes: mlxk_memory::available_bytes(),
            ..*needs
        })?;
        let positions = gpu.positions.min(cpu.positions);
        let both = needs.cost.bytes(positions);
        Ok(Self {
            weights_bytes: needs.weights_bytes,
            kv_bytes: if positions == usize::MAX { gpu.kv_bytes } else { both },
            kv_bytes_per_position: needs.cost.position_bytes(),
            activation_bytes: gpu.activation_bytes.saturating_add(cpu.activation_bytes),
            context: gpu.context.min(cpu.context),
            positions,
            cpu_layers,
            cpu_weights_bytes: cpu_bytes,
            cost: needs.cost.clone(),
            ..gpu
        })
    }

    /// Returns the bytes on the GPU: those of its layers, and of their share of the KV cache.
    pub(crate) fn gpu_bytes(&self, kv_bytes: u64) -> u64 {
        let layers = self.layers.max(1) as u64;
        let kv_bytes = kv_bytes / layers * (layers - self.cpu_layers as u64);
        self.weights_bytes - self.cpu_weights_bytes + kv_bytes
    }

    /// Returns the bytes of everything but the KV cache.
    pub fn fixed_bytes(&self) -> u64 {
        self.weights_bytes.saturating_add(self.activation_bytes)
    }

    /// Returns the most bytes that a sequence of this many positions takes in the KV cache.
    pub fn sequence_bytes(&self, positions: usize) -> u64 {
        self.cost.bytes(positions)
    }

    /// Returns the memory that an engine needs ([`LoadOptions::memory_bytes`]) to hold a sequence of this many
    /// positions.
    pub fn bytes_for(&self, positions: usize) -> u64 {
        let needed = self.fixed_bytes().saturating_add(self.sequence_bytes(positions));
        // `new` leaves a twentieth to the system.
        needed.saturating_add(needed / 19).saturating_add(1)
    }

    /// Plans for the context that was asked for, or for the largest that the model and the memory allow.
    pub(crate) fn new(needs: &Needs<'_>) -> Result<Self, EngineError> {
        let maximum = needs.shape.max_positions;
        if let Some(requested) = needs.context {
            if requested < 2 {
                return Err(EngineError::BadOption {
                    option: "context",
                    value: requested,
                    expected: "at least 2",
                });
            }
            if requested > maximum {
                return Err(EngineError::ContextTooLong { requested, maximum });
            }
        }
        // A device keeps a second, smaller form of the inputs of its products.
        let step = needs.shape.activation_bytes(needs.rows, needs.outputs);
        let activation_bytes = BASE_BYTES + step + step / 2;
        let fixed = needs.weights_bytes.saturating_add(activation_bytes);
        // Some memory is left to the system.
        let usable = needs.available_bytes.map(|bytes| bytes - bytes / 20);
        let kv_bytes = usable.map_or(u64::MAX, |usable| usable.saturating_sub(fixed));
        let fits = needs.cost.longest(kv_bytes);
        let least = needs.context.unwrap_or(LEAST_CONTEXT.min(maximum));
        if fits < least {
            return Err(EngineError::NotEnoughMemory {
                weights_bytes: needs.weights_bytes,
                activation_bytes,
                kv_bytes: needs.cost.bytes(least),
                available_bytes: needs.available_bytes.unwrap_or(0),
                context: least,
                fits: (fits >= 2 && needs.context.is_some()).then_some(fits),
            });
        }
        Ok(Self {
            weights_bytes: needs.weights_bytes,
            kv_bytes_per_position: needs.cost.position_bytes(),
            kv_bytes,
            activation_bytes,
            available_bytes: needs.available_bytes,
            context: needs.context.unwrap_or(maximum).min(fits),
            positions: fits,
            cpu_layers: 0,
            cpu_weights_bytes: 0,
            layers: needs.shape.cache.layers.len(),
            cost: needs.cost.clone(),
        })
    }
}

/// Returns the bytes that the model may take. A limit for it doesn't enlarge the memory of a GPU.
fn available(options: &LoadOptions, budget: &MemoryBudget) -> Option<u64> {
    match (options.memory_bytes, budget.available_bytes) {
        (Some(limit), Some(memory)) if options.device.is_gpu() => Some(limit.min(memory)),
        (limit, memory) => limit.or(memory),
    }
}

/// Returns the bytes that a sequence of this many positions takes in the KV cache with the default options.
pub fn default_cache_bytes(cache: &CacheSpec, positions: usize) -> u64 {
    let options = LoadOptions::new("");
    let step_rows = options.chunk() + options.max_sequences + MAX_DRAFT;
    let bounds = SequenceBounds { step_rows, checkpoints: MAX_CHECKPOINTS };
    cache.cost(options.device.budget().kv_format, bounds).bytes(positions)
}

#[cfg(test)]
mod tests;
