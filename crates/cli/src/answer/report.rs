//! `run --verbose`: prints timings and token counts to stderr.

use mlxk_engine::{Done, Engine};

use super::Answer;
use crate::peak_memory;
use crate::{Context, format};

/// Prints the lines `before`, and then those about the answer.
pub(crate) fn print(
    before: impl Iterator<Item = (&'static str, String)>,
    engine: &Engine,
    answer: &Answer,
    context: &Context,
) {
    let Done { usage, timings, seed, .. } = &answer.done;
    let rate =
        |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!(", {rate:.1} tokens/s"));
    let lines = [
        ("load", format::seconds(timings.load)),
        (
            "prompt",
            format!(
                "{}{}{}",
                format::count(usage.prompt_tokens, "token"),
                match usage.cached_tokens {
                    0 => String::new(),
                    cached => format!(", {cached} reused"),
                },
                rate(timings.prefill_tokens_per_second(usage))
            ),
        ),
        (
            "answer",
            format!(
                "{}{}{}",
                format::count(usage.completion_tokens, "token"),
                rate(timings.decode_tokens_per_second(usage)),
                match usage.drafted_tokens {
                    0 => String::new(),
                    drafted => {
                        format!(", {} of {drafted} drafted tokens accepted", usage.accepted_tokens)
                    }
                }
            ),
        ),
        ("first token", format!("after {}", format::seconds(answer.first_text))),
        (
            "peak memory",
            peak_memory::peak_resident_bytes().map_or_else(|| "unknown".to_owned(), format::size),
        ),
        ("context", format!("{} tokens", engine.context())),
        ("device", engine.device().to_owned()),
        ("seed", seed.to_string()),
    ];
    context.printer.note("");
    for (name, value) in before.chain(lines) {
        context.printer.note(format_args!("{name:12} {value}"));
    }
}
