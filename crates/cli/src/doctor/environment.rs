//! The input of the checks.

use mlxk_hub::Reporter;

use crate::config::ConfigError;
use crate::settings::{Settings, Surroundings};

/// The installation: settings, folders, the search path.
pub(crate) struct Environment<'a> {
    /// Settings, as for every other command; the defaults if the configuration is invalid.
    pub settings: &'a Settings,
    /// The error in the configuration.
    pub misconfigured: Option<&'a ConfigError>,
    /// The user's shell, folders and programs.
    pub around: Surroundings,
    /// `true` if the network may be used.
    pub online: bool,
    /// Receiver of progress, which may cancel the work.
    pub reporter: &'a dyn Reporter,
}
