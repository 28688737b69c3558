//! Searches for marks in text that arrives in pieces.

/// Result of a comparison with text that may be incomplete, in the order of certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// The mark is not there.
    No,
    /// More text will tell.
    Perhaps,
    /// The mark is there.
    Yes,
}

/// Compares the beginning of `text` with `mark`.
pub(super) fn begins_with(text: &str, mark: &str) -> Found {
    if text.starts_with(mark) {
        Found::Yes
    } else if mark.starts_with(text) {
        Found::Perhaps
    } else {
        Found::No
    }
}

/// Returns the place of `mark` in `text`. An empty mark is nowhere.
pub(super) fn find(text: &str, mark: &str) -> Option<usize> {
    if mark.is_empty() { None } else { text.find(mark) }
}

/// Returns the length of the longest end of `text` that may be the beginning of one of the marks.
pub(super) fn partial(text: &str, marks: &[&str]) -> usize {
    let longest = |mark: &&str| {
        let lengths = mark.char_indices().map(|(at, _)| at).skip(1);
        lengths.filter(|&length| text.ends_with(&mark[..length])).last().unwrap_or(0)
    };
    marks.iter().map(longest).max().unwrap_or(0)
}

/// Returns the length of the white space at the beginning of `text`.
pub(super) fn skip_space(text: &str) -> usize {
    text.len() - text.trim_ascii_start().len()
}
