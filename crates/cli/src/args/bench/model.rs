//! `mlxk bench model`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use mlxk_engine::KvFormat;

use super::{InstructionName, ReportArgs};
use crate::complete;

const MODEL_HELP: &str = "\
A model runs in a process of its own; several are measured in turn, figure by figure, and the first is
compared with each of the others. Names have to be whole here: parts of them are not enough.

A synthetic model has random weights and the shape of a model: --synthetic takes the path of a
config.json or one of these names:
  llama-3.1-8b  llama-3.2-1b  llama-3.2-3b  mistral-7b  qwen2.5-coder-0.5b  qwen2.5-coder-1.5b
  qwen2.5-coder-7b  qwen3-0.6b  qwen3-30b-a3b  smollm2-135m

Examples:
  mlxk bench model smollm2
  mlxk bench model mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit --contexts 128,4096 --runs 7
  mlxk bench model ./my-4bit ./my-8bit --markdown
  mlxk bench model --synthetic qwen2.5-coder-1.5b --bits 4 --gguf qwen.gguf --keep ./qwen-synthetic
  llama-bench -m qwen.gguf -p 512 -n 128 -t 2                      the same work for llama.cpp";

#[derive(Args)]
#[command(after_help = MODEL_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ModelArgs {
    /// Which models
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL", required_unless_present = "synthetic")]
    pub models: Vec<String>,

    /// Tokens of the prompt whose prefill is measured
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    pub prompt_tokens: u32,

    /// Tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..), help_heading = "Workload")]
    pub max_tokens: u32,

    /// Tokens before the answers: a series for each depth
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "128", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    pub contexts: Vec<u32>,

    /// Figures that each median is of
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Workload")]
    pub runs: u32,

    /// Rounds before that, which do not count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=10_000), help_heading = "Workload")]
    pub warmup: u32,

    /// Compute in f32 throughout
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Bits of a value in the KV cache [default: 16; 32 with --exact]
    #[arg(long, value_name = "BITS", value_parser = super::super::engine::kv_format, help_heading = "Engine")]
    pub kv_bits: Option<KvFormat>,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Engine")]
    pub threads: Option<u32>,

    /// Which kernels [default: the best that this processor runs]
    #[arg(long, value_name = "SET", help_heading = "Engine")]
    pub instructions: Option<InstructionName>,

    /// Look up in the text so far what may come next and compute it along
    #[arg(long, help_heading = "Engine")]
    pub prompt_lookup: bool,

    /// A smaller model with the same vocabulary that guesses what comes next
    #[arg(long, value_name = "MODEL", help_heading = "Engine")]
    pub draft_model: Option<String>,

    /// Leave weights in the pages of their file, which processes share. Otherwise longer answers have them
    /// moved to huge pages, which are read faster, where the system has them and memory allows
    #[arg(long, help_heading = "Engine")]
    pub no_huge_pages: bool,

    /// Fail where a model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,

    /// Measure a model of random weights, of this shape
    #[arg(long, value_name = "SHAPE", help_heading = "Synthetic models")]
    pub synthetic: Option<String>,

    /// How its weights are stored
    #[arg(
        long,
        value_name = "MODE",
        default_value = "affine",
        requires = "synthetic",
        help_heading = "Synthetic models"
    )]
    pub mode: SyntheticMode,

    /// Bits of its weights, where they are affine: 2, 3, 4, 5, 6 or 8
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        requires = "synthetic",
        help_heading = "Synthetic models"
    )]
    pub bits: u8,

    /// Weights that share a scale, where they are affine: 32, 64 or 128
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        requires = "synthetic",
        help_heading = "Synthetic models"
    )]
    pub group_size: u16,

    /// Keep it in this folder, or take it from there where it is [default: removed afterwards]
    #[arg(long, value_name = "FOLDER", requires = "synthetic", help_heading = "Synthetic models")]
    pub keep: Option<std::path::PathBuf>,

    /// Also write the same weights as a GGUF file
    #[arg(long, value_name = "FILE", requires = "synthetic", help_heading = "Synthetic models")]
    pub gguf: Option<std::path::PathBuf>,

    /// How the weights in it are stored
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "q4_0",
        requires = "gguf",
        help_heading = "Synthetic models"
    )]
    pub gguf_type: GgufType,

    /// Write what is asked for, and measure nothing
    #[arg(long, requires = "synthetic", help_heading = "Synthetic models")]
    pub no_run: bool,

    #[command(flatten)]
    pub output: ReportArgs,
}

/// How synthetic weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyntheticMode {
    Affine,
    Mxfp4,
    Mxfp8,
    Nvfp4,
    Bf16,
    F16,
    F32,
}

/// The types of weights in a GGUF file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GgufType {
    #[value(name = "q4_0")]
    Q4,
    #[value(name = "q8_0")]
    Q8,
    F16,
    F32,
}
