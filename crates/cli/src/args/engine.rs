//! How a model is loaded.

use clap::Args;

#[derive(Args, Clone)]
pub(crate) struct EngineArgs {
    /// Compute in f32 throughout: slower, the reference for correctness
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Tokens of prompt and answer together [default: the model's maximum, as far as it fits]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub ctx: Option<usize>,

    /// Look up in the text so far what may come next and compute it along: the same answer, faster
    /// where it repeats something, as edited code does
    #[arg(long, help_heading = "Engine")]
    pub prompt_lookup: bool,

    /// Fail where a model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,
}
