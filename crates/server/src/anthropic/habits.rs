//! Parts of prompts that agents change on every request. Without them, the beginning of the prompt stays the same, and
//! its tokens need not be computed again. The server's `--exact-prompts` keeps them.

/// First line of a system prompt of Claude Code. It has a checksum of the request.
const ATTRIBUTION: &str = "x-anthropic-billing-header:";
/// Message of Claude Code with a counter of tokens.
const COUNTER: (&str, &str) = ("<total_tokens>", "</total_tokens>");

/// Drops the line that attributes a request.
pub(super) fn without_attribution(text: &str) -> &str {
    if !text.starts_with(ATTRIBUTION) {
        return text;
    }
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

/// Returns `true` if a message only counts tokens.
pub(super) fn is_counter(text: &str) -> bool {
    let text = text.trim();
    let inside = text.strip_prefix(COUNTER.0).and_then(|text| text.strip_suffix(COUNTER.1));
    inside.is_some_and(|inside| inside.len() < 100 && !inside.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_dropped() {
        let header = "x-anthropic-billing-header: cc_version=2.1; cch=abc;";
        assert_eq!(without_attribution(header), "");
        assert_eq!(without_attribution(&format!("{header}\nYou are")), "You are");
        assert_eq!(without_attribution("You are"), "You are");
        assert!(is_counter("<total_tokens>1234 tokens left</total_tokens>\n"));
        assert!(!is_counter("<total_tokens>1</total_tokens> and more"));
        assert!(!is_counter("Use <total_tokens>"));
    }
}
