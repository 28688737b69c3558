//! `mlxk push`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = EXAMPLES,
    group(ArgGroup::new("visibility").args(["private", "public", "check_only"]).required(true))
)]
pub(crate) struct PushArgs {
    /// The folder to upload, or the name of a workspace
    pub folder: PathBuf,

    /// The repository, `org/NAME`
    pub repo: String,

    /// A new repository is for you alone; an existing one stays as it is
    #[arg(long)]
    pub private: bool,

    /// A new repository is for everybody
    #[arg(long)]
    pub public: bool,

    /// Make the repository and the branch where they do not exist
    #[arg(long)]
    pub create: bool,

    /// The branch
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub branch: String,

    /// The commit's message
    #[arg(long, value_name = "TEXT", default_value = "Upload with mlxk")]
    pub commit: String,

    /// Say what would be uploaded, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Check the folder alone; asks nobody and needs no token
    #[arg(long, conflicts_with_all = ["private", "public", "create", "dry_run"])]
    pub check_only: bool,

    /// Name the files
    #[arg(short, long)]
    pub verbose: bool,

    /// Print JSON, and progress as lines of JSON on standard error
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
What is uploaded:
  All files that differ from the branch, as one commit. Left out are those of git, of virtual
  environments and of Python's cache, this program's records, and what `.hfignore` names in the way
  of `.gitignore`. Nothing is ever deleted. The token is that of HF_TOKEN or of `hf auth login`.

Examples:
  mlxk push ./my-model me/My-Model-4bit --private --create
  mlxk push ./my-model me/My-Model-4bit --private --dry-run --verbose
  mlxk push ./my-model me/My-Model-4bit --check-only";
