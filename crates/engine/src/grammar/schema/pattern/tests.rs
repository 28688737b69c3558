use super::*;

/// Returns `true` if a text matches the translation.
fn matches(pattern: &str, text: &str) -> bool {
    let patterns = translated(pattern).unwrap_or_else(|problem| panic!("{pattern} {problem}"));
    patterns.iter().all(|pattern| {
        let regex = regex::Regex::new(pattern);
        regex.unwrap_or_else(|error| panic!("{error}")).is_match(text)
    })
}

#[test]
fn a_translation_matches_what_the_pattern_matches() {
    for (pattern, yes, no) in [
        (r"^[a-c]{2}-\d+$", "ab-1", "ab-"),
        (r"^\w+@[\w.-]+\/$", "a@b-c./", "a@/"),
        (r"^[[\]&&~~-]+$", "[]&~-", "a"),
        (r"^[^]$", "\n", ""),
        (r"^(?<year>\d{4})\u002d\x41$", "2000-A", "2000-B"),
        (r"^\ud83e\udd80$", "🦀", "a"),
        (r"^(?i:ab)c$", "aBc", "aBC"),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^$|^\d$", "", "a"),
        (r"\Aa\Z", "a", "ca"),
        (r"^[\w-]+$", "a-b", "a b"),
        (r"^[a-\d]$", "-", "b"),
        (r"^\p{Lu}+$", "ÄB", "äb"),
        ("^a\nb$", "a\nb", "a b"),
    ] {
        assert!(matches(pattern, yes), "{pattern} {yes}");
        assert!(!matches(pattern, no), "{pattern} {no}");
    }
}

/// The pattern that zod 4 gives to e-mail addresses.
const EMAIL: &str = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$";

#[test]
fn look_ahead_at_the_start_is_translated() {
    for (pattern, yes, no) in [
        (EMAIL, "a.b@c.de", ".a@c.de"),
        (EMAIL, "a@c.de", "a..b@c.de"),
        (r"^(?=.*[A-Z])(?=.*\d).{3,}$", "aB1", "ab1"),
        (r"^(?!.*ab).+$", "aacba", "caab"),
        (r"^(?!.*[ab][bc]).+$", "aa", "ab"),
        (r"^(?!.*[ab][bc]).+$", "ca", "bb"),
        (r"^(?!.*-$)[a-z-]+$", "a-b", "ab-"),
        (r"^(?!-)[a-z-]*$", "", "-"),
        (r"^(?!$).*$", "a", ""),
        (r"^(?!.*_)\w+$", "ab", "a_"),
    ] {
        assert!(matches(pattern, yes), "{pattern} {yes}");
        assert!(!matches(pattern, no), "{pattern} {no}");
    }
}

/// Every text over a small alphabet, against an engine that has look-ahead.
#[test]
fn look_ahead_agrees_with_a_backtracking_engine() {
    let alphabet = ["a", "b", "c"];
    let mut texts = vec![String::new()];
    for length in 0..6 {
        let longer: Vec<_> = texts.iter().filter(|text| text.len() == length).cloned().collect();
        texts.extend(longer.iter().flat_map(|text| alphabet.map(|c| format!("{text}{c}"))));
    }
    for pattern in ["^(?!a)", "^(?!.*b)", "^(?!.*ab)", "^(?!.*aa)", "^(?!.*[ab][bc])", "^(?!.*c$)"]
    {
        let (head, body) = pattern.split_at(4);
        assert_eq!(head, "^(?!");
        // A text matches unless the body matches from its start.
        let body = regex::Regex::new(&format!("^(?:{body}")).unwrap();
        for text in &texts {
            assert_eq!(matches(pattern, text), !body.is_match(text), "{pattern} {text}");
        }
    }
}

#[test]
fn what_has_no_translation_is_named() {
    for (pattern, words) in [
        ("(?<=a)b", "look-behind"),
        ("a(?=b)", "look-ahead"),
        ("^(?!abc)d|e", "look-ahead"),
        (r"(a)\1", "back-reference"),
        (r"\bword\b", "word boundary"),
        ("(?>a)", "atomic"),
        ("a++", "possessive"),
        ("(a", "without a `)`"),
        ("a)", "without a `(`"),
        ("[a", "without a `]`"),
        ("[z-a]", "range"),
        ("a{3,2}", "end is before its start"),
        (r"\q", "unknown escape"),
        (r"a\", "backslash"),
        (r"\ud83e", "malformed"),
        ("*", "repeats nothing"),
        ("(a{1000}){1000}", "written out"),
        ("a{99999}", "times"),
    ] {
        let problem = translated(pattern).unwrap_err();
        assert!(problem.contains(words), "{pattern}: {problem}");
    }
    assert!(translated(&"(".repeat(100)).unwrap_err().contains("nests"));
    assert!(translated(&"a".repeat(5000)).unwrap_err().contains("longer"));
}
