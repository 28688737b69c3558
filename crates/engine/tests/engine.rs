//! The engine with a tiny model: requests are understood, refused with a reason, and end as they
//! should.

mod common;

use std::ops::ControlFlow;
use std::time::Duration;

use common::{Kind, Stored, answer, checkpoint, checkpoint_with, load, options, request};
use mlxk_engine::{
    Engine, EngineError, Event, FinishReason, LoadOptions, Message, PromptInput, Request, Sampling,
};
use serde_json::json;
use tempfile::TempDir;

const MODEL: (Kind, Stored) = (Kind::Llama, Stored::Bits(4));

fn small() -> TempDir {
    checkpoint(MODEL.0, MODEL.1)
}

#[test]
fn an_answer_ends_where_it_should() {
    let folder = small();
    let engine = load(&options(&folder));
    let whole = answer(&engine, request("Hello", 80));
    assert_eq!(whole.reason, FinishReason::MaxTokens);
    assert_eq!(whole.usage.completion_tokens, 80);
    assert_eq!(whole.text, engine.tokenizer().decode(&whole.ids(), true).unwrap());

    // At a stop string, which is not part of it.
    let mut chars = whole.text.char_indices().skip(whole.text.chars().count() / 2);
    let (start, _) = chars.next().unwrap();
    let (end, _) = chars.nth(2).unwrap();
    let stop = whole.text[start..end].to_owned();
    let before = whole.text.find(&stop).unwrap();
    let stopped = answer(
        &engine,
        Request { stop: vec!["never there".to_owned(), stop.clone()], ..request("Hello", 80) },
    );
    assert_eq!(stopped.reason, FinishReason::Stop(stop));
    assert_eq!(stopped.text, whole.text[..before]);
    assert!(stopped.usage.completion_tokens < 80);

    // At the end of the context.
    let narrow = load(&LoadOptions { context: Some(30), ..options(&folder) });
    let full = answer(&narrow, Request { max_tokens: None, ..request("Hello", 1) });
    assert_eq!(full.reason, FinishReason::ContextFull);
    assert_eq!(full.usage.prompt_tokens + full.usage.completion_tokens, 30);
    assert_eq!(full.tokens, whole.tokens[..25]);
    let exact = answer(&narrow, request("Hello", 25));
    assert_eq!(exact.reason, FinishReason::MaxTokens);

    // At a token that the configuration names; its text is not part of the answer.
    let ids = whole.ids();
    let last = (5..80).find(|&at| !ids[..at].contains(&ids[at])).unwrap();
    let changes = json!({"eos_token_id": [999_999, ids[last]]});
    let folder = checkpoint_with(MODEL.0, MODEL.1, &changes);
    let engine = load(&options(&folder));
    let ended = answer(&engine, Request { ignore_eos: false, ..request("Hello", 80) });
    assert_eq!(ended.reason, FinishReason::Eos);
    assert_eq!(ended.ids(), ids[..=last]);
    assert_eq!(ended.text, engine.tokenizer().decode(&ids[..last], true).unwrap());
    let ignored = answer(&engine, request("Hello", 80));
    assert_eq!(ignored.ids(), ids);
}

#[test]
fn moving_weights_changes_no_answer() {
    let folder = small();
    let fixed = load(&LoadOptions { migrate_weights: false, ..options(&folder) });
    let engine = load(&options(&folder));
    let expected = answer(&fixed, request("Hello", 150));
    let while_moving = answer(&engine, request("Hello", 150));
    assert_eq!(while_moving.essence(), expected.essence());
    // Nothing to do: the rest is moved.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(answer(&engine, request("Hello", 150)).essence(), expected.essence());
}

#[test]
fn greedy_takes_the_best_and_seeds_decide_the_rest() {
    let folder = small();
    let engine = load(&options(&folder));
    let with = |temperature, seed| {
        let sampling =
            Sampling { temperature: Some(temperature), seed: Some(seed), ..Sampling::default() };
        answer(&engine, Request { sampling, ..request("Seeds", 30) })
    };
    let greedy = with(0.0, 1);
    assert!(greedy.tokens.iter().all(|token| token.id == token.top[0].0));
    assert!(greedy.tokens.iter().all(|token| (token.logprob - token.top[0].1).abs() < 1e-6));
    assert_eq!(greedy.ids(), with(0.0, 2).ids());
    assert_eq!(with(1.0, 1).ids(), with(1.0, 1).ids());
    assert_ne!(with(1.0, 1).ids(), with(1.0, 2).ids());

    // A request that names no seed can be repeated by the one it is told.
    let mut events =
        engine.submit(Request { sampling: Sampling::default(), ..request("Seeds", 8) });
    let Some(Event::Done(done)) = events.as_mut().unwrap().last() else { panic!("no end") };
    let again = |seed| {
        let sampling = Sampling { seed: Some(seed), ..Sampling::default() };
        answer(&engine, Request { sampling, ..request("Seeds", 8) }).ids()
    };
    assert_eq!(again(done.seed), again(done.seed));
}

#[test]
fn scores_are_the_log_probabilities_of_the_answer() {
    let folder = small();
    let engine = load(&options(&folder));
    let found = answer(&engine, request("Score this", 40));
    let prompt = engine.encode(&PromptInput::Text("Score this".to_owned())).unwrap();
    let ids = [prompt.as_slice(), &found.ids()].concat();
    for from in [0, prompt.len() - 1] {
        let rows = engine.logits_for(ids.clone(), from).unwrap();
        assert_eq!(rows.len(), ids.len() - from);
        for (step, token) in found.tokens.iter().enumerate() {
            let row = &rows[prompt.len() - 1 - from + step];
            assert_eq!(row[token.id as usize].to_bits(), token.logprob.to_bits());
        }
        let total: f64 = rows[0].iter().map(|&logprob| f64::from(logprob).exp()).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
}

#[test]
fn messages_go_through_the_template() {
    let folder = small();
    let engine = load(&options(&folder));
    let messages = vec![Message::new("user", "Hi")];
    let prompt = PromptInput::Messages { system: Some("Be brief".to_owned()), messages };
    let ids = engine.encode(&prompt).unwrap();
    let text = engine.tokenizer().decode(&ids, false).unwrap();
    assert_eq!(text, "<|turn|>system\nBe brief<|turn|>user\nHi<|turn|>assistant\n");
    assert_eq!(ids[0], 257);
    std::fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    let bare = load(&options(&folder));
    assert!(matches!(bare.submit(Request::new(prompt)), Err(EngineError::NoChatTemplate)));
}

#[test]
fn long_prompts_report_their_progress() {
    let folder = small();
    let engine = load(&options(&folder));
    let mut seen = Vec::new();
    for event in engine.submit(request(&"x".repeat(130), 2)).unwrap() {
        if let Event::Progress { prompt_done, prompt_total } = event {
            seen.push((prompt_done, prompt_total));
        }
    }
    assert_eq!(seen, [(48, 130), (96, 130), (130, 130)]);
}

#[test]
fn impossible_requests_are_refused_with_the_reason() {
    let folder = small();
    let engine = load(&LoadOptions { context: Some(20), ..options(&folder) });
    let refuse = |request: Request| engine.submit(request).unwrap_err().to_string();
    let tokens = |ids: &[u32]| Request::new(PromptInput::Tokens(ids.to_vec()));
    assert_eq!(refuse(request("", 5)), "The prompt is empty");
    assert_eq!(refuse(tokens(&[])), "The prompt is empty");
    assert_eq!(
        refuse(request(&"y".repeat(20), 5)),
        "The prompt has 20 tokens, but the context of 20 tokens leaves room for at most 19"
    );
    assert_eq!(refuse(tokens(&[3, 264])), "Token 264 is not one of the model's 264 tokens");
    assert!(refuse(request("a", 0)).contains("`max_tokens` is 0"));
    assert!(refuse(Request { stop: vec![String::new()], ..request("a", 1) }).contains("empty"));
    assert!(refuse(Request { logprobs: Some(101), ..request("a", 1) }).contains("101"));
    let sampling = Sampling { top_p: Some(1.2), ..Sampling::default() };
    assert!(refuse(Request { sampling, ..request("a", 1) }).contains("`top_p`"));
    assert_eq!(answer(&engine, request(&"y".repeat(19), 5)).reason, FinishReason::ContextFull);
}

#[test]
fn a_cancelled_request_ends_at_the_next_token() {
    let folder = small();
    let engine = load(&options(&folder));
    let running = engine.submit(request("On and on", 490)).unwrap();
    let mut tokens = 0;
    let mut reason = None;
    while let Some(event) = running.recv() {
        match event {
            Event::Token(_) => tokens += 1,
            Event::Done(done) => reason = Some(done.finish_reason),
            _ => {}
        }
        if tokens == 3 {
            running.cancel_handle().cancel();
        }
    }
    assert_eq!(reason, Some(FinishReason::Cancelled));
    assert!(tokens < 490);
    assert_eq!(answer(&engine, request("Next", 5)).tokens.len(), 5);
}

#[test]
fn a_stopped_engine_tells_its_requests() {
    let folder = small();
    let engine = load(&options(&folder));
    let running: Vec<_> = (0..3).map(|_| engine.submit(request("Long", 490)).unwrap()).collect();
    running[0].recv().unwrap();
    drop(engine);
    for mut running in running {
        let last = running.by_ref().last();
        assert!(matches!(last, Some(Event::Error(EngineError::Stopped))), "{last:?}");
    }
}

#[test]
fn loading_reports_progress_and_can_be_cancelled() {
    let folder = small();
    let mut seen = Vec::new();
    let engine = Engine::load(&options(&folder), &mut |done, total| {
        seen.push((done, total));
        ControlFlow::Continue(())
    });
    drop(engine.unwrap());
    let total = seen[0].1;
    assert!(total > 10_000 && seen.is_sorted() && seen.iter().all(|&(_, t)| t == total));
    assert_eq!(seen.last(), Some(&(total, total)));
    let error = Engine::load(&options(&folder), &mut |_, _| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, EngineError::Model(mlxk_models::ModelError::Cancelled)));
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let refuse = |options: &LoadOptions| {
        Engine::load(options, &mut |_, _| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    let folder = small();
    let zero = LoadOptions { max_sequences: 0, ..options(&folder) };
    assert!(refuse(&zero).contains("`max_sequences` is 0"));
    let long = LoadOptions { context: Some(513), ..options(&folder) };
    assert!(refuse(&long).contains("at most 512"));
    let tight = LoadOptions { memory_bytes: Some(1000), ..options(&folder) };
    assert!(refuse(&tight).contains("available"));
    let unused = checkpoint_with(Kind::Qwen2, MODEL.1, &json!({"model_type": "llama"}));
    assert!(refuse(&options(&unused)).contains("_proj.bias"));
    std::fs::write(folder.path().join("generation_config.json"), r#"{"top_p": 3}"#).unwrap();
    assert!(refuse(&options(&folder)).contains("`top_p` is 3"));
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    std::fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    assert!(refuse(&options(&folder)).contains("tokenizer.json"));
    let empty = tempfile::tempdir().unwrap();
    assert!(refuse(&LoadOptions::new(empty.path())).contains("config.json"));
}

#[test]
fn damaged_weights_end_a_request_with_an_error() {
    let folder = small();
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    // The last tensor is the final norm, of type bf16: these bits are NaN.
    let start = bytes.len() - 2 * common::HIDDEN;
    bytes[start..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let engine = load(&options(&folder));
    for temperature in [0.0, 1.0] {
        let sampling = Sampling { temperature: Some(temperature), ..Sampling::default() };
        let request = Request { sampling, ..request("Broken", 5) };
        let error = engine.submit(request).unwrap().wait().unwrap_err();
        assert!(matches!(error, EngineError::InvalidLogits { position: 6 }), "{error}");
    }
    assert!(engine.logits_for(vec![1, 2], 0).is_err());
}

#[test]
fn reasoning_is_counted_apart() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let chat = |engine: &Engine| {
        let messages = vec![Message::new("user", "Hi")];
        let prompt = PromptInput::Messages { system: None, messages };
        answer(engine, Request { prompt, ..request("", 10) }).usage
    };
    let plain = chat(&load(&options(&folder)));
    assert_eq!((plain.completion_tokens, plain.reasoning_tokens), (10, 0));
    let settings = folder.path().join("tokenizer_config.json");
    let template = "{{ messages[0].content }}<think>\n";
    let text = json!({"eos_token": "<|end|>", "chat_template": template}).to_string();
    std::fs::write(settings, text).unwrap();
    let thinking = chat(&load(&options(&folder)));
    assert_eq!((thinking.completion_tokens, thinking.reasoning_tokens), (10, 10));
}

#[test]
fn several_answers_have_consecutive_seeds() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(8));
    let engine = load(&options(&folder));
    let with_seed = |seed| {
        let mut request = Request::new(PromptInput::Text("Once upon".into()));
        request.sampling = Sampling { seed: Some(seed), ..Sampling::default() };
        request.max_tokens = Some(12);
        request
    };
    let several = engine.submit_many(with_seed(u64::MAX), 3).unwrap();
    for (generation, seed) in several.into_iter().zip([u64::MAX, 0, 1]) {
        let alone = engine.submit(with_seed(seed)).unwrap().wait().unwrap();
        let (text, done) = generation.wait().unwrap();
        assert_eq!((text, done.seed), (alone.0, seed));
    }
    assert!(engine.submit_many(with_seed(0), 0).unwrap().is_empty());
}
