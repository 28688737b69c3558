//! Compares two builds of the program, which take turns on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use mlxk_statistics::{CONFIDENCE, Ratio, Summary};
use serde_json::Value;

use crate::process::output;

/// Number of rounds. An interval of 99 % takes at least eight pairs.
const ROUNDS: usize = 9;
/// Ratios closer to 1 than this are not mentioned, however certain they are.
const WORTH_SAYING: f64 = 0.02;

const KERNELS: [&str; 10] = [
    "bench",
    "kernels",
    "--mode",
    "4:64,8:64,mxfp4",
    "--shape",
    "4096x4096",
    "--rows",
    "1,8,256",
    "--runs",
    "3",
];
const MODEL: [&str; 9] =
    ["bench", "model", "smollm2", "--runs", "1", "--warmup", "1", "--max-tokens", "64"];

/// Samples of both builds, one per round.
#[derive(Default)]
struct Series {
    /// Unit of the samples.
    unit: &'static str,
    more_is_better: bool,
    base: Vec<f64>,
    head: Vec<f64>,
}

/// Measures, and prints a comment for a pull request as Markdown.
#[expect(clippy::print_stdout, reason = "the comment is what was asked for")]
pub(crate) fn compare(base: &str, head: &str) -> Result<()> {
    let mut measures = BTreeMap::new();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for arguments in [&KERNELS[..], &MODEL[..]] {
            // The builds take turns at running first.
            for is_head in if round % 2 == 0 { [false, true] } else { [true, false] } {
                let program = if is_head { head } else { base };
                let report = measure(program, arguments)?;
                add(&report, is_head, &mut measures);
            }
        }
    }
    print!("{}", comment(&measures)?);
    Ok(())
}

fn measure(program: &str, arguments: &[&str]) -> Result<Value> {
    let text = output(program, &[arguments, &["--json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("`{program}` prints no JSON"))
}

fn add(report: &Value, is_head: bool, measures: &mut BTreeMap<String, Series>) {
    let mut figure = |name: String, value: &Value, unit, more_is_better| {
        let Some(value) = value.as_f64() else { return };
        let series = measures.entry(name).or_default();
        (series.unit, series.more_is_better) = (unit, more_is_better);
        if is_head { &mut series.head } else { &mut series.base }.push(value);
    };
    for row in report["rows"].as_array().into_iter().flatten() {
        let word = |key: &str| row[key].to_string().replace('"', "");
        let name = format!(
            "product {} of {}×{}, {} rows",
            word("mode"),
            word("out"),
            word("cols"),
            word("rows")
        );
        figure(name, &row["multiply_adds_per_second"], "multiply-adds/s", true);
    }
    for model in report["models"].as_array().into_iter().flatten() {
        let name = model["name"].as_str().unwrap_or_default();
        let median = |key: &str| &model[key]["median"];
        let first = "time_to_first_token_seconds";
        figure(format!("{name}: prefill"), median("prefill_tokens_per_second"), "tokens/s", true);
        figure(format!("{name}: time to first token"), median(first), "s", false);
        figure(format!("{name}: load"), median("load_seconds"), "s", false);
        figure(format!("{name}: peak memory"), &model["peak_memory_bytes"], "bytes", false);
        for depth in model["decode"].as_array().into_iter().flatten() {
            let name = format!("{name}: decode at {} tokens", depth["context"]);
            figure(name, &depth["tokens_per_second"]["median"], "tokens/s", true);
        }
    }
}

fn comment(measures: &BTreeMap<String, Series>) -> Result<String> {
    let (mut table, mut changes) = (String::new(), Vec::new());
    for (name, series) in measures {
        let better = |series: &Series| {
            let (first, second) = (&series.head, &series.base);
            let (first, second) =
                if series.more_is_better { (first, second) } else { (second, first) };
            Ratio::paired(first, second, CONFIDENCE)
        };
        // Measures that only one of the builds has cannot be compared.
        let Some(ratio) = better(series) else { continue };
        let both = [&series.base, &series.head].map(|figures| Summary::of(figures.clone()));
        let [Some(base), Some(head)] = both else { continue };
        let differs = ratio.is_a_difference() && (ratio.of_medians - 1.0).abs() > WORTH_SAYING;
        let mark = if differs { "**" } else { "" };
        let _ = writeln!(
            table,
            "| {name} | {} | {} {} | {mark}{:.3}{mark} | {:.3} to {:.3} |",
            short(base.median),
            short(head.median),
            series.unit,
            ratio.of_medians,
            ratio.interval.low,
            ratio.interval.high
        );
        if differs {
            let word = if ratio.of_medians > 1.0 { "better" } else { "worse" };
            changes.push(format!("* {name}: {:.2} times as good, **{word}**", ratio.of_medians));
        }
    }
    if table.is_empty() {
        bail!("The two builds have no measures in common");
    }
    let verdict =
        if changes.is_empty() { "No difference was found.".to_owned() } else { changes.join("\n") };
    Ok(format!(
        "### Benchmark against the base\n\n{verdict}\n\n<details><summary>All figures</summary>\n\n\
         Medians of {ROUNDS} rounds in which the builds took turns on one machine. A ratio above 1 is \
         better than the base. The interval contains the median ratio with a probability of 99 %.\n\n\
         | measure | base | this | ratio | interval |\n|---|---|---|---|---|\n{table}\n</details>\n"
    ))
}

/// Formats a number with three digits and a power of a thousand.
fn short(value: f64) -> String {
    for (factor, letter) in [(1e9, " G"), (1e6, " M"), (1e3, " k")] {
        if value >= factor {
            return format!("{:.1}{letter}", value / factor);
        }
    }
    if value >= 1.0 { format!("{value:.1}") } else { format!("{value:.4}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reports(decode: f64, load: f64) -> Value {
        json!({"models": [{
            "name": "m", "load_seconds": {"median": load}, "peak_memory_bytes": 5_000_000,
            "decode": [{"context": 128, "tokens_per_second": {"median": decode}}],
        }]})
    }

    #[test]
    fn what_changed_is_said_and_what_did_not_is_not() {
        let mut measures = BTreeMap::new();
        for round in 0..ROUNDS {
            let noise = round as f64 * 0.1;
            add(&reports(50.0 + noise, 1.0 + noise), false, &mut measures);
            add(&reports(40.0 + noise, 1.0 + noise), true, &mut measures);
        }
        let text = comment(&measures).unwrap();
        assert!(
            text.contains("* m: decode at 128 tokens: 0.80 times as good, **worse**"),
            "{text}"
        );
        assert!(text.contains("| m: load | 1.4 | 1.4 s | 1.000 | 1.000 to 1.000 |"), "{text}");
        assert_eq!(text.matches("**worse**").count() + text.matches("**better**").count(), 1);
        assert!(text.contains("| m: peak memory | 5.0 M | 5.0 M bytes | 1.000 |"), "{text}");
        assert!(comment(&BTreeMap::new()).is_err());
    }
}
