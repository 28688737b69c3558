//! `mlxk` runs MLX language models on any machine.
//!
//! The binary parses, connects and prints. Everything else is in the libraries.

#![forbid(unsafe_code)]

mod address;
mod answer;
mod args;
mod chat;
mod choice;
mod commands;
mod complete;
mod config;
mod confirm;
mod conversations;
mod doctor;
mod engines;
mod env;
mod exit;
mod failure;
mod format;
mod generate_docs;
mod headless;
mod help;
mod input;
mod interrupt;
mod json;
mod launch;
mod log;
mod misuse;
mod models;
mod names;
mod output;
mod peak_memory;
mod printer;
mod service;
mod settings;
mod staged;
mod terminal;

use std::cell::Cell;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use args::{Cli, Command};
use config::ConfigError;
use exit::ExitStatus;
use printer::Printer;
use settings::Settings;

/// The input of every command.
struct Context {
    /// Start of the process, as nearly as it can tell.
    started: Instant,
    /// Time that downloads and questions took.
    aside: Cell<Duration>,
    settings: Settings,
    /// The error in the configuration, for commands that run without it.
    misconfigured: Option<ConfigError>,
    printer: Printer,
    /// `true` if a command may ask: it prints no JSON, and there is a terminal.
    may_ask: bool,
}

impl Context {
    /// Downloads something or asks the user, which does not count as time that an answer took.
    fn aside<T>(&self, action: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = action();
        self.aside.set(self.aside.get() + begun.elapsed());
        result
    }

    /// Returns the time since the start without downloads and questions.
    fn own_time(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.aside.get())
    }
}

fn main() -> ExitCode {
    let started = Instant::now();
    if complete::answer() {
        return ExitStatus::Success.into();
    }
    let cli = match Cli::try_parse_from(names::arguments()) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    if let Some(command) = &cli.command {
        headless::start_without_display(command);
    }
    let (settings, misconfigured) = Settings::resolve();
    let printer = Printer::new(settings.plain);
    let prints_json = cli.command.as_ref().map_or(cli.json, |command| command.json().is_some());
    let may_ask = !prints_json && confirm::is_possible();
    let mut context =
        Context { started, aside: Cell::default(), settings, misconfigured, printer, may_ask };
    if !cli.command.as_ref().is_some_and(Command::needs_no_config)
        && let Some(error) = context.misconfigured.take()
    {
        let json = cli.command.as_ref().map_or(cli.json.then_some("version"), Command::json);
        return ended(Err(error.into()), json, &context);
    }
    let Some(command) = cli.command else {
        let json = cli.json.then_some("version");
        let result = match json {
            Some(command) => commands::version::run(command),
            None => commands::welcome::run(&context),
        };
        return ended(result, json, &context);
    };
    let json = command.json();
    let result = match command {
        Command::Run(args) => commands::run::run(&args, &context),
        Command::Chat(args) => commands::chat::run(&args, &context),
        Command::Logs(args) => commands::logs::run(&args, &context),
        Command::Server(args) => commands::server::run(&args, &context),
        Command::Service(args) => commands::service::run(&args, &context),
        Command::Embed(args) => commands::embed::run(&args, &context),
        Command::EmbedServe(args) => commands::embed::serve(*args, &context),
        Command::Launch(args) => commands::launch::run(&args, &context),
        Command::Ps(args) => commands::ps::run(&args, &context),
        Command::Stop(args) => commands::stop::run(&args, &context),
        Command::List(args) => match commands::list::described(&args, &context) {
            Ok(Some(model)) => commands::show::run(&model, &context),
            Ok(None) => commands::list::run(&args, &context),
            Err(error) => Err(error),
        },
        Command::Show(args) => commands::show::run(&args, &context),
        Command::Pull(args) => commands::pull::run(&args, &context),
        Command::Push(args) => commands::push::run(&args, &context),
        Command::Search(args) => commands::search::run(&args, &context),
        Command::Rm(args) => commands::rm::run(&args, &context),
        Command::Clone(args) => commands::clone::run(&args, &context),
        Command::Convert(args) => commands::convert::run(&args, &context),
        Command::Cp(args) => commands::cp::run(&args, &context),
        Command::Create(args) => commands::create::run(&args, &context),
        Command::Config(args) => commands::config::run(&args, &context),
        Command::Health(args) => commands::health::run(&args, &context),
        Command::Doctor(args) => commands::doctor::run(&args, &context),
        Command::Perplexity(args) => commands::perplexity::run(&args, &context),
        Command::Eval(args) => commands::eval::run(&args, &context),
        Command::Bench(args) => commands::bench::run(&args, &context),
        Command::Completions(args) => commands::completions::completions(args.shell),
        Command::Version => commands::version::print(),
        Command::Man { folder } => commands::completions::man(&folder),
        Command::Reference { folder } => generate_docs::write(&folder),
    };
    ended(result, json, &context)
}

/// Returns the exit code of an invalid command line, or of one that asks for help.
fn misused(error: &clap::Error) -> ExitCode {
    if json::is_version(error) && commands::version::run("version").is_ok() {
        return ExitStatus::Success.into();
    }
    if json::is_wanted(error) && json::print_usage_error(error).is_ok() {
        return ExitStatus::Usage.into();
    }
    if !error.use_stderr() {
        help::print(error, names::arguments().skip(1));
        return ExitStatus::Success.into();
    }
    if let Some(sentence) = misuse::sentence(error, names::arguments().skip(1)) {
        Printer::new(env::is_plain()).sentence(&format!("error: {sentence}"));
        return ExitStatus::Usage.into();
    }
    // If standard error is closed, there is no one to tell.
    let shown = error.render();
    let is_harmful = |word: OsString| word.to_string_lossy().contains(terminal::is_harmful);
    let _ = if styles_stderr() && !std::env::args_os().any(is_harmful) {
        output::stderr().styled(&shown.ansi().to_string())
    } else {
        output::stderr().text(shown)
    };
    u8::try_from(error.exit_code()).map_or(ExitStatus::Usage.into(), ExitCode::from)
}

/// Returns `true` if standard error takes colors and other styles.
fn styles_stderr() -> bool {
    Printer::new(env::is_plain()).on_terminal() && !env::is_plain()
}

/// Reports an error and returns the exit code. `json` is the name of the command if it prints an
/// envelope.
fn ended(
    result: anyhow::Result<ExitStatus>,
    json: Option<&'static str>,
    context: &Context,
) -> ExitCode {
    let error = match result {
        Ok(status) => return status.into(),
        Err(error) => error,
    };
    let status = failure::status(&error);
    if json.is_some() && status != ExitStatus::Success {
        // If standard output is closed, there is no one to tell.
        let _ = json::print_error(json, &error);
    } else if !matches!(status, ExitStatus::Success | ExitStatus::Interrupted) {
        context.printer.error(&error);
    }
    status.into()
}
