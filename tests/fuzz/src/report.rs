//! Benchmark reports, which a user opens and a page posts.

use mlxk_bench::report::{self, Document, Icons};
use mlxk_bench::{compare, history, kernels, model};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a report, lays it out in every form, and compares it with itself.
pub fn bench_report(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    match value["schema"].as_str() {
        Some(compare::SCHEMA) => lay_out(&value, |report| {
            std::hint::black_box(report::compare_page(report));
            for width in [20, 80] {
                std::hint::black_box(report::compare_terminal(report, Icons::Shown, width));
            }
            report::compare_document(report)
        }),
        Some(model::SCHEMA) => lay_out(&value, report::model),
        Some(kernels::SCHEMA) => lay_out(&value, report::kernels),
        Some(kernels::GPU_SCHEMA) => lay_out(&value, report::gpu_kernels),
        _ => (),
    }
    std::hint::black_box(compare::changes(&value, &value, false).is_ok());
    let named = |name: &str| history::Named { name: name.to_owned(), report: value.clone() };
    let history = history::history(vec![named("a"), named("b")]);
    std::hint::black_box((report::history(&history).to_text(80), report::history_page(&history)));
}

/// Formats a report of a known schema, if it is intact.
fn lay_out<R: DeserializeOwned>(value: &Value, document: impl Fn(&R) -> Document) {
    let Ok(report) = R::deserialize(value) else { return };
    let document = document(&report);
    std::hint::black_box((document.to_markdown(), document.to_text(20), document.to_text(80)));
}
