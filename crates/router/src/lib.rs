//! Chooses the program that answers a request: a model in this process, an Ollama on this machine, or a host elsewhere.
//!
//! A [`Policy`] compares [`Candidate`]s. The fastest one is found by measuring: a short calibration when a candidate is
//! first seen, and then the figures of real requests, which a [`Table`] keeps per machine, model, version and settings.
//! Medians and intervals come from `mlxk-statistics`. A choice is only changed if the difference is larger than chance
//! and than a margin, so that noise does not make it flap. A [`Breaker`] takes out candidates that fail.
//!
//! [`Router`] puts these together, and is a provider itself.

#![forbid(unsafe_code)]

mod breaker;
mod calibrate;
mod candidate;
mod choose;
mod policy;
mod router;
mod sample;
mod table;

pub use breaker::Breaker;
pub use calibrate::calibrate;
pub use candidate::{Candidate, Place};
pub use choose::{Choice, Chooser, Measured};
pub use policy::{Measure, Policy, UnknownPolicy};
pub use router::{Backend, Router};
pub use sample::{Sample, Series};
pub use table::{Subject, Table, TableError};
