//! Arguments of `mlxk bench kernels`.

use clap::Args;
use mlxk_bench::kernels::{MatrixShape, WeightForms};

use super::{InstructionName, ReportArgs};
use crate::args::engine::{EXACT, THREADS};
use crate::args::values::whole;

const EXAMPLES: &str = "\
Examples:
  mlxk bench kernels
  mlxk bench kernels --mode 4:64,mxfp4 --shape 8960x1536 --rows 1,2,4,8
  mlxk bench kernels --mode 4:64 --instructions avx2 --threads 1 --json
  mlxk bench kernels --device gpu --mode 4:64,8:64 --rows 1,4,16,512";

const FORMATS: &str = "\
Weight formats:
  4                          4 bits, with all group sizes
  4:64                       4 bits, in groups of 64
  mxfp4, mxfp8, nvfp4        block formats
  bf16, f16, f32             not quantized
  all                        all of them";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{FORMATS}\n\n{EXAMPLES}"))]
pub(crate) struct KernelsArgs {
    /// Weight formats, separated by commas; repeatable
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "all")]
    pub mode: Vec<WeightForms>,

    /// Outputs and inputs of weight matrices, separated by commas; repeatable
    #[arg(long, value_name = "OUTxIN", value_delimiter = ',', default_value = "4096x4096")]
    pub shape: Vec<MatrixShape>,

    /// Numbers of tokens multiplied at once, separated by commas; repeatable
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,256", value_parser = whole::<u32>(1..=65_536))]
    pub rows: Vec<u32>,

    /// Samples per median
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = whole::<u32>(1..=u32::MAX.into()))]
    pub runs: u32,

    #[arg(long, help = EXACT)]
    pub exact: bool,

    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=4096), help = THREADS)]
    pub threads: Option<usize>,

    /// Instruction set of the kernels [default: the best this processor supports]
    #[arg(long, value_name = "SET")]
    pub instructions: Option<InstructionName>,

    /// GPU whose kernels are measured: `gpu`, `gpu:N`, or a part of its name [default: the CPU]
    ///
    /// Products and attention are compared with the rate at which the GPU copies, and with its arithmetic in registers.
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["threads", "instructions"])]
    pub device: Option<String>,

    /// Numbers of positions before a token whose attention is measured, separated by commas
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "128,2048,8192", requires = "device", value_parser = whole::<u32>(1..=1_000_000))]
    pub contexts: Vec<u32>,

    /// Try the shapes of the GPU's kernels first, and keep the fastest for all commands
    ///
    /// They are measured with the first `--mode`, and with every `--shape` and `--contexts`. The folder `kernels` of the
    /// data folder keeps them for this GPU and version of its driver. Otherwise, `mlxk` uses the shapes that were fastest
    /// on an NVIDIA H200.
    #[cfg(feature = "gpu")]
    #[arg(long, requires = "device")]
    pub tune: bool,

    #[command(flatten)]
    pub output: ReportArgs,
}
