//! `mlxk run --engine auto`: the choice between our engine and other programs.

use std::sync::Arc;

use mlxk_bench::Machine;
use mlxk_providers::{Client, Config, Limits, Local};
use mlxk_router::{Backend, Measure, Policy, Router, Table};

use super::elsewhere::{Chosen, PATIENCE, There};
use crate::answer::{self, AnswerSettings};
use crate::args::{RunArgs, values};
use crate::config::Config as Settings;
use crate::engines::{OLLAMAS, OURS};
use crate::exit::Interrupted;
use crate::models::resolve;
use crate::{Context, engines, interrupt};

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
    match engines::find_ollama(model, context) {
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
    let machine = engines::machine(&Machine::look());
    let router = Router::new(machine, &resolved.name, backends, policy, Table::open(&path));
    let errors = if is_measured {
        let names = router.unmeasured();
        if !names.is_empty() {
            let names = names.join(" and ");
            context.printer.note(format_args!("Measuring {names} with this model, once"));
        }
        let progress = context.printer.progress();
        progress.begin("Measuring the engines");
        let errors = router.calibrate(&Limits::within(PATIENCE));
        progress.finish();
        errors
    } else {
        Vec::new()
    };
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    for (name, error) in errors {
        context.printer.note(format_args!("warning: {name} cannot be measured: {error}"));
    }
    let choice = router.choose()?;
    if let Err(error) = router.table().save(&path) {
        context.printer.note(format_args!("warning: {error}"));
    }
    if args.explain {
        choice.reasons.iter().for_each(|reason| context.printer.note(reason));
    }
    if router.candidate(choice.index).id == OURS {
        return Ok(Chosen::Here(Box::new((engine, resolved, settings))));
    }
    let client = router.client(choice.index)?.clone();
    Ok(Chosen::There(Box::new(There { client, router: Some((router, choice.index)) })))
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
