//! How long a checkpoint takes to its first token: `first_token FOLDER [PROMPT] [TOKENS]`.
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::ops::ControlFlow;
use std::time::Instant;

use mlxk_engine::{Engine, EngineError, Event, LoadOptions, Message, PromptInput, Request};

fn main() -> Result<(), EngineError> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| ".".to_owned());
    let prompt = args.next().unwrap_or_else(|| "What can you do?".to_owned());
    let most = args.next().and_then(|tokens| tokens.parse().ok()).unwrap_or(100);
    let started = Instant::now();
    let engine = Engine::load(&LoadOptions::new(folder), &mut |_, _| ControlFlow::Continue(()))?;
    let messages = vec![Message::new("user", prompt)];
    let prompt = PromptInput::Messages { system: None, messages };
    for _ in 0..2 {
        let request = Request { max_tokens: Some(most), ..Request::new(prompt.clone()) };
        let submitted = Instant::now();
        let mut first = None;
        for event in engine.submit(request)? {
            match event {
                Event::Text(_) => {
                    first.get_or_insert_with(|| (started.elapsed(), submitted.elapsed()));
                }
                Event::Done(done) => {
                    let (since_start, since_request) = first.unwrap_or_default();
                    println!("first text: {since_request:?}; since the start: {since_start:?}");
                    println!("{:?} {:?}", done.usage, done.timings);
                    println!(
                        "prefill {:.1} tok/s, decode {:.1} tok/s on {}",
                        done.timings.prefill_tokens_per_second(&done.usage).unwrap_or(0.0),
                        done.timings.decode_tokens_per_second(&done.usage).unwrap_or(0.0),
                        engine.device()
                    );
                }
                Event::Error(error) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
