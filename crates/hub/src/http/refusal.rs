//! Errors that a server answers with a status.

use mlxk_http::{host_and_port, without_query};

use super::error::HttpError;
use super::request::{Request, Subject};
use super::response::Response;
use super::settings::Token;

const MAX_MESSAGE_BYTES: u64 = 16 << 10;
const MAX_MESSAGE_CHARS: usize = 300;

/// Explains a status of 400 or more. Only the hub at `endpoint` is expected to know repositories.
pub(super) fn refused(
    endpoint: &str,
    token: Option<&Token>,
    request: &Request,
    response: Response,
) -> HttpError {
    let status = response.status();
    let url = without_query(&response.url);
    let code = response.header("x-error-code").unwrap_or_default().to_owned();
    let retry_after = response.retry_after();
    let on_hub = response.url.starts_with(endpoint);
    let message = message(response);
    let Subject { repo, revision, file } = request.subject.clone();
    let token = token.map(|token| token.source.clone());
    let page = format!("{endpoint}/{repo}");
    if on_hub && !repo.is_empty() {
        match (status, code.as_str()) {
            (401 | 403, "GatedRepo") => return HttpError::Gated { name: repo, page, token },
            (401 | 404, "RepoNotFound") => {
                return HttpError::NoSuchRepo { name: repo, page, token };
            }
            (404, "RevisionNotFound") => {
                let revision = revision.unwrap_or_else(|| "main".to_owned());
                return HttpError::NoSuchRevision { name: repo, revision, page };
            }
            (404, _) => {
                return match file {
                    Some(file) => HttpError::NoSuchFile { name: repo, file },
                    None => HttpError::NoSuchRepo { name: repo, page, token },
                };
            }
            _ => {}
        }
    }
    match status {
        401 | 403 => HttpError::Denied { url, status, token, message },
        429 => HttpError::TooManyRequests {
            host: host_and_port(&url),
            wait_seconds: retry_after.map(|wait| wait.as_secs()),
        },
        _ => HttpError::ServerStatus { url, status, message },
    }
}

/// Returns the server's own explanation, in one line.
fn message(response: Response) -> Option<String> {
    let header = response.header("x-error-message").map(str::to_owned);
    let said = header.or_else(|| {
        let bytes = response.bytes(MAX_MESSAGE_BYTES).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let error = value.get("error").or_else(|| value.get("message"))?;
        Some(error.as_str().map_or_else(|| error.to_string(), str::to_owned))
    })?;
    let line = said.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let clean: String = line.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    (!clean.is_empty()).then_some(clean)
}
