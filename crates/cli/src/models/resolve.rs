//! From a model reference to a folder on this machine, fetching where that is allowed.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;

use mlxk_hub::{
    HttpError, HubError, ImportInfo, Matching, NotLocal, PullOptions, PullPlan, PullRequest,
    Reference, Resolution, Resolved,
};

use crate::models::progress::{How, Transfer};
use crate::models::pull;
use crate::{Context, format, interrupt};

/// A download or import above this size is asked about on a terminal.
const ASK_ABOVE_BYTES: u64 = 2_000_000_000;

/// Finds the model; downloads or imports it where it has to be and `pull` allows it.
pub(crate) fn find(name: &str, pull: bool, context: &Context) -> anyhow::Result<Resolved> {
    find_by(&name.parse()?, Matching::Substring, pull, context)
}

/// The same, with as much freedom in reading the name as `matching` allows.
pub(crate) fn find_by(
    reference: &Reference,
    matching: Matching,
    pull: bool,
    context: &Context,
) -> anyhow::Result<Resolved> {
    let locations = &context.settings.locations;
    if let Reference::Name { name, revision: None } = reference
        && let Some(derived) = mlxk_hub::derived(name, locations)?
    {
        // Its own model may have to be fetched, under that one's name.
        return Ok(find(&derived.from, pull, context)?.derived(derived));
    }
    let resolution = mlxk_hub::resolve(reference, matching, &context.settings.pairs, locations)?;
    let resolved = match resolution {
        Resolution::NeedsImport(plan) if pull => {
            let progress = context.printer.progress();
            mlxk_hub::import(&plan, locations, &progress, &mut |info| agree(info, context))?
        }
        Resolution::NotLocal(missing)
            if pull && !context.settings.hub.offline && !missing.folder_here =>
        {
            download(missing, context)?
        }
        other => other.local()?,
    };
    if resolved.changed {
        context.printer.note(format_args!("Model: {}", resolved.name));
    }
    Ok(resolved)
}

/// Pulls the repository that a name stands for.
fn download(missing: NotLocal, context: &Context) -> anyhow::Result<Resolved> {
    interrupt::listen()?;
    if let Some(name) = &missing.in_ollama {
        context
            .printer
            .note(format_args!("Ollama has a copy of its own: `ollama:{name}` uses that"));
    }
    let request = PullRequest {
        repo: missing.suggestion.clone(),
        revision: missing.revision.clone(),
        options: PullOptions { workers: context.settings.pull_workers(), ..PullOptions::default() },
    };
    let hub = &context.settings.hub;
    let transfer = Transfer::new(How::People, &context.printer);
    let mut agree = |plan: &PullPlan| {
        let what =
            format!("Downloading {} from {} ({})", plan.name, hub.endpoint, pull::summary(plan));
        transfer.plan(plan, &what);
        for warning in pull::warnings(plan) {
            transfer.warn(&warning);
        }
        ask_above(plan.download_bytes)
    };
    match pull::pull(&request, hub, &transfer, &mut agree, context) {
        Ok(pulled) => Ok(pulled.resolved),
        Err(error) => match error.downcast_ref() {
            Some(HubError::Http(HttpError::NoSuchRepo { .. })) => {
                Err(missing.into_nowhere().into())
            }
            _ => Err(error),
        },
    }
}

/// Finds the model for a command that looks at it, whole or not.
pub(crate) fn look_up(name: &str, context: &Context) -> anyhow::Result<Resolved> {
    let reference: Reference = name.parse()?;
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let resolution = mlxk_hub::locate(&reference, Matching::Substring, pairs, locations)?;
    let resolved = resolution.local()?;
    if resolved.changed {
        context.printer.note(format_args!("Model: {}", resolved.name));
    }
    Ok(resolved)
}

/// Says what an import takes, and asks where that is much.
pub(crate) fn agree(info: &ImportInfo, context: &Context) -> ControlFlow<()> {
    let bytes = if info.download_bytes > 0 { info.download_bytes } else { info.needed_bytes };
    let what = if info.download_bytes > 0 { "to download" } else { "on disk" };
    context.printer.note(format_args!(
        "Importing {} from {} ({} {what})",
        info.name,
        info.source,
        format::size(bytes)
    ));
    ask_above(bytes)
}

/// Asks whether to go on, where it is much and somebody is there to answer.
fn ask_above(bytes: u64) -> ControlFlow<()> {
    if bytes <= ASK_ABOVE_BYTES || !std::io::stdin().is_terminal() {
        return ControlFlow::Continue(());
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "Go on? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let read = interrupt::while_idle(|| std::io::stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}
