//! Measures kernels and models, and says what the figures are worth: medians with their spread,
//! shares of what the machine was found to do at best, the machine and how busy it was.
//!
//! Everything here returns plain data, which [`report`] lays out; a caller hears of the progress of
//! a measurement through a callback and may stop it.

#![forbid(unsafe_code)]

pub mod compare;
mod error;
pub mod kernels;
pub mod limits;
mod machine;
pub mod model;
mod random;
pub mod report;
pub mod statistics;
pub mod synthetic;

use std::ops::ControlFlow;

pub use error::{BenchError, SyntheticError};
pub use machine::Machine;
pub use mlxk_cpu::{Difference, InstructionSet, SelfTest, self_test};

/// Hears what is measured next, after how many of how many steps, and may stop the measurement.
pub type Observe<'a> = dyn FnMut(&str, usize, usize) -> ControlFlow<()> + 'a;

/// Tells `observe` of one step after another, of `count` in all; an error where it stops them.
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
