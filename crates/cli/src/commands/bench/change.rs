//! `mlxk bench compare`: compares two reports.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_bench::compare::{Change, Changes, Disturbance, changes, unlike_pace};
use mlxk_bench::report::{self, Caveats};
use serde_json::{Value, json};

use crate::args::ChangeArgs;
use crate::commands::bench::compare::MIN_RUNS_TO_FAIL;
use crate::exit::{ExitStatus, UsageError};

/// Reads both reports and prints the changes.
pub(crate) fn run(args: &ChangeArgs) -> anyhow::Result<ExitStatus> {
    let (base, now) = (read(&args.base)?, read(&args.now)?);
    let Changes { series: found, settings, missing } = changes(&base, &now, args.unequal)?;
    if args.fail_below.is_some() && found.iter().any(|change| !change.is_decisive()) {
        return Err(UsageError(format!(
            "`--fail-below` needs {MIN_RUNS_TO_FAIL} or more samples of every figure in both reports: fewer decide \
             nothing with 99 %; measure again with `--runs {MIN_RUNS_TO_FAIL}`"
        ))
        .into());
    }
    let sides = [(&args.base, Disturbance::of(&base)), (&args.now, Disturbance::of(&now))];
    let pace = unlike_pace(&base, &now);
    let inconclusive = pace.is_some() || sides.iter().any(|(_, it)| it.disturbed);
    let is_decided = |change: &&Change| !(inconclusive && change.depends_on_pace());
    let below = |change: &Change| args.fail_below.is_some_and(|share| change.is_below(share));
    // A figure that is gone can't be faster than allowed.
    let lacks = args.fail_below.is_some() && !missing.is_empty();
    let failed = lacks || found.iter().filter(is_decided).any(below);
    let of = |(path, it): &(&PathBuf, Disturbance)| {
        let line = |warning: &String| format!("`{}`: {warning}", path.display());
        it.warnings.iter().map(line).collect::<Vec<_>>()
    };
    let warnings: Vec<String> = settings
        .into_iter()
        .chain(lacking(&missing))
        .chain(sides.iter().flat_map(of))
        .chain(pace)
        .collect();
    let object = json!({
        "changes": found, "missing": missing, "fail_below": args.fail_below, "failed": failed,
        "warnings": warnings, "inconclusive": inconclusive,
    });
    let caveats = Caveats { warnings, inconclusive };
    super::print(&object, &report::changes(&found, args.fail_below, &caveats), &args.output)?;
    Ok(if failed { ExitStatus::Failure } else { ExitStatus::Success })
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let report = super::read_report(path)?;
    super::check_report(&report).with_context(|| super::unreadable(path))?;
    Ok(report)
}

/// Returns a sentence that names the figures that the second report lacks.
fn lacking(missing: &[String]) -> Option<String> {
    let names: Vec<String> = missing.iter().map(|place| report::figure_name(place)).collect();
    (!names.is_empty()).then(|| format!("The second report lacks {}", names.join("; ")))
}
