//! Measures kernels and models, and says how much the figures are worth: medians with their spread,
//! shares of the machine's limits, and how busy the machine was.
//!
//! Everything here returns plain data, which [`report`] lays out. A measurement reports its
//! progress through a callback, and the callback may stop it.

#![forbid(unsafe_code)]
#![expect(missing_docs, reason = "the names of most variants and fields say what they are")]

pub mod bandwidth;
pub mod compare;
mod error;
pub mod eval;
pub mod history;
pub mod kernels;
pub mod limits;
mod machine;
pub mod model;
mod random;
pub mod report;
pub use mlxk_statistics as statistics;
pub mod synthetic;
mod watch;

use std::ops::ControlFlow;

pub use error::{BenchError, SyntheticError};
pub use machine::Machine;
pub use mlxk_cpu::{Difference, InstructionSet, SelfTest, self_test};
pub use watch::Watch;

/// Receives the next step, the number of steps done and the number of all steps. May stop the
/// measurement.
pub type Observe<'a> = dyn FnMut(&str, usize, usize) -> ControlFlow<()> + 'a;

/// Returns a function that reports one of `count` steps after another to `observe`. It returns an
/// error if `observe` stops the measurement.
fn steps(count: usize, observe: &mut Observe<'_>) -> impl FnMut(&str) -> Result<(), BenchError> {
    let mut done = 0;
    move |what| {
        let flow = observe(what, done, count);
        done += 1;
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BenchError::Cancelled),
        }
    }
}

/// Returns the name of a round for people, such as `Round 1 of 3`. Rounds that only warm up are not counted.
fn round_name(word: &str, round: usize, warmup: usize, runs: usize) -> String {
    match round.checked_sub(warmup) {
        Some(round) => format!("{word} {} of {runs}", round + 1),
        None if warmup == 1 => "Warm-up".to_owned(),
        None => format!("Warm-up {} of {warmup}", round + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::round_name;

    #[test]
    fn a_warm_up_is_not_a_round() {
        let names = |warmup| [0, 1, 2].map(|round| round_name("Round", round, warmup, 2));
        assert_eq!(names(0)[..2], ["Round 1 of 2", "Round 2 of 2"]);
        assert_eq!(names(1), ["Warm-up", "Round 1 of 2", "Round 2 of 2"]);
        assert_eq!(names(2), ["Warm-up 1 of 2", "Warm-up 2 of 2", "Round 1 of 2"]);
    }
}
