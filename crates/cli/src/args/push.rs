//! Arguments of `mlxk push`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

const EXAMPLES: &str = "\
Examples:
  mlxk push ./my-model me/My-Model-4bit --private --create
  mlxk push ./my-model me/My-Model-4bit --private --dry-run --verbose
  mlxk push ./my-model me/My-Model-4bit --check-only";

const DETAILS: &str = "\
All files that differ from the branch are uploaded in one commit. Nothing is ever deleted.

Git's own files, virtual environments, Python's bytecode cache and mlxk's own records are left out. \
`.hfignore` excludes more files, in the syntax of `.gitignore`.

Set HF_TOKEN or run `hf auth login` first.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"),
    group(
        ArgGroup::new("visibility")
            .args(["private", "public", "check_only", "dry_run"])
            .required(true)
            .multiple(true)
    )
)]
pub(crate) struct PushArgs {
    /// Folder to upload, or the name of a workspace
    pub folder: PathBuf,

    /// Repository to upload to, as `org/NAME`
    pub repo: String,

    /// Make a new repository private; an existing one keeps its visibility
    #[arg(long)]
    pub private: bool,

    /// Make a new repository public
    #[arg(long, conflicts_with = "private")]
    pub public: bool,

    /// Create the repository and the branch if they don't exist
    #[arg(long)]
    pub create: bool,

    /// Branch to commit to
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub branch: String,

    /// Commit message
    #[arg(long, value_name = "TEXT", default_value = "Upload with mlxk")]
    pub commit: String,

    /// Print what would be uploaded without changing anything
    #[arg(long)]
    pub dry_run: bool,

    /// Only check the folder; needs no network and no token
    #[arg(long)]
    pub check_only: bool,

    /// List the files
    #[arg(short, long)]
    pub verbose: bool,

    /// Print JSON, and progress as JSON Lines on stderr
    #[arg(long)]
    pub json: bool,
}
