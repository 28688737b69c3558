//! What can go wrong between a client and its server.

/// Any failure of a request. The text is one sentence that names the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// There is nobody at the address.
    #[error("Nothing answers at `{address}`: {problem}")]
    NotReachable {
        /// The address of the server.
        address: String,
        /// What the connection ran into.
        problem: String,
    },
    /// The server does not have the model.
    #[error("The server at `{address}` has no model `{model}`: {message}")]
    ModelMissing {
        /// The address of the server.
        address: String,
        /// The model that was asked for.
        model: String,
        /// The server's own words.
        message: String,
    },
    /// The server says no.
    #[error("The server at `{address}` refuses the request with status {status}: {message}")]
    Refused {
        /// The address of the server.
        address: String,
        /// The status of HTTP.
        status: u16,
        /// The server's own words.
        message: String,
    },
    /// The server tells of an error after its answer has begun.
    #[error("The server at `{address}` gave up in the middle of its answer: {message}")]
    Failed {
        /// The address of the server.
        address: String,
        /// The server's own words.
        message: String,
    },
    /// The answer ends before it is done.
    #[error("The server at `{address}` broke off after {events} events of its answer: {problem}")]
    BrokeOff {
        /// The address of the server.
        address: String,
        /// Events that had arrived.
        events: usize,
        /// What the connection ran into.
        problem: String,
    },
    /// Nothing came for too long.
    #[error("The server at `{address}` sent nothing new for {seconds} s, after {events} events")]
    Silent {
        /// The address of the server.
        address: String,
        /// How long.
        seconds: u64,
        /// Events that had arrived.
        events: usize,
    },
    /// The answer was not done in time.
    #[error(
        "The server at `{address}` was not done within {seconds} s; {events} events of its answer \
         had come"
    )]
    TooLong {
        /// The address of the server.
        address: String,
        /// How long.
        seconds: u64,
        /// Events that had arrived.
        events: usize,
    },
    /// What came is not what the dialect has there.
    #[error("The server at `{address}` sent something that is no answer: {problem}")]
    Nonsense {
        /// The address of the server.
        address: String,
        /// What is wrong about it.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("The request was stopped")]
    Cancelled,
}
