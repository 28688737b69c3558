//! `mlxk run --engine`: answers from another program, or from the fastest one.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlxk_chat::{Event, Message, PromptInput, Request};
use mlxk_engine::Engine;
use mlxk_hub::Resolved;
use mlxk_providers::{Answer, Cancel, Client, Config, Limits, ProviderError};
use mlxk_router::{Router, Sample};
use serde_json::json;

use super::auto;
use crate::answer::{self, AnswerSettings, Screen, Show};
use crate::args::RunArgs;
use crate::engines::{OLLAMAS, OURS};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::terminal::Silence;
use crate::{Context, engines, format, interrupt, json as envelope, output};

/// Limit of an answer's silence. A server may have to load the model first.
const PATIENCE: Duration = Duration::from_mins(10);
/// Time between two checks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

/// The program that answers.
pub(super) enum Chosen {
    /// Our engine, with the model in memory.
    Here(Box<Here>),
    /// Another program.
    There(Box<There>),
}

/// Our engine, which was chosen.
pub(super) struct Here {
    pub(super) engine: Arc<Engine>,
    pub(super) resolved: Resolved,
    pub(super) settings: AnswerSettings,
    /// Time that measuring the engines took, if it had to.
    pub(super) measuring: Option<Duration>,
}

/// Another program that answers.
pub(super) struct There {
    pub(super) client: Client,
    /// The router to tell about the request, and the index of the chosen one.
    pub(super) router: Option<(Router, usize)>,
    /// Time that measuring the engines took, if it had to.
    pub(super) measuring: Option<Duration>,
}

/// Finds the program that answers with `--engine`. Returns `None` for our own engine without a choice.
pub(super) fn choose(
    args: &RunArgs,
    model: &str,
    context: &Context,
) -> anyhow::Result<Option<Chosen>> {
    let engine = match args.engine.as_deref() {
        None | Some(OURS) => return Ok(None),
        Some(engine) => engine,
    };
    let factory = engines::factory(context);
    let mut parts = engine.split(',');
    if parts.next() == Some("auto") {
        let addresses = parts.map(|address| Ok((address, config(address, model)?)));
        let addresses = addresses.collect::<Result<Vec<_>, UsageError>>()?;
        return auto::choose(args, model, &addresses, context).map(Some);
    }
    let config = match engine {
        OLLAMAS => engines::ollama_config(model, context),
        address => config(address, model)?,
    };
    let client = factory.client(&config)?;
    Ok(Some(Chosen::There(Box::new(There { client, router: None, measuring: None }))))
}

/// Reads the address of a server, whose model has the same name as ours if it names none.
fn config(address: &str, model: &str) -> Result<Config, UsageError> {
    let mut config = Config::parse(address).map_err(|error| {
        UsageError(match error {
            ProviderError::Config(problem) if address.contains("://") || address.contains('{') => {
                format!("`--engine {address}`: {problem}")
            }
            _ => format!(
                "`--engine {address}` is not an engine; it takes `auto`, `mlxk`, `ollama` or the address of a \
                 server, such as `openai://127.0.0.1:8000`"
            ),
        })
    })?;
    config.model.get_or_insert_with(|| model.to_owned());
    Ok(config)
}

/// Refuses options that only our own engine has.
pub(super) fn check(args: &RunArgs) -> Result<(), UsageError> {
    let engine = match args.engine.as_deref() {
        None | Some(OURS) => return Ok(()),
        Some(engine) => engine,
    };
    if args.policy.is_some() && engine.split(',').next() != Some("auto") {
        return Err(UsageError("`--policy` needs `--engine auto`".to_owned()));
    }
    for (option, is_used) in [
        ("--interactive", args.interactive),
        ("--batch", args.batch.is_some()),
        ("--prompt-cache", args.prompt_cache.is_some()),
        ("--logprobs", args.logprobs.is_some()),
        ("--no-chat-template", args.no_chat_template),
        ("--n", args.n > 1),
        ("--logit-bias", !args.answer.sampling.logit_bias.is_empty()),
    ] {
        if is_used {
            return Err(UsageError(format!(
                "`{option}` works with the engine `mlxk` only; leave out `--engine {engine}`"
            )));
        }
    }
    Ok(())
}

impl There {
    /// Asks, and shows the answer.
    pub(super) fn answer(
        &self,
        prompt: &str,
        args: &RunArgs,
        context: &Context,
    ) -> anyhow::Result<ExitStatus> {
        let settings = AnswerSettings::new(
            &args.answer,
            mlxk_hub::Overrides::default(),
            &context.settings.config,
        );
        let options = &settings.options;
        let mut messages = settings.messages.clone();
        messages.push(Message::new("user", prompt));
        let prompt_input = PromptInput::Messages { system: options.system.clone(), messages };
        let mut request = Request::new(&self.client.model, prompt_input);
        request.sampling = options.sampling.sampling();
        request.max_tokens = options.max_tokens;
        request.stop.clone_from(&options.stop);
        request.format = options.format.as_deref().map(answer::format).transpose()?;
        request.thinking = options.think.map(answer::thinking_mode);
        let show = match (args.no_stream || args.json, options.no_reasoning) {
            (true, _) => Show::Nothing,
            (false, true) => Show::Answer,
            (false, false) => Show::All,
        };
        let mut screen = Screen::new(show, options, &context.printer);
        let _silence = output::stdout_is_terminal().then(Silence::begin);
        let answer = self.receive(&request, &mut screen, context)?;
        if let Some((router, index)) = &self.router {
            router.record(*index, Sample::of(&answer, false));
            if let Err(error) = router.table().save(&engines::table(context)) {
                context.printer.note(format_args!("warning: {error}"));
            }
        }
        if args.json {
            envelope::print("run", &self.envelope(prompt, &answer))?;
        } else if args.no_stream {
            let show = if options.no_reasoning { Show::Answer } else { Show::All };
            let mut screen = Screen::new(show, options, &context.printer);
            screen.reasoning(&answer.reasoning)?;
            screen.text(&answer.text)?;
            screen.end()?;
        }
        if options.verbose {
            self.report(&answer, context);
        }
        Ok(ExitStatus::Success)
    }

    fn receive(
        &self,
        request: &Request,
        screen: &mut Screen,
        context: &Context,
    ) -> anyhow::Result<Answer> {
        let progress = context.printer.progress();
        progress.begin("Waiting for the answer");
        let cancel = Cancel::default();
        let limits = Limits { silence: Some(PATIENCE), ..Limits::default() }.cancelled_by(&cancel);
        // Ctrl-C has to end a request that waits for a server.
        let _watch = Watch::begin(&cancel);
        let mut failed = None;
        let answer = self.client.provider.answer(request, &limits, &mut |event| {
            let shown = match event {
                Event::Text(text) => {
                    progress.finish();
                    screen.text(text)
                }
                Event::Reasoning(text) => {
                    if screen.shows_reasoning() {
                        progress.finish();
                    }
                    screen.reasoning(text)
                }
                Event::Done(_) => {
                    progress.finish();
                    screen.end()
                }
                _ => Ok(()),
            };
            failed = shown.err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        progress.finish();
        match (answer, failed) {
            (_, Some(error)) => Err(error.into()),
            (Err(ProviderError::Cancelled), None) => {
                screen.end()?;
                Err(Interrupted.into())
            }
            (answer, None) => Ok(answer?),
        }
    }

    fn envelope(&self, prompt: &str, answer: &Answer) -> serde_json::Value {
        let usage = &answer.usage;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let first = answer.heard.arrivals.first().copied();
        let mut data = json!({
            "model": self.client.model,
            "engine": self.client.provider.label(),
            "prompt": prompt,
            "response": answer.text,
            "reasoning": answer.reasoning,
            "finish_reason": answer.finish_reason,
            "usage": {"prompt_tokens": usage.prompt_tokens, "cached_tokens": usage.cached_tokens,
                "completion_tokens": usage.completion_tokens},
            "timings": {"time_to_first_token_ms": first.map(milliseconds),
                "total_ms": milliseconds(answer.heard.total)},
        });
        if let Some(measuring) = self.measuring {
            data["timings"]["measuring_ms"] = milliseconds(measuring).into();
        }
        data
    }

    fn report(&self, answer: &Answer, context: &Context) {
        let count = |tokens: Option<usize>| {
            tokens.map_or_else(|| "unknown".to_owned(), |tokens| format::count(tokens, "token"))
        };
        let first = answer.heard.arrivals.first().copied().unwrap_or(answer.heard.total);
        let measuring = self.measuring.map(|time| ("measuring", format::seconds(time)));
        context.printer.note("");
        let lines = [
            ("engine", self.client.provider.label()),
            ("prompt", count(answer.usage.prompt_tokens)),
            ("answer", count(answer.usage.completion_tokens)),
            ("first token", format!("after {}", format::seconds(first))),
            ("total", format::seconds(answer.heard.total)),
        ];
        for (name, value) in measuring.into_iter().chain(lines) {
            context.printer.note(format_args!("{name:12} {value}"));
        }
    }
}

/// Cancels a request on Ctrl-C, until it is dropped.
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    pub(super) fn begin(cancel: &Cancel) -> Self {
        let over: Arc<AtomicBool> = Arc::default();
        let (watched, cancel) = (Arc::clone(&over), cancel.clone());
        std::thread::spawn(move || {
            while !watched.load(Ordering::Relaxed) {
                if interrupt::requested() {
                    return cancel.cancel();
                }
                std::thread::sleep(POLL);
            }
        });
        Self(over)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
