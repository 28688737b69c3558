//! Layout of `mlxk bench model`.

use super::{Align, Document, Part, Table, percent, three};
use crate::limits::threads;
use crate::model::{Comparison, ModelReport, ModelResult};
use crate::statistics::Summary;

/// Returns a table for each model, then their comparisons.
pub fn model(report: &ModelReport) -> Document {
    let options = &report.options;
    let mut flags = vec![threads(report.limits.threads)];
    flags.extend(options.engine.instructions.clone());
    flags.extend(options.engine.exact.then(|| "exact".to_owned()));
    flags.extend(options.engine.kv_bits.map(|bits| format!("{bits}-bit KV cache")));
    flags.extend(options.engine.prompt_lookup.then(|| "prompt lookup".to_owned()));
    flags.extend(options.engine.no_huge_pages.then(|| "no huge pages".to_owned()));
    flags.extend(options.engine.draft_model.is_some().then(|| "draft model".to_owned()));
    let mut parts = vec![
        Part::Title(format!("Models, mlxk {}", report.version)),
        Part::Fact("Machine", report.machine.line()),
        Part::Fact("At best", report.limits.line()),
        Part::Fact("Settings", flags.join(", ")),
    ];
    for model in &report.models {
        parts.extend(one(model, options.prompt_tokens));
    }
    if !report.comparisons.is_empty() {
        parts.extend(compared(report));
    }
    parts.push(Part::Note(format!(
        "Medians and quartiles of {} samples{}; {} tokens per answer. \"Of read\": the bytes of weights \
         and KV cache that a token reads, per second, over the measured read bandwidth.",
        options.runs,
        if report.models.len() > 1 { ", taking turns" } else { "" },
        options.max_tokens
    )));
    parts.extend(report.machine.warning().map(Part::Note));
    Document { parts }
}

fn one(model: &ModelResult, prompt_tokens: usize) -> Vec<Part> {
    let facts = &model.facts;
    let quantization = facts.quantization.as_deref().unwrap_or("not quantized");
    let mut table = Table::new(&[
        ("measure", Align::Left),
        ("median", Align::Right),
        ("quartiles", Align::Right),
        ("unit", Align::Left),
        ("of read", Align::Right),
    ]);
    let mut row = |measure: String, summary: &Summary, factor: f64, unit: &str, share| {
        let value = |value: f64| three(value * factor);
        table.row(vec![
            measure,
            value(summary.median),
            format!("{}–{}", value(summary.lower_quartile), value(summary.upper_quartile)),
            unit.to_owned(),
            Option::map_or(share, String::new(), percent),
        ]);
    };
    row("load".into(), &model.load_seconds, 1e3, "ms", None);
    let start = &model.start_to_first_token_seconds;
    row("process start to first token".into(), start, 1e3, "ms", None);
    let first = &model.time_to_first_token_seconds;
    // Prefill is the same fact.
    let prefill = three(model.prefill_tokens_per_second.median);
    let measure = format!("first token, {prompt_tokens} tokens (prefill at {prefill} tokens/s)");
    row(measure, first, 1e3, "ms", None);
    for decode in &model.decode {
        let measure = format!("decode after {} tokens", decode.context);
        row(measure, &decode.tokens_per_second, 1.0, "tokens/s", decode.share_of_read);
    }
    let mut parts = vec![
        Part::Title(model.name.clone()),
        Part::Fact(
            "Weights",
            format!(
                "{:.1} MB, {:.2} bits per weight, {quantization}",
                facts.file_bytes as f64 / 1e6,
                facts.bits_per_weight
            ),
        ),
        Part::Fact("Device", model.device.clone()),
    ];
    let memory = model.peak_memory_bytes.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    parts.push(Part::Fact("Peak memory", memory.unwrap_or_else(|| "unknown".to_owned())));
    for decode in model.decode.iter().filter(|decode| decode.drafted_tokens > 0) {
        let (drafted, accepted) = (decode.drafted_tokens, decode.accepted_tokens);
        let drafts = format!("{accepted} of {drafted} came, after {} tokens", decode.context);
        parts.push(Part::Fact("Drafts", drafts));
    }
    parts.push(Part::Table(table));
    parts
}

fn compared(report: &ModelReport) -> Vec<Part> {
    let first = report.models.first().map_or("", |model| &model.name);
    let mut table = Table::new(&[
        ("measure", Align::Left),
        ("against", Align::Left),
        ("ratio", Align::Right),
        ("pairs", Align::Right),
        ("interval", Align::Right),
    ]);
    // The time to the first token states the same fact as the prefill.
    for Comparison { measure, against, ratio } in
        report.comparisons.iter().filter(|it| it.measure != "prefill")
    {
        let interval = ratio.interval;
        let verdict = match (ratio.interval.is_unknown(), ratio.is_a_difference()) {
            (true, _) => ", too few samples",
            (false, true) => "",
            (false, false) => ", not significant",
        };
        table.row(vec![
            measure.clone(),
            against.clone(),
            format!("{:.2}", ratio.of_medians),
            format!("{:.2}–{:.2}", ratio.pairs.minimum, ratio.pairs.maximum),
            format!(
                "{:.2}–{:.2} ({:.1} %){verdict}",
                interval.low,
                interval.high,
                100.0 * interval.confidence
            ),
        ]);
    }
    vec![
        Part::Title(format!("{first} against the others")),
        Part::Table(table),
        Part::Note(
            "Above 1, the first model is better. The ratio is that of the medians. Pairs are the \
             ratios of samples measured one after the other. The interval contains their median \
             with the probability given."
                .to_owned(),
        ),
    ]
}
