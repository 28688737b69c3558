//! Real weights in exact mode against mlx-lm with f32 activations.
//!
//! `MLXK_TEST_HUB` names a Hugging Face cache folder (the one that holds `models--*`);
//! `MLXK_TEST_GOLDEN` a folder of golden files, where it is not the committed one. Without the
//! first the test prints a line and passes. A checkpoint that is not in the cache, or whose
//! quantization no kernel runs yet, is named and left out; one has to remain.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says what it skips"
)]

use std::path::{Path, PathBuf};

use mlxk_engine::{
    Engine, EngineError, Event, LoadOptions, Message, PromptInput, Request, Sampling, TokenInfo,
};
use mlxk_models::ModelError;
use mlxk_ops::OpsError;
use mlxk_text::RenderOptions;
use serde::Deserialize;

/// Log-probabilities may differ by this much.
const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    repo: String,
    commit: String,
    compute_dtype: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: String,
    rendered: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    top5_first8: Vec<Vec<(u32, f32)>>,
    text: String,
}

#[test]
fn answers_are_those_of_mlx_lm() {
    let Some(hub) = std::env::var_os("MLXK_TEST_HUB").map(PathBuf::from) else {
        eprintln!("skipped: MLXK_TEST_HUB does not name a Hugging Face cache folder");
        return;
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = std::env::var_os("MLXK_TEST_GOLDEN").map_or(fixtures, PathBuf::from);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".float32.json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no golden file", folder.display());
    let mut compared = 0;
    for file in files {
        let golden: Golden = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(golden.compute_dtype, "float32");
        compared += compare(&hub, &golden);
    }
    assert!(compared > 0, "{} holds none of the checkpoints that run", hub.display());
}

/// Returns the number of answers that were compared.
fn compare(hub: &Path, golden: &Golden) -> usize {
    let name = golden.repo.rsplit("--").next().unwrap();
    let path = hub.join(&golden.repo).join("snapshots").join(&golden.commit);
    if !path.is_dir() {
        eprintln!("skipped: {name} at {} is not in the cache", golden.commit);
        return 0;
    }
    let options = LoadOptions { exact: true, ..LoadOptions::new(path) };
    let engine = match Engine::load(&options, &mut |_, _| std::ops::ControlFlow::Continue(())) {
        Ok(engine) => engine,
        Err(EngineError::Model(ModelError::Ops(error @ OpsError::Unsupported { .. }))) => {
            eprintln!("skipped: {name}: {error}");
            return 0;
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let (mut tokens, mut worst) = (0, 0.0_f32);
    for case in &golden.cases {
        worst = worst.max(compare_case(&engine, case));
        tokens += case.greedy_ids.len();
    }
    eprintln!(
        "{name}: {} prompts, {tokens} tokens, log-probabilities within {worst:.1e}",
        golden.cases.len()
    );
    golden.cases.len()
}

/// Returns the largest difference of a log-probability.
fn compare_case(engine: &Engine, case: &Case) -> f32 {
    let prompt = match engine.template() {
        None => PromptInput::Text(case.prompt.clone()),
        Some(template) => {
            let messages = vec![Message::new("user", case.prompt.as_str())];
            let rendered = template.render(&messages, &RenderOptions::default()).unwrap();
            assert_eq!(rendered, case.rendered);
            PromptInput::Messages { system: None, messages }
        }
    };
    assert_eq!(engine.encode(&prompt).unwrap(), case.prompt_ids, "{:?}", case.prompt);
    let request = Request {
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        max_tokens: Some(case.greedy_ids.len()),
        logprobs: Some(20),
        ..Request::new(prompt)
    };
    let mut tokens: Vec<TokenInfo> = Vec::new();
    let mut text = String::new();
    for event in engine.submit(request).unwrap() {
        match event {
            Event::Token(token) => tokens.push(token),
            Event::Text(piece) => text.push_str(&piece),
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    let mut worst = 0.0_f32;
    for (step, expected) in case.greedy_ids.iter().enumerate() {
        let Some(found) = tokens.get(step) else {
            panic!("{:?}: ends after {step} tokens", case.prompt);
        };
        if let Some(top) = case.top5_first8.get(step) {
            for &(id, logprob) in top {
                let ours = found.top.iter().find(|(ours, _)| *ours == id);
                let Some(&(_, ours)) = ours else {
                    panic!("{:?}: step {step}: {id} is not among {:?}", case.prompt, found.top);
                };
                let difference = (ours - logprob).abs();
                assert!(
                    difference < TOLERANCE,
                    "{:?}: step {step}: token {id} has {ours}, not {logprob}",
                    case.prompt
                );
                worst = worst.max(difference);
            }
        }
        if found.id != *expected {
            let margin = found.top[0].1 - found.top[1].1;
            assert!(
                margin < TOLERANCE,
                "{:?}: step {step}: token {} instead of {expected}, by a margin of {margin}",
                case.prompt,
                found.id
            );
            eprintln!("{:?}: step {step} is a near-tie ({margin:.1e})", case.prompt);
            return worst;
        }
    }
    // The reference decodes the ending token, too.
    assert!(case.text.starts_with(&text), "{text:?} is not {:?}", case.text);
    worst
}
