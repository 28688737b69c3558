//! Limits the digits of numbers.
//!
//! JSON sets no limit on the digits of a number, but parsers do (RFC 8259, section 6).

/// Number of digits that every token begins with.
pub(crate) struct LeadingDigits(Vec<u8>);

/// Most digits of a number. With [`MAX_EXPONENT_DIGITS`], it stays well inside the range of f64.
const MAX_DIGITS: u8 = 100;
const MAX_EXPONENT_DIGITS: u8 = 2;

impl LeadingDigits {
    pub(crate) fn new(words: &[Vec<u8>]) -> Self {
        let digits = |word: &Vec<u8>| {
            word.iter().take(255).take_while(|byte| byte.is_ascii_digit()).count() as u8
        };
        Self(words.iter().map(digits).collect())
    }
}

/// Sets the logits of tokens to −∞ that would make the `number` at the end of the text too long for parsers.
pub(crate) fn bound(number: &[u8], leading: &LeadingDigits, logits: &mut [f32]) {
    let exponent = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = number.split_at(exponent.unwrap_or(number.len()));
    let count = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let left = match count(mantissa) {
        0 => return,
        digits if exponent.is_empty() => usize::from(MAX_DIGITS).saturating_sub(digits),
        _ => usize::from(MAX_EXPONENT_DIGITS).saturating_sub(count(exponent)),
    };
    for (logit, digits) in logits.iter_mut().zip(&leading.0) {
        if usize::from(*digits) > left {
            *logit = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_readable() {
        let tokens = ["7", "77", "777", ",", "e77"];
        let words: Vec<Vec<u8>> = tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        let leading = LeadingDigits::new(&words);
        let left = |number: &str| {
            let mut logits = vec![1.0; tokens.len()];
            bound(number.as_bytes(), &leading, &mut logits);
            let kept = tokens.iter().zip(logits).filter(|(_, logit)| *logit > 0.0);
            kept.map(|(token, _)| *token).collect::<Vec<_>>()
        };
        assert_eq!(left(""), tokens);
        assert_eq!(left("-"), tokens);
        assert_eq!(left("1.5e-"), ["7", "77", ",", "e77"]);
        assert_eq!(left("1.5E+1"), ["7", ",", "e77"]);
        assert_eq!(left("1.5e10"), [",", "e77"]);
        let long = "9".repeat(98);
        assert_eq!(left(&long), ["7", "77", ",", "e77"]);
        assert_eq!(left(&format!("{long}.11")), [",", "e77"]);
    }
}
