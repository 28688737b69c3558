//! How a model is loaded.

use clap::Args;
use clap_complete::ArgValueCompleter;
use mlxk_engine::KvFormat;

use crate::complete;

#[derive(Args, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct EngineArgs {
    /// Compute in f32 throughout: slower, the reference for correctness
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Bits of a value in the KV cache: 8 takes 56 % of the memory of 16; 4, where keys keep 8, takes
    /// 44 %. Both change answers a little [default: 16; 32 with --exact]
    #[arg(long, value_name = "BITS", value_parser = kv_format, help_heading = "Engine")]
    pub kv_bits: Option<KvFormat>,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Tokens of prompt and answer together [default: the model's maximum, as far as it fits]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub ctx: Option<usize>,

    /// Do not look up in the text so far what may come next. Looking it up gives the same answer, faster
    /// where it repeats something, as edited code does
    #[arg(long, help_heading = "Engine")]
    pub no_prompt_lookup: bool,

    /// A smaller model with the same vocabulary that guesses what comes next: the same answer, faster
    /// where it guesses well
    #[arg(long, value_name = "MODEL", add = ArgValueCompleter::new(complete::models), help_heading = "Engine")]
    pub draft_model: Option<String>,

    /// Leave weights in the pages of their file, which processes share. Otherwise longer answers have them
    /// moved to huge pages, which are read faster, where the system has them and memory allows
    #[arg(long, help_heading = "Engine")]
    pub no_huge_pages: bool,

    /// Fail where a model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,
}

/// Reads `--kv-bits`.
pub(crate) fn kv_format(bits: &str) -> Result<KvFormat, String> {
    let format = bits.parse().ok().and_then(KvFormat::of_bits);
    format.ok_or_else(|| "it can be 4, 8, 16 or 32".to_owned())
}
