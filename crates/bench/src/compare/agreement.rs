//! Agreement of two answers.

/// Returns the length of the common beginning as a share of the longer answer, in characters.
pub(super) fn common_prefix(first: &str, second: &str) -> f64 {
    let common = first.chars().zip(second.chars()).take_while(|(a, b)| a == b).count();
    let longest = first.chars().count().max(second.chars().count());
    if longest == 0 { 1.0 } else { common as f64 / longest as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_agree_until_they_part() {
        for (first, second, share) in
            [("", "", 1.0), ("abcd", "abcd", 1.0), ("abcd", "abxx", 0.5), ("ä", "äöüß", 0.25)]
        {
            assert!((common_prefix(first, second) - share).abs() < 1e-9, "{first} {second}");
            assert!((common_prefix(second, first) - share).abs() < 1e-9, "{first} {second}");
        }
    }
}
