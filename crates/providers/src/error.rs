//! Failures between a client and the one who answers.

use std::time::Duration;

/// Result of a request.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// A failed request. The message names the server.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProviderError {
    /// No connection to the address.
    #[error("No server at `{address}`: {problem}")]
    Unreachable { address: String, problem: String },
    /// The server does not have the model. `message` is its own explanation.
    #[error("Server `{address}` does not have the model `{model}`: {message}")]
    ModelMissing { address: String, model: String, message: String },
    /// The server refuses the request. `message` is its own explanation.
    #[error("Server `{address}` refused the request with status {status}: {message}")]
    Refused { address: String, status: u16, message: String },
    /// The server refuses requests for now. `wait` is the pause that it asks for.
    #[error("Server `{address}` accepts no more requests for now{}: {message}", asked(*.wait))]
    RateLimited { address: String, wait: Option<Duration>, message: String },
    /// Prompt and answer don't fit into the context. `message` is the server's own explanation.
    #[error("The prompt is too long for server `{address}`: {message}")]
    TooLong { address: String, message: String },
    /// The server reports an error after its answer has begun.
    #[error("Server `{address}` failed in the middle of its answer: {message}")]
    Failed { address: String, message: String },
    /// The answer ends too early.
    #[error(
        "Server `{address}` ended the connection in the middle of its answer (events received: {events}): {problem}"
    )]
    BrokeOff { address: String, events: usize, problem: String },
    /// The server was silent, or made no progress, for too long.
    #[error("Server `{address}` made no progress for {seconds} s (events received: {events})")]
    Silent { address: String, seconds: u64, events: usize },
    /// The answer was not complete in time.
    #[error("Server `{address}` did not finish within {seconds} s (events received: {events})")]
    Deadline { address: String, seconds: u64, events: usize },
    /// The answer does not follow the dialect.
    #[error("Unexpected answer from server `{address}`: {problem}")]
    BadAnswer { address: String, problem: String },
    /// The dialect has no word for a part of the request.
    #[error("{what} cannot be sent to `{address}`: {dialect} has no field for it")]
    Unsupported { address: String, what: String, dialect: &'static str },
    /// A configuration is invalid.
    #[error("{0}")]
    Config(String),
    /// The model in this process failed.
    #[error("The model `{model}` failed: {problem}")]
    Local { model: String, problem: String },
    /// The caller asked to stop.
    #[error("The request was stopped")]
    Cancelled,
}

impl ProviderError {
    /// Returns `true` if the same request may succeed a little later, or elsewhere: there is no server, it is busy, or
    /// it failed by itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::BrokeOff { .. }
            | Self::Silent { .. }
            | Self::Failed { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 500..),
            _ => false,
        }
    }
}

fn asked(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" (try again in {} s)", wait.as_secs())).unwrap_or_default()
}
