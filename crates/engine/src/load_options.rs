//! Options for loading a model.

use std::path::PathBuf;

use mlxk_models::Progress;

use crate::device::DeviceChoice;
use crate::error::EngineError;

/// Options of [`crate::Engine::load`].
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent options")]
pub struct LoadOptions {
    /// Folder of the checkpoint.
    pub path: PathBuf,
    /// Device that computes, for the draft model as well.
    pub device: DeviceChoice,
    /// Most tokens of prompt and answer together, or `None` for what model and memory allow.
    pub context: Option<usize>,
    /// Most prompt tokens that one step computes, or `None` for [`DeviceChoice::prefill_chunk`].
    pub prefill_chunk: Option<usize>,
    /// Most requests that run at once. Further requests wait.
    pub max_sequences: usize,
    /// `true` for prompt-lookup decoding, which speeds up repetitive text. It never changes an answer.
    pub prompt_lookup: bool,
    /// Folder of a draft model: a smaller model with the same vocabulary that guesses the next tokens. It never
    /// changes an answer.
    pub draft_model: Option<PathBuf>,
    /// `true` to draft even if it doesn't pay, for tests.
    pub draft_always: bool,
    /// `true` to keep the KV cache of finished requests, for requests with the same beginning.
    pub reuse_prefixes: bool,
    /// Folder on disk for the same purpose.
    pub spill: Option<SpillOptions>,
    /// `true` to copy weights to faster memory (huge pages, on Linux) during longer answers, if there is enough
    /// memory. Until then, processes share the pages of the file.
    pub migrate_weights: bool,
    /// Most bytes that the engine may take, or `None` for what is available.
    pub memory_bytes: Option<u64>,
}

/// Options of the prefix cache on disk, which outlasts a restart and may be larger than memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// Its folder, which several models may share.
    pub folder: PathBuf,
    /// Most bytes of all files in the folder.
    pub max_bytes: u64,
}

impl LoadOptions {
    /// Returns the default options for the checkpoint in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            device: DeviceChoice::default(),
            context: None,
            prefill_chunk: None,
            max_sequences: 16,
            prompt_lookup: true,
            draft_model: None,
            draft_always: false,
            reuse_prefixes: true,
            spill: None,
            migrate_weights: true,
            memory_bytes: None,
        }
    }

    /// Returns the same options with the device that the model runs on, instead of a choice of devices. If it was never
    /// measured which is faster, the model is loaded onto both. `progress` is called meanwhile, and may cancel that.
    pub fn settled(&self, progress: &mut Progress<'_>) -> Result<Self, EngineError> {
        #[cfg(feature = "gpu")]
        if let DeviceChoice::Auto(automatic) = &self.device {
            let device = crate::automatic::settle(self, automatic, progress)?;
            return Ok(Self { device, ..self.clone() });
        }
        #[cfg(not(feature = "gpu"))]
        let _ = progress;
        Ok(self.clone())
    }

    /// Returns what was measured before about the devices of [`DeviceChoice::Auto`] and this model, if it was. No driver
    /// is started.
    #[cfg(feature = "gpu")]
    pub fn decision(&self) -> Option<crate::Decision> {
        match &self.device {
            DeviceChoice::Auto(automatic) => crate::automatic::known(&self.path, automatic),
            _ => None,
        }
    }

    /// Returns the same options with the processor, if the device is a choice of devices.
    pub fn without_gpu(&self) -> Option<Self> {
        #[cfg(feature = "gpu")]
        if let DeviceChoice::Auto(automatic) = &self.device {
            return Some(Self { device: DeviceChoice::Cpu(automatic.cpu), ..self.clone() });
        }
        None
    }

    /// Returns the most prompt tokens that one step computes.
    pub(crate) fn chunk(&self) -> usize {
        self.prefill_chunk.unwrap_or_else(|| self.device.prefill_chunk())
    }
}

/// Tells why a model runs on the processor instead of a GPU.
pub(crate) fn tell_failure(error: &EngineError) {
    tracing::warn!(reason = error.to_string(), "the model runs on the CPU, because the GPU failed");
}
