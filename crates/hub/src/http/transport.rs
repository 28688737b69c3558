//! Errors below HTTP: no connection, or one that broke off.

use std::time::Duration;

use mlxk_http::{Problem, host_and_port};

use super::error::HttpError;

/// Explains why `url` gave no answer, or only a part of one, to a user. `stall` is the time
/// without data after which a connection is given up.
pub(super) fn failed(url: &str, problem: Problem, stall: Duration) -> HttpError {
    let host = host_and_port(url);
    match problem {
        Problem::Unreachable { problem, passing } => {
            HttpError::Unreachable { host, problem, passing }
        }
        Problem::Lost { problem } => HttpError::Unreachable { host, problem, passing: true },
        Problem::Untrusted { problem } => HttpError::Untrusted { host, problem },
        Problem::Silent | Problem::TooLong => {
            HttpError::Stalled { host, seconds: stall.as_secs().max(1) }
        }
        Problem::Cancelled => {
            HttpError::Unreachable { host, problem: "cancelled".to_owned(), passing: false }
        }
    }
}
