//! Stop strings against a search of the whole text.

use mlxk_text::{Stop, StopStrings};
use proptest::collection::vec;
use proptest::prelude::*;

/// Returns the output, and the number of the stop string that was found.
fn run(stops: &[String], pieces: &[String]) -> (String, Option<usize>) {
    let mut automaton = StopStrings::new(stops);
    let mut text = String::new();
    for piece in pieces {
        let Stop { text: released, matched } = automaton.push(piece);
        text.push_str(&released);
        if matched.is_some() {
            return (text, matched);
        }
    }
    (text + &automaton.finish(), None)
}

/// The stop string that is complete first in the whole text, the longest of several; cut there.
fn naive(stops: &[String], text: &str) -> (String, Option<usize>) {
    for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
        let met = stops
            .iter()
            .enumerate()
            .filter(|(_, stop)| !stop.is_empty() && text[..end].ends_with(stop.as_str()))
            .max_by_key(|&(index, stop)| (stop.len(), std::cmp::Reverse(index)));
        if let Some((index, stop)) = met {
            return (text[..end - stop.len()].to_owned(), Some(index));
        }
    }
    (text.to_owned(), None)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_stop_string_may_be_spread_over_pieces() {
    let stops = strings(&["</s>", "\n\nUser:"]);
    let pieces = strings(&["Hello", "\n", "\nUs", "er", ": more"]);
    assert_eq!(run(&stops, &pieces), ("Hello".to_owned(), Some(1)));
}

#[test]
fn only_a_possible_start_is_held_back() {
    let mut automaton = StopStrings::new(["abc"]);
    assert_eq!(automaton.push("xxab").text, "xx");
    assert_eq!(automaton.push("ab").text, "ab");
    assert_eq!(automaton.push("d").text, "abd");
    assert_eq!(automaton.push("a").text, "");
    assert_eq!(automaton.finish(), "a");
}

#[test]
fn the_match_that_is_complete_first_wins_and_the_longest_of_equals() {
    assert_eq!(run(&strings(&["abcd", "bc"]), &strings(&["abcd"])), ("a".to_owned(), Some(1)));
    assert_eq!(run(&strings(&["c", "bc"]), &strings(&["abc"])), ("a".to_owned(), Some(1)));
    assert_eq!(run(&strings(&["x", "x"]), &strings(&["yx"])), ("y".to_owned(), Some(0)));
}

#[test]
fn nothing_follows_a_match() {
    let mut automaton = StopStrings::new(["stop"]);
    assert_eq!(automaton.push("a stop b"), Stop { text: "a ".to_owned(), matched: Some(0) });
    assert_eq!(automaton.push("more"), Stop { text: String::new(), matched: Some(0) });
    assert_eq!(automaton.finish(), "");
}

#[test]
fn without_stop_strings_text_passes() {
    assert_eq!(StopStrings::new([""; 2]).push("text").text, "text");
    assert_eq!(StopStrings::default().push("text").text, "text");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn pieces_do_not_matter(
        stops in vec("[abé]{0,5}", 0..4),
        pieces in vec("[abé]{0,6}", 0..12),
    ) {
        prop_assert_eq!(run(&stops, &pieces), naive(&stops, &pieces.concat()));
    }

    #[test]
    fn what_is_released_before_the_end_never_waits_longer_than_it_must(
        stops in vec("[ab]{1,4}", 1..3),
        pieces in vec("[ab]{0,3}", 0..8),
    ) {
        let mut automaton = StopStrings::new(&stops);
        let mut seen = String::new();
        let mut released = String::new();
        for piece in &pieces {
            seen.push_str(piece);
            let stop = automaton.push(piece);
            released.push_str(&stop.text);
            if stop.matched.is_some() {
                break;
            }
            let held = &seen[released.len()..];
            let longest = (0..=seen.len())
                .filter(|&from| stops.iter().any(|stop| stop.starts_with(&seen[from..])))
                .map(|from| seen.len() - from)
                .max()
                .unwrap_or(0);
            prop_assert_eq!(held.len(), longest);
        }
    }
}
