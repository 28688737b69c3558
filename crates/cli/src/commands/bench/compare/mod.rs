//! `mlxk bench`: compares engines.

mod names;
mod ollama;
mod ours;
pub(super) mod output;
mod peers;
mod preparing;
mod present;
mod save;
mod workloads;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_bench::compare::{
    self, CompareOptions, CompareReport, Entry, Failure, Plan, Settings, Workload, unlike_weights,
};
use mlxk_bench::{BenchError, report};
use mlxk_providers::Connections;
use mlxk_text::Tokenizer;

use crate::args::{CompareArgs, Peer};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::failure::NothingToCompare;
use crate::{Context, interrupt};

/// Time between two checks for Ctrl-C while a server answers.
const WATCH: Duration = Duration::from_millis(50);
/// Turns after which an interval reaches 99 %.
pub(in crate::commands::bench) const MIN_RUNS_TO_FAIL: u32 = 5;
/// Seed of requests. Greedy answers don't use it.
const SEED: u64 = 0;

/// Prepares the engines, measures them, and writes the report.
pub(crate) fn run(args: &CompareArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args)?;
    interrupt::listen()?;
    let http = Connections::default();
    end_when_interrupted(&http);
    let names = names::of(args, context)?;
    let absent = present::check(args, &names, &http, context);
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    if absent.iter().all(Option::is_some) {
        return Err(NothingToCompare { model: names.ours.clone() }.into());
    }
    let ours = ours::find(args, &names, context)?;
    check_context(args, &ours)?;
    let tokenizer = Tokenizer::open(&ours.folder).ok();
    let count = |text: &str| Some(tokenizer.as_ref()?.encode(text, false).ok()?.len());
    let workloads = workloads::of(args, &count);
    let needed = || workloads::context(&workloads, &count, ours.max_positions);
    let settings = Settings {
        context: args.ctx.map_or_else(needed, |tokens| tokens as usize),
        threads: super::threads(args.threads, context),
        seed: SEED,
        ignore_end: args.synthetic.is_some(),
    };
    let unable = find_unable(&workloads, settings.context, ours.max_positions, &count, context)?;
    let options = CompareOptions {
        workloads,
        runs: args.runs as usize,
        warmup: args.warmup as usize,
        timeout: Duration::from_secs(args.timeout),
        unequal: args.unequal,
    };
    let sides =
        preparing::Preparing { args, names: &names, settings: &settings, http: &http, context };
    let mut entries = vec![ours::entry(&ours, args, &settings, context)?];
    // Servers in this list end when it is dropped.
    let mut started = Vec::new();
    for (peer, absent) in args.vs.iter().zip(absent) {
        let is_told = absent.is_some();
        let prepared = match absent {
            Some(failure) => sides.entry(peer, Err(failure)),
            None => sides.prepare(peer, &ours, &mut started),
        };
        if interrupt::requested() {
            return Err(Interrupted.into());
        }
        if let (Entry::Failed { failure, .. }, false) = (&prepared, is_told) {
            present::tell(peer, failure, context);
        }
        entries.push(prepared);
    }
    if entries.iter().skip(1).all(|entry| matches!(entry, Entry::Failed { .. })) {
        return Err(NothingToCompare { model: names.ours.clone() }.into());
    }
    number_same_names(&mut entries);
    if !args.unequal {
        refuse_unequal(&entries)?;
    }
    let report = measure(
        Plan {
            options: &options,
            settings: &settings,
            entries,
            http: &http,
            prompt: options.workloads.first().map_or("", |it| it.prompt.text()),
            unable,
            count: &count,
            version: super::VERSION,
        },
        context,
    )?;
    drop(started);
    output::write(&report, &args.print, &args.output, context)?;
    if args.save_choice {
        save::choice(args, &report, context)?;
    }
    Ok(verdict(&report, args, context))
}

fn check(args: &CompareArgs) -> anyhow::Result<()> {
    let fits = |peer: &Peer| matches!(peer, Peer::LlamaServer(_) | Peer::Mlxk(_));
    if args.synthetic.is_some() && !args.vs.iter().all(fits) {
        return Err(UsageError(
            "`--synthetic` works only with `--vs llama-server` and `--vs mlxk=PROGRAM`".into(),
        )
        .into());
    }
    if args.fail_below.is_some() && args.runs < MIN_RUNS_TO_FAIL {
        return Err(UsageError(format!(
            "`--fail-below` needs `--runs {MIN_RUNS_TO_FAIL}` or more: fewer turns decide nothing with 99 %"
        ))
        .into());
    }
    output::check(&args.output)
}

/// Refuses a context that our model doesn't support.
fn check_context(args: &CompareArgs, ours: &ours::Ours) -> Result<(), UsageError> {
    match args.ctx.filter(|tokens| *tokens as usize > ours.max_positions) {
        Some(tokens) => Err(UsageError(format!(
            "`--ctx` is {tokens}, but `{}` supports at most {} tokens",
            ours.name, ours.max_positions
        ))),
        None => Ok(()),
    }
}

/// Finds the workloads that cannot be done, by number, and says which. Returns an error if none can.
fn find_unable(
    workloads: &[Workload],
    context_tokens: usize,
    longest: usize,
    count: &dyn Fn(&str) -> Option<usize>,
    context: &Context,
) -> anyhow::Result<BTreeMap<usize, Failure>> {
    let unable = |(index, workload)| {
        Some((index, compare::unable(workload, context_tokens, longest, count)?))
    };
    let failures: BTreeMap<usize, Failure> =
        workloads.iter().enumerate().filter_map(unable).collect();
    if failures.len() == workloads.len()
        && let Some(Failure { error, suggestion, .. }) = failures.values().next().cloned()
    {
        return Err(BenchError::Unable { error, suggestion }.into());
    }
    for failure in failures.values() {
        context.printer.note(format_args!("Not measured: {}", present::sentences(failure)));
    }
    Ok(failures)
}

/// Cancels running requests after Ctrl-C, which they don't check themselves.
fn end_when_interrupted(http: &Connections) {
    let http = http.clone();
    std::thread::spawn(move || {
        while !interrupt::requested() {
            std::thread::sleep(WATCH);
        }
        http.cancel();
    });
}

/// Numbers engines that have the same name.
fn number_same_names(entries: &mut [Entry]) {
    for index in 1..entries.len() {
        let (before, rest) = entries.split_at_mut(index);
        let title = rest[0].title_mut();
        let same = before.iter().filter(|entry| entry.title().starts_with(title.as_str())).count();
        if same > 0 {
            *title = format!("{title} ({})", same + 1);
        }
    }
}

/// Refuses to compare models of unequal size.
fn refuse_unequal(entries: &[Entry]) -> anyhow::Result<()> {
    let Some((Entry::Ready(ours), others)) = entries.split_first() else { return Ok(()) };
    for other in others {
        if let Entry::Ready(other) = other
            && let Some(reason) = unlike_weights(ours, other)
        {
            let equal = other
                .equal_file
                .as_deref()
                .unwrap_or("Choose models of the same size with `--mlx-model` or `--model`");
            anyhow::bail!(
                "The work is not equal: {reason}. {equal}, or measure both without a winner with \
                 `--unequal`"
            );
        }
    }
    Ok(())
}

fn measure(plan: Plan<'_>, context: &Context) -> anyhow::Result<CompareReport> {
    let steps = context.printer.steps();
    let mut observe = |what: &str, done: usize, total: usize| {
        steps.begin(what, done, total);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match compare::run(plan, &mut observe) {
        Err(BenchError::Cancelled) => Err(Interrupted.into()),
        // The servers get Ctrl-C too and may fail first.
        _ if interrupt::requested() => Err(Interrupted.into()),
        result => Ok(result?),
    }
}

/// Returns success if the report is complete and `--fail-below` is met.
fn verdict(report: &CompareReport, args: &CompareArgs, context: &Context) -> ExitStatus {
    let mut status = ExitStatus::Success;
    if let Some(problem) = incomplete(report) {
        context.printer.sentence(&format!("error: {problem}"));
        status = ExitStatus::Failure;
    }
    let Some(share) = args.fail_below else { return status };
    let others = || report.sides.iter().skip(1);
    for other in others().filter(|other| report.is_unequal(&other.title)) {
        context.printer.note(format_args!(
            "`--fail-below` does not apply to {}, because its work is not equal",
            other.title
        ));
    }
    if report.is_disturbed() {
        context.printer.note(
            "`--fail-below` decides nothing about speeds and times, because the measurement was disturbed",
        );
    }
    let judged = others().flat_map(|other| report.judged(&other.title));
    let judged = judged.filter(|it| !report.is_inconclusive(it.measure));
    for found in judged.filter(|it| it.ratio.is_below(share)) {
        let label = found.measure.label();
        let figure = match &found.workload {
            Some(workload) => format!("{workload}, {label}"),
            None => label.to_owned(),
        };
        context.printer.note(format_args!(
            "Below {share}: {figure}: {:.2} of {}",
            found.ratio.of_medians, found.against
        ));
        status = ExitStatus::Failure;
    }
    status
}

/// Returns the reason that the report is not complete. `None` if it is.
fn incomplete(report: &CompareReport) -> Option<String> {
    if report.is_whole() {
        return None;
    }
    let failed = report.sides.iter().filter_map(|side| {
        Some(format!(
            "{} was not measured completely: {}",
            side.title,
            side.failure.as_ref()?.error
        ))
    });
    let in_part = report.sides.iter().flat_map(|side| {
        side.failed_workloads.iter().map(|it| {
            format!("{} has no figures for `{}`: {}", side.title, it.workload, it.failure.error)
        })
    });
    let unequal = report.unequal.iter().map(|it| format!("The work is not equal: {}", it.reason));
    failed.chain(in_part).chain(unequal).next()
}

/// Formats the report for a terminal.
fn terminal(report: &CompareReport, context: &Context) -> String {
    let icons =
        if context.printer.styles_stdout() { report::Icons::Shown } else { report::Icons::Left };
    super::fitted(&report::compare_terminal(report, icons, super::columns()))
}
