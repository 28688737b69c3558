//! `GET /metrics`, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::backends::{Backends, Host};
use crate::metrics::{BOUNDS_MS, Histogram, Metrics};
use crate::models::Running;
use crate::state::Shared;

/// Returns all counters, and figures of the loaded models.
pub(super) async fn metrics(State(state): State<Shared>) -> Response {
    let uptime = state.started.elapsed().as_secs_f64();
    let mut text = text(&state.metrics, &state.models.running(), state.config.parallel, uptime);
    per_backend(&mut text, &state.backends);
    per_queue(&mut text, &state.backends);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn text(metrics: &Metrics, models: &[Running], parallel: usize, uptime: f64) -> String {
    let mut page = String::new();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let seconds = |counter: &AtomicU64| read(counter) as f64 / 1e6;
    head(&mut page, "mlxk_uptime_seconds", "gauge", "Time since the server started");
    let _ = writeln!(page, "mlxk_uptime_seconds {uptime:.3}");
    head(&mut page, "mlxk_responses_total", "counter", "Responses by class of status code");
    for (class, count) in metrics.responses.iter().enumerate() {
        let _ = writeln!(page, "mlxk_responses_total{{class=\"{}xx\"}} {}", class + 1, read(count));
    }
    for (name, kind, about, value) in [
        ("answers_total", "counter", "Completed answers", read(&metrics.answers)),
        ("failures_total", "counter", "Failed answers", read(&metrics.failures)),
        (
            "truncated_total",
            "counter",
            "Prompts shortened to fit the context",
            read(&metrics.truncated),
        ),
        ("prompt_tokens_total", "counter", "Tokens in prompts", read(&metrics.prompt_tokens)),
        (
            "cached_tokens_total",
            "counter",
            "Prompt tokens reused from a cache",
            read(&metrics.cached_tokens),
        ),
        (
            "completion_tokens_total",
            "counter",
            "Tokens in answers",
            read(&metrics.completion_tokens),
        ),
        ("connections", "gauge", "Open connections", read(&metrics.connections)),
        (
            "refused_connections_total",
            "counter",
            "Connections refused at the limit",
            read(&metrics.refused_connections),
        ),
    ] {
        head(&mut page, &format!("mlxk_{name}"), kind, about);
        let _ = writeln!(page, "mlxk_{name} {value}");
    }
    for (name, about, value) in [
        ("prefill_seconds_total", "Time spent on prompts", seconds(&metrics.prefill_us)),
        ("decode_seconds_total", "Time spent on decoding answers", seconds(&metrics.decode_us)),
    ] {
        head(&mut page, &format!("mlxk_{name}"), "counter", about);
        let _ = writeln!(page, "mlxk_{name} {value}");
    }
    let about = "Time from a request to its first token";
    histogram(&mut page, "mlxk_time_to_first_token_seconds", about, &metrics.time_to_first_token);
    let about = "Time per token of an answer after the first";
    histogram(&mut page, "mlxk_time_per_token_seconds", about, &metrics.time_per_token);
    per_model(&mut page, models, parallel);
    devices(&mut page, models);
    page
}

fn per_model(page: &mut String, models: &[Running], parallel: usize) {
    type Row<'a> = (&'a str, &'a str, &'a dyn Fn(&Running) -> u64);
    let requests = |model: &Running| model.requests as u64;
    let rows: [Row<'_>; 7] = [
        ("requests_running", "Requests in computation", &|model| {
            requests(model).min(parallel as u64)
        }),
        ("requests_waiting", "Requests that wait in the queue", &|model| {
            requests(model).saturating_sub(parallel as u64)
        }),
        ("weights_bytes", "Size of the weights", &|model| model.weights_bytes),
        ("kv_cache_bytes", "Size of the KV cache", &|model| model.kv_bytes),
        ("reserved_bytes", "Most memory that the model may take, its cache included", &|model| {
            model.reserved_bytes
        }),
        ("gpu_bytes", "Weights and KV cache in the memory of a GPU", &|model| model.gpu_bytes),
        ("context_tokens", "Context length in tokens", &|model| model.context as u64),
    ];
    for (name, about, value) in rows {
        head(page, &format!("mlxk_model_{name}"), "gauge", about);
        for model in models {
            let label = label(&model.name);
            let _ = writeln!(page, "mlxk_model_{name}{{model=\"{label}\"}} {}", value(model));
        }
    }
}

/// Says which device each model runs on.
fn devices(page: &mut String, models: &[Running]) {
    head(page, "mlxk_model_info", "gauge", "1 for each loaded model, with its device");
    for model in models {
        let (name, device) = (label(&model.name), label(&model.device));
        let _ = writeln!(page, "mlxk_model_info{{model=\"{name}\",device=\"{device}\"}} 1");
    }
}

fn per_backend(page: &mut String, backends: &Backends) {
    type Row<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&Host) -> Option<u64>);
    let rows: [Row<'_>; 5] = [
        ("requests_running", "gauge", "Requests that a host is answering", &|host| {
            Some(host.running() as u64)
        }),
        ("answers_total", "counter", "Answers that a host completed", &|host| {
            Some(host.answers.load(Ordering::Relaxed))
        }),
        ("failures_total", "counter", "Answers that failed on a host", &|host| {
            Some(host.failures.load(Ordering::Relaxed))
        }),
        (
            "healthy",
            "gauge",
            "1 if a host gets requests, 0 while it rests after failures; absent until it was asked",
            &|host| host.was_asked().then(|| u64::from(host.is_healthy())),
        ),
        ("draining", "gauge", "1 if a host gets no new requests on the operator's wish", &|host| {
            Some(u64::from(host.is_draining()))
        }),
    ];
    let hosts =
        || backends.groups().flat_map(|group| group.hosts.iter().map(|host| (&group.name, host)));
    for (name, kind, about, value) in rows {
        if hosts().next().is_some() {
            head(page, &format!("mlxk_backend_{name}"), kind, about);
        }
        for (model, host) in hosts() {
            let (model, address) = (label(model), label(&host.address));
            let Some(value) = value(host) else { continue };
            let _ = writeln!(
                page,
                "mlxk_backend_{name}{{model=\"{model}\",host=\"{address}\"}} {value}"
            );
        }
    }
}

fn per_queue(page: &mut String, backends: &Backends) {
    let name = "mlxk_backend_requests_waiting";
    if backends.groups().next().is_some() {
        head(page, name, "gauge", "Requests that wait for a place on a host");
    }
    for group in backends.groups() {
        let _ = writeln!(page, "{name}{{model=\"{}\"}} {}", label(&group.name), group.waiting());
    }
}

fn head(page: &mut String, name: &str, kind: &str, about: &str) {
    let _ = write!(page, "# HELP {name} {about}\n# TYPE {name} {kind}\n");
}

fn histogram(page: &mut String, name: &str, about: &str, histogram: &Histogram) {
    head(page, name, "histogram", about);
    let mut total = 0;
    let bounds = BOUNDS_MS.iter().map(|&ms| (ms as f64 / 1e3).to_string());
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&histogram.counts) {
        total += count.load(Ordering::Relaxed);
        let _ = writeln!(page, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let sum = histogram.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
    let _ = write!(page, "{name}_sum {sum}\n{name}_count {total}\n");
}

/// Escapes the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
