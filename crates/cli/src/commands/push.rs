//! `mlxk push FOLDER REPO`: uploads a model.

use mlxk_hub::{
    Changes, HubError, Kind, Matching, Problem, PushRequest, Pushed, Reference, ReferenceError,
    RepoId, Resolved, Visibility, WorkspaceError,
};
use serde_json::{Map, Value, json};

use crate::args::PushArgs;
use crate::exit::{ExitStatus, UsageError};
use crate::failure::WithData;
use crate::models::progress::{Audience, PullProgress};
use crate::models::{resolve, supported};
use crate::{Context, format, interrupt, json, output};

/// Uploads the folder, or prints what would be uploaded.
pub(crate) fn run(args: &PushArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let result = match repo(&args.repo) {
        Ok(repo) => push(args, &repo, context),
        Err(error) => Err(error),
    };
    if !args.json {
        return result;
    }
    result.map_err(|error| {
        let endpoint = &context.settings.hub.endpoint;
        WithData::wrap(error, start(args, &args.repo, endpoint).into())
    })
}

fn push(args: &PushArgs, repo: &RepoId, context: &Context) -> anyhow::Result<ExitStatus> {
    let model = model(args, context)?;
    let locations = &context.settings.locations;
    let files = mlxk_hub::files_to_push(&model.path, locations)?;
    let hub = &context.settings.hub;
    let mut data = start(args, &repo.to_string(), &hub.endpoint);
    data.insert("local_files_count".into(), files.len().into());
    if args.check_only {
        let bytes = files.iter().map(|file| file.size_bytes).sum();
        let message = format!("would upload up to {} files, {}", files.len(), format::size(bytes));
        data.insert("total_bytes".into(), bytes.into());
        data.insert("workspace_health".into(), workspace_health(&model, files.len(), bytes));
        return tell(args, repo, &message, data, files.iter().map(|file| &file.name));
    }
    let visibility = if args.public { Visibility::Public } else { Visibility::Private };
    let request = PushRequest {
        folder: model.path,
        repo: repo.clone(),
        branch: args.branch.clone(),
        message: args.commit.clone(),
        create: args.create.then_some(visibility),
    };
    let audience = if args.json { Audience::Programs } else { Audience::People };
    let progress = PullProgress::new(audience, &context.printer);
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
    data.extend(done(args, &pushed));
    tell(args, repo, &message(&pushed), data, changes.added.iter().chain(&changes.modified))
}

/// Describes the result in a few words.
fn message(pushed: &Pushed) -> String {
    let changes = &pushed.changes;
    match &pushed.commit {
        Some(commit) => {
            let short: String = commit.chars().take(7).collect();
            let sent = format::size(pushed.sent_bytes);
            format!("commit {short} ({}), {sent} sent", difference(changes))
        }
        None if changes.added.is_empty() && changes.modified.is_empty() => "no changes".to_owned(),
        None => {
            let size = format::size(changes.bytes);
            format!("dry run: {}, at most {size} to send", difference(changes))
        }
    }
}

/// Returns the `data` of the envelope before anything is known.
fn start(args: &PushArgs, repo: &str, endpoint: &str) -> Map<String, Value> {
    map(json!({
        "repo_id": repo,
        "branch": args.branch,
        "commit_sha": null,
        "commit_url": null,
        "repo_url": format!("{}/{repo}", endpoint.trim_end_matches('/')),
        "uploaded_files_count": null,
        "local_files_count": null,
        "no_changes": null,
        "created_repo": false,
        "message": null,
        "experimental": false,
    }))
}

/// Returns the members of `data` that the hub decides.
fn done(args: &PushArgs, pushed: &Pushed) -> Map<String, Value> {
    let changes = &pushed.changes;
    let count = changes.added.len() + changes.modified.len();
    map(json!({
        "commit_sha": pushed.commit,
        "commit_url": pushed.commit_url,
        "uploaded_files_count": if pushed.commit.is_some() { count } else { 0 },
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
    }))
}

/// Describes the folder for `--check-only`.
fn workspace_health(model: &Resolved, count: usize, bytes: u64) -> Value {
    let info = mlxk_hub::info(model, supported::quick());
    let files = mlxk_hub::files(&model.path);
    let ends = |endings: &[&str]| {
        files.iter().filter(|file| endings.iter().any(|end| file.name.ends_with(end))).count()
    };
    let formats = [
        ("safetensors", ends(&[".safetensors"])),
        ("gguf", ends(&[".gguf"])),
        ("pytorch", ends(&[".bin", ".pt", ".pth"])),
    ];
    let has = |name: &str| files.iter().any(|file| file.name == name);
    let missing: Vec<&str> = info
        .health
        .errors()
        .filter(|finding| matches!(finding.problem, Problem::Missing | Problem::DeadLink))
        .map(|finding| finding.file.as_str())
        .collect();
    let anomalies: Vec<String> = info.health.findings.iter().map(ToString::to_string).collect();
    json!({
        "files_count": count,
        "total_bytes": bytes,
        "config": {
            "exists": has("config.json"),
            "valid_json": !info.config.is_empty(),
            "path": model.path.join("config.json").display().to_string(),
        },
        "weights": {
            "count": formats.iter().map(|(_, count)| count).sum::<usize>(),
            "formats": formats.iter().filter(|(_, count)| *count > 0).map(|(name, _)| name)
                .collect::<Vec<_>>(),
            "index": {"has_index": has("model.safetensors.index.json"), "missing": missing},
            "pattern_complete": null,
        },
        "anomalies": anomalies,
        "healthy": info.health.is_healthy(),
    })
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Formats a difference like `+1 ~0 -0`.
fn difference(changes: &Changes) -> String {
    format!("+{} ~{} -0", changes.added.len(), changes.modified.len())
}

/// Returns the folder to upload: a path, a workspace or an imported model.
fn model(args: &PushArgs, context: &Context) -> anyhow::Result<Resolved> {
    let name = args.folder.to_string_lossy();
    if args.folder.is_dir() {
        // A folder without `config.json` may be uploaded, too.
        let reference = Reference::Folder(args.folder.clone());
        let settings = &context.settings;
        let (pairs, locations) = (&settings.pairs, &settings.locations);
        return Ok(mlxk_hub::locate(&reference, Matching::Exact, pairs, locations)?.local()?);
    }
    let is_path = args.folder.is_absolute() || name.starts_with('.') || name.contains('\\');
    let path = || args.folder.clone();
    if is_path {
        let mut found = mlxk_hub::checkpoints_in(&args.folder).unwrap_or_default();
        let error = match found.len() {
            0 => WorkspaceError::NotFound { path: path() },
            1 => return Ok(found.remove(0)),
            _ => {
                let candidates = found.iter().map(|found| found.path.display().to_string());
                WorkspaceError::Ambiguous { path: path(), candidates: candidates.collect() }
            }
        };
        return Err(HubError::from(error).into());
    }
    let resolved = match resolve::find(&name, false, context) {
        Ok(resolved) => resolved,
        Err(error) => match error.downcast_ref() {
            Some(HubError::Reference(ReferenceError::NotFound(_))) => {
                return Err(HubError::from(WorkspaceError::NotFound { path: path() }).into());
            }
            _ => return Err(error),
        },
    };
    if resolved.kind == Kind::HfCache {
        return Err(UsageError(format!(
            "`{name}` is in the Hugging Face cache and the same as on the hub. Make a copy to change \
             and upload with `mlxk clone`"
        ))
        .into());
    }
    Ok(resolved)
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
    mut data: Map<String, Value>,
    names: impl Iterator<Item = &'a String>,
) -> anyhow::Result<ExitStatus> {
    if args.json {
        data.insert("message".into(), message.into());
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
