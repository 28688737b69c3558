//! `mlxk perplexity`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use mlxk_engine::KvFormat;

use super::MODELS;
use crate::complete;

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
    #[arg(add = ArgValueCompleter::new(complete::models))]
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
    #[arg(add = ArgValueCompleter::new(complete::models), long, value_name = "MODEL", help_heading = "Comparison")]
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

    /// Bits of a value in the KV cache of the model, not of the reference [default: 16; 32 with --exact]
    #[arg(long, value_name = "BITS", value_parser = super::engine::kv_format, help_heading = "Engine")]
    pub kv_bits: Option<KvFormat>,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Fail where a model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,
}
