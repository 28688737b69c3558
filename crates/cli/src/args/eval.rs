//! Arguments of `mlxk eval`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;

use super::values::whole;
use super::{ComputeArgs, MODELS};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk eval smollm2 --tasks arc_easy.jsonl
  mlxk eval ./my-bf16 ./my-4bit --tasks arc.jsonl hellaswag.jsonl --limit 200
  mlxk eval smollm2 --tasks test/*.csv --examples dev/*.csv --shots 5 --json";

const METHOD: &str = "\
A question is answered by the choice that the model finds most probable after the question. Prompts \
and scores are those of lm-evaluation-harness 0.4, so they can be compared with published ones. \
acc takes the most probable choice, acc_norm the most probable one per character. Several models \
are compared with the first, question by question.

Formats:
  ARC         JSON Lines with question, choices.text, choices.label, answerKey
  HellaSwag   JSON Lines with activity_label, ctx_a, ctx_b, endings, label
  MMLU        CSV (question,A,B,C,D,answer), or question, choices, answer

JSON Lines are those that `to_json` of Hugging Face's datasets writes. Write your own questions in \
the format of ARC. The name of an MMLU file tells its subject: astronomy_test.csv.";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{METHOD}\n\n{MODELS}\n\n{EXAMPLES}")
)]
pub(crate) struct EvalArgs {
    /// Model to measure; several are compared with the first
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL", required = true)]
    pub models: Vec<String>,

    /// Files of questions, as ARC, HellaSwag and MMLU have them
    #[arg(long, value_name = "FILE", num_args = 1.., required = true, value_hint = ValueHint::FilePath)]
    pub tasks: Vec<PathBuf>,

    /// Use only the first N questions of each file [default: all]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX))]
    pub limit: Option<usize>,

    /// Show N solved examples before each question [default: 0]
    ///
    /// They are the first of --examples in the same format, and for MMLU of the same subject. For ARC
    /// and HellaSwag, lm-evaluation-harness draws examples at random instead.
    #[arg(long, alias = "num-fewshot", value_name = "N", requires = "examples", value_parser = whole::<usize>(0..=1000))]
    pub shots: Option<usize>,

    /// Files of solved questions to take the examples from
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "shots", value_hint = ValueHint::FilePath)]
    pub examples: Vec<PathBuf>,

    /// Write every answer with its log-likelihoods to a file, as JSON Lines
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub samples: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compute: ComputeArgs,
}
