//! Options of the engine, shared by all commands that compute.

use clap::Args;
use clap_complete::ArgValueCompleter;
use mlxk_engine::{Arithmetic, CpuOptions, DeviceChoice, EngineError, KvFormat};

use super::values::whole;
use crate::complete;
use crate::settings::Settings;

/// Names of devices that aren't GPUs.
pub(crate) const AUTO: &str = "auto";
const CPU: &str = "cpu";
pub(crate) const MLX: &str = "mlx";

/// Help of `--threads`, for commands that take it alone.
pub(super) const THREADS: &str = "Number of compute threads [default: all available]";
/// Help of `--exact`, for commands that take it alone.
pub(super) const EXACT: &str = "Compute in f32 throughout (slower; the reference for correctness)";

/// Options of every command that loads a model.
#[derive(Args, Clone)]
#[command(next_help_heading = "Engine")]
pub(crate) struct ComputeArgs {
    #[arg(long, help = EXACT)]
    pub exact: bool,

    /// Bits per value in the KV cache: 4, 8, 16 or 32 [default: 16; 32 with --exact]
    ///
    /// With 8, the cache takes 56 % of the memory that it takes with 16, including scales. With 4, it
    /// takes 44 %: its values are stored in 4 bits, its keys still in 8. Both change answers slightly.
    #[arg(long, value_name = "BITS", value_parser = kv_format)]
    pub kv_bits: Option<KvFormat>,

    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=4096), help = THREADS)]
    pub threads: Option<usize>,

    /// Device that computes: `auto`, `cpu`, `gpu`, `gpu:N`, a part of a GPU's name, or `mlx` [default: auto]
    ///
    /// `gpu` is the first GPU, and `gpu:1` the second one. `auto` is the first GPU if it is faster than the CPU: that
    /// is measured when a model runs for the first time. It is the CPU if you set `--threads`. A GPU that is a program
    /// on the processor is only used if you name it. `mlx` is Apple's MLX, if its C library is installed.
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "DEVICE", conflicts_with = "threads")]
    pub device: Option<String>,

    /// Layers on the GPU, the last ones of the model: a number or `auto` [default: auto]
    ///
    /// The other layers stay on the CPU. With `auto`, the GPU gets as many as fit into its memory.
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "N", requires = "device", value_parser = gpu_layers)]
    pub gpu_layers: Option<GpuLayers>,

    /// Don't download or import; fail if a model isn't available locally
    #[arg(long)]
    pub no_pull: bool,
}

impl ComputeArgs {
    /// Returns the arithmetic of the options.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        Arithmetic { exact: self.exact, kv: self.kv_bits }
    }

    /// Returns the number of layers that the GPU gets, or `None` for as many as fit.
    #[cfg(feature = "gpu")]
    pub(crate) fn layers(&self) -> Option<usize> {
        self.gpu_layers.and_then(|GpuLayers(layers)| layers)
    }

    /// Returns `None`: this build has no GPUs.
    #[cfg(not(feature = "gpu"))]
    #[expect(clippy::unused_self, reason = "another build has an option for it")]
    pub(crate) fn layers(&self) -> Option<usize> {
        None
    }

    /// Returns the word that names the device, and `cpu` if the threads are set.
    pub(crate) fn device_word(&self, settings: &Settings) -> String {
        if self.threads.is_some() {
            return CPU.to_owned();
        }
        #[cfg(feature = "gpu")]
        if let Some(word) = &self.device {
            return word.clone();
        }
        settings.config.text("defaults.device").unwrap_or(AUTO).to_owned()
    }

    /// Returns the device, with this arithmetic.
    pub(crate) fn device(
        &self,
        arithmetic: Arithmetic,
        settings: &Settings,
    ) -> Result<DeviceChoice, EngineError> {
        let Arithmetic { exact, kv } = arithmetic;
        let threads = self.threads.or_else(|| settings.config.threads());
        let cpu = CpuOptions { threads, exact, kv, instructions: None };
        let kernels = Some(settings.kernels_folder());
        match &*self.device_word(settings) {
            CPU => Ok(DeviceChoice::Cpu(cpu)),
            AUTO => Ok(automatic(cpu, self.layers(), settings)),
            MLX if self.layers().is_some() => Err(EngineError::NoLayersForMlx),
            MLX => Ok(DeviceChoice::mlx(arithmetic, settings.mlx_library())),
            gpu => DeviceChoice::gpu(gpu, arithmetic, kernels, self.layers()),
        }
    }
}

/// Returns the device that is faster for a model.
pub(crate) fn automatic(
    cpu: CpuOptions,
    layers: Option<usize>,
    settings: &Settings,
) -> DeviceChoice {
    let (kernels, decisions) = (settings.kernels_folder(), settings.decisions_folder());
    let drivers = settings.vulkan_drivers.clone();
    DeviceChoice::automatic(cpu, Some(kernels), layers, Some(decisions), drivers)
}

/// Number of layers on a GPU, or `None` for as many as fit.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
pub(crate) struct GpuLayers(Option<usize>);

#[cfg(feature = "gpu")]
fn gpu_layers(text: &str) -> Result<GpuLayers, String> {
    match text {
        "auto" => Ok(GpuLayers(None)),
        _ => match text.parse() {
            Ok(number) => Ok(GpuLayers(Some(number))),
            Err(_) => Err("expected a number or `auto`".to_owned()),
        },
    }
}

/// Options of commands that generate text, whether they measure it or not.
#[derive(Args, Clone)]
#[command(next_help_heading = "Engine")]
pub(crate) struct DecodeArgs {
    /// Draft tokens with this smaller model, which must share the vocabulary
    ///
    /// A draft model never changes the answer. It speeds up text that it predicts well.
    #[arg(long, value_name = "MODEL", add = ArgValueCompleter::new(complete::models))]
    pub draft_model: Option<String>,

    /// Don't copy weights to huge pages
    ///
    /// By default, long generations copy the weights to huge pages for speed if there is enough
    /// memory. Without the copy, processes keep sharing the pages of the weights files.
    #[arg(long)]
    pub no_huge_pages: bool,
}

/// Options of commands that answer: `run`, `chat` and `server`.
#[derive(Args, Clone)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// Context length in tokens [default: the model's maximum, or what fits in memory]
    ///
    /// The context holds the prompt and the answer together.
    #[arg(long, alias = "num-ctx", value_name = "N", value_parser = whole::<usize>(2..=u64::MAX))]
    pub ctx: Option<usize>,

    #[command(flatten)]
    pub compute: ComputeArgs,

    /// Don't guess tokens from earlier text (prompt lookup)
    ///
    /// Prompt lookup never changes the answer. It speeds up repetitive text such as code edits.
    #[arg(long)]
    pub no_prompt_lookup: bool,

    #[command(flatten)]
    pub decode: DecodeArgs,
}

/// Parses `--kv-bits`.
fn kv_format(bits: &str) -> Result<KvFormat, String> {
    let format = bits.parse().ok().and_then(KvFormat::of_bits);
    format.ok_or_else(|| "must be 4, 8, 16 or 32".to_owned())
}
