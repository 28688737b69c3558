//! `mlxk run --engine auto`: the choice between our engine and other programs.

use std::sync::Arc;
use std::time::Duration;

use mlxk_bench::{Machine, Watch as Pace};
use mlxk_providers::{Cancel, Client, Config, Limits, Local, ProviderError};
use mlxk_router::{Backend, Measure, Policy, Router, Table};

use super::elsewhere::{Chosen, There, Watch};
use crate::answer::{self, AnswerSettings};
use crate::args::{RunArgs, values};
use crate::config::Config as Settings;
use crate::engines::{OLLAMAS, OURS};
use crate::exit::Interrupted;
use crate::models::resolve;
use crate::{Context, engines, interrupt};

/// Time to measure an engine. It includes loading the model.
const CALIBRATION: Duration = Duration::from_mins(5);

/// Measures the engines that have no figures yet, and chooses one. Each address is given as the user wrote it, too.
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
    match interrupt::while_idle(|| engines::find_ollama(model, context)) {
        Ok(ollama) => backends.push((OLLAMAS, ollama)),
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
    // A price needs no measurement, which may cost money itself.
    let is_measured = policy != Policy::Cheapest(Measure::Price) && backends.len() > 1;
    let path = engines::table(context);
    let machine = Machine::look();
    let name = engines::machine(&machine);
    let router = Router::new(name, &resolved.name, backends, policy, Table::open(&path));
    let (errors, disturbed) =
        if is_measured { measure(&router, machine, context) } else { (Vec::new(), None) };
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    for (name, error) in errors {
        context.printer.note(format_args!("warning: {name} cannot be measured: {error}"));
    }
    let choice = router.choose()?;
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
        return Ok(Chosen::Here(Box::new((engine, resolved, settings))));
    }
    let client = router.client(choice.index)?.clone();
    // A table with figures of a disturbed measurement is not kept.
    let router = disturbed.is_none().then_some((router, choice.index));
    Ok(Chosen::There(Box::new(There { client, router })))
}

/// Measures the engines that have no figures yet. Returns the errors, and the reason if the measurement was disturbed.
fn measure(
    router: &Router,
    machine: Machine,
    context: &Context,
) -> (Vec<(String, ProviderError)>, Option<String>) {
    let names = router.unmeasured();
    if names.is_empty() {
        return (Vec::new(), None);
    }
    context.printer.note(format_args!(
        "Measuring {} with this model, once, for at most {} minutes each",
        names.join(" and "),
        CALIBRATION.as_secs() / 60
    ));
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
