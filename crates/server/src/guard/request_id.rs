//! Identifiers of requests, in the log and in the response.

use axum::http::HeaderMap;

use crate::ids;

/// Header in which clients read the identifier, and may send their own.
pub(crate) const HEADER: &str = "x-request-id";

/// Returns the client's own identifier of the request, or a fresh one.
pub(super) fn of(headers: &HeaderMap) -> String {
    let is_plain = |id: &&str| {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(fits)
    };
    let own = headers.get(HEADER).and_then(|id| id.to_str().ok()).filter(is_plain);
    own.map_or_else(|| ids::fresh("req_"), str::to_owned)
}
