//! Where flags, environment and defaults meet. Nothing else reads the environment.

use std::path::PathBuf;

use mlxk_hub::{HubSettings, Locations, PairTable};

/// Resolved settings.
pub(crate) struct Settings {
    /// Where models live.
    pub locations: Locations,
    /// The hub, and the way to it.
    pub hub: HubSettings,
    /// Ollama's names for repositories.
    pub pairs: PairTable,
    /// Whether output has no colours and other styles: `NO_COLOR` (<https://no-color.org>), or a
    /// terminal that has none.
    pub plain: bool,
}

impl Settings {
    /// Reads the environment once.
    pub(crate) fn resolve() -> Self {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
        let lookup = |name: &str| std::env::var(name).ok();
        let plain = lookup("NO_COLOR").is_some_and(|value| !value.is_empty())
            || lookup("TERM").is_some_and(|value| value == "dumb");
        Self {
            locations: Locations::from_values(lookup, &home),
            hub: HubSettings::from_values(lookup, &home),
            pairs: PairTable::default(),
            plain,
        }
    }
}
