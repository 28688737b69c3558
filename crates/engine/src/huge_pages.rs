//! Policy for migrating weights to huge pages: only during longer generations, at most 10 % of step time.

use std::time::{Duration, Instant};

use mlxk_ops::Weights;

/// Generating steps before the first weights are migrated. A short answer wouldn't earn the time back.
const STEPS_BEFORE_MIGRATION: usize = 64;
/// Migration takes at most one part in this many of the time of generating.
const TIME_SHARE: u32 = 10;

/// Progress of the migration.
#[derive(Default)]
pub(crate) struct Migration {
    steps: usize,
    computing: Duration,
    migrating: Duration,
}

impl Migration {
    /// Records a generating step, and migrates some weights if it is time to. Returns `true` if any are
    /// left to migrate.
    pub(crate) fn after_step(&mut self, took: Duration, weights: &mut dyn Weights) -> bool {
        self.steps += 1;
        self.computing += took;
        if !self.has_begun() || self.migrating > self.computing / TIME_SHARE {
            return true;
        }
        let started = Instant::now();
        let more = Self::migrate_some(weights);
        self.migrating += started.elapsed();
        more
    }

    /// Returns `true` once enough was generated for migration to pay off.
    pub(crate) fn has_begun(&self) -> bool {
        self.steps >= STEPS_BEFORE_MIGRATION
    }

    /// Migrates some weights. Returns `true` if any are left to migrate.
    pub(crate) fn migrate_some(weights: &mut dyn Weights) -> bool {
        // Half of the memory is left to what the user starts next.
        let room = mlxk_memory::available_bytes().map_or(0, |bytes| bytes / 2);
        weights.migrate_weights(room)
    }
}
