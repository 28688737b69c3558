//! Options that say which running server to talk to.

use clap::Args;

use super::values::whole;
use crate::address::Address;

/// The server that `ps` and `stop` talk to.
#[derive(Args)]
pub(crate) struct TargetArgs {
    /// Address of the server, with or without a port [default: `MLXK_HOST`, then `OLLAMA_HOST`, then 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<Address>,

    /// Port of the server [default: 8000]
    #[arg(long, value_name = "PORT", value_parser = whole::<u16>(0..=65_535))]
    pub port: Option<u16>,
}
