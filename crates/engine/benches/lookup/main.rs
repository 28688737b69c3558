//! Measures prompt lookup: `cargo bench -p mlxk-engine --bench lookup -- FOLDER [THREADS [RUNS
//! [TOKENS]]]`.
//!
//! Answers six kinds of prompts, alternating between drafts and plain decoding. Prints for each the
//! median decoding speeds, and the median, smallest and largest of their ratios. Fails if an answer
//! differs. Compare only figures of one run on a quiet machine.

#![expect(clippy::print_stdout, reason = "figures on the terminal are what it is for")]

mod workloads;

use std::ops::ControlFlow;

use mlxk_chat::Message;
use mlxk_engine::{
    CpuOptions, DeviceChoice, Done, Engine, LoadOptions, PromptInput, Request, Sampling,
};
use workloads::Workload;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(folder) = arguments.first() else {
        println!(
            "usage: cargo bench -p mlxk-engine --bench lookup -- FOLDER [THREADS [RUNS [TOKENS]]]"
        );
        return Ok(());
    };
    let number = |index: usize| arguments.get(index).map(|text| text.parse::<usize>()).transpose();
    let (threads, runs, tokens) = (number(1)?, number(2)?.unwrap_or(3), number(3)?.unwrap_or(256));
    let load = |prompt_lookup| {
        let options = LoadOptions {
            device: DeviceChoice::Cpu(CpuOptions { threads, ..CpuOptions::default() }),
            context: Some(2048),
            prompt_lookup,
            // While one engine is timed, the other would be at it.
            migrate_weights: false,
            ..LoadOptions::new(folder)
        };
        Engine::load(&options, &mut |_, _| ControlFlow::Continue(()))
    };
    let (plain, drafting) = (load(false)?, load(true)?);
    println!("{}, {runs} runs of up to {tokens} tokens", plain.device());
    println!(
        "workload      tokens/s  with drafts  ratio (smallest, largest)  drafted  right  tokens"
    );
    for workload in workloads::all() {
        let (mut alone, mut with, mut ratios) = (vec![], vec![], vec![]);
        let mut last = None;
        for run in 0..runs {
            // Going first may be an advantage, so the order alternates.
            let ask =
                |drafts: bool| answer(if drafts { &drafting } else { &plain }, &workload, tokens);
            let first = ask(run % 2 == 1)?;
            let second = ask(run % 2 == 0)?;
            if first.0 != second.0 {
                return Err(format!("drafts change the answer to `{}`", workload.name).into());
            }
            let (without, drafted) = if run % 2 == 0 { (first, second) } else { (second, first) };
            let rate = |done: &Done| {
                done.timings.decode_tokens_per_second(&done.usage).unwrap_or_default()
            };
            alone.push(rate(&without.1));
            with.push(rate(&drafted.1));
            ratios.push(rate(&drafted.1) / rate(&without.1));
            last = Some(drafted.1.usage);
        }
        let (smallest, middle, largest) = spread(&mut ratios);
        let usage = last.unwrap_or_default();
        println!(
            "{:13} {:8.2}  {:11.2}  {middle:5.2} ({smallest:.2}, {largest:.2})  {:7}  {:5}  {:6}",
            workload.name,
            spread(&mut alone).1,
            spread(&mut with).1,
            usage.drafted_tokens,
            usage.accepted_tokens,
            usage.completion_tokens,
        );
    }
    Ok(())
}

fn answer(
    engine: &Engine,
    workload: &Workload,
    tokens: usize,
) -> Result<(String, Done), Box<dyn std::error::Error>> {
    let messages = vec![Message::new("user", workload.prompt.clone())];
    let request = Request {
        sampling: Sampling {
            temperature: Some(workload.temperature),
            seed: Some(1),
            ..Sampling::default()
        },
        max_tokens: Some(tokens),
        ..Request::new(PromptInput::Messages { system: None, messages })
    };
    Ok(engine.submit(request)?.wait()?)
}

/// Smallest, median, largest.
fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
}
