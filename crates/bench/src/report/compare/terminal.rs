//! The report for a terminal, in the order of the Python script that this command replaces.

use super::super::add;
use super::verdict;
use super::{figure, weights, with_quartiles};
use crate::compare::{Answered, CompareReport, Measure, Side};

/// Icons at the start of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icons {
    /// Shown, if the terminal can display them.
    Shown,
    /// Left out.
    Left,
}

impl Icons {
    fn before(self, icon: &str, text: &str) -> String {
        match self {
            Self::Shown => format!("{icon} {text}"),
            Self::Left => text.to_owned(),
        }
    }
}

/// Returns the report as text.
pub fn terminal(report: &CompareReport, icons: Icons) -> String {
    let mut text = String::new();
    add(&mut text, format_args!("{}\n", icons.before("🏆", "BENCHMARK RESULTS")));
    add(&mut text, format_args!("{}\n", "=".repeat(80)));
    let Some((ours, others)) = report.sides.split_first() else { return text };
    for side in others {
        results(&mut text, side, "📊", icons);
    }
    results(&mut text, ours, "🔪", icons);
    for other in others {
        comparison(&mut text, report, ours, other, icons);
    }
    let runs = report.options.runs;
    let turns = if runs == 1 { "1 turn".to_owned() } else { format!("{runs} turns") };
    add(
        &mut text,
        format_args!(
            "\nMedians of {turns} each, alternating, with quartiles; greedy answers, a context of {} \
             tokens\n{}\n",
            report.settings.context,
            report.machine.line()
        ),
    );
    for warning in &report.warnings {
        add(&mut text, format_args!("{}\n", icons.before("⚠️ ", warning)));
    }
    text
}

/// Writes the results of a side.
fn results(text: &mut String, side: &Side, icon: &str, icons: Icons) {
    let title = format!("{} RESULTS:", side.title.to_uppercase());
    add(text, format_args!("{}\n", icons.before(icon, &title)));
    let mut line = |icon: &str, label: &str, value: String| {
        add(text, format_args!("  {}: {value}\n", icons.before(icon, label)));
    };
    if let Some(failure) = &side.failure {
        line("❌", "Success", "False".to_owned());
        line("❗", "Error", failure.error.clone());
        if let Some(suggestion) = &failure.suggestion {
            line("💡", "Suggestion", suggestion.clone());
        }
    } else {
        line("✅", "Success", "True".to_owned());
    }
    let version = side.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    line("🏷️ ", "Model", format!("{} in {}{version}", side.model, side.title));
    if let Some(found) = &side.weights {
        line("📦", "Weights", weights(found));
    }
    let Some((first, more)) = side.workloads.split_first() else { return };
    let median = |measure| first.series.get(&measure).map(|summary| summary.median);
    if let Some(total) = median(Measure::TotalSeconds) {
        line("⏱️ ", "Total Time", format!("{total:.2}s"));
    }
    if let Some(speed) = median(Measure::EffectiveTokensPerSecond) {
        line("🚀", "Tokens/sec", format!("{speed:.1}"));
    }
    if let Some(delta) = side.series.get(&Measure::MemoryDeltaBytes) {
        line("💾", "Memory Delta", figure(Measure::MemoryDeltaBytes, delta.median));
    }
    if let Some(tokens) = median(Measure::ResponseTokens) {
        line("📝", "Response Length", format!("{tokens:.0} tokens"));
    }
    for (measure, icon, label) in [
        (Measure::LoadSeconds, "📂", "Load"),
        (Measure::ColdFirstTokenSeconds, "🧊", "First Token, cold"),
    ] {
        if let Some(summary) = side.series.get(&measure) {
            line(icon, label, with_quartiles(measure, summary));
        }
    }
    speeds(&mut line, first);
    if let Some(peak) = side.peak_memory_bytes() {
        line("📈", "Memory Peak", figure(Measure::MemoryPeakBytes, peak));
    }
    for answered in more {
        add(text, format_args!("  {}\n", icons.before("▸", &answered.workload)));
        let mut line = |icon: &str, label: &str, value: String| {
            add(text, format_args!("    {}: {value}\n", icons.before(icon, label)));
        };
        for (measure, icon, label) in [
            (Measure::TotalSeconds, "⏱️ ", "Total Time"),
            (Measure::EffectiveTokensPerSecond, "🚀", "Tokens/sec"),
        ] {
            if let Some(summary) = answered.series.get(&measure) {
                line(icon, label, with_quartiles(measure, summary));
            }
        }
        speeds(&mut line, answered);
    }
}

/// Writes the figures of a workload that the script didn't have.
fn speeds(line: &mut dyn FnMut(&str, &str, String), answered: &Answered) {
    for (measure, icon, label) in [
        (Measure::FirstTokenSeconds, "🔥", "First Token, warm"),
        (Measure::RepeatedFirstTokenSeconds, "🔁", "First Token, repeated"),
        (Measure::PrefillTokensPerSecond, "📥", "Prefill"),
        (Measure::DecodeTokensPerSecond, "📤", "Decode"),
        (Measure::CpuSeconds, "🔧", "Processor Time"),
    ] {
        if let Some(summary) = answered.series.get(&measure) {
            line(icon, label, with_quartiles(measure, summary));
        }
    }
}

/// Writes the comparison of our side with another.
fn comparison(text: &mut String, report: &CompareReport, ours: &Side, other: &Side, icons: Icons) {
    let title = match report.sides.len() {
        0..=2 => "COMPARISON:".to_owned(),
        _ => format!("COMPARISON WITH {}:", other.title.to_uppercase()),
    };
    let refused: Vec<_> = report.unequal.iter().filter(|it| it.against == other.title).collect();
    let workload = report.options.workloads.first().map(|it| it.name.as_str());
    let speed = report.comparison(&other.title, workload, Measure::EffectiveTokensPerSecond);
    if refused.is_empty() && speed.is_none() {
        return;
    }
    add(text, format_args!("{}\n", icons.before("🆚", &title)));
    let mut line = |icon: &str, label: &str, value: String| {
        add(text, format_args!("  {}: {value}\n", icons.before(icon, label)));
    };
    for unequal in &refused {
        line("⚠️ ", "Not equal work", unequal.reason.clone());
    }
    if speed.is_none() {
        line("💡", "Suggestion", "Pass `--unequal` to compare anyway".to_owned());
        return;
    }
    let mut ratio = |measure, workload: Option<&str>, icon: &str, label: &str| {
        if let Some(found) = report.comparison(&other.title, workload, measure) {
            line(icon, label, verdict::sentence(found, &ours.title));
        }
    };
    ratio(Measure::EffectiveTokensPerSecond, workload, "🏃", "Speed");
    ratio(Measure::TotalSeconds, workload, "⏰", "Time");
    ratio(Measure::LoadSeconds, None, "📂", "Load");
    ratio(Measure::ColdFirstTokenSeconds, None, "🧊", "First Token, cold");
    ratio(Measure::FirstTokenSeconds, workload, "🔥", "First Token, warm");
    ratio(Measure::PrefillTokensPerSecond, workload, "📥", "Prefill");
    ratio(Measure::DecodeTokensPerSecond, workload, "📤", "Decode");
    for more in report.options.workloads.iter().skip(1) {
        let label = format!("Speed, {}", more.name);
        let (measure, name) = (Measure::EffectiveTokensPerSecond, more.name.as_str());
        ratio(measure, Some(name), "🏃", &label);
    }
    if let (Some(our), Some(their)) = (ours.peak_memory_bytes(), other.peak_memory_bytes()) {
        line("💾", "Memory", verdict::memory(our, their, &ours.title, &other.title));
    }
    let agreement = report.agreements.iter().find(|it| it.against == other.title);
    if let Some(agreement) = agreement {
        let share = 100.0 * agreement.common_prefix;
        line(
            "🤝",
            "Agreement",
            format!("the answers are identical for the first {share:.0} % of their length"),
        );
    }
    if let Some(winner) = verdict::winner(report, &other.title, &ours.title) {
        line("🏆", "Winner", winner);
    }
}
