//! The report for a terminal, in the order of the Python script that this command replaces.

use super::super::add;
use super::tables::not_for;
use super::verdict;
use super::{fact, weights};
use crate::compare::{CompareReport, Comparison, Measure, Series, Side};

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

/// Width of the rule below the title.
const RULE: usize = 80;

/// Returns the report as text for a terminal of `width` columns.
pub fn terminal(report: &CompareReport, icons: Icons, width: usize) -> String {
    let mut text = String::new();
    add(&mut text, format_args!("{}\n", icons.before("🏆", "BENCHMARK RESULTS")));
    add(&mut text, format_args!("{}\n", "=".repeat(RULE.min(width))));
    let Some((ours, others)) = report.sides.split_first() else { return text };
    // The only workload needs no name.
    let main = match report.options.workloads.as_slice() {
        [only] => only.name.as_str(),
        _ => "",
    };
    for side in others {
        results(&mut text, side, main, "📊", icons);
    }
    results(&mut text, ours, main, "🔪", icons);
    for other in others {
        comparison(&mut text, report, ours, other, icons);
    }
    let runs = report.options.runs;
    let turns = if runs == 1 { "1 turn".to_owned() } else { format!("{runs} turns") };
    add(
        &mut text,
        format_args!(
            "\nmlxk {}: medians of {turns} each, alternating, with quartiles; greedy answers, a \
             context of {} tokens{}\n{}\n",
            report.version,
            report.settings.context,
            not_for(report),
            report.machine.line()
        ),
    );
    for warning in &report.warnings {
        add(&mut text, format_args!("{}\n", icons.before("⚠️ ", warning)));
    }
    text
}

/// Writes the results of a side. Those of the `main` workload have no name.
fn results(text: &mut String, side: &Side, main: &str, icon: &str, icons: Icons) {
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
    for failed in side.failed_workloads.iter().filter(|_| side.failure.is_none()) {
        let label = format!("Error, {}", failed.workload);
        line("❗", &label, failed.failure.error.clone());
        if let Some(suggestion) = &failed.failure.suggestion {
            line("💡", "Suggestion", suggestion.clone());
        }
    }
    let version = side.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    line("🏷️ ", "Model", format!("{} in {}{version}", side.model, side.title));
    if let Some(found) = &side.weights {
        line("📦", "Weights", weights(found));
    }
    let first = side.answered(main);
    if let Some(first) = first {
        fact_lines(&mut line, &first.series, &WHOLE_TURN);
    }
    fact_lines(&mut line, &side.series, &OF_SIDE);
    if let Some(first) = first {
        fact_lines(&mut line, &first.series, &OF_ANSWER);
    }
    fact_lines(&mut line, &side.series, &MEMORY);
    for answered in side.workloads.iter().filter(|it| it.workload != main) {
        add(text, format_args!("  {}\n", icons.before("▸", &answered.workload)));
        let mut line = |icon: &str, label: &str, value: String| {
            add(text, format_args!("    {}: {value}\n", icons.before(icon, label)));
        };
        fact_lines(&mut line, &answered.series, &WHOLE_TURN);
        fact_lines(&mut line, &answered.series, &OF_ANSWER);
    }
}

/// A measure with its icon and label.
type Row = (Measure, &'static str, &'static str);

const WHOLE_TURN: [Row; 1] = [(Measure::EffectiveTokensPerSecond, "🚀", "Speed")];
const OF_SIDE: [Row; 2] = [
    (Measure::LoadSeconds, "📂", "Load"),
    (Measure::ColdFirstTokenSeconds, "🧊", "First Token, cold"),
];
const OF_ANSWER: [Row; 4] = [
    (Measure::FirstTokenSeconds, "🔥", "First Token, warm"),
    (Measure::RepeatedFirstTokenSeconds, "🔁", "First Token, repeated"),
    (Measure::DecodeTokensPerSecond, "📤", "Decode"),
    (Measure::CpuSeconds, "🔧", "Processor Time"),
];
const MEMORY: [Row; 2] = [
    (Measure::MemoryDeltaBytes, "💾", "Memory Delta"),
    (Measure::MemoryPeakBytes, "📈", "Memory Peak"),
];

/// Writes a line for each of the measures that the series has.
fn fact_lines(line: &mut dyn FnMut(&str, &str, String), series: &Series, rows: &[Row]) {
    for &(measure, icon, label) in rows {
        if let Some(value) = fact(measure, series) {
            line(icon, label, value);
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
    let judged: Vec<_> = report.judged(&other.title).collect();
    if refused.is_empty() && judged.is_empty() {
        return;
    }
    add(text, format_args!("{}\n", icons.before("🆚", &title)));
    let mut line = |icon: &str, label: &str, value: String| {
        add(text, format_args!("  {}: {value}\n", icons.before(icon, label)));
    };
    for unequal in &refused {
        line("⚠️ ", "Not equal work", unequal.reason.clone());
        if let Some(suggestion) = &unequal.suggestion {
            line("💡", "Suggestion", suggestion.clone());
        }
    }
    if !refused.is_empty() {
        line("🏆", "Winner", "none (the work is not equal)".to_owned());
        return;
    }
    let workload = report.options.workloads.first().map(|it| it.name.as_str());
    let several = report.options.workloads.len() > 1;
    let of_first = |label: &str| match workload {
        Some(name) if several => format!("{label}, {name}"),
        _ => label.to_owned(),
    };
    let mut ratio = |measure, workload: Option<&str>, icon: &str, label: &str| {
        let is_it = |it: &&&Comparison| it.measure == measure && it.workload.as_deref() == workload;
        if let Some(found) = judged.iter().find(is_it) {
            line(icon, label, verdict::sentence(report, found, &ours.title));
        }
    };
    ratio(Measure::EffectiveTokensPerSecond, workload, "🏃", &of_first("Speed"));
    ratio(Measure::TotalSeconds, workload, "⏰", &of_first("Time"));
    ratio(Measure::LoadSeconds, None, "📂", "Load");
    ratio(Measure::ColdFirstTokenSeconds, None, "🧊", "First Token, cold");
    ratio(Measure::FirstTokenSeconds, workload, "🔥", &of_first("First Token, warm"));
    ratio(Measure::DecodeTokensPerSecond, workload, "📤", &of_first("Decode"));
    for more in report.options.workloads.iter().skip(1) {
        let name = more.name.as_str();
        ratio(Measure::EffectiveTokensPerSecond, Some(name), "🏃", &format!("Speed, {name}"));
        ratio(Measure::TotalSeconds, Some(name), "⏰", &format!("Time, {name}"));
    }
    if let Some(difference) = verdict::memory(report, ours, other) {
        line("💾", "Memory", difference);
    }
    for sentence in verdict::agreements(report, &other.title) {
        line("🤝", "Agreement", sentence);
    }
    if let Some(winner) = verdict::winner(report, &other.title, &ours.title) {
        line("🏆", "Winner", winner);
    }
}
