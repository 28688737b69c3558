//! Real weights in exact mode against mlx-lm in f32: the answers in `tests/golden`.
//!
//! `MLXK_TEST_HUB` names a Hugging Face cache folder (the one that holds `models--*`). Without it
//! the test prints a line and passes. A checkpoint that is not in the cache is named and left out;
//! one has to remain. If `MLXK_MLX_LIBRARY` names the C library of MLX, the answers are computed there, too.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says what it skips"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlxk_engine::{
    Arithmetic, CpuOptions, DeviceChoice, Engine, Event, LoadOptions, Message, PromptInput,
    Request, Sampling, TokenInfo,
};
use mlxk_text::RenderOptions;
use serde::Deserialize;

/// Log-probabilities may differ by this much.
const TOLERANCE: f32 = 1e-3;

/// A file that `tests/golden/answers.py` writes.
#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Prompt>,
    checkpoints: BTreeMap<String, Checkpoint>,
}

#[derive(Deserialize)]
struct Prompt {
    #[serde(rename = "prompt")]
    words: String,
    rendered: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Checkpoint {
    commit: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    ids: Vec<u32>,
    top: Vec<Vec<(u32, f32)>>,
    text: String,
}

#[test]
fn answers_are_those_of_mlx_lm() {
    let Some(hub) = std::env::var_os("MLXK_TEST_HUB").map(PathBuf::from) else {
        eprintln!("skipped: MLXK_TEST_HUB does not name a Hugging Face cache folder");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            for (name, checkpoint) in &golden.checkpoints {
                compared += usize::from(compare(&hub, name, checkpoint, &golden.prompts));
            }
        }
    }
    assert!(compared > 0, "{} holds none of the checkpoints", hub.display());
}

/// Compares the answers of a checkpoint. Returns `false` if it isn't on this machine.
fn compare(hub: &Path, name: &str, checkpoint: &Checkpoint, prompts: &[Prompt]) -> bool {
    let repository = hub.join(format!("models--mlx-community--{name}"));
    let path = repository.join("snapshots").join(&checkpoint.commit);
    if !path.is_dir() {
        eprintln!("skipped: {name} at {} is not in the cache", checkpoint.commit);
        return false;
    }
    for device in devices() {
        let options = LoadOptions { device, ..LoadOptions::new(&path) };
        let engine = Engine::load(&options, &mut |_, _| std::ops::ControlFlow::Continue(()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(prompts.len(), checkpoint.answers.len());
        let (mut tokens, mut worst) = (0, 0.0_f32);
        for (prompt, answer) in prompts.iter().zip(&checkpoint.answers) {
            worst = worst.max(compare_answer(&engine, prompt, answer));
            tokens += answer.ids.len();
        }
        let (device, count) = (engine.device(), prompts.len());
        eprintln!(
            "{name} on {device}: {count} prompts, {tokens} tokens, log-probabilities within {worst:.1e}"
        );
    }
    true
}

/// Returns the processor, and MLX if it is here, in exact mode.
fn devices() -> Vec<DeviceChoice> {
    let cpu = DeviceChoice::Cpu(CpuOptions { exact: true, ..CpuOptions::default() });
    let library = std::env::var_os("MLXK_MLX_LIBRARY").map(PathBuf::from);
    let exact = Arithmetic { exact: true, ..Arithmetic::default() };
    let mlx = library.map(|library| DeviceChoice::mlx(exact, Some(library)));
    std::iter::once(cpu).chain(mlx).collect()
}

/// Returns the largest difference of a log-probability.
fn compare_answer(engine: &Engine, case: &Prompt, answer: &Answer) -> f32 {
    let prompt = match engine.template() {
        None => PromptInput::Text(case.words.clone()),
        Some(template) => {
            let messages = vec![Message::new("user", case.words.as_str())];
            let rendered = template.render(&messages, &RenderOptions::default()).unwrap();
            assert_eq!(rendered, case.rendered);
            PromptInput::Messages { system: None, messages }
        }
    };
    assert_eq!(engine.encode(&prompt).unwrap(), case.ids, "{:?}", case.words);
    let request = Request {
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        max_tokens: Some(answer.ids.len()),
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
    for (step, expected) in answer.ids.iter().enumerate() {
        let Some(found) = tokens.get(step) else {
            panic!("{:?}: ends after {step} tokens", case.words);
        };
        if let Some(top) = answer.top.get(step) {
            for &(id, logprob) in top {
                let ours = found.top.iter().find(|(ours, _)| *ours == id);
                let Some(&(_, ours)) = ours else {
                    panic!("{:?}: step {step}: {id} is not among {:?}", case.words, found.top);
                };
                let difference = (ours - logprob).abs();
                assert!(
                    difference < TOLERANCE,
                    "{:?}: step {step}: token {id} has {ours}, not {logprob}",
                    case.words
                );
                worst = worst.max(difference);
            }
        }
        if found.id != *expected {
            let margin = found.top[0].1 - found.top[1].1;
            assert!(
                margin < TOLERANCE,
                "{:?}: step {step}: token {} instead of {expected}, by a margin of {margin}",
                case.words,
                found.id
            );
            eprintln!("{:?}: step {step} is a near-tie ({margin:.1e})", case.words);
            return worst;
        }
    }
    // The reference decodes the ending token, too.
    assert!(answer.text.starts_with(&text), "{text:?} is not {:?}", answer.text);
    worst
}
