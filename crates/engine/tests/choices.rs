//! Log-likelihoods of continuations, against plain arithmetic on the rows of whole runs.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::ops::ControlFlow;

use common::{KINDS, Kind, Stored, checkpoint, load, options};
use mlxk_engine::choices::{ChoicesError, Likelihoods, log_likelihoods};
use mlxk_engine::{Engine, LoadOptions};

const EXAMPLES: &str = "A question about the weather, which was answered before.\nAnswer: rain\n\n";

fn ask(engine: &Engine, text: &str, choices: &[String]) -> Result<Likelihoods, ChoicesError> {
    log_likelihoods(engine, text, choices, &mut || ControlFlow::Continue(()))
}

/// Some choices of one token, of a few, and of more than a step computes.
fn choices() -> Vec<String> {
    vec!["y".into(), "no".into(), "a".repeat(70), " maybe".into(), "z".into(), "long, 1.".repeat(6)]
}

/// The sum over the tokens of a choice, from one run over text and choice. Each token is a byte.
fn brute_force(engine: &Engine, text: &str, choice: &str) -> f64 {
    let ids: Vec<u32> = text.bytes().chain(choice.bytes()).map(u32::from).collect();
    let rows = engine.logits_for(ids[..ids.len() - 1].to_vec(), text.len() - 1).unwrap();
    let targets = &ids[text.len()..];
    rows.iter().zip(targets).map(|(row, &target)| f64::from(row[target as usize])).sum()
}

#[test]
fn sums_are_those_of_whole_runs() {
    for kind in KINDS {
        let folder = checkpoint(kind, Stored::Bits(4));
        let engine = load(&options(&folder));
        // The second question begins like the first, the third is the second.
        for question in
            ["Will it rain?", "Will it snow in the hills?", "Will it snow in the hills?"]
        {
            let text = format!("{EXAMPLES}{question}");
            let found = ask(&engine, &text, &choices()).unwrap();
            assert!(!found.was_cut);
            for (choice, value) in choices().iter().zip(&found.values) {
                let expected = brute_force(&engine, &text, choice);
                let error = (value - expected).abs() / expected.abs();
                assert!(error < 1e-5, "{kind:?}, {choice}: {value} is not {expected}");
            }
        }
    }
}

#[test]
fn values_do_not_depend_on_what_was_asked_before() {
    for kind in KINDS {
        let folder = checkpoint(kind, Stored::Bits(4));
        let text = format!("{EXAMPLES}Will it snow?");
        let alone = ask(&load(&options(&folder)), &text, &choices()).unwrap();
        let engine = load(&options(&folder));
        ask(&engine, &format!("{EXAMPLES}Will it rain?"), &choices()).unwrap();
        assert_eq!(ask(&engine, &text, &choices()).unwrap(), alone, "{kind:?}");
        let chunks = LoadOptions { prefill_chunk: Some(7), ..options(&folder) };
        assert_eq!(ask(&load(&chunks), &text, &choices()).unwrap(), alone, "{kind:?}");
    }
}

#[test]
fn spaces_at_the_end_belong_to_the_choices() {
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let engine = load(&options(&folder));
    let choices = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let inside = ask(&engine, "The sky is \n", &choices(["blue", "high"])).unwrap();
    let outside = ask(&engine, "The sky is", &choices([" \nblue", " \nhigh"])).unwrap();
    assert_eq!(inside, outside);
}

#[test]
fn what_does_not_fit_loses_its_beginning() {
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let engine = load(&LoadOptions { context: Some(40), ..options(&folder) });
    let text = "0123456789012345678901234567890123456789";
    let found = ask(&engine, text, &["ab".to_owned(), "c".to_owned()]).unwrap();
    assert!(found.was_cut);
    // 40 positions and a token to predict.
    for (choice, value, kept) in [("ab", found.values[0], 39), ("c", found.values[1], 40)] {
        let expected = brute_force(&engine, &text[text.len() - kept..], choice);
        assert!((value - expected).abs() < 1e-5 * expected.abs(), "{value} is not {expected}");
    }
    let error = ask(&engine, text, &["a".repeat(41)]).unwrap_err().to_string();
    assert_eq!(error, "Choice 1 has 41 tokens, but the context holds at most 40");
    let error = ask(&engine, text, &["a".into(), String::new()]).unwrap_err().to_string();
    assert!(error.starts_with("Choice 2 is empty"), "{error}");
}

#[test]
fn the_observer_cancels() {
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let engine = load(&options(&folder));
    let found = log_likelihoods(&engine, "a", &choices(), &mut || ControlFlow::Break(()));
    assert!(matches!(found, Err(ChoicesError::Cancelled)), "{found:?}");
    // The engine goes on.
    ask(&engine, "a", &choices()).unwrap();
}
