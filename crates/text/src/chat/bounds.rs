//! Bounds of a template's work: size, depth, time and cancellation.
//!
//! The engine itself charges for instructions, items and bytes. It does not charge for work inside one
//! operation on nested or long values, so every value that an operation makes is measured here, and the clock
//! is read after every operation ([`super::instrument`]). Values stay small enough that one operation takes a
//! few milliseconds.

use std::fmt;
use std::time::{Duration, Instant};

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

/// Time that a template may take for one conversation.
const MAX_TIME: Duration = Duration::from_millis(1500);
/// Nesting limit of a value. JSON from a client has at most 128 levels.
const MAX_DEPTH: usize = 200;
/// Size limit of a value, in [`Measure`]'s units.
const MAX_SIZE: u64 = 1_000_000;
/// Bytes of text that count as one value.
const BYTES_PER_UNIT: usize = 32;
/// Units of size between two looks at the clock.
const UNITS_PER_CHECK: u64 = 1024;
/// Units of size that cost one unit of fuel to measure.
const UNITS_PER_FUEL: u64 = 16;

/// A limit that a template exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded(pub(super) &'static str);

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Exceeded {}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Self {
        Error::new(ErrorKind::OutOfFuel, exceeded.0).with_source(exceeded)
    }
}

/// Time limit of a template's work for one conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn start() -> Self {
        Self(Instant::now() + MAX_TIME)
    }

    /// Fails if the time is over.
    pub(super) fn check(self) -> Result<(), Error> {
        if Instant::now() > self.0 {
            return Err(Exceeded("it takes too long").into());
        }
        Ok(())
    }
}

/// Fails if a value is nested too deeply or too large. A part that occurs several times counts each time,
/// because comparing or printing the value visits it each time.
pub(super) fn check(state: &State, value: &Value, deadline: Deadline) -> Result<(), Error> {
    deadline.check()?;
    let mut measure = Measure { left: MAX_SIZE, keeps: Keeps::Anything, deadline };
    measure.take(value, 0)?;
    state.consume_fuel((MAX_SIZE - measure.left) / UNITS_PER_FUEL)
}

/// Like [`check`], for a value that a namespace keeps. It contains no other namespace and no function, so
/// that namespaces form neither circles nor chains.
pub(super) fn check_kept(value: &Value, deadline: Deadline) -> Result<(), Error> {
    Measure { left: MAX_SIZE, keeps: Keeps::Data, deadline }.take(value, 0)
}

/// Objects that a value may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Anything,
    Data,
}

struct Measure {
    left: u64,
    keeps: Keeps,
    deadline: Deadline,
}

impl Measure {
    fn take(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Exceeded("a value is nested too deeply").into());
        }
        let text = value.as_str().map_or(0, str::len) / BYTES_PER_UNIT;
        self.left = self
            .left
            .checked_sub(1 + text as u64)
            .ok_or_else(|| Error::from(Exceeded("a value is too large")))?;
        if self.left.is_multiple_of(UNITS_PER_CHECK) {
            self.deadline.check()?;
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    self.take(&item, depth + 1)?;
                }
            }
            ValueKind::Map => {
                if is_namespace(value) && (depth > 0 || self.keeps == Keeps::Data) {
                    return Err(Exceeded("it puts a namespace into another value").into());
                }
                for key in value.try_iter()? {
                    self.take(&value.get_item(&key)?, depth + 1)?;
                    self.take(&key, depth + 1)?;
                }
            }
            ValueKind::Plain if self.keeps == Keeps::Data => {
                return Err(Exceeded("it puts a function into a namespace").into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns `true` for the result of `namespace()`, whose type the engine keeps to itself.
fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}
