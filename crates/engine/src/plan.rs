//! Whether a model fits, before a byte of it is loaded.

use std::fmt;

use mlxk_format::Checkpoint;
use mlxk_models::Shape;

use crate::draft::MAX_DRAFT;
use crate::{EngineError, LoadOptions};

/// A context below is of no use, so a smaller one is taken only where it is asked for.
const LEAST_CONTEXT: usize = 512;
/// Tokenizer, code, buffers of the device.
const BASE_BYTES: u64 = 64 << 20;

/// What the engine takes of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// Bytes of the weights, of the draft model's too.
    pub weights_bytes: u64,
    /// Bytes of one position in the KV cache.
    pub kv_bytes_per_position: u64,
    /// Estimate of everything that a step computes.
    pub activation_bytes: u64,
    /// Bytes that the system could give when the model was loaded, where it says.
    pub available_bytes: Option<u64>,
    /// Tokens of prompt and answer together.
    pub context: usize,
    /// Positions that all sequences may hold together.
    pub positions: usize,
}

/// What the plan is made from.
pub(crate) struct Needs<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) weights_bytes: u64,
    /// What a position takes in the KV cache.
    pub(crate) position_bytes: u64,
    /// Most rows of a step, and most of them with logits.
    pub(crate) rows: usize,
    pub(crate) outputs: usize,
    pub(crate) available_bytes: Option<u64>,
    /// Context that is asked for.
    pub(crate) context: Option<usize>,
}

impl MemoryPlan {
    /// What [`crate::Engine::load`] would take with these options, from the headers of the files
    /// alone. It fails where loading would for want of memory, or because the model is damaged or
    /// not supported.
    pub fn for_load(options: &LoadOptions) -> Result<Self, EngineError> {
        let checkpoint = Checkpoint::open(&options.path)?;
        let shape = mlxk_models::shape(&checkpoint)?;
        Self::of(options, &checkpoint, &shape)
    }

    pub(crate) fn of(
        options: &LoadOptions,
        checkpoint: &Checkpoint,
        shape: &Shape,
    ) -> Result<Self, EngineError> {
        let draft = options.draft_model.as_deref().map(Checkpoint::open).transpose()?;
        let kv = draft.as_ref().map(mlxk_models::shape).transpose()?.map(|shape| shape.kv);
        let format = options.kv_format();
        Self::new(&Needs {
            shape,
            weights_bytes: checkpoint.size_bytes() + draft.map_or(0, |draft| draft.size_bytes()),
            position_bytes: [Some(shape.kv), kv]
                .iter()
                .flatten()
                .map(|kv| format.position_bytes(kv) as u64)
                .sum(),
            rows: options.prefill_chunk + options.max_sequences + MAX_DRAFT,
            outputs: options.max_sequences + MAX_DRAFT,
            available_bytes: options.memory_bytes.or_else(mlxk_memory::available_bytes),
            context: options.context,
        })
    }

    /// Bytes of everything but the KV cache.
    pub fn fixed_bytes(&self) -> u64 {
        self.weights_bytes.saturating_add(self.activation_bytes)
    }

    /// The memory to give to an engine ([`LoadOptions::memory_bytes`]) that shall hold so many
    /// positions.
    pub fn bytes_for(&self, positions: usize) -> u64 {
        let kv = self.kv_bytes_per_position.saturating_mul(positions as u64);
        // What is left to the system, below.
        let needed = self.fixed_bytes().saturating_add(kv);
        needed.saturating_add(needed / 19).saturating_add(1)
    }

    /// Takes the context that is asked for, or as much as the model and the memory allow.
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
        let per_position = needs.position_bytes;
        // A device keeps a second, smaller form of the inputs of its products.
        let step = needs.shape.activation_bytes(needs.rows, needs.outputs);
        let activation_bytes = BASE_BYTES + step + step / 2;
        let fixed = needs.weights_bytes.saturating_add(activation_bytes);
        // Some memory is left to the system.
        let usable = needs.available_bytes.map(|bytes| bytes - bytes / 20);
        let fits = usable
            .map(|usable| usize::try_from(usable.saturating_sub(fixed) / per_position))
            .and_then(Result::ok)
            .unwrap_or(usize::MAX);
        let least = needs.context.unwrap_or(LEAST_CONTEXT.min(maximum));
        if fits < least {
            return Err(EngineError::NotEnoughMemory {
                weights_bytes: needs.weights_bytes,
                activation_bytes,
                kv_bytes: per_position.saturating_mul(least as u64),
                available_bytes: needs.available_bytes.unwrap_or(0),
                context: least,
                fits: (fits >= 2 && needs.context.is_some()).then_some(fits),
            });
        }
        Ok(Self {
            weights_bytes: needs.weights_bytes,
            kv_bytes_per_position: per_position,
            activation_bytes,
            available_bytes: needs.available_bytes,
            context: needs.context.unwrap_or(maximum).min(fits),
            positions: fits,
        })
    }
}

/// A number of bytes for people, in powers of ten.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000_000 => write!(f, "{:.0} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.0} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlxk_ops::{KvFormat, KvSpec};

    const SHAPE: Shape = Shape {
        kv: KvSpec { layers: 10, kv_heads: 5, head_dim: 10, value_dim: 10 },
        vocab_size: 1000,
        max_positions: 4096,
        activation_values: 100,
    };

    fn plan(available: Option<u64>, context: Option<usize>) -> Result<MemoryPlan, EngineError> {
        MemoryPlan::new(&Needs {
            shape: &SHAPE,
            weights_bytes: 100_000_000,
            position_bytes: KvFormat::F16.position_bytes(&SHAPE.kv) as u64,
            rows: 10,
            outputs: 1,
            available_bytes: available,
            context,
        })
    }

    #[test]
    fn the_context_is_the_models_or_what_fits() {
        assert_eq!(plan(None, None).unwrap().context, 4096);
        assert_eq!(plan(Some(1 << 30), None).unwrap().context, 4096);
        let tight = plan(Some(180_000_000), None).unwrap();
        assert!((512..4096).contains(&tight.context), "{tight:?}");
        assert_eq!(tight.kv_bytes_per_position, 2000);
        assert_eq!(plan(Some(1 << 30), Some(77)).unwrap().context, 77);
    }

    #[test]
    fn memory_for_a_number_of_positions_holds_them() {
        let large = plan(Some(1 << 40), None).unwrap();
        for positions in [512, 1000, 4097] {
            let found = plan(Some(large.bytes_for(positions)), None).unwrap().positions;
            assert!((positions..positions + 40).contains(&found), "{found} for {positions}");
        }
    }

    #[test]
    fn refusals_have_the_numbers() {
        let message = plan(Some(180_000_000), Some(4096)).unwrap_err().to_string();
        assert!(message.contains("100 MB for its weights"), "{message}");
        assert!(message.contains("8 MB for a context of 4096"), "{message}");
        assert!(message.contains("only 180 MB are available; a context of 1"), "{message}");
        let message = plan(Some(90_000_000), None).unwrap_err().to_string();
        assert!(message.contains("a context of 512") && !message.contains("would fit"));
        let message = plan(None, Some(5000)).unwrap_err().to_string();
        assert!(message.contains("5000") && message.contains("4096"), "{message}");
        assert!(plan(None, Some(1)).is_err());
    }
}
