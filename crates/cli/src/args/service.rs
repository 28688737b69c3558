//! Arguments of `mlxk service`.

use clap::{Args, Subcommand, ValueEnum};

use crate::launch::System;

const EXAMPLES: &str = "\
Examples:
  mlxk service install -- --model qwen2.5-coder:1.5b --ctx 32768
  mlxk service install --print
  mlxk service status
  mlxk service logs --follow
  mlxk service uninstall";

const DETAILS: &str = "\
The service belongs to you, not to the system, and starts when you log in. It is a unit of \
systemd on Linux, an agent of launchd on macOS, and a task of the scheduler on Windows.

Without an action, the state of the service is shown.

The key in MLXK_API_KEY is not written to it. Use --api-key-file, or the setting \
server.api_key_file.";

const INSTALL: &str = "\
Examples:
  mlxk service install
  mlxk service install -- --model qwen2.5-coder:1.5b --port 9000
  mlxk service install --print";

#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{EXAMPLES}")
)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    pub action: Option<ServiceAction>,
}

#[derive(Subcommand)]
pub(crate) enum ServiceAction {
    /// Start the server now and at every login
    #[command(after_help = INSTALL, after_long_help = format!("{DETAILS}\n\n{INSTALL}"))]
    Install(InstallArgs),
    /// Stop the server, and don't start it any more
    #[command(after_help = "Examples:\n  mlxk service uninstall")]
    Uninstall,
    /// Show if the server runs
    #[command(after_help = "Examples:\n  mlxk service status")]
    Status,
    /// Print the end of the server's log
    #[command(after_help = "Examples:\n  mlxk service logs\n  mlxk service logs --follow")]
    Logs {
        /// Also print what is added to it, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
}

#[derive(Args)]
pub(crate) struct InstallArgs {
    /// Print the definition and the commands, and change nothing
    #[arg(long)]
    pub print: bool,

    /// Print the definition for another system
    #[arg(long, value_name = "SYSTEM", requires = "print")]
    pub system: Option<SystemName>,

    /// Options of `mlxk server`, after `--`
    #[arg(last = true, value_name = "SERVER OPTION")]
    pub options: Vec<String>,
}

/// A value of `--system`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SystemName {
    Linux,
    Macos,
    Windows,
}

impl SystemName {
    pub(crate) fn system(self) -> System {
        match self {
            Self::Linux => System::Linux,
            Self::Macos => System::MacOs,
            Self::Windows => System::Windows,
        }
    }
}
