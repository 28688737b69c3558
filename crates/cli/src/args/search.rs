//! Arguments of `mlxk search`.

use clap::Args;

use super::values::whole;

const EXAMPLES: &str = "\
Examples:
  mlxk search qwen coder
  mlxk search llama --limit 5 --json
  mlxk search --ollama qwen3";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SearchArgs {
    /// Words to look for in repository names
    #[arg(required_unless_present = "ollama", value_name = "WORD")]
    pub words: Vec<String>,

    /// List the names of Ollama's library that `mlxk` knows, without asking the hub
    #[arg(long, conflicts_with = "all")]
    pub ollama: bool,

    /// Maximum number of results
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole::<u16>(1..=1000))]
    pub limit: u16,

    /// Include models of other frameworks
    #[arg(long)]
    pub all: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
