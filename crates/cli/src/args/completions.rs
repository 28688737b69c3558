//! Arguments of `mlxk completions`.

use clap::Args;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  source <(mlxk completions bash)               # for this shell
  mlxk completions zsh > ~/.zfunc/_mlxk         # if ~/.zfunc is in fpath
  mlxk completions fish > ~/.config/fish/completions/mlxk.fish";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Shell to generate completions for [default: yours, by `SHELL`]
    pub shell: Option<Shell>,
}
