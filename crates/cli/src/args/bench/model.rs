//! Arguments of `mlxk bench model`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::{InstructionName, ReportArgs};
use crate::args::values::{one_of, whole};
use crate::args::{ComputeArgs, DecodeArgs};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk bench model smollm2
  mlxk bench model Qwen2.5-Coder-1.5B-Instruct-4bit --contexts 128,4096 --runs 7
  mlxk bench model ./my-4bit ./my-8bit --markdown
  mlxk bench model --synthetic qwen2.5-coder-1.5b --gguf qwen.gguf --keep ./qwen
  llama-bench -m qwen.gguf -p 512 -n 128 -t 2      # the same work in llama.cpp";

const DETAILS: &str = "\
Each model runs in its own process. Several models take turns, and each is compared with the first. \
Names must be complete: part of a name is not enough.

A synthetic model has the shape of a real one and random weights. --synthetic takes the path of a \
config.json, or a name:
  lfm2-350m  llama-3.1-8b  llama-3.2-1b  llama-3.2-3b  mistral-7b
  qwen2.5-coder-0.5b  qwen2.5-coder-1.5b  qwen2.5-coder-7b
  qwen3-0.6b  qwen3-30b-a3b  qwen3.5-0.8b  smollm2-135m";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
pub(crate) struct ModelArgs {
    /// Models to measure
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL", required_unless_present = "synthetic")]
    pub models: Vec<String>,

    /// Length in tokens of the prompt for measuring prefill
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = whole::<u32>(1..=u32::MAX.into()), help_heading = "Workload")]
    pub prompt_tokens: u32,

    /// Length of each answer in tokens
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = whole::<u32>(2..=u32::MAX.into()), help_heading = "Workload")]
    pub max_tokens: u32,

    /// Tokens in the context before decoding starts; a list, separated by commas, measures each
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "128", value_parser = whole::<u32>(1..=u32::MAX.into()), help_heading = "Workload")]
    pub contexts: Vec<u32>,

    /// Samples per median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<u32>(1..=10_000), help_heading = "Workload")]
    pub runs: u32,

    /// Warm-up rounds, which don't count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(0..=10_000), help_heading = "Workload")]
    pub warmup: u32,

    #[command(flatten)]
    pub compute: ComputeArgs,

    /// Instruction set of the kernels [default: the best this processor supports]
    #[arg(long, value_name = "SET", help_heading = "Engine")]
    pub instructions: Option<InstructionName>,

    /// Guess tokens from earlier text (prompt lookup; off by default in measurements)
    #[arg(long, help_heading = "Engine")]
    pub prompt_lookup: bool,

    #[command(flatten)]
    pub decode: DecodeArgs,

    /// Measure a model of this shape with random weights
    #[arg(long, value_name = "SHAPE", help_heading = "Synthetic models")]
    pub synthetic: Option<String>,

    /// Quantization mode or type of the weights
    #[arg(
        long,
        value_name = "MODE",
        default_value = "affine",
        requires = "synthetic",
        help_heading = "Synthetic models"
    )]
    pub mode: SyntheticMode,

    /// Bits per weight, if affine: 2, 3, 4, 5, 6 or 8
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        requires = "synthetic",
        value_parser = one_of([2_u8, 3, 4, 5, 6, 8]),
        help_heading = "Synthetic models"
    )]
    pub bits: u8,

    /// Weights per scale, if affine: 32, 64 or 128
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        requires = "synthetic",
        value_parser = one_of([32_u16, 64, 128]),
        help_heading = "Synthetic models"
    )]
    pub group_size: u16,

    /// Keep the model in this folder, or reuse it from there [default: delete it afterwards]
    #[arg(long, value_name = "FOLDER", requires = "synthetic", help_heading = "Synthetic models")]
    pub keep: Option<PathBuf>,

    /// Also write the same weights to a GGUF file
    #[arg(long, value_name = "FILE", requires = "synthetic", help_heading = "Synthetic models")]
    pub gguf: Option<PathBuf>,

    /// Type of the weights in the GGUF file
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "q4_0",
        requires = "gguf",
        help_heading = "Synthetic models"
    )]
    pub gguf_type: GgufType,

    /// Write the files without measuring
    #[arg(long, requires = "synthetic", help_heading = "Synthetic models")]
    pub no_run: bool,

    #[command(flatten)]
    pub output: ReportArgs,
}

/// A quantization mode or type of synthetic weights.
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

/// A type of weights in a GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GgufType {
    #[value(name = "q4_0")]
    Q4,
    #[value(name = "q8_0")]
    Q8,
    F16,
    F32,
}
