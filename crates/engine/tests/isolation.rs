//! The engine with a tiny model: no request changes another, whatever becomes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::ops::ControlFlow;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use common::failing::{Failing, Switches};
use common::{
    Answer, Kind, Stored, answer, checkpoint, collect, load, options, processor, request,
};
use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_engine::{Device, Engine, Event, LoadOptions, PromptInput, Request};
use tempfile::TempDir;

fn small() -> TempDir {
    checkpoint(Kind::Llama, Stored::Bits(4))
}

fn without_reuse(folder: &TempDir) -> LoadOptions {
    LoadOptions { reuse_prefixes: false, ..options(folder) }
}

fn prompts() -> Vec<(String, usize)> {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    [(1, 40), (150, 12), (33, 64), (90, 30), (64, 1), (5, 90)]
        .map(|(length, tokens)| (text[length % 7..][..length].to_owned(), tokens))
        .to_vec()
}

#[test]
fn requests_in_a_batch_get_the_answers_that_they_get_alone() {
    for (kind, stored, exact) in [
        (Kind::Llama, Stored::Bits(4), false),
        (Kind::Qwen2, Stored::Bits(8), false),
        (Kind::LlamaOptions, Stored::Dense, true),
        (Kind::ShortConv, Stored::Bits(4), false),
        (Kind::DeltaNet, Stored::Bits(4), false),
    ] {
        let folder = checkpoint(kind, stored);
        let alone = LoadOptions { device: processor(2, exact), ..without_reuse(&folder) };
        let engine = load(&alone);
        let expected: Vec<Answer> =
            prompts().iter().map(|(text, n)| answer(&engine, request(text, *n))).collect();
        assert!(expected.iter().any(|answer| answer.text.len() > 20));
        // Other threads, chunks and companions, and prefixes that are there already.
        for (threads, prefill_chunk, max_sequences, prompt_lookup) in
            [(1, 256, 16, false), (2, 7, 3, false), (1, 16, 3, true)]
        {
            let options = LoadOptions {
                device: processor(threads, exact),
                prefill_chunk: Some(prefill_chunk),
                max_sequences,
                prompt_lookup,
                draft_always: true,
                reuse_prefixes: true,
                ..alone.clone()
            };
            let engine = load(&options);
            for _ in 0..2 {
                let running: Vec<_> = prompts()
                    .iter()
                    .map(|(text, n)| engine.submit(request(text, *n)).unwrap())
                    .collect();
                for (running, expected) in running.into_iter().zip(&expected) {
                    assert_eq!(collect(running).essence(), expected.essence());
                }
            }
        }
    }
}

#[test]
fn drafts_change_no_answer() {
    let folder = checkpoint(Kind::Qwen2, Stored::Bits(4));
    let draft_model = Some(folder.path().to_owned());
    let always = LoadOptions { draft_always: true, ..without_reuse(&folder) };
    drafting(&LoadOptions { prompt_lookup: true, ..always.clone() });
    drafting(&LoadOptions { draft_model, ..always });
}

fn drafting(options: &LoadOptions) {
    let plain = load(&LoadOptions { prompt_lookup: false, draft_model: None, ..options.clone() });
    let drafting = load(options);
    let (mut drafted, mut accepted) = (0, 0);
    for temperature in [0.0, 0.3] {
        for (case, tokens) in [(0, 200), (1, 57), (2, 1), (3, 2)] {
            let mut request = request(&"one two three, one two three, ".repeat(3 + case), tokens);
            request.sampling.temperature = Some(temperature);
            request.sampling.repetition_penalty = Some(0.8);
            let expected = answer(&plain, request.clone());
            assert_eq!(expected.usage.drafted_tokens, 0);
            let found = answer(&drafting, request);
            assert_eq!(found.essence(), expected.essence());
            drafted += found.usage.drafted_tokens;
            accepted += found.usage.accepted_tokens;
        }
    }
    // Some were right, some were not: both are put to the test.
    assert!(accepted > 50 && accepted < drafted, "{accepted} of {drafted}");
}

#[test]
fn a_known_prefix_is_not_computed_again() {
    let folder = small();
    let fresh = load(&without_reuse(&folder));
    let engine = load(&options(&folder));
    let first = answer(&engine, request("Once upon a time there was a model", 20));
    assert_eq!(first.usage.cached_tokens, 0);
    let again = answer(&engine, request("Once upon a time there was a model", 20));
    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens - 1);
    assert_eq!(again.essence(), first.essence());

    // The next turn of a conversation holds the answer before.
    let mut ids = engine.encode(&request("Once upon a time there was a model", 1).prompt).unwrap();
    ids.extend(first.ids());
    ids.extend([33, 34, 35]);
    let next = Request { prompt: PromptInput::Tokens(ids), ..request("", 20) };
    let found = answer(&engine, next.clone());
    // The last token of an answer was drawn, but not computed.
    assert_eq!(found.usage.cached_tokens, found.usage.prompt_tokens - 4);
    let expected = answer(&fresh, next);
    assert_eq!(expected.usage.cached_tokens, 0);
    assert_eq!(found.essence(), expected.essence());

    // A different end of the same start.
    let other = request("Once upon a time there was no model", 20);
    let found = answer(&engine, other.clone());
    assert_eq!(found.usage.cached_tokens, "Once upon a time there was ".len());
    assert_eq!(found.essence(), answer(&fresh, other).essence());
}

/// The requests of a conversation leave sequences that are almost the same. They go before another conversation does.
#[test]
fn a_conversation_does_not_displace_another() {
    let folder = small();
    // Room for three sequences.
    let engine = load(&LoadOptions { context: Some(400), ..options(&folder) });
    let ask = |prompt: &str| answer(&engine, request(prompt, 4)).usage.cached_tokens;
    let first = "Once upon a time there was a model that remembered all. ".repeat(2);
    let second = "The quick brown fox jumps over the lazy dog, again. ".repeat(2);
    for more in ["", "Go on.", "And on."] {
        ask(&format!("{second}{more}"));
    }
    for more in ["", "Go on.", "And on."] {
        ask(&format!("{first}{more}"));
    }
    assert!(ask(&format!("{second}And then?")) >= second.len());
    assert!(ask(&format!("{first}And then?")) >= first.len());
}

/// A state is reused where a checkpoint was kept: at the end of a prompt, at its last token but one, at the
/// junction of two prompts, and at the end of an answer.
#[test]
fn a_state_is_reused_at_its_checkpoints() {
    for kind in [Kind::ShortConv, Kind::DeltaNet] {
        let folder = checkpoint(kind, Stored::Bits(4));
        let fresh = load(&without_reuse(&folder));
        let engine = load(&options(&folder));
        let system = "You are a model that forgets slowly, and these are your instructions. ";
        let ask = |prompt: &str, cached: usize| {
            let found = answer(&engine, request(prompt, 20));
            let name = format!("{kind:?}: {prompt}");
            assert_eq!(found.usage.cached_tokens, cached, "{name}");
            let expected = answer(&fresh, request(prompt, 20));
            assert_eq!(found.essence(), expected.essence(), "{name}");
            found
        };
        let first = format!("{system}First question.");
        ask(&first, 0);
        ask(&first, first.len() - 1);
        // The next turn, with the answer rendered in another way.
        ask(&format!("{first} Something else."), first.len());
        // Another conversation after the same system prompt: the junction is known from the third on.
        ask(&format!("{system}And now for other things."), 0);
        ask(&format!("{system}Once more."), system.len());

        // The next turn after the very tokens of an answer.
        let mut ids = engine.encode(&request(&first, 1).prompt).unwrap();
        let length = ids.len();
        ids.extend(answer(&engine, request(&first, 20)).ids());
        ids.extend([33, 34, 35]);
        let next = Request { prompt: PromptInput::Tokens(ids), ..request("", 20) };
        let found = answer(&engine, next.clone());
        assert_eq!(found.usage.cached_tokens, length + 19);
        assert_eq!(found.essence(), answer(&fresh, next).essence());
    }
}

/// A state would have to go back after every wrong draft, so there are none.
#[test]
fn states_are_not_drafted() {
    let folder = checkpoint(Kind::DeltaNet, Stored::Bits(4));
    let plain = LoadOptions { draft_always: true, ..without_reuse(&folder) };
    let looked_up = LoadOptions { prompt_lookup: true, ..plain.clone() };
    let request = request(&"one two three, ".repeat(6), 60);
    let found = answer(&load(&looked_up), request.clone());
    assert_eq!(found.usage.drafted_tokens, 0);
    assert_eq!(found.essence(), answer(&load(&without_reuse(&folder)), request).essence());
    let draft_model = Some(folder.path().to_owned());
    let guessed = LoadOptions { draft_model, ..plain };
    let error = Engine::load(&guessed, &mut |_, _| ControlFlow::Continue(())).err().unwrap();
    assert!(error.to_string().contains("draft model"), "{error}");
}

/// A draft model with states goes back to the end of the request after every wrong guess.
#[test]
fn a_draft_model_may_have_states() {
    let folder = checkpoint(Kind::Qwen2, Stored::Bits(4));
    let draft = checkpoint(Kind::DeltaNet, Stored::Bits(4));
    let plain = load(&without_reuse(&folder));
    let options = LoadOptions {
        draft_model: Some(draft.path().to_owned()),
        draft_always: true,
        ..without_reuse(&folder)
    };
    let drafting = load(&options);
    let request = request(&"one two three, ".repeat(6), 60);
    let found = answer(&drafting, request.clone());
    assert!(found.usage.drafted_tokens > 0);
    assert_eq!(found.essence(), answer(&plain, request).essence());
}

#[test]
fn several_answers_to_one_prompt_compute_it_once() {
    for kind in [Kind::Llama, Kind::ShortConv, Kind::DeltaNet] {
        several_answers(kind);
    }
}

fn several_answers(kind: Kind) {
    let folder = checkpoint(kind, Stored::Bits(4));
    let fresh = load(&without_reuse(&folder));
    // The prompt takes several steps, and all requests are there before it is computed.
    let sharing = LoadOptions { prefill_chunk: Some(16), max_sequences: 5, ..options(&folder) };
    let engine = load(&sharing);
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    let asked: Vec<Request> = (0..8)
        .map(|seed| {
            let mut request = request(&text, 12 + seed);
            request.sampling.temperature = Some(1.0);
            request.sampling.seed = Some(seed as u64);
            request
        })
        .collect();
    let running: Vec<_> =
        asked.iter().map(|request| engine.submit(request.clone()).unwrap()).collect();
    let found: Vec<Answer> = running.into_iter().map(collect).collect();
    for (index, (found, asked)) in found.iter().zip(asked).enumerate() {
        let known = if index == 0 { 0 } else { found.usage.prompt_tokens - 1 };
        assert_eq!(found.usage.cached_tokens, known, "{index}");
        assert_eq!(found.essence(), answer(&fresh, asked).essence(), "{index}");
    }
}

#[test]
fn scoring_and_requests_take_turns() {
    let folder = small();
    let engine = load(&options(&folder));
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    let ids = engine.encode(&request(&text, 1).prompt).unwrap();
    let expected = engine.logits_for(ids.clone(), 5).unwrap();
    let alone = answer(&load(&without_reuse(&folder)), request(&text, 20));
    let mut rows = Vec::new();
    // The receiver of the scores is slow: an answer runs between any two of its rows.
    engine
        .score(ids, 5, |position, row| {
            if position % 40 == 0 {
                assert_eq!(answer(&engine, request(&text, 20)).essence(), alone.essence());
            }
            rows.push(row.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(rows, expected);
}

#[test]
fn a_full_cache_delays_requests_and_changes_none() {
    let folder = small();
    let roomy = load(&without_reuse(&folder));
    let plan = roomy.memory().clone();
    let positions = 260;
    let needed =
        plan.weights_bytes + plan.activation_bytes + positions * plan.kv_bytes_per_position;
    let options = LoadOptions {
        memory_bytes: Some(needed * 20 / 19 + 1),
        context: Some(250),
        ..options(&folder)
    };
    let engine = load(&options);
    assert!((255..=262).contains(&engine.memory().positions), "{:?}", engine.memory());
    for _ in 0..2 {
        let requests: Vec<Request> =
            (0..5).map(|i| request(&"abcdefghij".repeat(4 + i), 120)).collect();
        let running: Vec<_> =
            requests.iter().map(|request| engine.submit(request.clone()).unwrap()).collect();
        for (running, request) in running.into_iter().zip(requests) {
            let expected = answer(&roomy, request);
            assert_eq!(expected.tokens.len(), 120);
            assert_eq!(collect(running).essence(), expected.essence());
        }
    }
}

fn failing_engine(folder: &TempDir) -> (Engine, Switches) {
    let switches = Switches::default();
    let options = CpuOptions { threads: Some(2), ..CpuOptions::default() };
    let inner = Cpu::new(options).unwrap();
    let budget = without_reuse(folder).device.budget();
    let ops = Box::new(Failing { inner, switches: switches.clone() });
    let device = Device { ops, name: "a test".to_owned(), budget, is_gpu: false };
    let load =
        Engine::load_on(device, &without_reuse(folder), &mut |_, _| ControlFlow::Continue(()));
    (load.unwrap(), switches)
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_mins(1), "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_dropped_receiver_frees_its_sequence() {
    let folder = small();
    let (engine, switches) = failing_engine(&folder);
    let running = engine.submit(request("Nobody listens", 490)).unwrap();
    running.recv().unwrap();
    assert_eq!(switches.sequences.load(SeqCst), 1);
    drop(running);
    wait_for(|| switches.sequences.load(SeqCst) == 0);
}

#[test]
fn the_engine_survives_a_panic_and_a_refusal() {
    let folder = small();
    let (engine, switches) = failing_engine(&folder);
    let expected = answer(&engine, request("Before and after", 20));
    for (switch, reason) in [(&switches.panic, "the test said so"), (&switches.refuse, "4711")] {
        let running: Vec<_> =
            (0..3).map(|_| engine.submit(request("Fails", 400)).unwrap()).collect();
        for running in &running {
            while !matches!(running.recv().unwrap(), Event::Token(_)) {}
        }
        switch.store(true, SeqCst);
        for mut running in running {
            let Some(Event::Error(error)) = running.by_ref().last() else { panic!("no error") };
            assert!(error.to_string().contains(reason), "{error}");
        }
        let after = answer(&engine, request("Before and after", 20));
        assert_eq!(after.essence(), expected.essence());
        wait_for(|| switches.sequences.load(SeqCst) == 0);
        switch.store(true, SeqCst);
        let error = engine.logits_for(vec![1, 2, 3], 0).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(switches.sequences.load(SeqCst), 0);
    }
}
