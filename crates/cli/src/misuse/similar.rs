//! The word that a user probably meant.

/// Returns the word of `known` that `typed` resembles most, if it is not more than two letters away, or a
/// third of a short word.
pub(crate) fn similar<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (typed.chars().count() / 3).min(2);
    known
        .map(|word| (strsim::osa_distance(typed, word), word))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_words_are_similar() {
        let known = ["run", "list", "server", "temperature"];
        let found = |typed| similar(typed, known.into_iter());
        assert_eq!(found("rnu"), Some("run"));
        assert_eq!(found("lsit"), Some("list"));
        assert_eq!(found("temprature"), Some("temperature"));
        for other in ["r", "n", "nosuch", "tmp"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
