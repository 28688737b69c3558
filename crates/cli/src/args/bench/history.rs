//! Arguments of `mlxk bench history`.

use std::path::PathBuf;

use clap::Args;

use super::ReportArgs;

const EXAMPLES: &str = "\
Examples:
  mlxk bench history reports
  mlxk bench history reports --html > history.html
  mlxk bench history reports --output history.html --output history.json";

const DETAILS: &str = "\
Reads all JSON reports of `mlxk bench`, `bench model` and `bench kernels` in the folder and its \
subfolders. Reports of the same work on the same machine are shown together, the oldest first. \
Reports without a time are in the order of their names.";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
pub(crate) struct HistoryArgs {
    /// Folder with JSON reports
    pub folder: PathBuf,

    /// Print a page with plots
    #[arg(long, conflicts_with_all = ["json", "markdown"], help_heading = "Output")]
    pub html: bool,

    /// Also write the history to this file: .json, .md or .html; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Vec<PathBuf>,

    #[command(flatten)]
    pub print: ReportArgs,
}
