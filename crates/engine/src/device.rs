//! The device that computes, and what the rest of the engine has to know about it.

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_ops::{KvFormat, Ops};

use crate::error::EngineError;

/// Choice of the device that computes.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The fastest device of this machine, with its defaults.
    #[default]
    Auto,
    /// The processor.
    Cpu(CpuOptions),
}

impl DeviceChoice {
    /// Opens the device.
    pub(crate) fn open(&self) -> Result<Device, EngineError> {
        let options = self.cpu();
        if options.threads == Some(0) {
            let (option, expected) = ("threads", "at least 1");
            return Err(EngineError::BadOption { option, value: 0, expected });
        }
        let cpu = Cpu::new(options)?;
        let name = format!("{} · {} threads", cpu.instruction_set(), cpu.threads());
        Ok(Device { ops: Box::new(cpu), name, budget: self.budget() })
    }

    /// Returns the memory that the device would state, without opening it.
    pub fn budget(&self) -> MemoryBudget {
        MemoryBudget {
            available_bytes: mlxk_memory::available_bytes(),
            kv_format: self.cpu().kv_format(),
        }
    }

    fn cpu(&self) -> CpuOptions {
        match self {
            Self::Auto => CpuOptions::default(),
            Self::Cpu(options) => *options,
        }
    }
}

/// A device that is ready to load a model.
pub struct Device {
    /// The operations that it computes.
    pub ops: Box<dyn Ops>,
    /// Name to show to the user, such as `avx2 · 8 threads`.
    pub name: String,
    /// Memory for the plan.
    pub budget: MemoryBudget,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ops: _, name, budget } = self;
        f.debug_struct("Device").field("name", name).field("budget", budget).finish_non_exhaustive()
    }
}

/// Memory that a device offers to a model, and the format in which it keeps the KV cache there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes that are available, or `None` if the system does not say.
    pub available_bytes: Option<u64>,
    /// Format of the values in the KV cache.
    pub kv_format: KvFormat,
}
