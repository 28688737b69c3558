//! Settings of connections.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of connections. The default trusts the usual certificates, uses no proxy and has no time limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Proxies to use.
    pub proxies: Proxies,
    /// File with certificates (PEM) to trust instead of those of the operating system and the built-in ones.
    pub certificates: Option<PathBuf>,
    /// Limit for finding and connecting to a host.
    pub connect: Option<Duration>,
    /// Limit for the next byte, in both directions.
    pub silence: Option<Duration>,
}

/// Addresses of proxies, in the form of the usual variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Proxy for `https` addresses.
    pub https: Option<String>,
    /// Proxy for `http` addresses.
    pub http: Option<String>,
    /// Hosts to reach without a proxy, separated by commas.
    pub no_proxy: Option<String>,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is `{value}`, which {problem}")]
pub struct BadSetting {
    /// Name of the environment variable that has the setting in common programs.
    pub setting: &'static str,
    /// Its value, without a password.
    pub value: String,
    /// Completes "… is `value`, which …".
    pub problem: String,
}
