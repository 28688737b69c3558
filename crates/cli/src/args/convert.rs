//! Arguments of `mlxk convert`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::values::one_of;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk convert ./SmolLM2-bf16 ./SmolLM2-4bit -q 4
  mlxk convert ./model ./model-mixed --recipe mixed_4_6 --module 'lm_head=8:64'
  mlxk convert model.gguf ./model-mxfp4 --mode mxfp4
  mlxk convert mlx-community/Qwen3-0.6B-4bit ./Qwen3-0.6B-bf16 --dequantize
  mlxk convert ./broken ./repaired --repair-index";

const DETAILS: &str = "\
SOURCE is the name of a model, a folder with safetensors files, or a GGUF file. TARGET is a new \
folder. With a bare name, it is created in MLXK_WORKSPACE_HOME if that is set, otherwise in the \
current folder.

Recipes give sensitive layers more bits. The built-in ones are those of mlx-lm: mixed_2_6, \
mixed_3_4, mixed_3_6 and mixed_4_6. Any other value is the path of a file with one pattern per \
line, as in --module:
  lm_head = 8:64             # bits and group size
  *.down_proj = 6            # default group size
  embed_tokens = mxfp8       # mode
  layers.0.* = dense         # not quantized";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ConvertArgs {
    /// Model, folder or GGUF file to convert
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub source: String,

    /// Folder to create
    pub target: String,

    /// Quantize to this many bits: 2, 3, 4, 5, 6 or 8, or in a mode, as with --mode
    #[arg(short, long, value_name = "BITS", value_parser = quantize)]
    pub quantize: Option<Quantize>,

    /// Quantization mode [default: affine]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<ModeName>,

    /// Weights per scale: 32, 64 or 128, or 16 for nvfp4 [default: 64 if affine]
    #[arg(long, visible_alias = "group-size", value_name = "N", value_parser = one_of([16_u16, 32, 64, 128]))]
    pub q_group_size: Option<u16>,

    /// Quantize by a recipe: a built-in name or a file
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,

    /// Set the mode of matching modules, as in 'lm_head=8:64'; repeatable
    #[arg(long, value_name = "PATTERN=MODE")]
    pub module: Vec<String>,

    /// Convert all weights to floating point
    #[arg(short, long, conflicts_with_all = ["quantize", "mode", "recipe", "module"])]
    pub dequantize: bool,

    /// Floating-point type of weights that are not quantized
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<TypeName>,

    /// Leave out the parts for images and sound
    ///
    /// By default, they are kept unchanged.
    #[arg(long)]
    pub text_only: bool,

    /// Convert GGUF K-quants exactly, with f32 scales
    #[arg(long)]
    pub lossless: bool,

    /// Rewrite the weight index and change nothing else
    ///
    /// Repairs SOURCE in place if TARGET is the same folder.
    #[arg(long, conflicts_with_all = ["quantize", "mode", "recipe", "module", "dequantize", "dtype", "lossless", "text_only"])]
    pub repair_index: bool,

    /// Don't check the result
    #[arg(long)]
    pub skip_health: bool,

    /// Start even if the disk seems too full
    #[arg(short, long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A value of `--quantize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantize {
    Bits(u8),
    Mode(ModeName),
}

/// Parses `--quantize`.
fn quantize(text: &str) -> Result<Quantize, String> {
    if let Ok(mode) = ModeName::from_str(text.trim(), true) {
        return Ok(Quantize::Mode(mode));
    }
    one_of([2, 3, 4, 5, 6, 8])(text).map(Quantize::Bits)
}

/// A quantization mode by MLX's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeName {
    Affine,
    Mxfp4,
    Mxfp8,
    Nvfp4,
}

/// An element type by its name in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeName {
    Bfloat16,
    Float16,
    Float32,
}
