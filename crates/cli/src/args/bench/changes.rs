//! Arguments of `mlxk bench compare`.

use std::path::PathBuf;

use clap::Args;

use super::ReportArgs;
use crate::args::values::share;

const EXAMPLES: &str = "\
Examples:
  mlxk bench compare before.json after.json
  mlxk bench compare before.json after.json --fail-below 0.95 --markdown
  mlxk bench compare threads-2.json threads-4.json --unequal";

const DETAILS: &str = "\
Both reports must come from the same command, on the same machine, for the same work. A ratio above \
1 means that the second report is faster. A figure has become slower if its confidence \
interval lies below 1. If the machine was busy or its speed changed during a report, differences of \
speeds and times are inconclusive and don't fail.";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
pub(crate) struct ChangeArgs {
    /// Earlier report
    pub base: PathBuf,

    /// Report to compare with it
    #[arg(value_name = "NEW")]
    pub now: PathBuf,

    /// Fail if a figure is significantly slower and its ratio is below this
    #[arg(long, value_name = "RATIO", value_parser = share)]
    pub fail_below: Option<f64>,

    /// Compare reports whose settings differ, such as the number of threads
    #[arg(long)]
    pub unequal: bool,

    #[command(flatten)]
    pub output: ReportArgs,
}
