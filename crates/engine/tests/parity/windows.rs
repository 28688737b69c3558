//! Engines on models with windows: what is given back and reused never changes an answer, and long contexts
//! take little memory.

use std::ops::ControlFlow;

use mlxk_engine::{
    CpuOptions, DeviceChoice, Engine, Event, LoadOptions, PromptInput, Request, Sampling,
    SpillOptions, TokenInfo,
};
use tempfile::TempDir;

use crate::golden;
use crate::made::Made;

/// Windows of 20 positions: in two of three layers, in every other layer, in the outer layers, with experts,
/// and with layers that read the KV cache of others.
const CASES: [&str; 5] = [
    "gemma3_text-plain-affine4g64",
    "gpt_oss-plain-affine4g64",
    "mistral-window-affine4g64",
    "cohere2-plain-affine4g64",
    "gemma4_text-plain-affine4g64",
];
/// The same, and one whose rows see the positions that an indexer chooses, and one that keeps ids of earlier tokens.
const REUSED: [&str; 7] = {
    let [a, b, c, d, e] = CASES;
    [a, b, c, d, e, "deepseek_v32-plain-affine4g64", "longcat_flash_ngram-plain-affine4g64"]
};
const VOCAB: u32 = 256;

/// Writes the model of a case, made for long contexts, with a tokenizer of bytes.
fn model(case: &str) -> TempDir {
    let mut made = Made::new(&golden::read(case));
    made.config["max_position_embeddings"] = 4096.into();
    let folder = made.write();
    mlxk_testkit::write_tokenizer(folder.path());
    folder
}

fn options(folder: &TempDir) -> LoadOptions {
    let device = DeviceChoice::Cpu(CpuOptions { threads: Some(2), ..CpuOptions::default() });
    LoadOptions { device, prefill_chunk: Some(48), ..LoadOptions::new(folder.path()) }
}

/// Computes every prompt in one step, so that nothing is given back before it is read.
fn plain(folder: &TempDir) -> LoadOptions {
    let reference =
        LoadOptions { prefill_chunk: Some(4096), reuse_prefixes: false, ..options(folder) };
    LoadOptions { prompt_lookup: false, ..reference }
}

fn load(options: &LoadOptions) -> Engine {
    Engine::load(options, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// Tokens that repeat themselves now and then, so that drafts are made.
fn tokens(seed: u32, count: usize) -> Vec<u32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut ids: Vec<u32> = Vec::with_capacity(count);
    while ids.len() < count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let id = if state >> 28 < 5 && ids.len() > 30 { ids[ids.len() - 30] } else { state >> 24 };
        ids.push(id % VOCAB);
    }
    ids
}

fn request(ids: &[u32], max_tokens: usize, seed: u64) -> Request {
    Request {
        sampling: Sampling { temperature: Some(1.0), seed: Some(seed), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        logprobs: Some(3),
        ..Request::new(PromptInput::Tokens(ids.to_vec()))
    }
}

/// The tokens of an answer with their probabilities, and how many tokens of the prompt were reused.
fn collect(events: impl Iterator<Item = Event>) -> (Vec<TokenInfo>, usize) {
    let mut tokens = Vec::new();
    for event in events {
        match event {
            Event::Token(token) => tokens.push(token),
            Event::Done(done) => return (tokens, done.usage.cached_tokens),
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("the answer has no end");
}

fn answer(engine: &Engine, ids: &[u32], max_tokens: usize) -> (Vec<TokenInfo>, usize) {
    collect(engine.submit(request(ids, max_tokens, 7)).unwrap())
}

#[test]
fn reused_prefixes_change_no_answer() {
    for case in REUSED {
        let folder = model(case);
        let reference = load(&plain(&folder));
        let engine = load(&LoadOptions { draft_always: true, ..options(&folder) });
        let check = |ids: &[u32], least: usize| {
            let (found, cached) = answer(&engine, ids, 60);
            let (expected, nothing) = answer(&reference, ids, 60);
            assert!(found == expected, "{case}: another answer with {cached} tokens reused");
            assert_eq!(nothing, 0);
            assert!(cached >= least && cached < ids.len(), "{case}: {cached} of {least} reused");
            found
        };
        let prompt = tokens(1, 1500);
        let first = check(&prompt, 0);
        // The same again, and the next turn, which begins with the answer.
        check(&prompt, prompt.len() - 1);
        let said: Vec<u32> = first.iter().map(|token| token.id).collect();
        let next = [&prompt[..], &said, &tokens(2, 30)].concat();
        check(&next, prompt.len() + said.len() - 1);
        // The same turn, edited: from the end of the prompt.
        let edited = [&prompt[..], &tokens(3, 40)].concat();
        check(&edited, prompt.len());
        // Another end of a beginning: first from a checkpoint of the prefill, then from the junction.
        let branch = |seed| [&prompt[..1300], &tokens(seed, 50)].concat();
        check(&branch(4), 1024);
        check(&branch(5), 1300);
    }
}

#[test]
fn requests_at_the_same_time_share_what_they_can() {
    for case in REUSED {
        let folder = model(case);
        let reference = load(&plain(&folder));
        let engine = load(&options(&folder));
        let prompt = tokens(1, 700);
        let prompts: Vec<Vec<u32>> = (0..6)
            .map(|i| match i % 3 {
                0 => prompt.clone(),
                1 => [&prompt[..500], &tokens(i, 60)].concat(),
                _ => tokens(i, 300),
            })
            .collect();
        for round in 0..2 {
            let running: Vec<_> = prompts
                .iter()
                .enumerate()
                .map(|(seed, ids)| engine.submit(request(ids, 50, seed as u64)).unwrap())
                .collect();
            for (seed, (running, ids)) in running.into_iter().zip(&prompts).enumerate() {
                let (found, cached) = collect(running);
                let alone = reference.submit(request(ids, 50, seed as u64)).unwrap();
                assert!(found == collect(alone).0, "{case}: request {seed} of round {round}");
                let least = match (round, seed) {
                    (0, 0 | 2 | 5) => 0,
                    (0, 1 | 4) => 500,
                    _ => ids.len() - 1,
                };
                assert!(cached >= least, "{case}: request {seed}: {cached} of {least} reused");
            }
        }
    }
}

#[test]
fn a_full_cache_delays_requests_and_changes_none() {
    for case in REUSED {
        let folder = model(case);
        let reference = load(&plain(&folder));
        let roomy = load(&LoadOptions { context: Some(600), ..options(&folder) });
        let memory_bytes = Some(roomy.memory().bytes_for(700));
        let engine = load(&LoadOptions { memory_bytes, context: Some(600), ..options(&folder) });
        let prompts: Vec<Vec<u32>> = (0..5).map(|i| tokens(i, 200 + 60 * i as usize)).collect();
        for _ in 0..2 {
            let running: Vec<_> =
                prompts.iter().map(|ids| engine.submit(request(ids, 100, 7)).unwrap()).collect();
            for (running, ids) in running.into_iter().zip(&prompts) {
                assert!(collect(running).0 == answer(&reference, ids, 100).0, "{case}");
            }
        }
    }
}

#[test]
fn prefixes_on_disk_hold_their_windows_and_checkpoints() {
    for case in REUSED {
        let folder = model(case);
        let spill = TempDir::new().unwrap();
        let place = SpillOptions { folder: spill.path().to_owned(), max_bytes: 1 << 30 };
        let options = LoadOptions { spill: Some(place), ..options(&folder) };
        let reference = load(&plain(&folder));
        let prompt = tokens(1, 1500);
        // Each engine has only what the earlier ones have left on disk.
        let check = |ids: &[u32], least: usize| {
            let (found, cached) = answer(&load(&options), ids, 40);
            assert!(found == answer(&reference, ids, 40).0, "{case}: {cached} tokens reused");
            assert!(cached >= least, "{case}: {cached} of {least} reused");
            found
        };
        let first = check(&prompt, 0);
        check(&prompt, prompt.len() - 1);
        let said: Vec<u32> = first.iter().map(|token| token.id).collect();
        check(&[&prompt[..], &said, &tokens(2, 30)].concat(), prompt.len() + said.len() - 1);
        check(&[&prompt[..1100], &tokens(3, 30)].concat(), 1024);
    }
}

#[test]
fn a_long_context_takes_little_memory() {
    for (case, windowed) in CASES.into_iter().zip([0.66, 0.5, 0.66, 0.66, 0.33]) {
        let folder = model(case);
        let engine = load(&options(&folder));
        let ids = tokens(1, 3900);
        answer(&engine, &ids, 100);
        let plan = engine.memory();
        let all = plan.kv_bytes_per_position * 4000;
        let taken = engine.kv_bytes();
        assert!(taken <= plan.sequence_bytes(4096), "{case}: {taken} bytes of {plan:?}");
        // The unwindowed layers, and a third of the others at most.
        let most = all as f64 * (1.0 - windowed * 0.66);
        assert!((taken as f64) < most, "{case}: {taken} bytes of {all}");
        assert!(plan.sequence_bytes(4096) as f64 <= most * 1.1, "{case}: {plan:?}");
    }
}
