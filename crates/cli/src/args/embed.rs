//! Arguments of `mlxk embed` and `mlxk embed-serve`.

use clap::Args;
use clap_complete::ArgValueCompleter;
use mlxk_engine::embed::Pooling;

use super::values::whole;
use super::{ComputeArgs, MODELS, ServerArgs};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk embed all-MiniLM-L6-v2 \"The cat sits on the mat.\"
  mlxk embed bge-small-en-v1.5 --query \"who sits on the mat?\"
  mlxk embed Qwen3-Embedding-0.6B --instruct \"Find the function\" \"read a file\"
  mlxk embed all-MiniLM-L6-v2 --batch < texts.txt > vectors.jsonl
  echo '{\"id\": 7, \"text\": \"A cat.\"}' | mlxk embed all-MiniLM-L6-v2 --batch";

const DETAILS: &str = "\
The result is a line of JSON per text, with the fields text, embedding and metadata. With --batch, \
each line of the standard input is a text, or a JSON object with the field text. The other fields \
of such an object are kept.

Pooling, prompts and normalization come from the files of the model. If a conversion has lost them, they follow \
from the name of the model.";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{MODELS}\n\n{EXAMPLES}")
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct EmbedArgs {
    /// Model that turns texts into vectors
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL")]
    pub model: String,

    /// Text; `-` or a pipe reads standard input
    pub text: Vec<String>,

    /// Read one text per line of standard input, or JSON Lines with the field `text`
    #[arg(long)]
    pub batch: bool,

    /// Put the model's prompt for queries before the texts
    #[arg(long)]
    pub query: bool,

    /// Put the model's prompt for documents before the texts
    #[arg(long, conflicts_with = "query")]
    pub document: bool,

    /// Put an instruction before the texts, which are queries
    #[arg(long, value_name = "TASK", conflicts_with = "document")]
    pub instruct: Option<String>,

    /// Put the prompt of this name in the model's files before the texts
    #[arg(long, value_name = "NAME", conflicts_with_all = ["query", "document", "instruct"])]
    pub prompt_name: Option<String>,

    /// Keep only the first N values of a vector [default: all]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX))]
    pub dimensions: Option<usize>,

    /// Pooling of the states of a text: cls, last, mean or max [default: the model's]
    #[arg(long, value_name = "NAME", value_parser = pooling)]
    pub pooling: Option<Pooling>,

    /// Leave vectors as long as the model makes them
    #[arg(long)]
    pub no_normalize: bool,

    /// Fail if a text is too long [default: cut it]
    #[arg(long)]
    pub no_truncate: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// Print the model's settings, timings and token counts to stderr
    #[arg(long)]
    pub verbose: bool,

    #[arg(long, hide = true)]
    pub cpu: bool,

    #[command(flatten)]
    pub compute: ComputeArgs,
}

#[derive(Args)]
#[command(args_override_self = true)]
pub(crate) struct EmbedServeArgs {
    /// Model that turns texts into vectors
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "EMBEDDER")]
    pub embedder: String,

    #[arg(long, hide = true)]
    pub cpu: bool,

    #[command(flatten)]
    pub server: ServerArgs,
}

/// Parses `--pooling`.
fn pooling(name: &str) -> Result<Pooling, String> {
    Pooling::of_name(name).ok_or_else(|| "must be cls, last, mean or max".to_owned())
}
