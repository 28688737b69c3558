//! How long work tells its caller where it stands, and learns that it should stop.

/// Receives progress and is asked, several times a second, whether to go on.
pub trait Reporter {
    /// A new stage of the work began; its [`advance`](Self::advance) counts from zero again.
    fn stage(&self, label: &str);
    /// `done` of `total` bytes of the current stage; `total` is 0 while it is unknown.
    fn advance(&self, done: u64, total: u64);
    /// Whether the work should stop; it then cleans up and fails with
    /// [`HubError::Cancelled`](crate::HubError::Cancelled).
    fn cancelled(&self) -> bool;
    /// Something that the user may want to know, and that changes nothing: a wait, a second try.
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
