//! `mlxk rm MODEL…`: removes models and unused files.

use std::time::SystemTime;

use mlxk_hub::{
    Freed, HubError, Named, Removal, RemoveError, Unused, UnusedItem, UnusedKind, What,
};
use serde_json::{Value, json};

use crate::args::RmArgs;
use crate::choice::{self, Choice};
use crate::confirm;
use crate::exit::ExitStatus;
use crate::failure::{RemovalRefused, WithData};
use crate::format::size;
use crate::{Context, json, output};

/// Finds all models before removing the first, so that a mistake in one name removes nothing.
pub(crate) fn run(args: &RmArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.unused {
        return unused(args, context);
    }
    let mut removals: Vec<Removal> = Vec::new();
    for text in &args.models {
        let removal = find(text, context)?.map_err(|error| {
            if !args.json && args.models.len() > 1 {
                context.printer.note("Nothing was removed, because of one of the names:");
            }
            if args.json { explained(error) } else { error.into() }
        })?;
        let is_new = removals.iter().all(|other| described(other) != described(&removal));
        if is_new {
            removals.push(removal);
        }
    }
    let names: Vec<String> = removals.iter().map(|removal| removal.name.clone()).collect();
    for removal in &mut removals {
        // A name that is removed, too, needs no model.
        removal.dependents.retain(|dependent| !names.contains(dependent));
    }
    for removal in &removals {
        agree(removal, args, context)?;
    }
    let mut done = Vec::new();
    for removal in &removals {
        let freed = if args.dry_run { None } else { Some(removal.carry_out(args.force)?) };
        if !args.json {
            say(removal, freed)?;
        }
        done.push(data(removal, freed));
    }
    if args.json {
        let data = if done.len() == 1 { done.remove(0) } else { all(&done, args.dry_run) };
        json::print("rm", &data)?;
    }
    Ok(ExitStatus::Success)
}

/// Finds the model of a name. If several can be meant, the user chooses one, if there is a terminal to ask on.
fn find(text: &str, context: &Context) -> anyhow::Result<Result<Removal, HubError>> {
    let (locations, pairs) = (&context.settings.locations, &context.settings.pairs);
    let look = |name: &str| -> Result<Removal, HubError> {
        mlxk_hub::find_removal(&name.parse()?, pairs, locations)
    };
    let error = match look(text) {
        Err(error) if context.may_ask && !text.contains('@') => error,
        found => return Ok(found),
    };
    let Some(names) = error.candidates() else { return Ok(Err(error)) };
    let question = format!("`{text}` matches several models. Which one do you want to remove?");
    match choice::choose(&question, &names) {
        Choice::Taken(index) => Ok(look(&names[index])),
        Choice::Cancelled => Err(RemovalRefused::Declined { name: text.to_owned() }.into()),
        Choice::NotAsked => Ok(Err(error)),
    }
}

/// Returns the `data` of the envelope for several models.
fn all(done: &[Value], dry_run: bool) -> Value {
    json!({
        "model": null,
        "action": if dry_run { "dry_run" } else { "deleted" },
        "message": format!("{} models", done.len()),
        "models": done,
    })
}

/// Adds the `data` of the envelope to the error of a name.
fn explained(error: HubError) -> anyhow::Error {
    let candidates = error.candidates();
    let data = json!({
        "model": null,
        "action": if candidates.is_some() { "ambiguous" } else { "unknown" },
        "message": error.to_string(),
        "requires_confirmation": false,
        "matches": candidates.unwrap_or_default(),
        "lock_files_cleaned": 0,
    });
    WithData::wrap(error.into(), data)
}

/// Asks for confirmation if necessary. Returns an error if nothing may be removed.
fn agree(removal: &Removal, args: &RmArgs, context: &Context) -> anyhow::Result<()> {
    let locks = removal.active_locks();
    if !locks.is_empty() && !args.force && !args.dry_run {
        let name = removal.name.clone();
        let error = HubError::from(RemoveError::Locked { name, files: locks.clone() });
        let mut data = data(removal, None);
        data["action"] = "locks_present".into();
        data["locks_detected"] = true.into();
        let paths = locks.iter().map(|lock| lock.display().to_string());
        data["lock_files"] = paths.collect::<Vec<_>>().into();
        return Err(WithData::wrap(error.into(), data));
    }
    if !args.json && (args.force || args.dry_run || context.may_ask) {
        for name in &removal.dependents {
            context.printer.note(format_args!(
                "warning: `{name}` is based on {} and will stop working",
                removal.name
            ));
        }
    }
    // A name that is not exact may mean another model, so `--force` alone is not enough.
    if args.dry_run || args.force && removal.named == Named::Full {
        return Ok(());
    }
    let name = || removal.name.clone();
    if context.may_ask {
        let question = format!("Remove {} ({})?", described(removal), size(removal.bytes));
        return if confirm::confirm(question) {
            Ok(())
        } else {
            Err(RemovalRefused::Declined { name: name() }.into())
        };
    }
    let refused = match removal.named {
        Named::Part => RemovalRefused::PartOfName { name: name() },
        Named::OtherCase => RemovalRefused::OtherCase { name: name() },
        Named::Full if removal.dependents.is_empty() => return Ok(()),
        Named::Full => {
            RemovalRefused::Named { name: name(), dependents: removal.dependents.clone() }
        }
    };
    let mut data = data(removal, None);
    data["action"] = "requires_confirmation".into();
    data["requires_confirmation"] = true.into();
    data["matches"] = json!([removal.name]);
    Err(WithData::wrap(refused.into(), data))
}

/// Describes what is removed.
fn described(removal: &Removal) -> String {
    let name = &removal.name;
    match &removal.what {
        What::Repository { revisions: 0 | 1 } => name.clone(),
        What::Repository { revisions } => format!("{name} and its {revisions} revisions"),
        What::Revision { hash, .. } => format!("{name}@{}", short(hash)),
        What::Imported => format!("the imported model {name}"),
        What::Derived => format!("the name {name}"),
    }
}

fn say(removal: &Removal, freed: Option<Freed>) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let what = described(removal);
    match freed {
        Some(freed) => out.line(format_args!("Removed {what} ({} freed)", size(freed.bytes)))?,
        None => out.line(format_args!("Would remove {what} ({})", size(removal.bytes)))?,
    }
    Ok(())
}

fn data(removal: &Removal, freed: Option<Freed>) -> Value {
    let action = if freed.is_some() { "deleted" } else { "dry_run" };
    let done = if freed.is_some() { "Removed" } else { "Would remove" };
    let mut data = json!({
        "model": removal.name,
        "action": action,
        "message": format!("{done} {}", described(removal)),
        "requires_confirmation": false,
        "matches": [],
        "lock_files_cleaned": freed.map_or(0, |freed| freed.lock_files),
        "freed_bytes": freed.map_or(0, |freed| freed.bytes),
    });
    if freed.is_none() {
        data["removable_bytes"] = removal.bytes.into();
    }
    if let What::Revision { hash, refs } = &removal.what {
        data["commit_hash"] = hash.as_str().into();
        data["refs"] = refs.as_slice().into();
    }
    data
}

/// Lists unused files, then removes exactly the listed ones.
fn unused(args: &RmArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let found = mlxk_hub::unused(&context.settings.locations, SystemTime::now())?;
    for name in &found.busy {
        context.printer.note(format_args!("Skipped {name}: another program is working on it"));
    }
    if !args.json {
        list(&found, context)?;
    }
    if found.items.is_empty() && !args.json {
        return Ok(ExitStatus::Success);
    }
    let wanted = !args.dry_run && !found.items.is_empty();
    if wanted && !args.force {
        let name = "unused files".to_owned();
        if context.may_ask {
            let question = format!("Remove all of them ({})?", size(found.bytes()));
            if !confirm::confirm(question) {
                return Err(RemovalRefused::Declined { name }.into());
            }
        } else {
            let data = unused_data(&found, None, "requires_confirmation");
            return Err(WithData::wrap(RemovalRefused::Unused.into(), data));
        }
    }
    let freed = if wanted { Some(found.remove()?) } else { None };
    if args.json {
        let action = if args.dry_run { "dry_run" } else { "deleted" };
        json::print("rm", &unused_data(&found, freed, action))?;
    } else if let Some(freed) = freed {
        output::stdout().line(format_args!("Removed all of them ({} freed)", size(freed)))?;
    }
    Ok(ExitStatus::Success)
}

fn list(found: &Unused, context: &Context) -> anyhow::Result<()> {
    if found.items.is_empty() {
        context.printer.note("There are no unused files in the cache");
        return Ok(());
    }
    let mut out = output::stdout();
    for UnusedItem { repo, kind, name, bytes, .. } in &found.items {
        out.line(format_args!(
            "{:>10}  {:8}  {repo}  {}",
            size(*bytes),
            kind_name(*kind),
            short(name)
        ))?;
    }
    Ok(())
}

fn unused_data(found: &Unused, freed: Option<u64>, action: &str) -> Value {
    let item = |item: &UnusedItem| {
        json!({
            "model": item.repo,
            "kind": kind_name(item.kind),
            "name": item.name,
            "path": item.path.display().to_string(),
            "bytes": item.bytes,
        })
    };
    json!({
        "model": null,
        "action": action,
        "message": format!("{} unused, {}", found.items.len(), size(found.bytes())),
        "requires_confirmation": action == "requires_confirmation",
        "matches": [],
        "lock_files_cleaned": 0,
        "freed_bytes": freed.unwrap_or(0),
        "removable_bytes": found.bytes(),
        "unused": found.items.iter().map(item).collect::<Vec<_>>(),
        "busy": found.busy,
    })
}

fn kind_name(kind: UnusedKind) -> &'static str {
    match kind {
        UnusedKind::Blob => "blob",
        UnusedKind::Partial => "partial",
        UnusedKind::Snapshot => "revision",
    }
}

/// Returns the first digits of a hash.
fn short(name: &str) -> String {
    name.chars().take(12).collect()
}
