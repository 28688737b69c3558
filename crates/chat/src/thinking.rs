//! Requests to think before the answer.

/// A request to think, or not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingMode<'a> {
    /// Answer without thinking.
    Off,
    /// Think first.
    On,
    /// Think first, this much: a word such as `low` or `high`.
    Level(&'a str),
}
