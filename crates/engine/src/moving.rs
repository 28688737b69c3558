//! When weights are moved to where they are read faster: not for a short answer, for which that does
//! not pay, and so that no token waits long for it.

use std::time::{Duration, Instant};

use mlxk_ops::Weights;

/// Steps before anything is moved.
const STEPS: usize = 64;
/// While there are steps, moving takes at most this part of their time.
const SHARE: u32 = 10;

/// What was done so far.
#[derive(Default)]
pub(crate) struct Moving {
    steps: usize,
    computing: Duration,
    spent: Duration,
}

impl Moving {
    /// Takes note of a step of generating and moves some weights where it is time to; whether there
    /// are more.
    pub(crate) fn after_step(&mut self, took: Duration, ops: &mut dyn Weights) -> bool {
        self.steps += 1;
        self.computing += took;
        if !self.has_begun() || self.spent > self.computing / SHARE {
            return true;
        }
        let started = Instant::now();
        let more = Self::move_some(ops);
        self.spent += started.elapsed();
        more
    }

    /// Whether enough was generated for moving to pay.
    pub(crate) fn has_begun(&self) -> bool {
        self.steps >= STEPS
    }

    /// Moves some weights; whether there are more.
    pub(crate) fn move_some(ops: &mut dyn Weights) -> bool {
        // The other half is for what the user starts next.
        let room = mlxk_memory::available_bytes().map_or(0, |bytes| bytes / 2);
        ops.migrate_weights(room)
    }
}
