//! The page for browsers: a chat, the models, and benchmark reports.
//!
//! It is made of plain files, which are parts of the binary and need no key. It uses the public routes only. What a model
//! writes becomes text nodes, and the policy below refuses everything else: no markup from text, no inline scripts or
//! styles, nothing from other hosts.

mod files;
mod report;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::error::{ApiError, Kind};
use crate::operation::Operation;
use crate::state::Shared;
use files::File;

/// Beginning of the paths of all files but the first.
pub(crate) const PREFIX: &str = "/page/";

/// Answer at `/` for everyone but browsers. Ollama's clients look for it.
const GREETING: &str = "Ollama is running";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(front))
        .route("/page/{file}", get(file))
        .route("/bench/report", post(report::show))
}

pub(crate) fn operations() -> Vec<Operation> {
    let get = |path, about, answers| Operation { method: "get", path, about, body: None, answers };
    vec![
        get(
            "/",
            "Return the page to browsers, and greet Ollama's clients",
            &["text/html", "text/plain"],
        ),
        get(
            "/page/{file}",
            "Return a file of the page",
            &["text/javascript", "text/css", "image/svg+xml"],
        ),
        report::operation(),
    ]
}

/// Answers `/`: browsers ask for HTML.
async fn front(headers: HeaderMap) -> Response {
    let page = files::find("index.html").filter(|_| asks_for(&headers, &ACCEPT, "text/html"));
    let mut response =
        page.map_or_else(|| GREETING.into_response(), |page| respond(page, &headers));
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = files::find(&name).map(|file| respond(file, &headers));
    found.unwrap_or_else(|| {
        let message = format!("There is no `GET {PREFIX}{name}`");
        ApiError::new(Kind::NotFound, message).into_response()
    })
}

/// Returns a file. Browsers keep it, and ask each time if it has changed.
fn respond(file: &'static File, headers: &HeaderMap) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|tag| tag.trim() == file.tag);
    let is_packed = !file.packed.is_empty() && asks_for(headers, &ACCEPT_ENCODING, "gzip");
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if is_packed {
        ([(CONTENT_ENCODING, "gzip")], file.packed.as_slice()).into_response()
    } else {
        file.content.into_response()
    };
    let all = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, file.kind()),
        (ETAG, &file.tag),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            all.insert(name, value);
        }
    }
    all.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Returns `true` if a header lists `wanted` and does not refuse it with `q=0`.
fn asks_for(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(wanted));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_it && weight != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_what_it_accepts() {
        let accepts = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(text));
            asks_for(&headers, &ACCEPT, "text/html")
        };
        assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(accepts("application/json, Text/HTML;level=1;q=0.5"));
        for other in ["*/*", "application/json", "text/html;q=0", "text/plain", ""] {
            assert!(!accepts(other), "{other}");
        }
        assert!(!asks_for(&HeaderMap::new(), &ACCEPT, "text/html"));
    }
}
