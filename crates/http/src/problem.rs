//! Failures below HTTP: no connection, or one that broke off.

use std::io::{self, ErrorKind};

use ureq::Timeout;

use crate::os_code::without_os_code;

const NO_SUCH_HOST: &str = "host not found";

/// Reason why there is no answer, or only a part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no connection to the server.
    #[error("{problem}")]
    Unreachable {
        /// The reason, in words for a user.
        problem: String,
        /// `true` if it may pass by itself.
        passing: bool,
    },
    /// The connection broke off.
    #[error("{problem}")]
    Lost {
        /// The reason, in words for a user.
        problem: String,
    },
    /// The server's certificate or encryption is not accepted.
    #[error("{problem}")]
    Untrusted {
        /// The reason, as the library for encryption puts it.
        problem: String,
    },
    /// The server sent nothing for too long.
    #[error("no answer in time")]
    Silent,
    /// The exchange took too long.
    #[error("the answer takes too long")]
    TooLong,
    /// The caller cancelled all exchanges.
    #[error("cancelled")]
    Cancelled,
}

impl From<ureq::Error> for Problem {
    fn from(error: ureq::Error) -> Self {
        let unreachable =
            |problem: &str, passing| Self::Unreachable { problem: problem.to_owned(), passing };
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                unreachable("no answer", true)
            }
            ureq::Error::Timeout(Timeout::Global) => Self::TooLong,
            ureq::Error::Timeout(_) => Self::Silent,
            ureq::Error::HostNotFound => unreachable(NO_SUCH_HOST, true),
            ureq::Error::ConnectProxyFailed(problem) => {
                unreachable(&format!("the proxy refused: {problem}"), false)
            }
            // Errors inside TLS arrive as invalid data.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Self::Untrusted { problem: without_os_code(&error.to_string()) }
            }
            ureq::Error::Io(error) => of_io(&error),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                Self::Untrusted { problem: error.to_string() }
            }
            ureq::Error::BadUri(problem) => unreachable(&problem, false),
            error => unreachable(&without_os_code(&error.to_string()), false),
        }
    }
}

impl Problem {
    /// Explains an error of reading a body.
    pub fn of_read(error: io::Error) -> Self {
        ureq::Error::from(error).into()
    }
}

fn of_io(error: &io::Error) -> Problem {
    let unreachable =
        |problem: &str| Problem::Unreachable { problem: problem.to_owned(), passing: true };
    match error.kind() {
        ErrorKind::ConnectionRefused => unreachable("connection refused"),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            unreachable("network unreachable")
        }
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Problem::Lost { problem: "connection lost".to_owned() },
        // The resolvers of Unix and Windows have no error kind of their own.
        _ if ["lookup address information", "No such host is known"]
            .iter()
            .any(|words| error.to_string().contains(words)) =>
        {
            unreachable(NO_SUCH_HOST)
        }
        _ => Problem::Lost { problem: without_os_code(&error.to_string()) },
    }
}
