//! `mlxk launch APP`: sets up an application for our server, and starts both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus as Ended};

use anyhow::{Context as _, bail};
use mlxk_text::tools::ToolSupport;
use serde_json::{Value, json};

use super::server_client::call_at;
use super::table;
use crate::args::LaunchArgs;
use crate::doctor::programs;
use crate::exit::{ExitStatus, UsageError};
use crate::failure::{NoServer, ServerRefused};
use crate::launch::files::{Backup, Change, Restored};
use crate::launch::fit::{self, Ability};
use crate::launch::server::Started;
use crate::launch::{
    Application, Content, Folders, Plan, System, Target, VariableValue, diff, files, shell,
};
use crate::models::{resolve, supported};
use crate::settings::Surroundings;
use crate::{Context, address, confirm, interrupt, launch, output};

/// Sets up the application and starts it, or lists all, or puts its settings back.
pub(crate) fn run(args: &LaunchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let folders = context.settings.application_folders();
    let Some(name) = &args.app else {
        list()?;
        return Ok(ExitStatus::Success);
    };
    let app = launch::find(name)?;
    if args.restore {
        return restore(app, &folders, args.force, context);
    }
    let server = Server::find(args, context)?;
    if server.runs && args.ctx.is_some() {
        context.printer.note("warning: `--ctx` has no effect: a server runs already");
    }
    let model = server.model(args, context)?;
    if !args.force {
        fit::check(app, &model)?;
    }
    let mut target = server.target(app, &model, context);
    let mut plan = (app.plan)(&target, &folders);
    let program = program(app);
    if args.print {
        return print(app, &plan, &args.arguments).map(|()| ExitStatus::Success);
    }
    set_up(app, &plan, &folders, args.yes, context)?;
    let Some(program) = program else {
        explain(app, &plan, context)?;
        return Ok(ExitStatus::Success);
    };
    interrupt::listen()?;
    let mut started = None;
    if !server.runs {
        started = Some(server.start(&model, args, &folders, context)?);
        let loaded = server.loaded(&model.model, context)?;
        // Memory may be too short for all of the model's context.
        if let Some(loaded) = loaded.filter(|loaded| *loaded < target.context) {
            let able = Ability { context: Some(loaded), ..model.clone() };
            if !args.force {
                fit::check(app, &able)?;
            }
            target.context = loaded;
            plan = (app.plan)(&target, &folders);
            set_up(app, &plan, &folders, true, context)?;
        }
    }
    for note in &plan.notes {
        context.printer.note(note);
    }
    let ended = start(&program, &plan, &args.arguments, context)?;
    if let Some(mut server) = started.filter(|_| app.detaches && ended.success()) {
        context.printer.note("The server runs until you press Ctrl-C");
        // The application's own Ctrl-C doesn't count.
        interrupt::reset();
        // Without a server there is nothing to wait for.
        let _ = server.wait(|| false);
    }
    outcome(app, ended)
}

/// Prints a table of all applications.
fn list() -> anyhow::Result<()> {
    let mut rows =
        vec![["Name", "Application", "Installed", "Context"].map(str::to_owned).to_vec()];
    for app in launch::ALL {
        let installed = if program(app).is_some() { "yes" } else { "no" };
        rows.push(vec![
            app.name.to_owned(),
            app.title.to_owned(),
            installed.to_owned(),
            format!("{} or more", app.min_context),
        ]);
    }
    table::print(&rows)
}

fn program(app: &Application) -> Option<PathBuf> {
    let search_path = Surroundings::look().search_path;
    app.programs.iter().find_map(|name| programs::find(name, &search_path).into_iter().next())
}

/// The server at the address that was asked for.
struct Server {
    host: String,
    port: u16,
    url: String,
    /// `true` if it answers.
    runs: bool,
}

impl Server {
    fn find(args: &LaunchArgs, context: &Context) -> anyhow::Result<Self> {
        let target = &args.target;
        let (host, port) = context.settings.server_address(target.host.as_ref(), target.port)?;
        let url = address::url(&host, port);
        let runs = match call_at(&url, "GET", "/models", None, context) {
            Ok(_) => true,
            Err(error) if error.is::<NoServer>() && is_here(&host) => false,
            Err(error) => return Err(error),
        };
        Ok(Self { host, port, url, runs })
    }

    /// Describes the model that is named, or the server's own one.
    fn model(&self, args: &LaunchArgs, context: &Context) -> anyhow::Result<Ability> {
        let configured = || context.settings.config.text("server.model").map(str::to_owned);
        let name = match args.model.clone() {
            Some(name) => name,
            None if self.runs => self.only_model(context)?,
            None => configured().ok_or_else(|| {
                let app = args.app.as_deref().unwrap_or_default();
                UsageError(format!(
                    "No server runs at {}, so name a model to start one with: `mlxk launch {app} --model MODEL`",
                    self.url
                ))
            })?,
        };
        if self.runs {
            return self.describe(&name, context);
        }
        let resolved = if args.print {
            resolve::look_up(&name, context)?
        } else {
            resolve::find(&name, !args.no_pull, context)?
        };
        let model = mlxk_hub::info(&resolved, supported::quick());
        let wanted = args.ctx.or_else(|| context.settings.config.count("defaults.ctx"));
        let wanted = wanted.map_or(u64::MAX, |wanted| wanted as u64);
        let tools = ToolSupport::open(&resolved.path).ok().flatten();
        Ok(Ability {
            model: resolved.name,
            context: model.context_length.map(|context| context.min(wanted)),
            writes: writes(&model.capabilities),
            calls_tools: tools.is_some_and(|tools| tools.form.is_some() && tools.renders_tools),
        })
    }

    /// Returns the only loaded model.
    fn only_model(&self, context: &Context) -> anyhow::Result<String> {
        let answer = call_at(&self.url, "GET", "/models", None, context)?;
        let names: Vec<&str> = answer["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["id"].as_str())
            .collect();
        match names[..] {
            [only] => Ok(only.to_owned()),
            [] => Err(UsageError(format!(
                "The server at {} has no models loaded; name one with `--model`",
                self.url
            ))
            .into()),
            _ => {
                Err(UsageError(format!("Name a model with `--model`: {}", names.join(", "))).into())
            }
        }
    }

    /// Asks the server about a model.
    fn describe(&self, name: &str, context: &Context) -> anyhow::Result<Ability> {
        let described = |name: &str| {
            call_at(&self.url, "GET", &format!("/v1/models/{}", encoded(name)), None, context)
        };
        let (name, about) = match described(name) {
            Ok(about) => (name.to_owned(), about),
            Err(error) => {
                let is_unknown =
                    matches!(error.downcast_ref(), Some(ServerRefused { status: 404, .. }));
                if !is_unknown || !is_here(&self.host) {
                    return Err(error);
                }
                // The server takes no parts of names.
                match resolve::look_up(name, context) {
                    Ok(full) if full.name != name => (full.name.clone(), described(&full.name)?),
                    _ => return Err(error),
                }
            }
        };
        let body = json!({"model": name});
        let shown = call_at(&self.url, "POST", "/api/show", Some(&body), context)?;
        let has = |of: &Value, what: &str| {
            of["capabilities"].as_array().is_some_and(|all| all.iter().any(|one| one == what))
        };
        let most = about["context_length"].as_u64();
        let loaded = self.loaded(&name, context)?;
        Ok(Ability {
            context: loaded
                .map_or(most, |loaded| Some(most.map_or(loaded, |most| most.min(loaded)))),
            writes: WRITE.iter().any(|what| has(&about, what)),
            calls_tools: has(&shown, "tools"),
            model: name,
        })
    }

    /// Returns the context length of a loaded model.
    fn loaded(&self, name: &str, context: &Context) -> anyhow::Result<Option<u64>> {
        let answer = call_at(&self.url, "GET", "/models", None, context)?;
        let mut models = answer["data"].as_array().into_iter().flatten();
        Ok(models.find(|model| model["id"] == name).and_then(|model| model["context"].as_u64()))
    }

    fn target(&self, app: &Application, model: &Ability, context: &Context) -> Target {
        Target {
            url: self.url.clone(),
            has_key: context.settings.api_key.is_some(),
            model: model.model.clone(),
            context: model.context.unwrap_or(app.min_context),
            now: jiff::Timestamp::now().to_string(),
        }
    }

    /// Starts a server with the model, and waits until it answers.
    fn start(
        &self,
        model: &Ability,
        args: &LaunchArgs,
        folders: &Folders,
        context: &Context,
    ) -> anyhow::Result<Started> {
        let log = folders.own.join("server.log");
        let mut words =
            ["server", "--no-pull", "--model", &model.model].map(str::to_owned).to_vec();
        words.extend(["--host".to_owned(), self.host.clone()]);
        words.extend(["--port".to_owned(), self.port.to_string()]);
        words.extend(args.ctx.into_iter().flat_map(|ctx| ["--ctx".to_owned(), ctx.to_string()]));
        context.printer.note(format_args!(
            "Starting the server with {} (its log is `{}`)",
            model.model,
            log.display()
        ));
        let program = Surroundings::look().program;
        let mut started = Started::new(&program, &words, &log)?;
        started.wait(|| call_at(&self.url, "GET", "/models", None, context).is_ok())?;
        Ok(started)
    }
}

/// Capabilities of models that write text.
const WRITE: [&str; 2] = ["chat", "text-generation"];

fn writes(capabilities: &[&str]) -> bool {
    capabilities.iter().any(|capability| WRITE.contains(capability))
}

/// Returns `true` if the host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// Returns a name for the path of a URL. Slashes stay.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte);
    let mut path = String::new();
    for byte in name.bytes() {
        if is_plain(byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a text can't fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// Prints the content of new files, and the lines that start the program.
fn print(app: &Application, plan: &Plan, arguments: &[String]) -> anyhow::Result<()> {
    let mut out = output::stdout();
    for file in &plan.files {
        out.line(format_args!("# {}", file.path.display()))?;
        out.content(&files::content(&file.content, b"")?)?;
        out.line("")?;
    }
    for note in &plan.notes {
        out.line(format_args!("# {note}"))?;
    }
    let name = app.programs.first().copied().unwrap_or(app.name);
    out.content(&shell::lines(name, plan, arguments, System::HERE))?;
    Ok(())
}

/// Shows the changes to the user's own files, asks, and makes them.
fn set_up(
    app: &Application,
    plan: &Plan,
    folders: &Folders,
    is_agreed: bool,
    context: &Context,
) -> anyhow::Result<()> {
    let mut changes: Vec<Change> = Vec::new();
    let mut needs_consent = false;
    for file in &plan.files {
        let change = files::change(file)?;
        if change.is_done() {
            continue;
        }
        if let Content::Json(_) = file.content {
            needs_consent = true;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let before = change.before.as_deref().map(text).unwrap_or_default();
            let verb = if change.before.is_some() { "Change" } else { "New file" };
            let shown = diff::diff(&before, &text(&change.after));
            context.printer.note(format_args!("{verb}: {}", change.path.display()));
            output::stderr().text(shown)?;
        }
        changes.push(change);
    }
    if needs_consent && !is_agreed {
        if !context.may_ask {
            let problem = format!(
                "The settings of {} have to change; pass `--yes` to agree, or `--print` to see them only",
                app.title
            );
            return Err(UsageError(problem).into());
        }
        if !confirm::confirm(format_args!("Change the settings of {}?", app.title)) {
            bail!("The settings of {} were left unchanged", app.title);
        }
    }
    let backup = Backup::new(&folders.own, app.name);
    for change in &changes {
        backup.apply(change)?;
    }
    if needs_consent {
        context.printer.note(format_args!(
            "Changed; `mlxk launch {} --restore` puts the original back",
            app.name
        ));
    }
    Ok(())
}

/// Says how to install the program, and how to start it.
fn explain(app: &Application, plan: &Plan, context: &Context) -> anyhow::Result<()> {
    for note in &plan.notes {
        context.printer.note(note);
    }
    let how = if app.install.starts_with("https://") {
        format!("see {}", app.install)
    } else {
        format!("install it with `{}`", app.install)
    };
    context.printer.note(format_args!(
        "{} is set up, but not installed here: {how}. Then run this command again, or:",
        app.title
    ));
    let name = app.programs.first().copied().unwrap_or(app.name);
    output::stdout().content(&shell::lines(name, plan, &[], System::HERE))?;
    Ok(())
}

/// Runs the program until it ends.
fn start(
    program: &Path,
    plan: &Plan,
    arguments: &[String],
    context: &Context,
) -> anyhow::Result<Ended> {
    let mut command = Command::new(program);
    command.args(&plan.arguments).args(arguments);
    for variable in &plan.variables {
        match &variable.value {
            VariableValue::Text(text) => command.env(variable.name, text),
            VariableValue::Key => {
                command.env(variable.name, context.settings.api_key.as_deref().unwrap_or_default())
            }
        };
    }
    command.status().with_context(|| format!("Cannot start `{}`", program.display()))
}

fn outcome(app: &Application, ended: Ended) -> anyhow::Result<ExitStatus> {
    match ended.code() {
        Some(0) => Ok(ExitStatus::Success),
        Some(130) => Ok(ExitStatus::Interrupted),
        Some(code) => bail!("{} ended with exit code {code}", app.title),
        None if interrupt::requested() => Ok(ExitStatus::Interrupted),
        None => bail!("{} was ended by a signal", app.title),
    }
}

/// Puts the application's original settings back.
fn restore(
    app: &Application,
    folders: &Folders,
    force: bool,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    let restored = Backup::new(&folders.own, app.name).restore(force)?;
    if restored.is_empty() {
        context.printer.note(format_args!("mlxk has changed no settings of {}", app.title));
    }
    let mut left = Vec::new();
    for file in &restored {
        match file {
            Restored::Back { path, existed: true } => {
                context.printer.note(format_args!("Restored {}", path.display()));
            }
            Restored::Back { path, existed: false } => {
                context.printer.note(format_args!("Removed {}", path.display()));
            }
            Restored::Changed { path, original } => left.push(format!(
                "`{}` was changed since `mlxk launch`, so it stays; its original is `{}`. `--force` restores it anyway",
                path.display(),
                original.display()
            )),
        }
    }
    if left.is_empty() { Ok(ExitStatus::Success) } else { bail!("{}", left.join(". ")) }
}
