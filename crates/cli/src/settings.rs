//! Where flags, environment and defaults meet. Nothing else reads the environment.

use std::path::PathBuf;

use mlxk_hub::{Locations, PairTable};

/// Resolved settings.
pub(crate) struct Settings {
    /// Where models live.
    pub locations: Locations,
    /// Ollama's names for repositories.
    pub pairs: PairTable,
}

impl Settings {
    /// Reads the environment once.
    pub(crate) fn resolve() -> Self {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
        let lookup = |name: &str| std::env::var(name).ok();
        Self { locations: Locations::from_values(lookup, &home), pairs: PairTable::default() }
    }
}
