//! `mlxk run --engine auto`: the choice between our engine and other programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mlxk_bench::compare::{Burden, EngineKind, Weights, equal_file, unlike};
use mlxk_bench::model::ModelFacts;
use mlxk_bench::{Machine, Watch as Pace};
use mlxk_hub::Resolved;
use mlxk_providers::{Cancel, Client, Config, Limits, Local, ProviderError};
use mlxk_router::{Backend, Policy, Router, Table};

use super::elsewhere::{Chosen, Here, There, Watch};
use crate::answer::{self, AnswerSettings};
use crate::args::{RunArgs, values};
use crate::config::Config as Settings;
use crate::engines::{FoundOllama, OLLAMAS, OURS};
use crate::exit::Interrupted;
use crate::models::resolve;
use crate::{Context, engines, interrupt};

/// Time to measure an engine. It includes loading the model.
const CALIBRATION: Duration = Duration::from_mins(5);

/// Measures the engines that have no figures yet, if the policy needs any, and chooses one. Each address is given as the user wrote it, too.
pub(super) fn choose(
    args: &RunArgs,
    model: &str,
    addresses: &[(&str, Config)],
    context: &Context,
) -> anyhow::Result<Chosen> {
    let file = &context.settings.config;
    let policy = match (&args.policy, file.text("engine.policy")) {
        (Some(policy), _) => policy.clone(),
        // The file was checked when it was read.
        (None, text) => text.and_then(|text| values::policy(text).ok()).unwrap_or(Policy::Fastest),
    };
    let resolved = resolve::find(model, !args.answer.engine.compute.no_pull, context)?;
    let settings = AnswerSettings::new(&args.answer, resolved.overrides.clone(), file);
    let engine = Arc::new(answer::load(&settings, &resolved.path, context)?);
    let provider = Arc::new(Local::new(resolved.name.clone(), Arc::clone(&engine)));
    let client = Client { provider, model: resolved.name.clone() };
    // Figures of one arithmetic say nothing about the other.
    let exact = if args.answer.engine.compute.exact { ", exact" } else { "" };
    let ours = engines::ours(&format!("{}{exact}", engine.device()));
    let mut backends = vec![(OURS, Backend::of(ours, client))];
    // A server that hangs must not keep Ctrl-C waiting.
    let mut unequal = None;
    match interrupt::while_idle(|| engines::find_ollama(model, context)) {
        Ok(ollama) => {
            unequal = not_equal(&resolved, &ollama, context);
            backends.push((OLLAMAS, ollama.backend));
        }
        Err(problem) if args.explain => {
            context.printer.note(format_args!("{OLLAMAS} cannot be asked: {problem}"));
        }
        Err(_) => {}
    }
    let factory = engines::factory(context);
    for (address, config) in addresses {
        backends.push((address, engines::server(factory.client(config)?)));
    }
    let backends: Vec<Backend> = backends.into_iter().map(|it| with_costs(it, file)).collect();
    // Measuring takes minutes, and may cost money.
    let is_measured = policy.needs_figures() && backends.len() > 1;
    let path = engines::table(context);
    let machine = Machine::look();
    let name = engines::machine(&machine);
    let router = Router::new(name, &resolved.name, backends, policy, Table::open(&path));
    // Said as often as the figures are, and not with every answer.
    let is_told = args.explain || (is_measured && !router.unmeasured().is_empty());
    if let Some(reason) = unequal.as_ref().filter(|_| is_told) {
        context.printer.note(format_args!("warning: The work is not equal: {reason}"));
    }
    let Measured { errors, disturbed, took } =
        if is_measured { measure(&router, machine, context) } else { Measured::default() };
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    let is_compared = is_measured && errors.iter().all(|(name, _)| name != OLLAMAS);
    for (name, error) in errors {
        context.printer.note(format_args!("warning: {name} cannot be measured: {error}"));
    }
    let mut choice = router.choose()?;
    if is_compared
        && unequal.is_some()
        && let Some(last) = choice.reasons.last_mut()
    {
        last.push_str("; the files differ, so this compares what is installed, not the programs");
    }
    if let Some(reason) = &disturbed {
        context.printer.note(format_args!("warning: {reason}"));
        context.printer.note("The figures decide this time only, and the next run measures again");
    } else if let Err(error) = router.table().save(&path) {
        context.printer.note(format_args!("warning: {error}"));
    }
    if args.explain {
        choice.reasons.iter().for_each(|reason| context.printer.note(reason));
    }
    if router.candidate(choice.index).id == OURS {
        return Ok(Chosen::Here(Box::new(Here { engine, resolved, settings, measuring: took })));
    }
    let client = router.client(choice.index)?.clone();
    // A table with figures of a disturbed measurement is not kept.
    let router = disturbed.is_none().then_some((router, choice.index));
    Ok(Chosen::There(Box::new(There { client, router, measuring: took })))
}

/// Returns the reason that the Ollama of this machine has other work to do than we, and the command that runs its file
/// in mlxk if that can be read.
fn not_equal(ours: &Resolved, ollama: &FoundOllama, context: &Context) -> Option<String> {
    let weights = Weights::of(ModelFacts::of(&ours.path).ok()?);
    let (title, model) = (EngineKind::Mlxk.title(), ours.name.as_str());
    let ours = Burden { title, model, weights: Some(&weights) };
    let (title, model) = (EngineKind::Ollama.title(), ollama.model.as_str());
    let reason = unlike(ours, Burden { title, model, weights: Some(&ollama.weights) })?;
    if mlxk_hub::ollama_file(model, &context.settings.locations).is_err() {
        return Some(reason);
    }
    let equal = equal_file(&format!("mlxk run ollama:{model} --engine auto"));
    Some(format!("{reason}. {equal}"))
}

/// Outcome of measuring engines.
#[derive(Default)]
struct Measured {
    /// Names of the engines that cannot be measured, and why.
    errors: Vec<(String, ProviderError)>,
    /// Reason if the measurement was disturbed.
    disturbed: Option<String>,
    /// Time that it took. `None` if nothing had to be measured.
    took: Option<Duration>,
}

/// Measures the engines that have no figures yet. That doesn't count as time that the answer takes.
fn measure(router: &Router, machine: Machine, context: &Context) -> Measured {
    let names = router.unmeasured();
    if names.is_empty() {
        return Measured::default();
    }
    context.printer.note(format_args!(
        "Measuring {} with this model for at most {} minutes each; later runs use the figures, unless something disturbs \
         the measurement",
        names.join(" and "),
        CALIBRATION.as_secs() / 60
    ));
    let begun = Instant::now();
    let (errors, disturbed) = context.aside(|| measure_all(router, &names, machine, context));
    Measured { errors, disturbed, took: Some(begun.elapsed()) }
}

fn measure_all(
    router: &Router,
    names: &[&str],
    machine: Machine,
    context: &Context,
) -> (Vec<(String, ProviderError)>, Option<String>) {
    let steps = context.printer.steps();
    let mut pace = Pace::begin(machine);
    let cancel = Cancel::default();
    let limits = Limits::within(CALIBRATION).cancelled_by(&cancel);
    let watch = Watch::begin(&cancel);
    let errors = router.calibrate(&limits, &mut |name, done, all| {
        pace.look();
        let before = names.iter().position(|it| *it == name).unwrap_or_default() * all;
        let what = match done {
            0 => format!("{name}: warm-up"),
            _ => format!("{name}: answer {done} of {}", all - 1),
        };
        steps.begin(&what, before + done, names.len() * all);
    });
    drop((watch, steps));
    pace.look();
    (errors, pace.warning())
}

/// Adds what the engine called `name` costs, as configured.
fn with_costs((name, mut backend): (&str, Backend), file: &Settings) -> Backend {
    let cost = |key| {
        let costs = values::costs(file.text(key)?)?;
        costs.into_iter().find_map(|(engine, number)| (engine == name).then_some(number))
    };
    backend.candidate.price = cost("engine.prices");
    backend.candidate.watts = cost("engine.watts");
    backend
}
