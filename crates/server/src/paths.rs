//! Spellings of paths that clients make of an address and a route.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Routes that some clients call without `/v1`.
const SHORT: [(&str, &str); 4] = [
    ("/chat/completions", "/v1/chat/completions"),
    ("/completions", "/v1/completions"),
    ("/responses", "/v1/responses"),
    ("/messages", "/v1/messages"),
];

/// Gives a request the path of the route that it means.
pub(crate) async fn plain(mut request: Request) -> Request {
    let uri = request.uri();
    if let Some(path) = plainer(uri.path()) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path + &query).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Returns the path without repeated slashes and without one at the end, or `None` if it is plain already.
fn plainer(path: &str) -> Option<String> {
    let mut found = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        found.push('/');
        found.push_str(part);
    }
    if found.is_empty() {
        found.push('/');
    }
    if let Some((_, full)) = SHORT.iter().find(|(short, _)| *short == found) {
        (*full).clone_into(&mut found);
    }
    (found != path).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_routes() {
        for (path, expected) in [
            ("/", None),
            ("//", Some("/")),
            ("/v1/models", None),
            ("/v1/models/", Some("/v1/models")),
            ("//v1//chat/completions", Some("/v1/chat/completions")),
            ("/chat/completions", Some("/v1/chat/completions")),
            ("/completions/", Some("/v1/completions")),
            ("/v1/models/a%2Fb%2F", None),
        ] {
            assert_eq!(plainer(path).as_deref(), expected, "{path}");
        }
    }
}
