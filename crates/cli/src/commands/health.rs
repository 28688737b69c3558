//! `mlxk health [MODEL]`: checks models for missing or corrupted files.

use std::fmt::Write as _;

use mlxk_hub::{
    DeepReport, Finding, HubError, ImportPlan, ImportSource, Kind, Matching, PullError,
    PullOptions, Reference, Repaired, Report, Resolution, Resolved, Suspects,
};
use serde_json::{Value, json};

use super::model_object::finding;
use crate::args::HealthArgs;
use crate::exit::{ExitStatus, Interrupted};
use crate::models::progress::{Audience, PullProgress};
use crate::models::supported;
use crate::output::{self, Output};
use crate::{Context, format, interrupt, json};

/// The result of checking one model.
struct Verdict {
    name: String,
    report: Report,
    /// `true` if it is a workspace that mlxk manages; `None` for other models.
    managed: Option<bool>,
    /// Figures of the files that `--deep` read.
    read: Option<DeepReport>,
    /// Result of `--repair`.
    repaired: Option<Repaired>,
    /// `true` if the repair compared every file.
    deep: bool,
}

/// Returns the figures of `--deep` in words, to follow a verdict.
fn in_words(read: &DeepReport) -> String {
    let &DeepReport { files, bytes, unnamed, .. } = read;
    if files == 0 {
        return "; not compared, because no hashes are recorded".to_owned();
    }
    let compared = format!("{} compared, {}", format::count(files, "file"), format::size(bytes));
    match unnamed {
        0 => format!(" ({compared})"),
        _ => format!(" ({compared}; {} without a hash)", format::count(unnamed, "file")),
    }
}

impl Verdict {
    /// Returns the verdict in one line, with the result of `--deep` and `--repair`.
    fn reason(&self) -> String {
        let mut reason = self.report.reason();
        if let Some(read) = &self.read {
            reason.push_str(&in_words(read));
        }
        if let Some(repaired) = &self.repaired {
            let _ = write!(reason, "; {}", what_was_repaired(repaired, self.deep));
        }
        reason
    }
}

/// Small files that `--repair` always compares.
const ALWAYS_SUSPECT: [&str; 2] = ["config.json", "model.safetensors.index.json"];

/// Checks one model or all. Fails if one is damaged or incomplete.
pub(crate) fn run(args: &HealthArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut verdicts = if let Some(name) = &args.model {
        one(name, args, context)?
    } else {
        let mut places = mlxk_hub::places(&context.settings.locations)?;
        // A derived name has no files of its own.
        places.retain(|place| place.base.is_none());
        several(&places, args.deep, context)?
    };
    verdicts.sort_by(|a, b| a.name.cmp(&b.name));
    let bad = verdicts.iter().any(|verdict| !verdict.report.is_healthy());
    if args.json {
        json::print("health", &data(&verdicts, args.extended))?;
    } else {
        print(&verdicts, args.model.is_none(), context)?;
    }
    Ok(if bad { ExitStatus::Failure } else { ExitStatus::Success })
}

fn one(name: &str, args: &HealthArgs, context: &Context) -> anyhow::Result<Vec<Verdict>> {
    let reference: Reference = name.parse()?;
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    match mlxk_hub::locate(&reference, Matching::Substring, pairs, locations)? {
        Resolution::NeedsImport(ImportPlan { source: ImportSource::Gguf { path }, .. }) => {
            let report = mlxk_hub::check_gguf(&path);
            if args.repair {
                return Err(
                    HubError::from(PullError::NotRepairable { name: name.to_owned() }).into()
                );
            }
            let name = name.to_owned();
            Ok(vec![Verdict {
                name,
                report,
                managed: None,
                read: None,
                repaired: None,
                deep: false,
            }])
        }
        resolution => {
            let model = resolution.local()?;
            if !args.repair {
                return several(&[model], args.deep, context);
            }
            let repaired = repair(&model, args, context)?;
            let mut verdicts = several(&[model], false, context)?;
            if let Some(verdict) = verdicts.first_mut() {
                verdict.repaired = Some(repaired);
                verdict.deep = args.deep;
            }
            Ok(verdicts)
        }
    }
}

/// Downloads files again that differ from the hub.
fn repair(model: &Resolved, args: &HealthArgs, context: &Context) -> anyhow::Result<Repaired> {
    interrupt::listen()?;
    let before = several(std::slice::from_ref(model), false, context)?;
    let errors = before.iter().flat_map(|verdict| verdict.report.errors());
    let files: Vec<String> = errors
        .map(|finding| finding.file.clone())
        .chain(ALWAYS_SUSPECT.map(str::to_owned))
        .collect();
    let suspects = if args.deep { Suspects::Everything } else { Suspects::Files(&files) };
    let audience = if args.json { Audience::Programs } else { Audience::People };
    let progress = PullProgress::new(audience, &context.printer);
    let settings = &context.settings;
    let (locations, hub) = (&settings.locations, &settings.hub);
    let options = PullOptions { workers: settings.pull_workers(), ..PullOptions::default() };
    let repaired = mlxk_hub::repair(model, suspects, locations, hub, &options, &progress);
    progress.finish();
    Ok(repaired?)
}

fn several(models: &[Resolved], deep: bool, context: &Context) -> anyhow::Result<Vec<Verdict>> {
    let described = mlxk_hub::describe(models, supported::thorough());
    let mut verdicts: Vec<Verdict> = described
        .into_iter()
        .map(|model| {
            let own = matches!(model.kind, Kind::Folder | Kind::Workspace);
            let managed = model.workspace.is_some_and(|(sentinel, _)| sentinel.is_managed());
            let managed = own.then_some(managed);
            let name = match model.kind {
                Kind::Folder => model.path.display().to_string(),
                _ => model.name,
            };
            Verdict { name, report: model.health, managed, read: None, repaired: None, deep: false }
        })
        .collect();
    if deep {
        interrupt::listen()?;
        let progress = context.printer.progress();
        for (model, verdict) in models.iter().zip(&mut verdicts) {
            let mut found = match mlxk_hub::deep(model, &progress) {
                Err(HubError::Cancelled) => return Err(Interrupted.into()),
                other => other?,
            };
            // If a header is already reported, a wrong hash adds nothing.
            let is_new = |finding: &Finding| {
                !verdict.report.errors().any(|known| known.file == finding.file)
            };
            let new: Vec<Finding> =
                std::mem::take(&mut found.findings).into_iter().filter(is_new).collect();
            verdict.report.findings.splice(0..0, new);
            verdict.read = Some(found);
        }
    }
    Ok(verdicts)
}

fn print(verdicts: &[Verdict], all: bool, context: &Context) -> anyhow::Result<()> {
    if verdicts.is_empty() {
        context.printer.note("No models yet; get one with `mlxk pull NAME`");
    }
    let mut out = output::stdout();
    let healthy = verdicts.iter().filter(|verdict| verdict.report.is_healthy()).count();
    if all {
        let (total, unhealthy) = (verdicts.len(), verdicts.len() - healthy);
        out.line(format_args!("Summary: total {total}, healthy {healthy}, unhealthy {unhealthy}"))?;
    }
    for verdict in verdicts {
        let word = if verdict.report.is_healthy() { "healthy  " } else { "unhealthy" };
        let read = verdict.read.as_ref().map(in_words).unwrap_or_default();
        out.line(format_args!("{word} {} — {}{read}", verdict.name, verdict.report.reason()))?;
        if let Some(repaired) = &verdict.repaired {
            out.line(format_args!("          {}", what_was_repaired(repaired, verdict.deep)))?;
        }
        hints(verdict, &mut out)?;
    }
    Ok(())
}

/// Formats a repair like `repaired: a, b (1.2 GB downloaded)`. `deep` is `true` if it compared every file.
fn what_was_repaired(repaired: &Repaired, deep: bool) -> String {
    // Without `--deep`, only files that look damaged are compared.
    let partly = if deep { "" } else { "; add `--deep` to compare every file" };
    if repaired.files.is_empty() && deep {
        return "nothing to repair: all files match the hub".to_owned();
    }
    if repaired.files.is_empty() {
        return format!("no file looks damaged, so only small files were compared{partly}");
    }
    let fetched = format::size(repaired.fetched_bytes);
    format!("repaired: {} ({fetched} downloaded){partly}", repaired.files.join(", "))
}

/// Prints the other findings and the commands that repair them.
fn hints(verdict: &Verdict, out: &mut Output) -> std::io::Result<()> {
    // The first error is in the line above.
    let others = verdict.report.findings.iter();
    for finding in others.skip(usize::from(!verdict.report.is_healthy())) {
        out.line(format_args!("          {finding}"))?;
    }
    let mut commands: Vec<&str> = Vec::new();
    for command in verdict.report.findings.iter().filter_map(|finding| finding.repair.as_deref()) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    for command in commands {
        out.line(format_args!("          repair: {command}"))?;
    }
    Ok(())
}

/// Returns the `data` of the envelope. The schema has only three keys per model.
fn data(verdicts: &[Verdict], extended: bool) -> Value {
    let object = |verdict: &Verdict| {
        let mut object = json!({
            "name": verdict.name,
            "status": if verdict.report.is_healthy() { "healthy" } else { "unhealthy" },
            "reason": verdict.reason(),
        });
        if !extended {
            return object;
        }
        object["findings"] = verdict.report.findings.iter().map(finding).collect();
        if let Some(managed) = verdict.managed {
            object["managed"] = managed.into();
        }
        if let Some(DeepReport { files, bytes, unnamed, .. }) = &verdict.read {
            object["deep"] = json!({"files": files, "bytes": bytes, "unnamed": unnamed});
        }
        if let Some(repaired) = &verdict.repaired {
            object["repaired"] =
                json!({"files": repaired.files, "fetched_bytes": repaired.fetched_bytes});
        }
        object
    };
    let (healthy, unhealthy): (Vec<&Verdict>, Vec<&Verdict>) =
        verdicts.iter().partition(|verdict| verdict.report.is_healthy());
    json!({
        "healthy": healthy.iter().map(|verdict| object(verdict)).collect::<Vec<_>>(),
        "unhealthy": unhealthy.iter().map(|verdict| object(verdict)).collect::<Vec<_>>(),
        "summary": {
            "total": verdicts.len(),
            "healthy_count": healthy.len(),
            "unhealthy_count": unhealthy.len(),
        },
    })
}
