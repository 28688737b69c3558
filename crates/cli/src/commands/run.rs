//! `mlxk run MODEL PROMPT`: one answer.

use std::io::{IsTerminal, Read, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use mlxk_engine::{
    Done, Engine, EngineError, Event, FinishReason, LoadOptions, PromptInput, Request, Sampling,
};
use mlxk_text::Message;
use serde::Serialize;

use crate::args::RunArgs;
use crate::commands::load;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::printer::Unit;
use crate::{Context, format, interrupt, local, memory};

/// How often a waiting command looks whether Ctrl-C was pressed.
const POLL: Duration = Duration::from_millis(50);

/// The answer with `--json`.
#[derive(Serialize)]
struct Envelope<'a> {
    model: &'a str,
    prompt: &'a str,
    response: &'a str,
    finish_reason: &'a str,
    usage: UsageFields,
    timings: TimingFields,
    seed: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names that every API has for them")]
struct UsageFields {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

/// Milliseconds and tokens per second.
#[derive(Serialize)]
struct TimingFields {
    load_ms: f64,
    prefill_ms: f64,
    decode_ms: f64,
    time_to_first_token_ms: f64,
    total_ms: f64,
    prefill_tokens_per_second: Option<f64>,
    decode_tokens_per_second: Option<f64>,
    peak_memory_bytes: Option<u64>,
}

/// Loads the model and streams its answer to standard output.
pub(crate) fn run(args: &RunArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let prompt = prompt(args)?;
    interrupt::listen()?;
    let resolved = local::find(&args.model, !args.no_pull, context)?;
    let engine = load(args, &resolved.path, context)?;
    let answer = answer(&engine, args, &prompt, context);
    if interrupt::requested() {
        // The engine may be deep in a step; the process ends without waiting for it.
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    let answer = answer?;
    if args.json {
        let envelope = envelope(&resolved.name, &prompt, &answer, context);
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &envelope).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    if args.verbose {
        report(&engine, &answer, context);
    }
    match answer.done.finish_reason {
        FinishReason::ContextFull if !args.json => context.printer.note(format_args!(
            "The answer ends here because the context of {} tokens is full; `--ctx` changes it",
            engine.context()
        )),
        _ => {}
    }
    Ok(ExitStatus::Success)
}

/// The prompt from the command line, or from standard input where there is none.
fn prompt(args: &RunArgs) -> anyhow::Result<String> {
    let words = args.prompt.join(" ");
    if !(words.is_empty() || words == "-") {
        return Ok(words);
    }
    if words.is_empty() && std::io::stdin().is_terminal() {
        return Err(UsageError(format!(
            "No prompt: write one after the model, as in `mlxk run {} \"Hello\"`, or pipe one in",
            args.model
        ))
        .into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| UsageError("The prompt on standard input is not valid UTF-8 text".into()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(UsageError("The prompt on standard input is empty".into()).into());
    }
    Ok(text.to_owned())
}

fn load(args: &RunArgs, path: &std::path::Path, context: &Context) -> anyhow::Result<Engine> {
    if args.threads == Some(0) {
        return Err(UsageError("`--threads` is 0, but at least 1 is needed".into()).into());
    }
    if args.max_tokens == Some(0) {
        return Err(
            UsageError("`--max-tokens` is 0, but an answer has at least 1 token".into()).into()
        );
    }
    let mut options = LoadOptions::new(path);
    options.threads = args.threads;
    options.exact = args.exact;
    options.context = args.ctx;
    load::engine(&options, "Loading", context)
}

/// A complete answer.
struct Answer {
    text: String,
    done: Done,
    /// From the start of the process to the first text.
    first_text: Duration,
}

/// Sends the request and prints what comes.
fn answer(
    engine: &Engine,
    args: &RunArgs,
    prompt: &str,
    context: &Context,
) -> anyhow::Result<Answer> {
    let generation = engine.submit(request(engine, args, prompt))?;
    let stream = !(args.no_stream || args.json);
    let progress = context.printer.progress();
    progress.begin("Reading the prompt");
    let mut out = std::io::stdout().lock();
    let (mut text, mut first_text) = (String::new(), None);
    loop {
        let event = match generation.recv_timeout(POLL) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) if !interrupt::requested() => continue,
            Err(RecvTimeoutError::Timeout) => return Err(Interrupted.into()),
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped.into()),
        };
        if interrupt::requested() {
            if stream && !text.is_empty() {
                writeln!(out)?;
            }
            return Err(Interrupted.into());
        }
        match event {
            Event::Progress { prompt_done, prompt_total, .. } => {
                progress.update(prompt_done as u64, prompt_total as u64, Unit::Tokens);
            }
            Event::Text(piece) => {
                first_text.get_or_insert_with(|| context.started.elapsed());
                progress.finish();
                if stream {
                    out.write_all(piece.as_bytes())?;
                    out.flush()?;
                }
                text.push_str(&piece);
            }
            Event::Done(done) => {
                let first_text = first_text.unwrap_or_else(|| context.started.elapsed());
                if stream {
                    // A shell prompt should start on a line of its own.
                    if !text.ends_with('\n') {
                        writeln!(out)?;
                    }
                } else if !args.json {
                    writeln!(out, "{text}")?;
                }
                out.flush()?;
                return Ok(Answer { text, done, first_text });
            }
            Event::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
}

/// A conversation of one turn, or plain text where the model has no chat template.
fn request(engine: &Engine, args: &RunArgs, prompt: &str) -> Request {
    let input = if engine.template().is_some() {
        let messages = vec![Message::new("user", prompt)];
        PromptInput::Messages { system: args.system.clone(), messages }
    } else {
        let system = args.system.as_ref().map(|system| format!("{system}\n\n"));
        PromptInput::Text(format!("{}{prompt}", system.unwrap_or_default()))
    };
    let mut request = Request::new(input);
    request.sampling = Sampling {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        seed: args.seed,
    };
    request.max_tokens = args.max_tokens;
    request.stop.clone_from(&args.stop);
    request
}

fn envelope<'a>(
    model: &'a str,
    prompt: &'a str,
    answer: &'a Answer,
    context: &Context,
) -> Envelope<'a> {
    let Done { usage, timings, finish_reason, seed, .. } = &answer.done;
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    Envelope {
        model,
        prompt,
        response: &answer.text,
        finish_reason: finish_reason.as_str(),
        usage: UsageFields {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
        },
        timings: TimingFields {
            load_ms: milliseconds(timings.load),
            prefill_ms: milliseconds(timings.prefill),
            decode_ms: milliseconds(timings.decode),
            time_to_first_token_ms: milliseconds(answer.first_text),
            total_ms: milliseconds(context.started.elapsed()),
            prefill_tokens_per_second: timings.prefill_tokens_per_second(usage),
            decode_tokens_per_second: timings.decode_tokens_per_second(usage),
            peak_memory_bytes: memory::peak_resident_bytes(),
        },
        seed: *seed,
    }
}

/// What it took, on stderr.
fn report(engine: &Engine, answer: &Answer, context: &Context) {
    let Done { usage, timings, seed, .. } = &answer.done;
    let rate =
        |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!(", {rate:.1} tokens/s"));
    let lines = [
        ("load", format::seconds(timings.load)),
        (
            "prompt",
            format!(
                "{} tokens{}",
                usage.prompt_tokens,
                rate(timings.prefill_tokens_per_second(usage))
            ),
        ),
        (
            "answer",
            format!(
                "{} tokens{}",
                usage.completion_tokens,
                rate(timings.decode_tokens_per_second(usage))
            ),
        ),
        ("first token", format!("{} after the start", format::seconds(answer.first_text))),
        (
            "peak memory",
            memory::peak_resident_bytes().map_or_else(|| "unknown".to_owned(), format::size),
        ),
        ("context", format!("{} tokens", engine.context())),
        ("device", engine.device().to_owned()),
        ("seed", seed.to_string()),
    ];
    context.printer.note("");
    for (name, value) in lines {
        context.printer.note(format_args!("{name:12} {value}"));
    }
}
