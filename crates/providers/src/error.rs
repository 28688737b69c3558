//! Failures between a client and its server.

/// Result of a request.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// A failed request. The message names the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProviderError {
    /// No connection to the address.
    #[error("No server at `{address}`: {problem}")]
    NotReachable { address: String, problem: String },
    /// The server does not have the model. `message` is its own explanation.
    #[error("Server `{address}` does not have the model `{model}`: {message}")]
    ModelMissing { address: String, model: String, message: String },
    /// The server refuses the request. `message` is its own explanation.
    #[error("Server `{address}` refused the request with status {status}: {message}")]
    Refused { address: String, status: u16, message: String },
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
    TooLong { address: String, seconds: u64, events: usize },
    /// The answer does not follow the dialect.
    #[error("Unexpected answer from server `{address}`: {problem}")]
    Nonsense { address: String, problem: String },
    /// The caller asked to stop.
    #[error("The request was stopped")]
    Cancelled,
}
