//! Arguments of `mlxk launch`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::TargetArgs;
use super::values::whole;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk launch
  mlxk launch claude --model qwen3:8b
  mlxk launch opencode --model qwen3:8b --ctx 65536
  mlxk launch codex --model qwen3:8b -- exec \"Explain this folder.\"
  mlxk launch zed --model qwen3:8b --print
  mlxk launch zed --restore";

const DETAILS: &str = "\
Applications: aider, claude, cline, codex, continue, goose, opencode, pi, qwen-code, zed.

If no server runs at the address, one is started with the model. It stops when the application \
ends. Settings that change are shown first, and the originals are kept for --restore. \
--print shows the settings of an application without changing anything.";

#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"),
    mut_arg("host", |arg| arg.help("Address of the server, with or without a port [default: 127.0.0.1]"))
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct LaunchArgs {
    /// Application to launch; without one, list them
    #[arg(add = ArgValueCompleter::new(complete::applications))]
    pub app: Option<String>,

    /// Arguments for the application, after `--`
    #[arg(last = true)]
    pub arguments: Vec<String>,

    /// Model to use [default: the server's]
    #[arg(add = ArgValueCompleter::new(complete::models), long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Context length in tokens, if a server has to be started
    #[arg(long, value_name = "N", value_parser = whole::<usize>(2..=u64::MAX))]
    pub ctx: Option<usize>,

    /// Print the settings and the command, and change nothing
    #[arg(long)]
    pub print: bool,

    /// Put the application's original settings back
    #[arg(long, conflicts_with_all = ["print", "model", "ctx", "arguments"])]
    pub restore: bool,

    /// Change settings without asking
    #[arg(short, long)]
    pub yes: bool,

    /// Launch with a model that doesn't fit, or restore settings that were changed since
    #[arg(long)]
    pub force: bool,

    /// Don't download the model; fail if it isn't available locally
    #[arg(long)]
    pub no_pull: bool,

    #[command(flatten)]
    pub target: TargetArgs,
}
