//! `mlxk bench kernels`.

use clap::Args;
use mlxk_bench::kernels::{MatrixShape, WeightForms};

use super::{InstructionName, ReportArgs};

const KERNELS_HELP: &str = "\
Forms of weights: bits (4, with all group sizes), bits and group size (4:64), mxfp4, mxfp8, nvfp4,
bf16, f16, f32, all.

Examples:
  mlxk bench kernels
  mlxk bench kernels --mode 4:64,mxfp4 --shape 8960x1536,1536x8960 --rows 1,2,4,8
  mlxk bench kernels --mode 4:64 --instructions avx2 --threads 1 --json";

#[derive(Args)]
#[command(after_help = KERNELS_HELP)]
pub(crate) struct KernelsArgs {
    /// How the weights are stored; may be repeated
    #[arg(long, value_name = "FORM", value_delimiter = ',', default_value = "all")]
    pub mode: Vec<WeightForms>,

    /// Outputs and inputs of a weight; may be repeated
    #[arg(long, value_name = "OUTxIN", value_delimiter = ',', default_value = "4096x4096")]
    pub shape: Vec<MatrixShape>,

    /// Tokens that are multiplied at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,256", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub rows: Vec<u32>,

    /// Figures that each median is of
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,

    /// Compute in f32 throughout
    #[arg(long)]
    pub exact: bool,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub threads: Option<u32>,

    /// Which kernels [default: the best that this processor runs]
    #[arg(long, value_name = "SET")]
    pub instructions: Option<InstructionName>,

    #[command(flatten)]
    pub output: ReportArgs,
}
