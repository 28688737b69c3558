//! Arguments of `mlxk bench show`.

use std::path::PathBuf;

use clap::Args;

use super::ReportArgs;

const EXAMPLES: &str = "\
Examples:
  mlxk bench show benchmark_results.json
  mlxk bench show benchmark_results.json --output page.html";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowReportArgs {
    /// JSON report of `mlxk bench`
    pub report: PathBuf,

    /// Also write the report to this file: .json, .md or .html; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Vec<PathBuf>,

    #[command(flatten)]
    pub print: ReportArgs,
}
