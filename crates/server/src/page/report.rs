//! `POST /bench/report`: the text of a benchmark report for the page, laid out as in every other output.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blocking::blocking;
use crate::body::{Extras, Fields};
use crate::error::ApiError;
use crate::json::names;
use crate::operation::{Body, Operation};
use crate::state::Shared;

/// A request to lay out a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shown {
    report: Option<Value>,
}

const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// Returns this part of the server's description.
pub(super) fn operation() -> Operation {
    let fields = vec![names::<Shown>()];
    let body = Body { name: "BenchReport", fields, required: &["report"], schema };
    Operation {
        method: "post",
        path: "/bench/report",
        about: "Lay out a JSON report of `mlxk bench` as Markdown",
        body: Some(body),
        answers: &["text/markdown"],
    }
}

fn schema(name: &str) -> Option<Value> {
    (name == "report").then(|| json!({"type": "object", "description": "The report"}))
}

/// Returns the report as Markdown. Nothing of it is kept.
pub(super) async fn show(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Shown = fields.parse(Extras::NONE)?;
    let report = asked.report.ok_or_else(|| ApiError::missing("report"))?;
    let lay_out = state.config.report;
    let text = blocking(move || {
        lay_out(report).map_err(|problem| {
            ApiError::field("report", format!("Cannot show the report: {problem}"))
        })
    });
    Ok(([(CONTENT_TYPE, MARKDOWN)], text.await?).into_response())
}
