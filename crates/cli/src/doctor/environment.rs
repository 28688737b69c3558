//! What the checks look at.

use mlxk_hub::Reporter;

use crate::config::ConfigError;
use crate::settings::{Settings, Surroundings};

/// The installation: settings, folders, the search path.
pub(crate) struct Environment<'a> {
    /// As for every other command; without those of a configuration that makes no sense.
    pub settings: &'a Settings,
    /// Why the configuration makes no sense.
    pub misconfigured: Option<&'a ConfigError>,
    /// The user's shell, folders and programs.
    pub around: Surroundings,
    /// Whether the network may be used.
    pub online: bool,
    /// Hears of long work, and may stop it.
    pub reporter: &'a dyn Reporter,
}
