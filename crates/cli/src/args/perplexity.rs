//! Arguments of `mlxk perplexity`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::values::whole;
use super::{ComputeArgs, MODELS};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk perplexity smollm2 README.md
  mlxk perplexity ./my-bf16 ./my-8bit ./my-4bit ./my-3bit text.txt
  mlxk perplexity Qwen2.5-Coder-0.5B-Instruct-4bit code.txt --against-exact
  mlxk perplexity ./my-4bit text.txt --against ./my-bf16 --json
  mlxk perplexity ./my-bf16 text.txt --save-logits bf16.logits
  mlxk perplexity ./my-4bit text.txt --against-logits bf16.logits
  mlxk perplexity smollm2 text.txt --window 512 --stride 512 --min-context 257";

const METHOD: &str = "\
A window of --window tokens moves over the text by --stride tokens. Each token is scored once, in \
the first window that contains it (Hugging Face's definition). A smaller stride gives tokens more \
context and takes longer. The first token of the text is never scored. If the tokenizer adds a \
beginning-of-text token, each window starts with it.

Several models are compared with the first, in one table. For conversions of one model, a verdict \
says what each costs. No loss is up to 1 % more perplexity. A small loss is up to 5 %, a noticeable \
one up to 15 %, a heavy one up to 50 %. Beyond that, the conversion is unusable. These grades are \
orders of magnitude from llama.cpp's table of quantizations. Models with different tokenizers are \
compared by bits per byte, because a perplexity counts per token.

With --against and its relatives, a comparison prints KL(reference || model) in nats per token and how often both agree on the most \
probable token. It also prints the change in the probability of the right token. \
KL is the sum of P·(ln P - ln Q) over the vocabulary, for the reference P and the model Q.

--kv-bits applies to the model, not to the reference. The last example scores the second halves of \
separate windows, like `llama-perplexity -c 512`.";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{METHOD}\n\n{MODELS}\n\n{EXAMPLES}")
)]
pub(crate) struct PerplexityArgs {
    /// Model to measure; several are compared with the first
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL", required = true)]
    pub models: Vec<String>,

    /// UTF-8 text to score; `-` reads standard input
    #[arg(required = true)]
    pub file: PathBuf,

    /// Window length in tokens [default: the context length, at most 2048]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(2..=u64::MAX), help_heading = "Windows")]
    pub window: Option<usize>,

    /// Distance between windows in tokens [default: half a window]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX), help_heading = "Windows")]
    pub stride: Option<usize>,

    /// Score only tokens that follow at least this many others in their window
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<usize>(1..=u64::MAX), help_heading = "Windows")]
    pub min_context: usize,

    /// Use only the first N tokens of the text [default: all]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(2..=u64::MAX), help_heading = "Windows")]
    pub max_tokens: Option<usize>,

    /// Reference model to compare with; must have the same tokenizer
    #[arg(add = ArgValueCompleter::new(complete::models), long, value_name = "MODEL", help_heading = "Comparison")]
    pub against: Option<String>,

    /// Compute the reference in exact mode; without --against, compare the model with itself
    #[arg(long, help_heading = "Comparison")]
    pub against_exact: bool,

    /// Compare with logits saved by another run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "against_exact"], help_heading = "Comparison")]
    pub against_logits: Option<PathBuf>,

    /// Save the logits: two bytes per scored token and vocabulary entry
    #[arg(long, value_name = "FILE", help_heading = "Comparison")]
    pub save_logits: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compute: ComputeArgs,
}
