//! What a failed exchange means to the user.

use std::time::Duration;

use ureq::Timeout;

use super::{Client, Request, Response, Subject};
use crate::HubError;
use crate::http::error::HttpError;

const MAX_MESSAGE_BYTES: u64 = 16 << 10;
const NO_SUCH_HOST: &str = "there is no host of that name";
const MAX_MESSAGE_CHARS: usize = 300;

/// An address without its query, which may hold a signature.
pub(super) fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default().to_owned()
}

/// No answer at all, or one that broke off.
pub(super) fn transport(url: &str, error: ureq::Error, stall: Duration) -> HubError {
    let host = host_of(url);
    let unreachable = |problem: String, passing| {
        HubError::Http(HttpError::Unreachable { host: host.clone(), problem, passing })
    };
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            unreachable("it does not answer".to_owned(), true)
        }
        ureq::Error::Timeout(_) => {
            HubError::Http(HttpError::Stalled { host, seconds: stall.as_secs().max(1) })
        }
        ureq::Error::HostNotFound => unreachable(NO_SUCH_HOST.to_owned(), true),
        ureq::Error::ConnectProxyFailed(problem) => {
            unreachable(format!("the proxy refused: {problem}"), false)
        }
        // What goes wrong inside TLS arrives as invalid data.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            HubError::Http(HttpError::Untrusted { host, problem: error.to_string() })
        }
        ureq::Error::Io(error) => unreachable(io_problem(&error), true),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            HubError::Http(HttpError::Untrusted { host, problem: error.to_string() })
        }
        error => unreachable(error.to_string(), false),
    }
}

fn io_problem(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "it refuses connections".to_owned(),
        std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::ConnectionAborted
        | std::io::ErrorKind::BrokenPipe
        | std::io::ErrorKind::UnexpectedEof => "the connection broke off".to_owned(),
        // As the systems' own resolvers put it.
        _ if ["lookup address information", "No such host is known"]
            .iter()
            .any(|words| error.to_string().contains(words)) =>
        {
            NO_SUCH_HOST.to_owned()
        }
        _ => error.to_string(),
    }
}

/// A status that is no success.
pub(super) fn refused(client: &Client, request: &Request, response: Response) -> HubError {
    let status = response.status();
    let url = shown(&response.url);
    let code = response.header("x-error-code").unwrap_or_default().to_owned();
    let retry_after = response.retry_after();
    let on_hub = response.url.starts_with(client.endpoint());
    let message = message(response);
    let Subject { repo, revision, file } = request.subject.clone();
    let token = client.token().map(|token| token.source.clone());
    let page = format!("{}/{repo}", client.endpoint());
    if on_hub && !repo.is_empty() {
        match (status, code.as_str()) {
            (401 | 403, "GatedRepo") => {
                return HubError::Http(HttpError::Gated { name: repo, page, token });
            }
            (401 | 404, "RepoNotFound") => {
                return HubError::Http(HttpError::NoSuchRepo { name: repo, page, token });
            }
            (404, "RevisionNotFound") => {
                let revision = revision.unwrap_or_else(|| "main".to_owned());
                return HubError::Http(HttpError::NoSuchRevision { name: repo, revision, page });
            }
            (404, _) => {
                return match file {
                    Some(file) => HubError::Http(HttpError::NoSuchFile { name: repo, file }),
                    None => HubError::Http(HttpError::NoSuchRepo { name: repo, page, token }),
                };
            }
            _ => {}
        }
    }
    match status {
        401 | 403 => HubError::Http(HttpError::Denied { url, status, token, message }),
        429 => HubError::Http(HttpError::TooManyRequests {
            host: host_of(&url),
            wait_seconds: retry_after.map(|wait| wait.as_secs()),
        }),
        _ => HubError::Http(HttpError::ServerStatus { url, status, message }),
    }
}

/// What the server says about it, in one line.
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
