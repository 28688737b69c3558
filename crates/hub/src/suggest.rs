//! Suggests names that are close to a mistyped one.

use strsim::osa_distance;

const MAX_SUGGESTIONS: usize = 3;

/// Returns up to three of the `names` that contain `wanted`, are most of it or differ from it by a few letters,
/// nearest first: one of three letters, two of six. The part before a slash counts only if `wanted` has one too.
pub fn similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted_lower = wanted.to_lowercase();
    let limit = (wanted.chars().count() / 4).clamp(2, 4);
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let compared = match lower.rsplit_once('/') {
                Some((_, short)) if !wanted.contains('/') => short,
                _ => &lower,
            };
            let inside = wanted_lower.len() >= 3
                && (compared.contains(&wanted_lower)
                    || compared.len() >= 3
                        && compared.len() * 2 >= wanted_lower.len()
                        && wanted_lower.contains(compared));
            let distance = if inside { 0 } else { osa_distance(&wanted_lower, compared) };
            let is_near = distance <= limit.min(third(&wanted_lower, compared));
            (is_near || is_typo(wanted, name)).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

/// Returns a third of the letters of the shorter name: the most that two similar names may differ by.
fn third(a: &str, b: &str) -> usize {
    a.chars().count().min(b.chars().count()) / 3
}

/// Returns the number of letters to change, in any case, until two names are the same.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    osa_distance(&a.to_lowercase(), &b.to_lowercase())
}

/// Returns `true` if `wanted` is probably `name`, mistyped: they have the same digits, except for a version that is left
/// out, and they differ by one letter, by two that changed places, or, if it is one word of five letters or more, by two
/// letters, but at most by a third of the shorter name. If the version is left out, no letter may be replaced.
/// `Qwen3-4bit` and `Qwen3-8bit` are two models, and so are `llava` and `llama3`.
pub(crate) fn is_typo(wanted: &str, name: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let short = name.rsplit_once('/').map_or(name, |(_, short)| short);
    let (wanted, short) = (wanted.to_lowercase(), short.to_lowercase());
    // Names of repositories are long and alike, such as `Base` and `Large`.
    let is_word = !wanted.contains('-');
    let limit = match wanted.chars().count() {
        0..=3 => 0,
        5.. if is_word => 2,
        _ => 1,
    };
    // Someone who forgets a letter of `smollm2` forgets the version, too. `llama` alone has several.
    let is_bare = is_word && digits(&wanted).is_empty();
    let is_version = |c: char| is_bare && (c.is_ascii_digit() || c == '.');
    let compared = short.trim_end_matches(is_version);
    let is_replaced = || {
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        wanted.chars().count() == compared.chars().count() && letters(&wanted) != letters(compared)
    };
    digits(&wanted) == digits(compared)
        && (1..=limit.min(third(&wanted, compared))).contains(&osa_distance(&wanted, compared))
        && (compared == short || !is_replaced())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors() {
        for (wanted, name) in [
            ("smolm2", "smollm2"),
            ("smlolm2", "smollm2"),
            ("alpha-4bt", "org/Alpha-4bit"),
            ("lamma3.2", "llama3.2"),
            ("smolm", "smollm2"),
            ("lama", "llama"),
        ] {
            assert!(is_typo(wanted, name), "{wanted}");
        }
        for (wanted, name) in [
            ("smollm2", "smollm2"),
            ("smollm3", "smollm2"),
            ("Qwen3-8bit", "org/Qwen3-4bit"),
            ("Alpha-Base", "org/Alpha-Instruct"),
            ("abc", "abcd"),
            ("smol", "smollm2"),
            ("llama", "llama3.2"),
            ("qwen2", "qwen3"),
            ("llava", "llama3"),
            ("llava", "llama3.2"),
        ] {
            assert!(!is_typo(wanted, name), "{wanted}");
        }
    }

    #[test]
    fn suggestions() {
        let names = ["mlx-community/SmolLM2-135M-Instruct", "org/Qwen3-0.6B", "smollm2"];
        let found = |wanted| similar(wanted, names);
        assert_eq!(found("smolm2"), ["smollm2"]);
        assert_eq!(found("qwen3-06b"), ["org/Qwen3-0.6B"]);
        assert_eq!(found("orgg/qwen3-0.6b"), ["org/Qwen3-0.6B"]);
        assert_eq!(found("SmolLM2-135M"), ["mlx-community/SmolLM2-135M-Instruct", "smollm2"]);
        assert!(found("mixtral").is_empty());
    }

    #[test]
    fn names_that_are_far_away_are_not_suggested() {
        let found = |wanted, name| !similar(wanted, [name]).is_empty();
        for (wanted, name) in
            [("tow", "two"), ("twos", "two"), ("phi4", "phi3"), ("codre", "coder")]
        {
            assert!(found(wanted, name), "{wanted}");
        }
        for (wanted, name) in [
            ("foo", "two"),
            ("a", "b"),
            ("ab", "cd"),
            ("mine", "my"),
            ("llava", "llama3"),
            ("network", "two"),
            ("some-long-network", "two"),
        ] {
            assert!(!found(wanted, name), "{wanted}");
        }
    }
}
