//! Errors of the operating system in words for a user.

/// Beginning of the number that the standard library appends to such an error.
const START: &str = " (os error ";

/// Returns a text without the numbers of errors of the operating system: `Permission denied (os error 13)` is `Permission
/// denied`. The number differs between systems and says nothing that the words don't.
pub fn without_os_code(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some(at) = rest.find(START) {
        let (before, after) = (&rest[..at], &rest[at + START.len()..]);
        let digits = after.strip_prefix('-').unwrap_or(after);
        let end = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        plain.push_str(before);
        rest = match end.strip_prefix(')') {
            Some(end) if end.len() + 1 < digits.len() => end,
            _ => {
                plain.push_str(START);
                after
            }
        };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::without_os_code;

    #[test]
    fn only_the_number_is_left_out() {
        let error = io::Error::from_raw_os_error(2);
        let plain = without_os_code(&format!("Cannot read `a`: {error}; write `b`"));
        assert!(plain.starts_with("Cannot read `a`: ") && plain.ends_with("; write `b`"));
        assert!(!plain.contains("os error"), "{plain}");
        for (text, expected) in [
            ("", ""),
            ("A (os error 13)", "A"),
            ("A (os error -2147024891): B (os error 5).", "A: B."),
            ("A (os error )", "A (os error )"),
            ("A (os error 5", "A (os error 5"),
            ("A (os error x) B (os error 1)", "A (os error x) B"),
        ] {
            assert_eq!(without_os_code(text), expected);
        }
    }
}
