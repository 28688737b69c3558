//! Progress reports from long work to its caller, and cancellation.

/// Receives progress. It is asked several times a second if the work should stop.
pub trait Reporter {
    /// Called at the start of a stage. [`advance`](Self::advance) then counts from zero again.
    fn stage(&self, label: &str);
    /// Called with the bytes done of the current stage. `total` is 0 while it is unknown.
    fn advance(&self, done: u64, total: u64);
    /// Returns `true` to stop the work. It then cleans up and fails with
    /// [`HubError::Cancelled`](crate::HubError::Cancelled).
    fn cancelled(&self) -> bool;
    /// Called with a note for the user, such as a wait or a retry.
    fn note(&self, _text: &str) {}
}

/// A reporter that shows nothing and never stops the work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Reporter for Quiet {
    fn stage(&self, _label: &str) {}

    fn advance(&self, _done: u64, _total: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}
