//! Steps that begin before the tokens of the one before are known: they change no answer. A request that asks for
//! log-probabilities needs the logits of each step, so it is answered without them, and its answer is what is expected.
#![cfg(feature = "gpu")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::time::Duration;

use common::{Answer, Kind, Stored, answer, checkpoint, checkpoint_with, collect, load, options};
use mlxk_engine::{
    Arithmetic, DeviceChoice, Engine, Event, FinishReason, LoadOptions, PromptInput, Request,
    Sampling,
};
use serde_json::json;
use tempfile::TempDir;

/// Returns options for a GPU, or says that there is none.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn on_gpu(folder: &TempDir, exact: bool) -> Option<LoadOptions> {
    if mlxk_gpu::adapters().is_empty() {
        println!("skipped: there is no GPU, nor a software driver for Vulkan");
        return None;
    }
    let device = DeviceChoice::gpu("gpu:0", Arithmetic { exact, kv: None }, None, None).unwrap();
    Some(LoadOptions { device, prompt_lookup: false, ..options(folder) })
}

/// A request for the best tokens.
fn greedy(prompt: &str, max_tokens: usize) -> Request {
    Request {
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        ..Request::new(PromptInput::Text(prompt.to_owned()))
    }
}

/// Returns the answer that is computed step by step.
fn expected(engine: &Engine, request: &Request) -> Answer {
    answer(engine, Request { logprobs: Some(1), ..request.clone() })
}

fn assert_same(found: &Answer, expected: &Answer, name: &str) {
    assert_eq!((&found.text, &found.reason), (&expected.text, &expected.reason), "{name}");
    let [found, expected] = [found, expected].map(|it| it.usage.completion_tokens);
    assert_eq!(found, expected, "{name}");
}

const PROMPTS: [(&str, usize); 5] = [
    ("The quick brown fox", 40),
    ("jumps over the lazy dog, and over again", 7),
    ("Once upon a time", 64),
    ("a", 1),
    ("Sphinx of black quartz, judge my vow", 23),
];

#[test]
fn requests_of_all_lengths_side_by_side() {
    for (kind, stored, exact) in [
        (Kind::Llama, Stored::Bits(4), true),
        (Kind::Qwen2, Stored::Bits(8), true),
        // A cache that forgets, and one with states, have no steps ahead.
        (Kind::ShortConv, Stored::Bits(4), true),
    ] {
        let folder = checkpoint(kind, stored);
        let Some(options) = on_gpu(&folder, exact) else { return };
        let engine = load(&options);
        let requests = PROMPTS.map(|(prompt, tokens)| greedy(prompt, tokens));
        let expected = requests.each_ref().map(|request| expected(&engine, request));
        assert!(expected.iter().any(|answer| answer.text.len() > 20));
        // The second time, their beginnings are in the cache.
        for round in 0..2 {
            let running = requests.each_ref().map(|it| engine.submit(it.clone()).unwrap());
            for (running, (expected, (prompt, _))) in
                running.into_iter().zip(expected.iter().zip(PROMPTS))
            {
                let name = format!("{kind:?}, round {round}, `{prompt}`");
                assert_same(&collect(running), expected, &name);
            }
        }
    }
}

#[test]
fn a_text_ends_within_a_step_that_was_begun() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let Some(options) = on_gpu(&folder, true) else { return };
    let engine = load(&options);
    let whole = expected(&engine, &greedy("The quick brown fox", 60));
    let ids = whole.ids();
    let last = (5..60).find(|&at| !ids[..at].contains(&ids[at])).unwrap();
    drop(engine);
    // The same model, which ends at that token.
    let folder = checkpoint_with(
        Kind::Llama,
        Stored::Bits(4),
        &json!({"eos_token_id": [999_999, ids[last]]}),
    );
    let options = on_gpu(&folder, true).unwrap();
    let engine = load(&options);
    let ends = Request { ignore_eos: false, ..greedy("The quick brown fox", 60) };
    let goes_on = greedy("Once upon a time", 64);
    let wanted = [&ends, &goes_on].map(|request| expected(&engine, request));
    assert_eq!(wanted[0].reason, FinishReason::Eos);
    assert_eq!(wanted[0].usage.completion_tokens, last + 1);
    // Alone, first and second of two.
    assert_same(&answer(&engine, ends.clone()), &wanted[0], "alone");
    for order in [[0, 1], [1, 0]] {
        let requests = [&ends, &goes_on];
        let running = order.map(|at| engine.submit(requests[at].clone()).unwrap());
        for (running, at) in running.into_iter().zip(order) {
            assert_same(&collect(running), &wanted[at], &format!("{order:?}: {at}"));
        }
    }
    // The next turn begins with the answer, which the row that was computed in vain has not spoilt.
    let mut ids = engine.encode(&ends.prompt).unwrap();
    ids.extend(&wanted[0].ids());
    ids.extend([33, 34, 35]);
    let next = Request { prompt: PromptInput::Tokens(ids), ..greedy("", 30) };
    let found = answer(&engine, next.clone());
    assert!(found.usage.cached_tokens >= found.usage.prompt_tokens - 5, "{:?}", found.usage);
    let fresh = load(&LoadOptions { reuse_prefixes: false, ..options });
    assert_same(&found, &expected(&fresh, &next), "the next turn");
}

#[test]
fn requests_that_join_and_leave_change_no_other() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let Some(options) = on_gpu(&folder, true) else { return };
    let engine = load(&options);
    let [long, left, joined] = [
        greedy("The quick brown fox", 150),
        greedy("jumps over the lazy dog", 400),
        greedy("Once upon a time", 80),
    ];
    let wanted = [&long, &left, &joined].map(|request| expected(&engine, request));
    for leave_after in [1, 2, 3, 5, 8] {
        let first = engine.submit(long.clone()).unwrap();
        let second = engine.submit(left.clone()).unwrap();
        let mut pieces = String::new();
        let mut seen = 0;
        while seen < leave_after {
            if let Event::Text(piece) = second.recv().unwrap() {
                pieces.push_str(&piece);
                seen += 1;
            }
        }
        assert!(wanted[1].text.starts_with(&pieces), "until it left");
        let third = engine.submit(joined.clone()).unwrap();
        drop(second);
        assert_same(&collect(third), &wanted[2], "that joined");
        assert_same(&collect(first), &wanted[0], "that stayed");
    }
    // What it left in the cache is as good as computed again.
    let again = answer(&engine, left.clone());
    assert!(again.usage.cached_tokens > 0);
    assert_same(&again, &wanted[1], "that had left");
}

#[test]
fn many_clients_that_leave_at_any_time() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let Some(options) = on_gpu(&folder, true) else { return };
    let engine = load(&options);
    let requests: Vec<Request> =
        (0..6).map(|at| greedy(&format!("Client {at} asks"), 20 + 13 * at)).collect();
    let wanted: Vec<Answer> = requests.iter().map(|it| expected(&engine, it)).collect();
    for round in 0_u64..12 {
        let running: Vec<_> =
            requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        for (at, (running, wanted)) in running.into_iter().zip(&wanted).enumerate() {
            // One of three leaves at some time, in another thread's time.
            if (round + at as u64).is_multiple_of(3) {
                std::thread::sleep(Duration::from_micros(700 * (round * 7 + at as u64 * 3 % 40)));
                drop(running);
            } else {
                assert_same(&collect(running), wanted, &format!("round {round}, client {at}"));
            }
        }
    }
}

/// Requests that are sampled in every way.
fn sampled() -> Vec<Request> {
    let plain = Sampling { temperature: Some(0.8), seed: Some(5), ..Sampling::default() };
    let ways = [
        Sampling { top_p: Some(0.9), ..plain.clone() },
        Sampling { top_k: Some(40), top_p: Some(0.95), ..plain.clone() },
        Sampling { temperature: Some(1.0), top_p: Some(1.0), ..plain.clone() },
        // The best tokens have little of the mass.
        Sampling { temperature: Some(8.0), top_p: Some(1.0), ..plain.clone() },
        Sampling { min_p: Some(0.05), top_p: Some(1.0), ..plain.clone() },
        Sampling { temperature: Some(0.0), ..plain.clone() },
        Sampling { repetition_penalty: Some(1.3), ..plain },
    ];
    let requests = ways.into_iter().enumerate().map(|(at, sampling)| Request {
        sampling,
        ..greedy(&format!("Client {at} asks"), 30 + 7 * at)
    });
    requests.collect()
}

#[test]
fn sampled_answers_are_those_of_all_logits() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let Some(options) = on_gpu(&folder, true) else { return };
    let engine = load(&options);
    let requests = sampled();
    let wanted: Vec<Answer> = requests.iter().map(|it| expected(&engine, it)).collect();
    for (request, wanted) in requests.iter().zip(&wanted) {
        let found = answer(&engine, request.clone());
        assert_same(&found, wanted, &format!("alone: {:?}", request.sampling));
    }
    for count in [2, 3, 6, 7] {
        let requests = &requests[..count];
        let running: Vec<_> =
            requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        for (running, (request, wanted)) in running.into_iter().zip(requests.iter().zip(&wanted)) {
            let name = format!("of {count}: {:?}", request.sampling);
            assert_same(&collect(running), wanted, &name);
        }
    }
}

#[test]
fn sampled_requests_that_join_and_leave_change_no_other() {
    let folder = checkpoint(Kind::Qwen2, Stored::Bits(8));
    let Some(options) = on_gpu(&folder, true) else { return };
    let engine = load(&options);
    let requests = sampled();
    let wanted: Vec<Answer> = requests.iter().map(|it| expected(&engine, it)).collect();
    for round in 0_u64..8 {
        let running: Vec<_> =
            requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        for (at, (running, wanted)) in running.into_iter().zip(&wanted).enumerate() {
            if (round + at as u64).is_multiple_of(3) {
                std::thread::sleep(Duration::from_micros(900 * (round * 7 + at as u64 * 3 % 40)));
                drop(running);
            } else {
                assert_same(&collect(running), wanted, &format!("round {round}, client {at}"));
            }
        }
    }
}
