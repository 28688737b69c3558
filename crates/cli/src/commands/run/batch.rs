//! `--batch`: many prompts at once, their answers in order.

use anyhow::Context as _;
use mlxk_engine::{EngineError, Generation, Message, PromptInput, Request};
use mlxk_hub::prefer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::{Session, stdin};
use crate::answer::{self, Received, Screen, Show};
use crate::args::RunArgs;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::printer::Unit;
use crate::{Context, input, output};

/// A line of the file that is an object.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Full {
    id: Option<Value>,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    system: Option<String>,
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    seed: Option<u64>,
    stop: Option<Vec<String>>,
    format: Option<Value>,
}

/// One prompt, and what its answer repeats of it.
struct Job {
    id: Option<Value>,
    prompt: String,
    messages: Vec<Message>,
    system: Option<String>,
    settings: Full,
}

/// Answers all lines. A prompt that cannot be answered gets an error in its place.
pub(super) fn run(session: &Session<'_>, jobs: &[u8]) -> anyhow::Result<ExitStatus> {
    let Session { engine, model, context, .. } = *session;
    let options = &session.settings.options;
    let jobs = parse(jobs, session)?;
    // Everything but the prompt is read and checked once for all jobs.
    let nothing = PromptInput::Tokens(Vec::new());
    let mut shared = answer::request(engine, options, nothing)?;
    shared.logprobs = session.args.logprobs;
    let started: Vec<Result<Generation, String>> =
        jobs.iter().map(|job| submit(session, &shared, job)).collect::<anyhow::Result<_>>()?;
    let progress = context.printer.progress();
    progress.begin("Answering");
    let mut failed = false;
    let total = jobs.len() as u64;
    for (index, (job, generation)) in jobs.iter().zip(started).enumerate() {
        let answered = match generation {
            Ok(generation) => {
                let mut screen = Screen::new(Show::Nothing, options, &context.printer);
                match answer::receive(&generation, &mut screen, context) {
                    Ok(Received::Complete(answer)) => Ok(answer),
                    Ok(Received::Interrupted(_)) => return Err(Interrupted.into()),
                    Err(error) if error.is::<EngineError>() => Err(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            Err(reason) => Err(reason),
        };
        let line = match &answered {
            Ok(answer) => {
                let mut envelope = Envelope::new(model, &job.prompt, answer, engine, context);
                (envelope.index, envelope.id) = (Some(index), job.id.as_ref());
                serde_json::to_string(&envelope)
            }
            Err(reason) => {
                failed = true;
                let mut object = json!({ "index": index });
                if let Some(id) = &job.id {
                    object["id"] = id.clone();
                }
                object["model"] = model.into();
                object["prompt"] = job.prompt.as_str().into();
                object["error"] = reason.as_str().into();
                serde_json::to_string(&object)
            }
        }
        .map_err(std::io::Error::from)?;
        let mut out = output::stdout();
        out.json_text(&line)?;
        out.flush()?;
        progress.update(index as u64 + 1, total, Unit::Answers);
    }
    Ok(if failed { ExitStatus::Failure } else { ExitStatus::Success })
}

/// Reads the file of `--batch`, or standard input for `-`.
pub(super) fn read(args: &RunArgs, context: &Context) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = &args.batch else { return Ok(None) };
    if path.as_os_str() == "-" {
        return stdin::read(input::MAX_TEXT_BYTES, context).map(|text| Some(text.into_bytes()));
    }
    let bytes = input::read_file(path, input::MAX_TEXT_BYTES)
        .with_context(|| format!("Cannot read the prompts in `{}`", path.display()))?;
    Ok(Some(bytes))
}

/// Parses all lines before any is answered, so that a mistake in the last line costs no time.
fn parse(bytes: &[u8], session: &Session<'_>) -> anyhow::Result<Vec<Job>> {
    let name =
        session.args.batch.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let mut jobs = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |what: String| UsageError(format!("`{name}`, line {}: {what}", index + 1));
        let settings = match serde_json::from_slice::<Value>(line) {
            Ok(Value::String(prompt)) => Full { prompt: Some(prompt), ..Full::default() },
            Ok(value @ Value::Object(_)) => {
                serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?
            }
            Ok(_) => return Err(wrong("neither a string nor an object".to_owned()).into()),
            Err(error) => {
                let (reason, column) = (error.to_string(), error.column());
                let place = format!(" at line {} column {column}", error.line());
                let reason = reason.strip_suffix(&place).unwrap_or(&reason);
                return Err(UsageError(format!(
                    "`{name}`, line {}, column {column}: invalid JSON: {reason}",
                    index + 1
                ))
                .into());
            }
        };
        let (prompt, messages) = match (&settings.prompt, &settings.messages) {
            (Some(prompt), None) => (prompt.clone(), vec![Message::new("user", prompt.as_str())]),
            (None, Some(messages)) if !messages.is_empty() => {
                let last = messages.last().and_then(|message| message.content.as_text());
                (last.unwrap_or_default().to_owned(), messages.clone())
            }
            _ => return Err(wrong("set either `prompt` or `messages`".to_owned()).into()),
        };
        let system = settings.system.clone().or_else(|| session.settings.options.system.clone());
        jobs.push(Job { id: settings.id.clone(), prompt, messages, system, settings });
    }
    if jobs.is_empty() {
        return Err(UsageError(format!("`{name}` contains no prompts")).into());
    }
    Ok(jobs)
}

/// Starts a job. The inner error is a problem of this job, which becomes its answer; the outer one ends
/// the command.
fn submit(
    session: &Session<'_>,
    shared: &Request,
    job: &Job,
) -> anyhow::Result<Result<Generation, String>> {
    let mut request = shared.clone();
    let messages = [&session.settings.messages[..], &job.messages].concat();
    request.prompt = session.input(job.system.clone(), messages);
    let own = &job.settings;
    prefer!(request.sampling => own, request.sampling; temperature top_k top_p min_p seed);
    prefer!(request => own, request; max_tokens);
    if let Some(stop) = &own.stop {
        request.stop.clone_from(stop);
    }
    if let Some(format) = &own.format {
        request.format = Some(match format {
            Value::String(text) => answer::format(text)?,
            schema => mlxk_engine::AnswerFormat::Schema(schema.clone()),
        });
    }
    Ok(session.engine.submit(request).map_err(|error| error.to_string()))
}
