//! Errors below HTTP: no connection, or one that broke off.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::Timeout;

use super::error::HttpError;
use super::url::host_and_port;

const NO_SUCH_HOST: &str = "host not found";

/// Explains why `url` gave no answer, or only a part of one, to a user. `stall` is the time
/// without data after which a connection is given up.
pub(super) fn failed(url: &str, error: ureq::Error, stall: Duration) -> HttpError {
    let host = host_and_port(url);
    let unreachable =
        |problem: String, passing| HttpError::Unreachable { host: host.clone(), problem, passing };
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            unreachable("no answer".to_owned(), true)
        }
        ureq::Error::Timeout(_) => HttpError::Stalled { host, seconds: stall.as_secs().max(1) },
        ureq::Error::HostNotFound => unreachable(NO_SUCH_HOST.to_owned(), true),
        ureq::Error::ConnectProxyFailed(problem) => {
            unreachable(format!("the proxy refused: {problem}"), false)
        }
        // Errors inside TLS arrive as invalid data.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            HttpError::Untrusted { host, problem: error.to_string() }
        }
        ureq::Error::Io(error) => unreachable(io_problem(&error), true),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            HttpError::Untrusted { host, problem: error.to_string() }
        }
        error => unreachable(error.to_string(), false),
    }
}

fn io_problem(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "connection lost".to_owned(),
        // The resolvers of Unix and Windows have no error kind of their own.
        _ if ["lookup address information", "No such host is known"]
            .iter()
            .any(|words| error.to_string().contains(words)) =>
        {
            NO_SUCH_HOST.to_owned()
        }
        _ => error.to_string(),
    }
}
