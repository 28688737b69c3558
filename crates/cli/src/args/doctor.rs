//! `mlxk doctor`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::doctor::ALL;

#[derive(Args)]
#[command(after_help = after_help())]
pub(crate) struct DoctorArgs {
    /// Which checks to make; all where none is named
    #[arg(value_name = "CHECK", value_parser = PossibleValuesParser::new(ALL.iter().map(|check| check.id)), hide_possible_values = true)]
    pub checks: Vec<String>,

    /// Also ask servers on the network: the hub, and an Ollama elsewhere
    #[arg(long)]
    pub online: bool,

    /// Leave out what computes for seconds: `numerics` and `speed`
    #[arg(long, conflicts_with = "checks")]
    pub quick: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The checks, from the table that they are made by.
fn after_help() -> String {
    let width = ALL.iter().map(|check| check.id.len()).max().unwrap_or_default();
    let checks: Vec<String> =
        ALL.iter().map(|check| format!("  {:width$}  {}", check.id, check.about)).collect();
    format!("Checks:\n{}\n\n{EXAMPLES}", checks.join("\n"))
}

const EXAMPLES: &str = "\
Exit code:
  0 where nothing is broken, else 1. What works, though not as well as it could, breaks nothing.

Examples:
  mlxk doctor                        everything on this machine
  mlxk doctor --online               the hub too
  mlxk doctor path models            only these checks
  mlxk doctor --json | jq -r '.data.checks[] | select(.level == \"broken\").text'";
