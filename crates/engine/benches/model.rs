//! Times a checkpoint: `cargo bench -p mlxk-engine -- FOLDER [THREADS [RUNS [avx2|avx512|portable]]]`.
//!
//! Prints tokens per second of a prompt of 512 tokens, and of 128 tokens that follow a prompt of
//! one token; medians. Compare figures of one run on a quiet machine only.

#![expect(clippy::print_stdout, reason = "figures on the terminal are what it is for")]

use std::ops::ControlFlow;

use mlxk_engine::{Engine, InstructionSet, LoadOptions, PromptInput, Request, Sampling};

const PREFILL_TOKENS: usize = 512;
const DECODE_TOKENS: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(folder) = arguments.first() else {
        println!("usage: cargo bench -p mlxk-engine --bench model -- FOLDER [THREADS [RUNS]]");
        return Ok(());
    };
    let mut options = LoadOptions::new(folder);
    options.threads = arguments.get(1).map(|threads| threads.parse()).transpose()?;
    options.instructions = arguments.get(3).and_then(|word| InstructionSet::of_word(word));
    options.context = Some(2048);
    options.reuse_prefixes = false;
    let runs = arguments.get(2).map_or(Ok(3), |runs| runs.parse())?;
    let engine = Engine::load(&options, &mut |_, _| ControlFlow::Continue(()))?;
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let vocab = engine.vocab_size() as u32;
        let ids = (0..PREFILL_TOKENS as u32).map(|i| (i * 7919 + 1000) % vocab).collect();
        let first = rate(&engine, ids, 1)?.0;
        let second = rate(&engine, vec![1000], DECODE_TOKENS + 1)?.1;
        // The first run warms the page cache and the workers up.
        if run > 0 {
            prefill.push(first);
            decode.push(second);
        }
    }
    println!(
        "{}: prefill({PREFILL_TOKENS}) {:.2}, decode({DECODE_TOKENS}) {:.2} tokens/s ({runs} runs)",
        engine.device(),
        median(prefill),
        median(decode)
    );
    Ok(())
}

/// Tokens per second of the prompt and of the answer after its first token.
fn rate(
    engine: &Engine,
    ids: Vec<u32>,
    max_tokens: usize,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let request = Request {
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        ..Request::new(PromptInput::Tokens(ids))
    };
    let (_, done) = engine.submit(request)?.wait()?;
    let timings = &done.timings;
    Ok((
        timings.prefill_tokens_per_second(&done.usage).unwrap_or_default(),
        timings.decode_tokens_per_second(&done.usage).unwrap_or_default(),
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
