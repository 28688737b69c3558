//! `mlxk push FOLDER REPO`: uploads a model.

use std::path::PathBuf;

use mlxk_hub::{Changes, Kind, PushRequest, Pushed, Reference, RepoId, Visibility};
use serde_json::{Value, json};

use crate::args::PushArgs;
use crate::exit::{ExitStatus, UsageError};
use crate::models::progress::{Audience, PullProgress};
use crate::models::resolve;
use crate::{Context, format, interrupt, json, output};

/// Uploads the folder, or prints what would be uploaded.
pub(crate) fn run(args: &PushArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let folder = folder(args, context)?;
    let repo = repo(&args.repo)?;
    let locations = &context.settings.locations;
    let files = mlxk_hub::files_to_push(&folder, locations)?;
    if args.check_only {
        let bytes = files.iter().map(|file| file.size_bytes).sum();
        let message = format!("would upload up to {} files, {}", files.len(), format::size(bytes));
        let data = json!({"local_files_count": files.len(), "total_bytes": bytes});
        return tell(args, &repo, &message, data, files.iter().map(|file| &file.name));
    }
    let visibility = if args.public { Visibility::Public } else { Visibility::Private };
    let request = PushRequest {
        folder,
        repo: repo.clone(),
        branch: args.branch.clone(),
        message: args.commit.clone(),
        create: args.create.then_some(visibility),
    };
    let audience = if args.json { Audience::Programs } else { Audience::People };
    let progress = PullProgress::new(audience, &context.printer);
    let hub = &context.settings.hub;
    let result = if args.dry_run {
        mlxk_hub::compare(&request, locations, hub, &progress).map(|changes| Pushed {
            changes,
            commit: None,
            commit_url: None,
            sent_bytes: 0,
        })
    } else {
        mlxk_hub::push(&request, locations, hub, &progress)
    };
    let pushed = result?;
    progress.finish();
    let changes = &pushed.changes;
    let count = changes.added.len() + changes.modified.len();
    let message = match &pushed.commit {
        Some(commit) => {
            let short: String = commit.chars().take(7).collect();
            let sent = format::size(pushed.sent_bytes);
            format!("commit {short} ({}), {sent} sent", difference(changes))
        }
        None if count == 0 => "no changes".to_owned(),
        None => {
            let size = format::size(changes.bytes);
            format!("dry run: {}, at most {size} to send", difference(changes))
        }
    };
    let data = json!({
        "commit_sha": pushed.commit,
        "commit_url": pushed.commit_url,
        "repo_url": format!("{}/{repo}", hub.endpoint),
        "uploaded_files_count": if pushed.commit.is_some() { count } else { 0 },
        "local_files_count": files.len(),
        "no_changes": count == 0,
        "created_repo": changes.repo_is_new && !args.dry_run,
        "change_summary": {"added": changes.added.len(), "modified": changes.modified.len(),
            "deleted": 0},
        "dry_run": args.dry_run,
        "would_create_repo": changes.repo_is_new && args.dry_run,
        "would_create_branch": changes.branch_is_new && args.dry_run,
        "added_files": changes.added,
        "modified_files": changes.modified,
        "sent_bytes": pushed.sent_bytes,
    });
    tell(args, &repo, &message, data, changes.added.iter().chain(&changes.modified))
}

/// Formats a difference like `+1 ~0 -0`.
fn difference(changes: &Changes) -> String {
    format!("+{} ~{} -0", changes.added.len(), changes.modified.len())
}

/// Returns the folder to upload: a path, a workspace or an imported model.
fn folder(args: &PushArgs, context: &Context) -> anyhow::Result<PathBuf> {
    if args.folder.is_dir() {
        return Ok(args.folder.clone());
    }
    let name = args.folder.to_string_lossy();
    let resolved = resolve::find(&name, false, context)?;
    if resolved.kind == Kind::HfCache {
        return Err(UsageError(format!(
            "`{name}` is in the Hugging Face cache and the same as on the hub. Make a copy to change \
             and upload with `mlxk clone`"
        ))
        .into());
    }
    Ok(resolved.path)
}

fn repo(text: &str) -> anyhow::Result<RepoId> {
    match text.parse()? {
        Reference::Repo { id, revision: None } if id.org().is_some() => Ok(id),
        _ => Err(UsageError(format!(
            "`{text}` is not the name of a repository; write `org/NAME` (a branch goes into `--branch`)"
        ))
        .into()),
    }
}

/// Prints the result.
fn tell<'a>(
    args: &PushArgs,
    repo: &RepoId,
    message: &str,
    mut data: Value,
    names: impl Iterator<Item = &'a String>,
) -> anyhow::Result<ExitStatus> {
    if args.json {
        data["repo_id"] = repo.to_string().into();
        data["branch"] = args.branch.clone().into();
        data["message"] = message.into();
        json::print("push", &data)?;
        return Ok(ExitStatus::Success);
    }
    let mut out = output::stdout();
    out.line(format_args!("push: {repo}@{} — {message}", args.branch))?;
    if args.verbose {
        for name in names {
            out.line(format_args!("  {name}"))?;
        }
    }
    Ok(ExitStatus::Success)
}
