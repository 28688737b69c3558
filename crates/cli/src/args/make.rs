//! Making models: `mlxk convert`, `mlxk clone`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;

const CONVERT_HELP: &str = "\
SOURCE is a model by any name, a folder with safetensors, or a GGUF file. TARGET is a folder that does
not exist yet; a bare name is one in MLXK_WORKSPACE_HOME, where that is set.

Recipes give more bits to sensitive layers, as mlx-lm's do: mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6.
Any other word is the path of a file with a line for each pattern, as --module has them:

  lm_head = 8:64             # bits and group size
  *.down_proj = 6            # the usual group size
  embed_tokens = mxfp8       # a mode
  layers.0.* = dense         # not quantized

Examples:
  mlxk convert ./SmolLM2-bf16 ./SmolLM2-4bit -q 4
  mlxk convert ./model ./model-mixed --recipe mixed_4_6 --module 'lm_head=8:64'
  mlxk convert model.gguf ./model-mxfp4 --mode mxfp4
  mlxk convert mlx-community/Qwen3-0.6B-4bit ./Qwen3-0.6B-bf16 --dequantize
  mlxk convert ./broken ./whole --repair-index";

#[derive(Args)]
#[command(after_help = CONVERT_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ConvertArgs {
    /// Which model
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub source: String,

    /// Where to
    pub target: String,

    /// Quantize to so many bits: 2, 3, 4, 5, 6 or 8
    #[arg(short, long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(2..=8))]
    pub quantize: Option<u8>,

    /// How to quantize [default: affine]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<ModeName>,

    /// Weights that share a scale: 32, 64 or 128 [default: 64]
    #[arg(long, visible_alias = "group-size", value_name = "N")]
    pub q_group_size: Option<u16>,

    /// More bits for some modules: the name of a recipe, or a file
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,

    /// The mode of the modules that a pattern fits, such as 'lm_head=8:64'; may be repeated
    #[arg(long, value_name = "PATTERN=MODE")]
    pub module: Vec<String>,

    /// Turn all weights into floating values
    #[arg(short, long, conflicts_with_all = ["quantize", "mode", "recipe", "module"])]
    pub dequantize: bool,

    /// The type of floating values
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<TypeName>,

    /// Keep GGUF's K-quants exact, with scales in f32
    #[arg(long)]
    pub lossless: bool,

    /// Write the index of the weights anew, and change nothing else; without effect on the source
    /// unless TARGET is SOURCE
    #[arg(long, conflicts_with_all = ["quantize", "mode", "recipe", "module", "dequantize", "dtype", "lossless"])]
    pub repair_index: bool,

    /// Do not check the result
    #[arg(long)]
    pub skip_health: bool,

    /// Begin although the disk seems too full
    #[arg(short, long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Modes by MLX's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeName {
    Affine,
    Mxfp4,
    Mxfp8,
    Nvfp4,
}

/// Element types by their names in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeName {
    Bfloat16,
    Float16,
    Float32,
}

const CLONE_HELP: &str = "\
TARGET is a folder that does not exist yet. A bare name is one in MLXK_WORKSPACE_HOME, where that is
set; without a TARGET the folder has the name of the model, there or here.

The copy is yours to change; `mlxk show` tells whether it was. A file system that can shares its
content with the cache until then.

Examples:
  mlxk clone mlx-community/Qwen3-0.6B-4bit ./my-qwen
  mlxk clone Qwen3-0.6B-4bit@main";

#[derive(Args)]
#[command(after_help = CLONE_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct CloneArgs {
    /// Which model; it is downloaded where it has to be
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    /// Where to
    pub target: Option<String>,

    /// A branch, tag or commit, as after @
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,

    /// Do not check the copy
    #[arg(long)]
    pub no_health_check: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Accepted for MLX-Knife's sake: an unfinished download always goes on
    #[arg(long, hide = true)]
    pub force_resume: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
