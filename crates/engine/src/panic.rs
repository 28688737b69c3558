//! Panics of a model or a device, which must not end the engine's thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlxk_ops::{Cache, Sequence};

/// Returns the message of a panic that was caught.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Frees a sequence of a device that may be damaged.
pub(crate) fn free_guarded(cache: &mut dyn Cache, sequence: Sequence) {
    // A second panic tells nothing new, and the sequence is lost at worst.
    let _ = catch_unwind(AssertUnwindSafe(|| cache.free_sequence(sequence)));
}
