//! `mlxk run MODEL PROMPT`: one answer, or several.

mod auto;
mod batch;
mod elsewhere;
mod envelope;
mod prompt;
mod stdin;

use std::time::Duration;

use mlxk_engine::{Engine, EngineError, FinishReason, Generation, Message, PromptInput};

use self::elsewhere::{Chosen, Here};
use self::envelope::Envelope;
use super::chat::only_model;
use crate::answer::{self, Answer, AnswerSettings, Received, Screen, Show, report};
use crate::args::RunArgs;
use crate::chat::Opening;
use crate::engines::OURS;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::resolve;
use crate::terminal::Silence;
use crate::{Context, chat, format, interrupt, json, output, terminal};

/// A loaded model and the way it is to answer.
struct Session<'a> {
    engine: &'a Engine,
    /// Full name of the model.
    model: &'a str,
    args: &'a RunArgs,
    settings: &'a AnswerSettings,
    /// Time that measuring the engines took, if `--engine auto` had to.
    measuring: Option<Duration>,
    context: &'a Context,
}

/// Loads the model and answers, or starts a chat if there is no prompt.
pub(crate) fn run(args: &RunArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args)?;
    interrupt::listen()?;
    let Some(model) = &args.model else {
        let model = Some(only_model("run", "run", context)?);
        return run(&RunArgs { model, ..args.clone() }, context);
    };
    let batch = batch::read(args, context)?;
    let prompt = if batch.is_some() { None } else { prompt::collect(args, context)? };
    if args.json && (args.interactive || (batch.is_none() && prompt.is_none())) {
        let problem = "`--json` needs a prompt: a chat cannot be printed as JSON";
        return Err(UsageError(problem.into()).into());
    }
    if args.engine.as_ref().is_some_and(|engine| engine != "mlxk") && prompt.is_none() {
        let problem = "`--engine` needs a prompt: a chat runs in this process";
        return Err(UsageError(problem.into()).into());
    }
    match elsewhere::choose(args, model, context)? {
        None => {}
        Some(Chosen::There(there)) => {
            return there.answer(&prompt.unwrap_or_default(), args, context);
        }
        Some(Chosen::Here(chosen)) => {
            let Here { engine, resolved, settings, measuring } = *chosen;
            let (engine, model) = (engine.as_ref(), resolved.name.as_str());
            let session = Session { engine, model, args, settings: &settings, measuring, context };
            return session.answer(&prompt.unwrap_or_default());
        }
    }
    let is_chat = batch.is_none() && (prompt.is_none() || args.interactive);
    let silence = if is_chat { terminal::begin_chat() } else { None };
    let resolved = resolve::find(model, !args.answer.engine.compute.no_pull, context)?;
    let settings =
        AnswerSettings::new(&args.answer, resolved.overrides.clone(), &context.settings.config);
    let engine = answer::load(&settings, &resolved.path, context)?;
    if is_chat {
        let no_history = args.no_history;
        let opening = Opening { first: prompt, no_history, silence, ..Opening::default() };
        return chat::start(engine, resolved, args.answer.clone(), opening, context);
    }
    let (model, settings) = (resolved.name.as_str(), &settings);
    let session = Session { engine: &engine, model, args, settings, measuring: None, context };
    let result = match (batch, prompt) {
        (Some(jobs), _) => batch::run(&session, &jobs),
        (None, prompt) => session.answer(&prompt.unwrap_or_default()),
    };
    if interrupt::requested() {
        // The engine may be deep in a step. Leaking it lets the process end without waiting.
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    result
}

/// Refuses options that cannot work, before anything is loaded.
fn check(args: &RunArgs) -> anyhow::Result<()> {
    answer::check(&args.answer)?;
    elsewhere::check(args)?;
    if let Some(path) = &args.prompt_cache
        && let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        // Checked here because saving fails only after the whole prompt was computed.
        return Err(UsageError(format!(
            "`--prompt-cache`: the folder `{}` does not exist",
            folder.display()
        ))
        .into());
    }
    for (option, files) in [("--image", &args.image), ("--audio", &args.audio)] {
        if !files.is_empty() {
            let problem = format!("`{option}` is not supported: mlxk runs text models only");
            return Err(UsageError(problem).into());
        }
    }
    Ok(())
}

impl Session<'_> {
    /// Returns a conversation, or plain text if there is no chat template or it is not wanted.
    fn input(&self, system: Option<String>, messages: Vec<Message>) -> PromptInput {
        if self.engine.template().is_some() && !self.args.no_chat_template {
            return PromptInput::Messages { system, messages };
        }
        let texts = messages.iter().filter_map(|message| message.content.as_text());
        let parts: Vec<&str> = system.as_deref().into_iter().chain(texts).collect();
        PromptInput::Text(parts.join("\n\n"))
    }

    /// Answers one prompt, `--n` times.
    fn answer(&self, prompt: &str) -> anyhow::Result<ExitStatus> {
        let args = self.args;
        if let Some(path) = args.prompt_cache.as_ref().filter(|path| path.exists()) {
            self.engine.load_prompt_cache(path)?;
        }
        let options = &self.settings.options;
        let generations = self.submit(prompt)?;
        // A pager behind a pipe needs the terminal as it is.
        let _silence = output::stdout_is_terminal().then(Silence::begin);
        let show = match (args.no_stream || args.json, options.no_reasoning) {
            (true, _) => Show::Nothing,
            (false, true) => Show::Answer,
            (false, false) => Show::All,
        };
        for (index, generation) in generations.iter().enumerate() {
            if args.n > 1 && !args.json {
                let mut out = output::stdout();
                if index > 0 {
                    out.line("")?;
                }
                out.line(format_args!("=== {} of {} ===", index + 1, args.n))?;
            }
            let mut screen = Screen::new(show, options, &self.context.printer);
            let received = answer::receive(generation, &mut screen, self.context)?;
            let Received::Complete(answer) = received else { return Err(Interrupted.into()) };
            self.print(prompt, index, &answer)?;
            if let Some(path) = &args.prompt_cache {
                let usage = answer.done.usage;
                if usage.prompt_tokens > 2 * usage.cached_tokens {
                    self.engine.save_prompt_cache(path, usage.prompt_tokens)?;
                }
            }
        }
        Ok(ExitStatus::Success)
    }

    /// Starts `--n` answers to a prompt.
    fn submit(&self, prompt: &str) -> anyhow::Result<Vec<Generation>> {
        let options = &self.settings.options;
        let mut messages = self.settings.messages.clone();
        messages.push(Message::new("user", prompt));
        let input = self.input(options.system.clone(), messages);
        let mut request = answer::request(self.engine, options, input)?;
        request.logprobs = self.args.logprobs;
        answer::submit(self.engine, request, self.args.n).map_err(|error| {
            match error.downcast_ref() {
                Some(EngineError::PromptTooLong { .. })
                    if self.settings.options.engine.ctx.is_some() =>
                {
                    anyhow::anyhow!(
                        "{error}; shorten the prompt, or raise the context with `--ctx`"
                    )
                }
                Some(EngineError::PromptTooLong { .. }) => {
                    anyhow::anyhow!("{error}; shorten the prompt: the model takes no more")
                }
                _ => error,
            }
        })
    }

    /// Prints what was not streamed: JSON, a whole answer, notes on stderr.
    fn print(&self, prompt: &str, index: usize, answer: &Answer) -> anyhow::Result<()> {
        let (args, options) = (self.args, &self.settings.options);
        if args.json {
            let mut envelope = Envelope::new(self.model, prompt, answer, self.engine, self.context);
            envelope.index = (args.n > 1).then_some(index);
            envelope.engine = args.engine.is_some().then_some(OURS);
            envelope.timings.measuring_ms = self.measuring.map(|time| time.as_secs_f64() * 1e3);
            if args.has_envelope() {
                json::print("run", &envelope)?;
            } else {
                output::stdout().json_line(&envelope)?;
            }
        } else if args.no_stream {
            let show = if options.no_reasoning { Show::Answer } else { Show::All };
            let mut screen = Screen::new(show, options, &self.context.printer);
            screen.reasoning(&answer.reasoning)?;
            screen.text(&answer.text)?;
            screen.end()?;
        }
        self.note_full_context(answer);
        if options.verbose {
            let engine = self.args.engine.as_ref().map(|_| ("engine", OURS.to_owned()));
            let measuring = self.measuring.map(|time| ("measuring", format::seconds(time)));
            let before = engine.into_iter().chain(measuring);
            report::print(before, self.engine, answer, self.context);
        }
        Ok(())
    }

    /// Tells the user if the answer was cut off by the context length.
    fn note_full_context(&self, answer: &Answer) {
        if answer.done.finish_reason == FinishReason::ContextFull && !self.args.json {
            self.context.printer.note(format_args!(
                "The answer was cut off: the context of {} tokens is full. Raise it with `--ctx`",
                self.engine.context()
            ));
        }
    }
}
