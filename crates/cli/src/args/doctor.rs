//! Arguments of `mlxk doctor`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::doctor::ALL;

const EXAMPLES: &str = "\
Examples:
  mlxk doctor                        # everything on this machine
  mlxk doctor --online               # the hub too
  mlxk doctor path models            # only these checks
  mlxk doctor --fix                  # repair what is safe to repair
  mlxk doctor --json | jq -r '.data.checks[] | select(.level == \"broken\").text'";

const EXIT_CODE: &str = "\
Exit code:
  0  nothing is broken; there may be warnings
  1  something is broken";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES, after_long_help = after_long_help())]
pub(crate) struct DoctorArgs {
    /// Checks to run [default: all]
    #[arg(value_name = "CHECK", value_parser = PossibleValuesParser::new(ALL.iter().map(|check| check.id)), hide_possible_values = true)]
    pub checks: Vec<String>,

    /// Also contact servers on the network: the hub, and Ollama if it runs elsewhere
    #[arg(long)]
    pub online: bool,

    /// Repair what can be repaired without losing anything: completions, leftovers of conversions
    #[arg(long)]
    pub fix: bool,

    /// Skip the slow checks: `numerics` and `speed`
    #[arg(long, conflicts_with = "checks")]
    pub quick: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the checks, from the table that runs them.
fn after_long_help() -> String {
    let width = ALL.iter().map(|check| check.id.len()).max().unwrap_or_default();
    let checks: Vec<String> =
        ALL.iter().map(|check| format!("  {:width$}  {}", check.id, check.about)).collect();
    format!("Checks:\n{}\n\n{EXIT_CODE}\n\n{EXAMPLES}", checks.join("\n"))
}
