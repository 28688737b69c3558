//! The comparison: turns, and their summary.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use mlxk_providers::Connections;

use super::disturbance::pace_warning;
use super::engine::{Engine, EngineKind, Settings};
use super::equal::{Burden, unlike, unlike_prompts};
use super::legacy::LegacyResult;
use super::measure::{Figures, Measure, Series};
use super::turn::{Asked, Turn, Turns};
use super::workload::is_repeated;
use super::{
    Agreement, Answered, CompareOptions, CompareReport, Comparison, Entry, FailedWorkload, Failure,
    SCHEMA, ServerWay, Side, Unequal, agreement, load,
};
use crate::machine::BUSY_SHARE;
use crate::statistics::{CONFIDENCE, Ratio, Summary};
use crate::{BenchError, Machine, Observe};

/// Suggestion to a user whose engines cannot be compared.
pub const MEASURE_ANYWAY: &str = "Measure both without a winner with `--unequal`";

/// Differences in peak memory below this are not significant: how many pages of a program's file count as its memory
/// depends on how the file lies in the page cache. A copy of the same program differs by up to 5 MB, every time.
pub(super) const SAME_MEMORY_BYTES: f64 = 8e6;

/// Input of [`run`].
pub struct Plan<'a> {
    pub options: &'a CompareOptions,
    /// Settings of all engines.
    pub settings: &'a Settings,
    /// Engines, ours first.
    pub entries: Vec<Entry>,
    /// Client through which requests to servers can be cancelled.
    pub http: &'a Connections,
    /// Workloads that no engine can do, by number.
    pub unable: BTreeMap<usize, Failure>,
    /// Prompt of the user.
    pub prompt: &'a str,
    /// Counts the tokens of a text with our model's tokenizer. Returns `None` if there is none.
    pub count: &'a dyn Fn(&str) -> Option<usize>,
    /// Version of `mlxk`.
    pub version: &'a str,
}

/// An engine and its samples so far.
struct Taking {
    entry: Entry,
    figures: Figures,
    asked: Vec<BTreeMap<usize, Asked>>,
    /// Workloads that the engine cannot do, by number.
    failed: BTreeMap<usize, Failure>,
    failure: Option<Failure>,
    /// Lengths of the prompts in the first turn, by the number of the workload.
    prompts: BTreeMap<usize, usize>,
}

/// Lets the engines take turns, and compares the first with each of the others.
pub fn run(plan: Plan<'_>, observe: &mut Observe<'_>) -> Result<CompareReport, BenchError> {
    let Plan { options, settings, http, count, unable, .. } = plan;
    let benchmark_time =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let marked = plan.entries.iter().any(|entry| {
        matches!(entry, Entry::Ready(Engine { server: ServerWay::Running { .. }, .. }))
    });
    // Two reports of one server must not begin their prompts alike.
    let mark = marked.then(|| format!("{:06x}", (benchmark_time * 1e3) as u64 & 0xff_ffff));
    let turns = Turns { options, settings, http, mark, count };
    let new = |entry| Taking::new(entry, options, &unable);
    let mut sides: Vec<Taking> = plan.entries.into_iter().map(new).collect();
    let rounds = options.warmup + options.runs;
    let ready = sides.iter().filter(|side| side.failure.is_none()).count();
    let mut begin = crate::steps(rounds * ready + 1, observe);
    begin("Checking the machine")?;
    let machine = Machine::look();
    let mut paces = Vec::new();
    for round in 0..rounds {
        for turn in 0..sides.len() {
            // Going first may be a disadvantage, so the order alternates.
            let index = if round % 2 == 0 { turn } else { sides.len() - 1 - turn };
            let side = &mut sides[index];
            let (Entry::Ready(engine), None) = (&side.entry, &side.failure) else { continue };
            let turn_name = crate::round_name("Turn", round, options.warmup, options.runs);
            begin(&format!("{turn_name}: {}", engine.title))?;
            paces.push(load::pace());
            let (taken, failure) = turns.take(engine, round + 1, &side.failed);
            if http.cancelled() || failure.as_ref().is_some_and(|failure| failure.cancelled) {
                return Err(BenchError::Cancelled);
            }
            side.failed.clone_from(&taken.failed);
            side.failure = failure.or_else(|| side.nothing_left(options));
            if round == 0 {
                let lengths =
                    taken.asked.iter().map(|(&index, asked)| (index, asked.prompt_tokens));
                side.prompts = lengths.filter_map(|(index, it)| Some((index, it?))).collect();
            }
            if round >= options.warmup {
                side.take(taken);
            }
        }
        if round == 0 && !options.unequal {
            refuse_unlike_prompts(&mut sides, options)?;
        }
    }
    let sides: Vec<Side> = sides.into_iter().map(|side| side.finish(options)).collect();
    let mut report = CompareReport {
        benchmark_time,
        prompt: plan.prompt.to_owned(),
        ollama_model: None,
        mlx_model: String::new(),
        ollama_result: None,
        mlx_result: LegacyResult::Failure(Failure::new("Our side is missing", None)),
        schema: SCHEMA.to_owned(),
        version: plan.version.to_owned(),
        machine,
        options: options.clone(),
        settings: settings.clone(),
        sides,
        comparisons: Vec::new(),
        agreements: Vec::new(),
        unequal: Vec::new(),
        pace_seconds: Summary::of(paces),
        warnings: Vec::new(),
    };
    let main = options.workloads.first().map_or("", |it| it.name.as_str());
    if let Some(ollama) = report.sides.iter().find(|side| side.engine == EngineKind::Ollama) {
        report.ollama_model = Some(ollama.model.clone());
        report.ollama_result = Some(LegacyResult::of(ollama, main));
    }
    if let Some(ours) = report.sides.first() {
        report.mlx_model.clone_from(&ours.model);
        report.mlx_result = LegacyResult::of(ours, main);
    }
    compare(&mut report);
    report.warnings = warnings(&report, marked);
    Ok(report)
}

impl Taking {
    /// Begins with the workloads that cannot be done.
    fn new(entry: Entry, options: &CompareOptions, unable: &BTreeMap<usize, Failure>) -> Self {
        let (failure, failed) = match &entry {
            Entry::Ready(_) => (None, unable.clone()),
            Entry::Failed { failure, .. } => (Some(failure.clone()), BTreeMap::new()),
        };
        let (figures, asked, prompts) = (Figures::default(), Vec::new(), BTreeMap::new());
        let mut taking = Self { entry, figures, asked, failed, failure, prompts };
        taking.failure = taking.failure.take().or_else(|| taking.nothing_left(options));
        taking
    }

    /// Returns the first failure if every workload failed.
    fn nothing_left(&self, options: &CompareOptions) -> Option<Failure> {
        let all = self.failed.len() == options.workloads.len();
        self.failed.values().next().filter(|_| all).cloned()
    }

    fn take(&mut self, turn: Turn) {
        // A side has a turn in every round until it fails.
        self.figures.extend(self.asked.len(), &turn.figures);
        self.asked.push(turn.asked);
    }

    fn finish(self, options: &CompareOptions) -> Side {
        let workloads = options.workloads.iter().enumerate().filter_map(|(index, workload)| {
            let turns = self.asked.iter().enumerate();
            let turns: Vec<(usize, &Asked)> =
                turns.filter_map(|(round, turn)| Some((round, turn.get(&index)?))).collect();
            answered(&workload.name, &turns)
        });
        let workloads = workloads.collect();
        let name = |index: usize| options.workloads.get(index).map(|it| it.name.clone());
        let failed = self.failed.into_iter();
        let failed_workloads = failed
            .filter_map(|(index, failure)| Some(FailedWorkload { workload: name(index)?, failure }))
            .collect();
        let (engine, title, version, model, weights, equal_file) = match self.entry {
            Entry::Ready(Engine { kind, title, version, model, weights, equal_file, .. }) => {
                (kind, title, version, model, weights, equal_file)
            }
            Entry::Failed { kind, title, model, .. } => (kind, title, None, model, None, None),
        };
        let (failure, series) = (self.failure, self.figures.summaries());
        Side {
            engine,
            title,
            version,
            model,
            weights,
            failure,
            series,
            workloads,
            failed_workloads,
            equal_file,
        }
    }
}

/// Ends the measurement of engines whose prompts were not as long as ours in the first turn, because nothing could be
/// compared in the end. Returns an error if no other engine is left.
fn refuse_unlike_prompts(sides: &mut [Taking], options: &CompareOptions) -> Result<(), BenchError> {
    let Some((ours, others)) = sides.split_first_mut() else { return Ok(()) };
    let mut first = None;
    for theirs in others.iter_mut().filter(|side| side.failure.is_none()) {
        let reason = options.workloads.iter().enumerate().find_map(|(index, workload)| {
            let (our, their) = (*ours.prompts.get(&index)?, *theirs.prompts.get(&index)?);
            let (our, their) = ((our, ours.entry.title()), (their, theirs.entry.title()));
            unlike_prompts(&workload.name, our, their)
        });
        let Some(reason) = reason else { continue };
        let problem = format!("The work is not equal: {reason}");
        theirs.failure = Some(Failure::new(problem, Some(MEASURE_ANYWAY.to_owned())));
        first = first.or(Some(reason));
    }
    match first {
        Some(reason) if others.iter().all(|side| side.failure.is_some()) => {
            Err(BenchError::Unequal { reason })
        }
        _ => Ok(()),
    }
}

/// Summarizes the turns of a workload.
fn answered(workload: &str, turns: &[(usize, &Asked)]) -> Option<Answered> {
    let (_, last) = turns.last()?;
    let mut figures = Figures::default();
    for (round, turn) in turns {
        figures.extend(*round, &turn.figures);
    }
    let native = |rate: &dyn Fn(&Asked) -> Option<f64>| {
        Summary::of(turns.iter().map(|(_, turn)| rate(turn)).collect::<Option<Vec<_>>>()?)
    };
    let per_second = |count: f64, seconds: f64| (seconds > 0.0).then(|| count / seconds);
    let prefill =
        |turn: &Asked| per_second(turn.computed_tokens? as f64, turn.native?.prefill_seconds);
    let series: Series = figures.summaries();
    let tokens = series.get(&Measure::ResponseTokens).map(|summary| summary.median);
    let decode = |turn: &Asked| per_second(tokens? - 1.0, turn.native?.decode_seconds);
    let alone = series.contains_key(&Measure::DecodeTokensPerSecond);
    Some(Answered {
        workload: workload.to_owned(),
        prompt_tokens: last.prompt_tokens,
        cached_tokens: last.cached_tokens,
        counted_here: last.counted_here,
        response: last.response.clone(),
        reasoning: last.reasoning.clone(),
        same_every_time: turns.iter().all(|(_, turn)| turn.response == last.response),
        native_prefill_tokens_per_second: alone.then(|| native(&prefill)).flatten(),
        native_decode_tokens_per_second: alone.then(|| native(&decode)).flatten(),
        series,
    })
}

/// Compares the first side with each of the others.
fn compare(report: &mut CompareReport) {
    let Some((ours, others)) = report.sides.split_first() else { return };
    let (mut comparisons, mut agreements, mut unequal) = (Vec::new(), Vec::new(), Vec::new());
    for theirs in others {
        let mut reasons: Vec<String> = unlike(burden(ours), burden(theirs)).into_iter().collect();
        let is_unlike = !reasons.is_empty();
        let alike = theirs.equal_file.clone();
        let both = ours.workloads.iter();
        let both: Vec<_> =
            both.filter_map(|our| Some((our, theirs.answered(&our.workload)?))).collect();
        for (our, their) in &both {
            if let (Some(a), Some(b)) = (our.prompt_tokens, their.prompt_tokens) {
                let (a, b) = ((a, ours.title.as_str()), (b, theirs.title.as_str()));
                reasons.extend(unlike_prompts(&our.workload, a, b));
            }
            agreements.push(Agreement {
                against: theirs.title.clone(),
                workload: our.workload.clone(),
                common_prefix: agreement::common_prefix(&our.response, &their.response),
            });
        }
        let refused = !reasons.is_empty() && !report.options.unequal;
        let against = &theirs.title;
        let suggestion = alike.filter(|_| is_unlike);
        unequal.extend(reasons.into_iter().map(|reason| Unequal {
            against: against.clone(),
            reason,
            suggestion: suggestion.clone(),
        }));
        if refused {
            continue;
        }
        comparisons.extend(ratios(&ours.series, &theirs.series, against, None));
        for (our, their) in both {
            comparisons.extend(ratios(&our.series, &their.series, against, Some(&our.workload)));
        }
    }
    (report.comparisons, report.agreements, report.unequal) = (comparisons, agreements, unequal);
}

fn burden(side: &Side) -> Burden<'_> {
    let Side { title, model, weights, .. } = side;
    Burden { title, model, weights: weights.as_ref() }
}

/// Returns the ratios of the measures that both sides have and that can be better or worse.
fn ratios(
    ours: &Series,
    theirs: &Series,
    against: &str,
    workload: Option<&str>,
) -> Vec<Comparison> {
    let compare = |(&measure, our): (&Measure, &Summary)| {
        let their = theirs.get(&measure)?;
        let (above, below) = if measure.more_is_better()? { (our, their) } else { (their, our) };
        // An engine that failed, or a figure that was missing, has fewer rounds.
        let (above, below) = above.in_common(below);
        let mut ratio = Ratio::in_turn(&above, &below, CONFIDENCE)?;
        let is_memory = measure == Measure::MemoryPeakBytes;
        if is_memory && (our.median - their.median).abs() < SAME_MEMORY_BYTES {
            ratio.interval.include_one();
        }
        let (against, workload) = (against.to_owned(), workload.map(str::to_owned));
        Some(Comparison { against, workload, measure, ratio })
    };
    ours.iter().filter_map(compare).collect()
}

fn warnings(report: &CompareReport, marked: bool) -> Vec<String> {
    let mut warnings: Vec<String> = report.machine.warning().into_iter().collect();
    let cores = report.machine.logical_cores as f64;
    let workloads = &report.options.workloads;
    for side in &report.sides {
        let others = side.series.get(&Measure::OtherCores);
        if let Some(others) = others.filter(|others| others.median > BUSY_SHARE * cores) {
            warnings.push(format!(
                "Other programs kept {:.1} of {cores} cores busy while {} worked, so its figures \
                 are less reliable",
                others.median, side.title
            ));
        }
        for answered in &side.workloads {
            if answered.counted_here {
                warnings.push(format!(
                    "{} doesn't report token counts; for `{}` they come from our model's tokenizer",
                    side.title, answered.workload
                ));
            }
            let index = workloads.iter().position(|it| it.name == answered.workload);
            let is_unknown = answered.prompt_tokens.is_some() && answered.cached_tokens.is_none();
            if is_unknown
                && index.is_some_and(|it| workloads[it].clients == 1 && is_repeated(workloads, it))
            {
                warnings.push(format!(
                    "{} doesn't say how many tokens of `{}` it had in its cache, so it has no prefill speed there",
                    side.title, answered.workload
                ));
            }
            // Prompts that carry a mark are not the same every time, either.
            if !answered.same_every_time && !marked {
                warnings.push(format!(
                    "{} gave different answers to `{}`",
                    side.title, answered.workload
                ));
            }
        }
    }
    warnings.extend(report.pace_seconds.as_ref().and_then(pace_warning));
    if marked {
        warnings.push(
            "A server that was already running remembers earlier prompts, so every prompt begins \
             with the numbers of the run and of the turn"
                .to_owned(),
        );
    }
    let measured = |side: &&Side| !side.workloads.is_empty();
    let ours = report.sides.first().is_some_and(|side| measured(&side));
    // Without our figures there is nothing to win.
    let others = report.sides.iter().skip(1).filter(measured).filter(|_| ours);
    let unknown = others.filter(|side| report.is_unknown(&side.title));
    warnings.extend(unknown.map(|side| {
        format!(
            "The weights behind {} are unknown, so there is no winner: check that both run the same model",
            side.title
        )
    }));
    warnings
}
