//! Resolves a model name to a folder on this machine, and pulls the model if that is allowed.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use mlxk_hub::{
    HttpError, HubError, ImportInfo, ImportSource, Matching, NotLocal, PullOptions, PullPlan,
    PullRequest, Reference, Resolution, Resolved,
};
use mlxk_models::registry;

use crate::choice::{self, Choice};
use crate::conversations::Folder;
use crate::exit::{Interrupted, UsageError};
use crate::models::progress::{Audience, PullProgress};
use crate::models::pull;
use crate::{Context, confirm, format, interrupt};

/// Size above which a download or import needs confirmation, on a terminal.
const ASK_ABOVE_BYTES: u64 = 2_000_000_000;

/// Finds the model. Downloads or imports it if necessary and if `pull` allows it.
pub(crate) fn find(name: &str, pull: bool, context: &Context) -> anyhow::Result<Resolved> {
    chosen(name, context, |name| find_by(&name.parse()?, Matching::Substring, pull, context))
}

/// Finds the model like [`find`], but matches the name as strictly as `matching` says.
pub(crate) fn find_by(
    reference: &Reference,
    matching: Matching,
    pull: bool,
    context: &Context,
) -> anyhow::Result<Resolved> {
    let locations = &context.settings.locations;
    if let Some(derived) = mlxk_hub::derived_by(reference, locations)? {
        // Its base model may have to be pulled, under its own name.
        return Ok(find(&derived.from, pull, context)?.derived(derived));
    }
    let resolution = mlxk_hub::resolve(reference, matching, &context.settings.pairs, locations)?;
    if let Resolution::NotLocal(missing) = &resolution {
        refuse_conversation(&missing.name, context)?;
        missing.check_runs(reference, registry::is_supported)?;
    }
    let resolved = match resolution {
        Resolution::NeedsImport(plan) if pull => {
            let progress = context.printer.progress();
            let mut confirm = |info: &ImportInfo| confirm_import(info, context);
            let architectures = mlxk_models::gguf_architectures();
            context.aside(|| {
                mlxk_hub::import(&plan, &architectures, locations, &progress, &mut confirm)
            })?
        }
        Resolution::NotLocal(missing)
            if pull
                && !context.settings.hub.offline
                && !missing.path_here
                && !missing.is_typo() =>
        {
            context.aside(|| download(missing, context))?
        }
        other => local(other, reference, context)?,
    };
    note_name(&resolved, context);
    Ok(resolved)
}

/// Finds the model for a command that never downloads one.
pub(crate) fn find_here(reference: &Reference, context: &Context) -> anyhow::Result<Resolved> {
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let resolution = mlxk_hub::resolve(reference, Matching::Substring, pairs, locations)?;
    Ok(local(resolution, reference, context)?)
}

/// Returns the model if it is on this machine. Otherwise the error says how to get it, or why that is impossible now.
fn local(
    resolution: Resolution,
    reference: &Reference,
    context: &Context,
) -> Result<Resolved, HubError> {
    let offline = context.settings.hub.offline;
    let missing = match resolution {
        Resolution::NotLocal(missing) => missing,
        Resolution::NeedsImport(plan)
            if offline && matches!(plan.source, ImportSource::Pypi { .. }) =>
        {
            return Err(HttpError::Offline { action: format!("download `{}`", plan.name) }.into());
        }
        other => return other.local(),
    };
    missing.check_runs(reference, registry::is_supported)?;
    if offline && !missing.path_here && !missing.is_typo() {
        let reason = HttpError::Offline { action: format!("download `{}`", missing.suggestion) };
        return Err(missing.into_unreached(&reason));
    }
    Err(missing.into_error())
}

/// Refuses the name of a saved conversation, which Ollama would make a model of.
fn refuse_conversation(name: &str, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::new(&context.settings.locations.data_dir);
    if name.contains(['/', '.']) || !folder.place(name).is_file() {
        return Ok(());
    }
    Err(UsageError(format!(
        "`{name}` is a saved conversation and not a model; continue it with `mlxk chat --load {name}`"
    ))
    .into())
}

/// Pulls the repository that the name means.
fn download(missing: NotLocal, context: &Context) -> anyhow::Result<Resolved> {
    interrupt::listen()?;
    if let Some(name) = &missing.in_ollama {
        context.printer.note(format_args!(
            "Ollama has this model too; to use its copy, write `ollama:{name}`"
        ));
    }
    let request = PullRequest {
        repo: missing.suggestion.clone(),
        revision: missing.revision.clone(),
        options: PullOptions { workers: context.settings.pull_workers(), ..PullOptions::default() },
    };
    let hub = &context.settings.hub;
    let progress = PullProgress::new(Audience::People, &context.printer);
    let mut confirm = |plan: &PullPlan| {
        let what =
            format!("Downloading {} from {} ({})", plan.name, hub.endpoint, pull::summary(plan));
        progress.plan(plan, &what);
        for warning in pull::warnings(plan) {
            progress.warn(&warning);
        }
        confirm_large(plan.download_bytes)
    };
    match pull::download(&request, hub, &progress, &mut confirm, context) {
        Ok(pulled) => Ok(pulled.resolved),
        Err(error) => match error.downcast_ref() {
            Some(HubError::Http(HttpError::NoSuchRepo { .. })) => {
                Err(missing.into_nowhere().into())
            }
            Some(HubError::Http(reason)) if is_unreached(reason) => {
                Err(missing.into_unreached(reason).into())
            }
            _ => Err(error),
        },
    }
}

/// Returns `true` if the hub was not reached, which says nothing about the model.
pub(crate) fn is_unreached(error: &HttpError) -> bool {
    matches!(
        error,
        HttpError::Unreachable { .. }
            | HttpError::Untrusted { .. }
            | HttpError::Stalled { .. }
            | HttpError::Offline { .. }
    )
}

/// Returns `true` if a model on this machine has this name.
pub(crate) fn is_here(name: &str, context: &Context) -> bool {
    quietly_located(name, context).is_ok()
}

/// Returns the complete name of the model on this machine that has this name.
pub(crate) fn name_here(name: &str, context: &Context) -> Option<String> {
    Some(quietly_located(name, context).ok()?.name)
}

/// Finds the model for a command that examines it, even if it is damaged or incomplete.
pub(crate) fn look_up(name: &str, context: &Context) -> anyhow::Result<Resolved> {
    chosen(name, context, |name| located(name, context))
}

/// Finds the model like [`look_up`], for a command that prints its full name anyway.
pub(crate) fn look_up_quietly(name: &str, context: &Context) -> anyhow::Result<Resolved> {
    chosen(name, context, |name| quietly_located(name, context))
}

/// Calls `find`, and calls it again with the model that the user chooses if the name is ambiguous.
fn chosen(
    name: &str,
    context: &Context,
    find: impl Fn(&str) -> anyhow::Result<Resolved>,
) -> anyhow::Result<Resolved> {
    let error = match find(name) {
        Err(error) if context.may_ask && !name.contains('@') => error,
        result => return result,
    };
    let candidates = error.downcast_ref::<HubError>().and_then(HubError::candidates);
    let Some(names) = candidates else { return Err(error) };
    let question = format!("`{name}` matches several models:");
    match context.aside(|| choice::choose(&question, &names)) {
        Choice::Taken(index) => find(&names[index]),
        Choice::Cancelled => Err(Interrupted.into()),
        Choice::NotAsked => Err(error),
    }
}

fn quietly_located(name: &str, context: &Context) -> anyhow::Result<Resolved> {
    let reference: Reference = name.parse()?;
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let resolution = mlxk_hub::locate(&reference, Matching::Substring, pairs, locations)?;
    Ok(local(resolution, &reference, context)?)
}

fn located(name: &str, context: &Context) -> anyhow::Result<Resolved> {
    let resolved = quietly_located(name, context)?;
    note_name(&resolved, context);
    Ok(resolved)
}

/// Prints the full name of a model if the user typed another one.
pub(crate) fn note_name(resolved: &Resolved, context: &Context) {
    if resolved.changed {
        context.printer.note(format_args!("Model: {}", resolved.name));
    }
}

/// Prints the size of an import, and asks for confirmation if it is large.
pub(crate) fn confirm_import(info: &ImportInfo, context: &Context) -> ControlFlow<()> {
    let bytes = if info.download_bytes > 0 { info.download_bytes } else { info.needed_bytes };
    let what = if info.download_bytes > 0 { "to download" } else { "on disk" };
    context.printer.note(format_args!(
        "Importing {} from {} ({} {what})",
        info.name,
        info.source,
        format::size(bytes)
    ));
    confirm_large(bytes)
}

/// Asks for confirmation if the size is large and there is a terminal.
fn confirm_large(bytes: u64) -> ControlFlow<()> {
    let asks = bytes > ASK_ABOVE_BYTES && std::io::stdin().is_terminal();
    if !asks || confirm::confirm("Continue?") {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
