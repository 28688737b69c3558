//! Arguments of `mlxk config`.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use crate::complete;
use crate::config::keys::{KEYS, PAIRS, PAIRS_ABOUT};

const EXAMPLES: &str = "\
Examples:
  mlxk config
  mlxk config get defaults.temperature
  mlxk config set defaults.temperature 0.2
  mlxk config unset defaults.temperature
  mlxk config --init
  mlxk config --json | jq -r .data.path";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = after_long_help())]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub action: Option<ConfigAction>,

    /// Create a configuration file with every setting commented out
    #[arg(long)]
    pub init: bool,

    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// An action on one setting.
#[derive(Subcommand)]
pub(crate) enum ConfigAction {
    /// Print the value of a setting; nothing if it has its default
    #[command(after_help = "Examples:\n  mlxk config get defaults.temperature")]
    Get {
        /// Name of the setting, as in `mlxk config`
        #[arg(add = ArgValueCompleter::new(complete::settings))]
        name: String,
    },
    /// Change a setting in the configuration file
    #[command(after_help = "Examples:\n  mlxk config set defaults.temperature 0.2")]
    Set {
        /// Name of the setting, as in `mlxk config`
        #[arg(add = ArgValueCompleter::new(complete::settings))]
        name: String,
        /// New value
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a setting from the configuration file
    #[command(after_help = "Examples:\n  mlxk config unset defaults.temperature")]
    Unset {
        /// Name of the setting, as in `mlxk config`
        #[arg(add = ArgValueCompleter::new(complete::settings))]
        name: String,
    },
}

/// Lists the settings.
fn after_long_help() -> String {
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or_default();
    let keys = KEYS.iter().map(|key| (key.name, key.about));
    let settings: Vec<String> =
        keys.map(|(name, about)| format!("  {name:width$}  {about}")).collect();
    format!(
        "Settings:\n{}\n\nTables in the file:\n  [{PAIRS}]  {PAIRS_ABOUT}\n\nAn option overrides an environment variable. A variable overrides the file, \
         and the file overrides the default.\n\n{EXAMPLES}",
        settings.join("\n")
    )
}
