//! Arguments of `mlxk config`.

use clap::Args;

use crate::config::keys::{KEYS, PAIRS, PAIRS_ABOUT};

const EXAMPLES: &str = "\
Examples:
  mlxk config
  mlxk config --init
  mlxk config --json | jq -r .data.path";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = after_long_help())]
pub(crate) struct ConfigArgs {
    /// Create a configuration file with every setting commented out
    #[arg(long)]
    pub init: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the settings.
fn after_long_help() -> String {
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or_default();
    let keys = KEYS.iter().map(|key| (key.name, key.about)).chain([(PAIRS, PAIRS_ABOUT)]);
    let settings: Vec<String> =
        keys.map(|(name, about)| format!("  {name:width$}  {about}")).collect();
    format!(
        "Settings:\n{}\n\nAn option overrides an environment variable. A variable overrides the file, \
         and the file overrides the default.\n\n{EXAMPLES}",
        settings.join("\n")
    )
}
