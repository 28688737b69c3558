//! `mlxk create`.

use std::path::PathBuf;

use clap::Args;

const HELP: &str = "\
A Modelfile says, in Ollama's form, which model another one builds on and what is different:

  FROM qwen2.5-coder:1.5b             a model that is here, a name of the pair table, what Ollama
                                      has, org/NAME, ./folder or file.gguf (beside the Modelfile)
  SYSTEM \"\"\"Answer with code only.\"\"\"
  PARAMETER temperature 0.2           also num_ctx, num_predict, stop (several times), top_k, top_p,
                                      min_p, repeat_penalty, repeat_last_n, seed
  MESSAGE user Reverse a list.        what was said before: by system, user or assistant
  MESSAGE assistant list[::-1]
  LICENSE Apache-2.0
  # a comment

  TEMPLATE, RENDERER, PARSER and REQUIRES are about Ollama's own way to lay out a prompt; the model's
  chat template has its place, and a warning says so. ADAPTER and other parameters are refused.

The model is a small file of its own, NAME.toml, beside the imported models; the weights stay where
they are. `mlxk show NAME --modelfile` prints the Modelfile again.

Examples:
  mlxk create coder -f coder.ollama
  mlxk create coder                   what ./Modelfile says
  printf 'FROM smollm2\\nSYSTEM Be brief.\\n' | mlxk create brief -f -";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct CreateArgs {
    /// The name; a model that was created under it before is replaced
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The Modelfile; `-` for standard input
    #[arg(short, long, value_name = "FILE", default_value = "Modelfile")]
    pub file: PathBuf,

    /// Refuse instructions that have no effect, instead of warning
    #[arg(long)]
    pub strict: bool,

    /// Never download or import the model that it builds on
    #[arg(long)]
    pub no_pull: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
