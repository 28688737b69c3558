//! Engines on tiny checkpoints, and their answers.
#![allow(dead_code, reason = "every test binary compiles this file and uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

pub(crate) mod failing;
pub(crate) mod runner;

use std::ops::ControlFlow;

use mlxk_engine::{
    CpuOptions, DeviceChoice, Engine, Event, FinishReason, LoadOptions, Request, Sampling,
    TokenInfo, Usage,
};
use tempfile::TempDir;

#[allow(unused_imports, reason = "every test binary uses a part of them")]
pub(crate) use mlxk_testkit::{
    END, HIDDEN, KINDS, Kind, LAYERS, Stored, VOCAB, checkpoint, checkpoint_with, config, noise,
};

pub(crate) fn options(folder: &TempDir) -> LoadOptions {
    let device = processor(2, false);
    LoadOptions { device, prefill_chunk: Some(48), ..LoadOptions::new(folder.path()) }
}

pub(crate) fn processor(threads: usize, exact: bool) -> DeviceChoice {
    DeviceChoice::Cpu(CpuOptions { threads: Some(threads), exact, ..CpuOptions::default() })
}

pub(crate) fn load(options: &LoadOptions) -> Engine {
    Engine::load(options, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// A request that samples under a fixed seed and reports its tokens.
pub(crate) fn request(prompt: &str, max_tokens: usize) -> Request {
    Request {
        sampling: Sampling { temperature: Some(1.0), seed: Some(7), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        logprobs: Some(3),
        ..Request::new(mlxk_engine::PromptInput::Text(prompt.to_owned()))
    }
}

/// A finished answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tokens: Vec<TokenInfo>,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
}

impl Answer {
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    /// Returns the parts of an answer that must not depend on other requests.
    pub(crate) fn essence(&self) -> (&str, &[TokenInfo], &FinishReason) {
        (&self.text, &self.tokens, &self.reason)
    }
}

pub(crate) fn collect(events: impl Iterator<Item = Event>) -> Answer {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    for event in events {
        match event {
            Event::Text(piece) => text.push_str(&piece),
            Event::Token(token) => tokens.push(token),
            Event::Done(done) => {
                return Answer { text, tokens, reason: done.finish_reason, usage: done.usage };
            }
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("the answer has no end");
}

pub(crate) fn answer(engine: &Engine, request: Request) -> Answer {
    collect(engine.submit(request).unwrap())
}
