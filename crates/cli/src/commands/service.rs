//! `mlxk service`: runs the server as a service of the system, with the system's own tools.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Parser;

use crate::args::{Cli, InstallArgs, ServiceAction, ServiceArgs, SystemName};
use crate::exit::{ExitStatus, UsageError};
use crate::launch::{System, files, shell};
use crate::service::{self, Action, Places, Server, Step, Variable};
use crate::settings::Surroundings;
use crate::{Context, env, interrupt, misuse, output};

/// Variables that say where the models and the settings are. A service starts without those of a shell.
const VARIABLES: [&str; 9] = [
    env::MLXK_CONFIG,
    env::MLXK_WORKSPACE_HOME,
    env::HF_HOME,
    env::HF_HUB_CACHE,
    env::HUGGINGFACE_HUB_CACHE,
    env::OLLAMA_MODELS,
    env::XDG_CACHE_HOME,
    env::XDG_CONFIG_HOME,
    env::XDG_DATA_HOME,
];

/// Installs, removes or shows the service.
pub(crate) fn run(args: &ServiceArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let places = |system| Places {
        system,
        home: context.settings.home.clone(),
        xdg_config: env::read(env::XDG_CONFIG_HOME).map(Into::into),
        own: context.settings.locations.data_dir.clone(),
        user: String::new(),
    };
    let here = || -> anyhow::Result<Places> {
        Ok(Places { user: user(System::HERE)?, ..places(System::HERE) })
    };
    match args.action.as_ref().unwrap_or(&ServiceAction::Status) {
        ServiceAction::Install(args) if args.print => {
            let system = args.system.map_or(System::HERE, SystemName::system);
            let known = if system == System::HERE {
                user(system).unwrap_or_default()
            } else {
                String::new()
            };
            let user = if known.is_empty() { "USER".to_owned() } else { known };
            print(args, &Places { user, ..places(system) })?;
        }
        ServiceAction::Install(args) => install(args, &here()?, context)?,
        ServiceAction::Uninstall => uninstall(&here()?, context)?,
        ServiceAction::Status => return shown(Action::Status, &here()?, context),
        ServiceAction::Logs { follow } => {
            let action = if *follow { Action::Follow } else { Action::Logs };
            return shown(action, &here()?, context);
        }
    }
    Ok(ExitStatus::Success)
}

/// Returns the server that the options describe.
fn server(args: &InstallArgs) -> anyhow::Result<Server> {
    let mut words = vec!["server".to_owned()];
    words.extend(args.options.iter().cloned());
    let line = ["mlxk".to_owned()].into_iter().chain(words.iter().cloned());
    if let Err(error) = Cli::try_parse_from(line) {
        let problem = misuse::sentence(&error, words.iter().map(Into::into));
        let first_line = || error.to_string().lines().next().unwrap_or_default().to_owned();
        let problem = problem.unwrap_or_else(first_line);
        let sentence = format!("The options of the server are invalid: {problem}");
        return Err(UsageError(sentence).into());
    }
    let value = |name| env::read(name).map(|value| Variable { name, value });
    let variables = VARIABLES.into_iter().filter_map(value).collect();
    Ok(Server { program: Surroundings::look().program, words, variables })
}

fn definition(args: &InstallArgs, places: &Places) -> anyhow::Result<service::Definition> {
    service::definition(&server(args)?, places).map_err(|problem| UsageError(problem).into())
}

fn print(args: &InstallArgs, places: &Places) -> anyhow::Result<()> {
    let definition = definition(args, places)?;
    let mut out = output::stdout();
    let is_unit = places.system == System::Linux;
    if is_unit {
        out.line(format_args!("# {}", definition.path.display()))?;
    }
    out.content(&definition.text)?;
    if is_unit {
        out.line("")?;
        for step in service::steps(Action::Install, places) {
            let words = step.words.iter().map(|word| shell::quoted(word, places.system));
            out.line(format_args!("# {}", words.collect::<Vec<_>>().join(" ")))?;
        }
    }
    Ok(())
}

fn install(args: &InstallArgs, places: &Places, context: &Context) -> anyhow::Result<()> {
    let definition = definition(args, places)?;
    let has_key = context.settings.config.text("server.api_key_file").is_some()
        || args.options.iter().any(|option| option.starts_with("--api-key-file"));
    if context.settings.api_key.is_some() && !has_key {
        context.printer.note(
            "warning: The key in `MLXK_API_KEY` isn't part of the service; put it into a file for `--api-key-file`",
        );
    }
    let is_new = !definition.path.exists();
    files::write(&definition.path, &definition.bytes)?;
    if let Err(error) = do_all(&service::steps(Action::Install, places)) {
        if is_new {
            // The first error says more.
            let _ = std::fs::remove_file(&definition.path);
        }
        return Err(error);
    }
    context.printer.note(format_args!("Installed {}", definition.path.display()));
    context
        .printer
        .note("The server runs now and starts at every login; see `mlxk service status`");
    if places.system == System::Linux {
        context.printer.note("To run it without a login, too: `loginctl enable-linger`");
    }
    Ok(())
}

fn uninstall(places: &Places, context: &Context) -> anyhow::Result<()> {
    let path = service::path(places);
    if !path.exists() {
        context.printer.note(none(&path));
        return Ok(());
    }
    do_all(&service::steps(Action::Uninstall, places))?;
    std::fs::remove_file(&path).with_context(|| format!("Cannot remove `{}`", path.display()))?;
    do_all(&service::steps(Action::Forget, places))?;
    context.printer.note(format_args!("Removed {}", path.display()));
    Ok(())
}

/// Runs the commands without showing what they print, unless they fail.
fn do_all(steps: &[Step]) -> anyhow::Result<()> {
    for step in steps {
        let Some((program, words)) = step.words.split_first() else { continue };
        let output = Command::new(program).args(words).output();
        let output = output.with_context(|| format!("Cannot run `{program}`"))?;
        if !output.status.success() && !step.may_fail {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let code = output.status.code().unwrap_or(-1);
            let advice = if said.contains("Failed to connect to bus") {
                ". systemd has no session for this user here; log in on the machine itself, or run `mlxk server`"
            } else {
                ""
            };
            bail!("`{}` failed with exit code {code}: {said}{advice}", step.words.join(" "));
        }
    }
    Ok(())
}

/// Says that no service is installed.
fn none(path: &Path) -> String {
    format!("There is no service at {}; `mlxk service install` makes one", path.display())
}

/// Runs the commands and lets them print.
fn shown(action: Action, places: &Places, context: &Context) -> anyhow::Result<ExitStatus> {
    let path = service::path(places);
    if !path.exists() {
        context.printer.note(none(&path));
        return Ok(ExitStatus::Failure);
    }
    interrupt::listen()?;
    for step in service::steps(action, places) {
        let Some((program, words)) = step.words.split_first() else { continue };
        let ended = Command::new(program).args(words).status();
        let ended = ended.with_context(|| format!("Cannot run `{program}`"))?;
        if !ended.success() && !interrupt::requested() {
            return Ok(ExitStatus::Failure);
        }
    }
    Ok(ExitStatus::Success)
}

/// Returns the user as the system's tools want it.
fn user(system: System) -> anyhow::Result<String> {
    let words: &[&str] = match system {
        System::Linux => return Ok(String::new()),
        System::MacOs => &["id", "-u"],
        System::Windows => &["whoami"],
    };
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.with_context(|| format!("Cannot run `{}`", words[0]))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
