//! `mlxk`: runs MLX checkpoints on any machine.
//!
//! The binary parses, wires and prints; everything else is in the libraries.

#![forbid(unsafe_code)]

mod answer;
mod args;
mod chat;
mod commands;
mod exit;
mod format;
mod interrupt;
mod local;
mod memory;
mod printer;
mod settings;
mod terminal;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Cli, Command};
use exit::ExitStatus;
use printer::Printer;
use settings::Settings;

/// What every command is given.
struct Context {
    /// When the process started, as nearly as it can tell.
    started: Instant,
    settings: Settings,
    printer: Printer,
}

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    let settings = Settings::resolve();
    let printer = Printer::new(settings.plain);
    let context = Context { started, settings, printer };
    let Some(command) = cli.command else {
        return ended(commands::welcome::run(&context), &context);
    };
    let result = match command {
        Command::Run(args) => commands::run::run(&args, &context),
        Command::Chat(args) => commands::chat::run(&args, &context),
        Command::List(args) => commands::list::run(&args, &context),
        Command::Show(args) => commands::show::run(&args, &context),
        Command::Perplexity(args) => commands::perplexity::run(&args, &context),
        Command::Completions { shell } => commands::completions::completions(shell),
        Command::Man { folder } => commands::completions::man(&folder),
    };
    ended(result, &context)
}

/// The exit code, after saying what went wrong.
fn ended(result: anyhow::Result<ExitStatus>, context: &Context) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            let status = ExitStatus::of(&error);
            if !matches!(status, ExitStatus::Success | ExitStatus::Interrupted) {
                context.printer.error(&error);
            }
            status.into()
        }
    }
}
