//! Compares bias and penalties with plain references that count again for every token.

use super::super::Sampler;
use super::super::random::uniform;
use super::super::tests::neutral;
use super::*;

/// `count` tokens below `vocab` that repeat themselves often.
fn tokens(count: usize, vocab: u32, seed: u64) -> Vec<u32> {
    let number = |n: u64| uniform(seed, n);
    let mut ids: Vec<u32> = Vec::new();
    for n in 0..count as u64 {
        let back = 1 + (number(3 * n) * 12.0) as usize;
        let copies = number(3 * n + 1) < 0.7 && back <= ids.len();
        ids.push(if copies {
            ids[ids.len() - back]
        } else {
            (number(3 * n + 2) * f64::from(vocab)) as u32
        });
    }
    ids
}

/// Token 3 is a line's end.
#[expect(clippy::unnecessary_wraps, reason = "what a tokenizer returns")]
fn bytes_of(id: u32) -> Option<Vec<u8>> {
    Some(if id == 3 { b" \n".to_vec() } else { vec![b'a'] })
}

fn adjusted(p: &SamplingParameters, logits: &[f32], ids: &[u32], prompt: usize) -> Vec<f32> {
    let past = Past { ids, prompt, bytes_of: &bytes_of };
    Adjuster::default().adjust(logits, p, &past).to_vec()
}

fn assert_near(found: &[f32], expected: &[f64]) {
    for (id, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 1e-5 * expected.abs().max(1.0), "token {id}: {found}, {expected}");
    }
}

#[test]
fn penalties_are_those_of_the_formulas() {
    for seed in 0..40 {
        let ids = tokens(3 + 5 * seed as usize, 24, seed);
        let prompt = 1 + (uniform(seed, 999) * (ids.len() - 1) as f64) as usize;
        let logits: Vec<f32> = (0..24).map(|n| (8.0 * uniform(77, n) - 4.0) as f32).collect();
        for last_n in [0, 1, 20, usize::MAX] {
            let p = SamplingParameters {
                repetition_penalty: 1.3,
                presence_penalty: 0.4,
                frequency_penalty: -0.25,
                repeat_last_n: last_n,
                logit_bias: vec![(5, 2.5), (6, f32::NEG_INFINITY)],
                ..neutral()
            };
            let expected: Vec<f64> = (0..24_u32)
                .map(|id| {
                    let mut logit = f64::from(logits[id as usize]);
                    logit += if id == 5 { 2.5 } else { 0.0 };
                    let occurs = |from: usize| {
                        let from = from.max(ids.len().saturating_sub(last_n));
                        ids.iter().skip(from).filter(|&&other| other == id).count()
                    };
                    if occurs(0) > 0 {
                        logit = if logit > 0.0 { logit / 1.3 } else { logit * 1.3 };
                    }
                    let answered = occurs(prompt) as f64;
                    logit - 0.4 * f64::from(u8::from(answered > 0.0)) + 0.25 * answered
                })
                .collect();
            let mut found = adjusted(&p, &logits, &ids, prompt);
            assert!(found[6] == f32::NEG_INFINITY);
            found[6] = expected[6] as f32;
            assert_near(&found, &expected);
        }
    }
}

#[test]
fn dry_is_that_of_the_definition() {
    let mut penalized = 0;
    for seed in 0..60 {
        let ids = tokens(2 + 4 * seed as usize, 9, 100 + seed);
        let logits = vec![0.5_f32; 9];
        for (allowed_length, last_n) in [(1, usize::MAX), (2, usize::MAX), (2, 15), (4, 100)] {
            let dry = Dry { multiplier: 0.8, base: 1.5, allowed_length, last_n, ..Dry::default() };
            let p = SamplingParameters { dry: Some(dry), ..neutral() };
            let window = &ids[ids.len().saturating_sub(last_n)..];
            let longest = |id: u32| {
                // Every way in which the last tokens occurred before `id`.
                (1..window.len())
                    .filter(|&at| window[at] == id)
                    .map(|at| {
                        let pairs = window[..at].iter().rev().zip(window.iter().rev());
                        pairs.take_while(|(a, b)| a == b && **a != 3).count()
                    })
                    .max()
                    .unwrap_or(0)
            };
            let expected: Vec<f64> = (0..9)
                .map(|id| match longest(id) {
                    length if length >= allowed_length && id != 3 => {
                        penalized += 1;
                        0.5 - 0.8 * 1.5_f64.powi((length - allowed_length) as i32)
                    }
                    _ => 0.5,
                })
                .collect();
            assert_near(&adjusted(&p, &logits, &ids, 0), &expected);
        }
    }
    assert!(penalized > 100, "{penalized}");
}

#[test]
fn endless_repetition_stays_finite() {
    let dry = Dry { multiplier: 1.0, ..Dry::default() };
    let p = SamplingParameters { dry: Some(dry), temperature: 0.0, ..neutral() };
    let found = adjusted(&p, &[1.0, 0.0], &vec![0; 20_000], 0);
    assert!(found[0].is_finite() && found[0] < -1e20);
    assert_eq!(Sampler::new(p).sample(&found, 0), Ok(1));
}

#[test]
fn nothing_asked_changes_nothing() {
    let logits = [1.0, f32::NEG_INFINITY, -3.0];
    assert_eq!(adjusted(&neutral(), &logits, &[0, 1, 2, 0], 2), logits);
    assert!(!neutral().adjusts());
}
