//! The device that computes, and what the rest of the engine has to know about it.

use std::path::PathBuf;

use mlxk_cpu::{Cpu, CpuOptions};
#[cfg(feature = "gpu")]
use mlxk_gpu::{Gpu, GpuOptions};
use mlxk_mlx::{Mlx, MlxOptions};
use mlxk_ops::{KvFormat, Ops};

use crate::error::EngineError;

/// Choice of the device that computes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The first GPU, or the processor if that is faster. [`LoadOptions::settled`](crate::LoadOptions::settled)
    /// finds out which.
    #[cfg(feature = "gpu")]
    Auto(Box<Automatic>),
    /// The processor.
    Cpu(CpuOptions),
    /// A GPU.
    #[cfg(feature = "gpu")]
    Gpu {
        /// The GPU and its arithmetic.
        options: GpuOptions,
        /// Number of layers on the GPU, the last ones; the others stay on the processor. If `None`, as many as fit.
        layers: Option<usize>,
    },
    /// Apple's MLX, if its C library is installed.
    Mlx(MlxOptions),
}

impl Default for DeviceChoice {
    fn default() -> Self {
        Self::Cpu(CpuOptions::default())
    }
}

/// Both devices of [`DeviceChoice::Auto`].
#[cfg(feature = "gpu")]
#[derive(Clone, Debug)]
pub struct Automatic {
    /// The processor.
    pub cpu: CpuOptions,
    /// The GPU and its arithmetic.
    pub gpu: GpuOptions,
    /// Number of layers on the GPU, or `None` for as many as fit.
    pub layers: Option<usize>,
    /// Folder that keeps which device was faster. If `None`, it is measured each time.
    pub decisions: Option<PathBuf>,
    /// Whatever else the choice of a driver depends on, such as variables of the environment.
    pub surroundings: String,
}

#[cfg(feature = "gpu")]
impl Automatic {
    /// Returns the GPU as a choice.
    pub(crate) fn on_gpu(&self) -> DeviceChoice {
        DeviceChoice::Gpu { options: self.gpu.clone(), layers: self.layers }
    }
}

/// Devices of the layers of a model.
#[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "only a GPU shares a model"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layers {
    /// All on the device.
    Together,
    /// As many on the GPU as there is room for, and the others on the processor.
    AsManyAsFit,
    /// This many on the GPU, and the others on the processor.
    OnGpu(usize),
}

/// Arithmetic of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// `true` to compute in f32 throughout.
    pub exact: bool,
    /// Format of the KV cache, see [`CpuOptions::kv`].
    pub kv: Option<KvFormat>,
}

impl DeviceChoice {
    /// Returns the GPU that a word names: `gpu` for the first one, `gpu:N`, or a part of its name. Its compiled
    /// kernels are kept in the folder `kernels`, and `layers` of the model are there; if `None`, as many as fit. Fails if this build has no code for GPUs.
    pub fn gpu(
        word: &str,
        arithmetic: Arithmetic,
        kernels: Option<PathBuf>,
        layers: Option<usize>,
    ) -> Result<Self, EngineError> {
        #[cfg(not(feature = "gpu"))]
        {
            let _ = (arithmetic, kernels, layers);
            Err(EngineError::BuiltWithoutGpus { wanted: word.to_owned() })
        }
        #[cfg(feature = "gpu")]
        {
            let Arithmetic { exact, kv } = arithmetic;
            let adapter = match word.strip_prefix("gpu") {
                Some("") => None,
                Some(number) if number.starts_with(':') => Some(number[1..].to_owned()),
                _ => Some(word.to_owned()),
            };
            let options = GpuOptions { adapter, exact, kv, kernels, lost_after: None };
            Ok(Self::Gpu { options, layers })
        }
    }

    /// Returns MLX. If `library` is `None`, its C library is looked for in the usual places.
    pub fn mlx(arithmetic: Arithmetic, library: Option<PathBuf>) -> Self {
        let Arithmetic { exact, kv } = arithmetic;
        Self::Mlx(MlxOptions { library, exact, kv })
    }

    /// Returns the device that is faster for the model, of the processor and the first GPU that isn't software. What
    /// was measured is kept in the folder `decisions`; `surroundings` is whatever else the choice of a driver depends
    /// on. In a build without GPUs, that is the processor.
    pub fn automatic(
        cpu: CpuOptions,
        kernels: Option<PathBuf>,
        layers: Option<usize>,
        decisions: Option<PathBuf>,
        surroundings: String,
    ) -> Self {
        #[cfg(not(feature = "gpu"))]
        {
            let _ = (kernels, layers, decisions, surroundings);
            Self::Cpu(cpu)
        }
        #[cfg(feature = "gpu")]
        {
            let CpuOptions { exact, kv, .. } = cpu;
            let gpu = GpuOptions { adapter: None, exact, kv, kernels, lost_after: None };
            Self::Auto(Box::new(Automatic { cpu, gpu, layers, decisions, surroundings }))
        }
    }

    /// Returns `true` if a row has the same bits whatever the other rows of its step are.
    pub(crate) fn computes_rows_alike(&self) -> bool {
        !matches!(self, Self::Mlx(_))
    }

    /// Returns `true` for a GPU. MLX knows when it is open if it has one; see [`Device::is_gpu`].
    pub fn is_gpu(&self) -> bool {
        match self {
            Self::Cpu(_) | Self::Mlx(_) => false,
            #[cfg(feature = "gpu")]
            Self::Auto(_) => false,
            #[cfg(feature = "gpu")]
            Self::Gpu { .. } => true,
        }
    }

    /// Returns the prompt tokens that one step computes by default. A GPU is faster with more of them.
    pub fn prefill_chunk(&self) -> usize {
        match self {
            Self::Cpu(_) => 256,
            #[cfg(feature = "gpu")]
            Self::Auto(_) => 256,
            #[cfg(feature = "gpu")]
            Self::Gpu { .. } => 512,
            Self::Mlx(_) => 512,
        }
    }

    /// Returns where the layers of a model belong.
    pub(crate) fn layers(&self) -> Layers {
        match self {
            Self::Cpu(_) | Self::Mlx(_) => Layers::Together,
            #[cfg(feature = "gpu")]
            Self::Auto(_) => Layers::Together,
            #[cfg(feature = "gpu")]
            Self::Gpu { layers: None, .. } => Layers::AsManyAsFit,
            #[cfg(feature = "gpu")]
            Self::Gpu { layers: Some(count), .. } => Layers::OnGpu(*count),
        }
    }

    /// Opens the processor for the layers that a GPU doesn't have.
    pub(crate) fn open_processor(&self) -> Result<Cpu, EngineError> {
        let options = match self {
            #[cfg(feature = "gpu")]
            Self::Gpu { options: GpuOptions { exact, .. }, .. } => CpuOptions {
                exact: *exact,
                kv: Some(self.budget_format()),
                ..CpuOptions::default()
            },
            #[cfg(feature = "gpu")]
            Self::Auto(automatic) => automatic.cpu,
            Self::Cpu(options) => *options,
            Self::Mlx(_) => unreachable!("MLX has all layers"),
        };
        Ok(Cpu::new(options)?)
    }

    fn budget_format(&self) -> KvFormat {
        match self {
            Self::Cpu(options) => options.kv_format(),
            #[cfg(feature = "gpu")]
            Self::Auto(automatic) => automatic.cpu.kv_format(),
            #[cfg(feature = "gpu")]
            Self::Gpu { options, .. } => options.kv_format(),
            Self::Mlx(options) => options.kv_format(),
        }
    }

    /// Opens the device.
    pub fn open(&self) -> Result<Device, EngineError> {
        let options = match self {
            Self::Cpu(options) => *options,
            #[cfg(feature = "gpu")]
            Self::Auto(automatic) => automatic.cpu,
            #[cfg(feature = "gpu")]
            Self::Gpu { options, .. } => return open_gpu(options),
            Self::Mlx(options) => return open_mlx(options, self.budget()),
        };
        if options.threads == Some(0) {
            let (option, expected) = ("threads", "at least 1");
            return Err(EngineError::BadOption { option, value: 0, expected });
        }
        let cpu = Cpu::new(options)?;
        let plural = if cpu.threads() == 1 { "" } else { "s" };
        let name = format!("{} · {} thread{plural}", cpu.instruction_set(), cpu.threads());
        Ok(Device { ops: Box::new(cpu), name, budget: self.budget(), is_gpu: false })
    }

    /// Returns the memory that the device would state, without opening it.
    pub fn budget(&self) -> MemoryBudget {
        let kv_format = self.budget_format();
        let available_bytes = match self {
            Self::Cpu(_) | Self::Mlx(_) => mlxk_memory::available_bytes(),
            #[cfg(feature = "gpu")]
            Self::Auto(_) => mlxk_memory::available_bytes(),
            #[cfg(feature = "gpu")]
            Self::Gpu { options, .. } => options.memory_bytes(),
        };
        MemoryBudget { available_bytes, kv_format }
    }
}

#[cfg(feature = "gpu")]
fn open_gpu(options: &GpuOptions) -> Result<Device, EngineError> {
    let gpu = Gpu::open(options.clone())?;
    let name = format!("{} · {}", gpu.info().name, gpu.info().interface);
    // The open adapter tells its memory. Looking for it again would start the driver a second time.
    let available_bytes = gpu.info().memory_bytes;
    let budget = MemoryBudget { available_bytes, kv_format: options.kv_format() };
    Ok(Device { ops: Box::new(gpu), name, budget, is_gpu: true })
}

/// Opens MLX, whose GPU shares the memory of the system but may use a part of it only.
fn open_mlx(options: &MlxOptions, budget: MemoryBudget) -> Result<Device, EngineError> {
    let mlx = Mlx::open(options.clone())?;
    let (name, is_gpu) = (mlx.name().to_owned(), mlx.has_gpu());
    let available_bytes = [budget.available_bytes, mlx.memory_bytes()].into_iter().flatten().min();
    Ok(Device {
        ops: Box::new(mlx),
        name,
        budget: MemoryBudget { available_bytes, ..budget },
        is_gpu,
    })
}

/// A device that is ready to load a model.
pub struct Device {
    /// The operations that it computes.
    pub ops: Box<dyn Ops>,
    /// Name to show to the user, such as `avx2 · 8 threads`.
    pub name: String,
    /// Memory for the plan.
    pub budget: MemoryBudget,
    /// `true` for a GPU.
    pub is_gpu: bool,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ops: _, name, budget, is_gpu } = self;
        let mut fields = f.debug_struct("Device");
        fields.field("name", name).field("budget", budget).field("is_gpu", is_gpu);
        fields.finish_non_exhaustive()
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
