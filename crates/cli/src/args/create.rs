//! Arguments of `mlxk create`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  mlxk create coder -f coder.ollama
  mlxk create coder                   # reads ./Modelfile
  printf 'FROM smollm2\\nSYSTEM Be brief.\\n' | mlxk create brief -f -";

const MODELFILE: &str = "\
A Modelfile, in Ollama's format, names a base model and your changes to it. Lines that start \
with # are comments:
  FROM qwen2.5-coder:1.5b
  SYSTEM \"\"\"Answer with code only.\"\"\"
  PARAMETER temperature 0.2
  MESSAGE user Reverse a list.
  MESSAGE assistant list[::-1]
  LICENSE Apache-2.0

FROM takes a local model, an Ollama name with a known MLX counterpart, a model in Ollama's store, \
org/NAME, ./folder or a GGUF file. The name of that file need not end in .gguf: a path into Ollama's store works, \
too. Paths are relative to the Modelfile.

PARAMETER also takes num_ctx, num_predict, stop (repeatable), top_k, top_p, min_p, typical_p, \
repeat_penalty, presence_penalty, frequency_penalty, repeat_last_n and seed. mlxk warns about \
parameters of Ollama's that have no effect, such as num_gpu. Others and ADAPTER are refused.

MESSAGE adds an earlier turn of the conversation, with the role system, user or assistant.

TEMPLATE, RENDERER, PARSER and REQUIRES configure Ollama's own prompt format. mlxk warns about them \
and uses the model's chat template instead.

The new model is the file models/NAME.toml in mlxk's data folder (on Linux, ~/.local/share/mlxk; \
`mlxk doctor disk` shows it). The weights are not copied. `mlxk show NAME --modelfile` prints the \
Modelfile again. If the name exists, `create` asks before it replaces it; without a terminal, it \
needs --force.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES, after_long_help = format!("{MODELFILE}\n\n{EXAMPLES}"))]
pub(crate) struct CreateArgs {
    /// Name of the new model, such as `coder` or `me/coder:v2`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Modelfile to read; `-` reads standard input
    #[arg(short, long, value_name = "FILE", default_value = "Modelfile")]
    pub file: PathBuf,

    /// Fail if an instruction has no effect, instead of warning
    #[arg(long)]
    pub strict: bool,

    /// Don't download or import the base model; fail if it isn't available locally
    #[arg(long)]
    pub no_pull: bool,

    /// Replace a name made earlier by `create` or `cp`, without asking
    #[arg(long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
