//! `mlxk doctor`: diagnoses an installation.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::args::DoctorArgs;
use crate::doctor::{ALL, Check, Environment, Level, Line, Repair};
use crate::exit::{ExitStatus, Interrupted};
use crate::format::count;
use crate::settings::Surroundings;
use crate::{Context, complete, interrupt, json, output, terminal};

/// Command that describes each check.
const EXPLAINED: &str = "`mlxk doctor --help` describes the checks";

/// Runs the checks and prints their findings. Fails if something is broken.
pub(crate) fn run(args: &DoctorArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let progress = context.printer.progress();
    let around = Surroundings::look();
    let marks = if around.takes_unicode { MARKS } else { PLAIN_MARKS };
    let environment = Environment {
        settings: &context.settings,
        misconfigured: context.misconfigured.as_ref(),
        around,
        online: args.online,
        reporter: &progress,
    };
    let mut found: Vec<(&Check, Line)> = Vec::new();
    for check in ALL.iter().filter(|check| is_wanted(check, args)) {
        let lines = (check.run)(&environment);
        progress.finish();
        if interrupt::requested() {
            return Err(Interrupted.into());
        }
        for line in lines {
            let line = if args.fix { repaired(line, &environment)? } else { line };
            if !args.json {
                let is_first = found.last().is_none_or(|(last, _)| last.id != check.id);
                print(check, is_first, &line, marks, context.printer.styles_stdout())?;
            }
            found.push((check, line));
        }
    }
    let total = |level| found.iter().filter(|(_, line)| line.level == level).count();
    let (warnings, broken) = (total(Level::Warning), total(Level::Broken));
    if args.json {
        json::print("doctor", &data(&found, total(Level::Ok), warnings, broken))?;
    } else {
        let verdict = match (broken, warnings) {
            (0, 0) => "Everything works".to_owned(),
            (0, warnings) => {
                format!("Nothing is broken; {} ({EXPLAINED})", count(warnings, "warning"))
            }
            (broken, 0) => format!("{} ({EXPLAINED})", count(broken, "problem")),
            (broken, warnings) => {
                let problems = count(broken, "problem");
                format!("{problems}, {} ({EXPLAINED})", count(warnings, "warning"))
            }
        };
        let mut out = output::stdout();
        out.line("")?;
        out.line(verdict)?;
    }
    Ok(if broken > 0 { ExitStatus::Failure } else { ExitStatus::Success })
}

/// Makes the repair of a finding, if it has one. Returns the finding as it is now.
fn repaired(line: Line, environment: &Environment<'_>) -> anyhow::Result<Line> {
    let text = match &line.repair {
        None => return Ok(line),
        Some(Repair::Completions(shell, path)) => {
            let mut script = Vec::new();
            complete::script(*shell, &mut script)?;
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(path, script))
                .with_context(|| format!("Cannot write `{}`", path.display()))?;
            format!("Fixed: {shell} completes `mlxk` in the next terminal (`{}`)", path.display())
        }
        Some(Repair::Startup(path, text)) => {
            add_line(path, text).with_context(|| format!("Cannot add to `{}`", path.display()))?;
            format!("Fixed: added `{text}` to `{}`, for the next terminal", path.display())
        }
        Some(Repair::Leftovers) => {
            let gone = mlxk_hub::workspace::remove_unfinished(&environment.settings.locations);
            if gone == 0
                && !mlxk_hub::workspace::unfinished(&environment.settings.locations).is_empty()
            {
                return Ok(line);
            }
            "Fixed: the leftovers of an interrupted `convert` or `clone` are gone".to_owned()
        }
    };
    Ok(Line { level: Level::Ok, text, fix: None, repair: None, ..line })
}

/// Adds a line to the end of a file, which need not exist.
fn add_line(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let before = if text.is_empty() || text.ends_with(b"\n") { "" } else { "\n" };
    file.write_all(format!("{before}{line}\n").as_bytes())
}

fn is_wanted(check: &Check, args: &DoctorArgs) -> bool {
    if args.checks.is_empty() {
        return !(check.slow && args.quick);
    }
    args.checks.iter().any(|name| name == check.id)
}

/// Marks for the levels ok, warning and broken.
type Marks = [&'static str; 3];
const MARKS: Marks = ["✓", "!", "✗"];
const PLAIN_MARKS: Marks = ["ok", "!", "x"];
const FIX: &str = "fix: ";
/// Green, yellow, red.
const COLORS: [&str; 3] = ["32", "33", "31"];

/// Prints `✓ memory       20.1 GB of 23.4 GB available`. Only the first line of a check has its name.
fn print(
    check: &Check,
    is_first: bool,
    line: &Line,
    marks: Marks,
    styled: bool,
) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let level = line.level as usize;
    let width = marks.iter().map(|mark| mark.chars().count()).max().unwrap_or(1);
    let mark = format!("{:width$}", marks[level]);
    let mark = if styled { format!("\x1b[{}m{mark}\x1b[0m", COLORS[level]) } else { mark };
    let name = if is_first { check.id } else { "" };
    let names = ALL.iter().map(|check| check.id.len()).max().unwrap_or_default();
    out.styled(&mark)?;
    let indent = width + names + 3;
    out.text(format_args!(" {name:names$}  {}\n", hanging(&line.text, indent)))?;
    if let Some(fix) = &line.fix {
        // A command should stay on one line, so that it can be copied.
        let fits = indent + FIX.len() + fix.chars().count() <= terminal::width();
        let indent = if fits || !output::stdout_is_terminal() { indent } else { width + 1 };
        let fix = hanging(&format!("{FIX}{fix}"), indent);
        out.text(format_args!("{:indent$}{fix}\n", ""))?;
    }
    out.flush()?;
    Ok(())
}

/// Wraps a text that begins in column `indent` of the terminal.
fn hanging(text: &str, indent: usize) -> String {
    let text = terminal::sanitize_line(text);
    if !output::stdout_is_terminal() {
        return text;
    }
    terminal::hanging(&text, indent, terminal::width())
}

fn data(found: &[(&Check, Line)], ok: usize, warnings: usize, broken: usize) -> Value {
    let object = |(check, line): &(&Check, Line)| {
        let mut object = Map::new();
        object.insert("check".into(), check.id.into());
        if let Ok(Value::Object(line)) = serde_json::to_value(line) {
            object.extend(line);
        }
        Value::Object(object)
    };
    json!({
        "healthy": broken == 0,
        "checks": found.iter().map(object).collect::<Vec<_>>(),
        "summary": {"ok": ok, "warnings": warnings, "broken": broken},
    })
}
