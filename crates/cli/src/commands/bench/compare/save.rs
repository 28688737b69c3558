//! `--save-choice`: keeps the figures for `mlxk run --engine auto`.

use mlxk_bench::compare::{Answered, CompareReport, Measure, Side};
use mlxk_engine::{CpuOptions, DeviceChoice};
use mlxk_providers::{Config, Dialect};
use mlxk_router::{Candidate, Sample, Subject, Table};

use crate::args::{CompareArgs, Peer};
use crate::{Context, engines};

/// Adds the figures of the first workload to the table.
pub(super) fn choice(
    args: &CompareArgs,
    report: &CompareReport,
    context: &Context,
) -> anyhow::Result<()> {
    let Some(workload) = report.options.workloads.first() else { return Ok(()) };
    let path = engines::table(context);
    let mut table = Table::open(&path);
    let machine = engines::machine(&report.machine);
    // The first side is ours.
    let peers = std::iter::once(None).chain(args.vs.iter().map(Some));
    for (side, peer) in report.sides.iter().zip(peers) {
        let Some(candidate) = candidate(side, peer, context)? else { continue };
        let samples = side.answered(&workload.name).map(samples).unwrap_or_default();
        if samples.is_empty() {
            context.printer.note(format_args!(
                "{} has no figures of `{}`, so there are none for `--engine auto`",
                side.title, workload.name
            ));
            continue;
        }
        let subject = Subject::new(&*machine, &*report.mlx_model, &candidate);
        for sample in samples {
            table.add(&subject, sample);
        }
        context.printer.note(format_args!(
            "`mlxk run {} --engine auto` now knows {}",
            report.mlx_model, subject.candidate
        ));
    }
    Ok(table.save(&path)?)
}

/// Returns the candidate that a side is, or `None` if `auto` cannot choose it.
fn candidate(
    side: &Side,
    peer: Option<&Peer>,
    context: &Context,
) -> anyhow::Result<Option<Candidate>> {
    Ok(match (peer, &side.version) {
        (None, _) => {
            let threads = context.settings.config.threads();
            let device = DeviceChoice::Cpu(CpuOptions { threads, ..CpuOptions::default() });
            Some(engines::ours(&device.open()?.name))
        }
        (Some(Peer::Ollama), Some(version)) => Some(engines::ollama(version)),
        (Some(Peer::Openai(address)), _) => {
            let model = Some(side.model.clone());
            let base_url = Some(address.clone());
            let config = Config { base_url, ..Config::new(Dialect::Openai, model) };
            let client = engines::factory(context).client(&config)?;
            Some(engines::server(client).candidate)
        }
        _ => None,
    })
}

/// Returns the figures of the turns, as those of requests.
fn samples(answered: &Answered) -> Vec<Sample> {
    let series = |measure| answered.series.get(&measure).map(|summary| summary.samples.as_slice());
    let prefill = series(Measure::PrefillTokensPerSecond).unwrap_or_default();
    let decode = series(Measure::DecodeTokensPerSecond).unwrap_or_default();
    let sample = |(index, rate): (usize, &f64)| {
        let prompt = prefill.get(index).filter(|&&rate| rate > 0.0).map(|rate| 1.0 / rate);
        Sample { prompt, answer: Some(1.0 / rate) }
    };
    decode.iter().enumerate().map(sample).collect()
}
