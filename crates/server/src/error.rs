//! Errors of requests, in no dialect's shape.
//!
//! Handlers return an [`ApiError`]; [`crate::conventions`] writes it in the shape of their dialect.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mlxk_engine::EngineError;
use mlxk_http::without_os_code;
use mlxk_hub::{HubError, ReferenceError};
use mlxk_text::TextError;

/// A refusal or failure.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) kind: Kind,
    /// A sentence for the user.
    pub(crate) message: String,
    /// Field of the request that caused the error.
    pub(crate) param: Option<String>,
    /// Name of the model that the sentence is about. It is not masked in the log.
    pub(crate) model: Option<String>,
}

/// Kind of an error. It decides the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request is invalid.
    BadRequest,
    /// The prompt leaves no room for an answer.
    ContextLength { prompt_tokens: usize, context: usize },
    /// The API key is missing or wrong.
    Unauthorized,
    /// The origin, the host or the change is not allowed.
    Forbidden,
    /// The route does not exist.
    NotFound,
    /// The model does not exist.
    NoModel,
    /// The route does not take this method.
    Method,
    /// The client took too long.
    Timeout,
    /// The request is too large.
    TooLarge,
    /// The head of the request is too large.
    HeadTooLarge,
    /// The body is not JSON.
    MediaType,
    /// The server does not offer this feature.
    NotOffered,
    /// A host elsewhere failed.
    Backend,
    /// A host elsewhere does not answer in time.
    BackendTimeout,
    /// Too many requests wait; the client may try again later.
    Busy,
    /// The disk has too little space.
    Disk,
    /// The model does not fit in memory.
    Memory,
    /// The server is stopping.
    Stopping,
    /// The model is damaged, or the server has a bug.
    Internal,
}

impl Kind {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ContextLength { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoModel => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotOffered => StatusCode::NOT_IMPLEMENTED,
            Self::Backend => StatusCode::BAD_GATEWAY,
            Self::BackendTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Busy | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Memory | Self::Disk => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the seconds after which a client should try again.
    pub(crate) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy => Some(2),
            Self::Stopping => Some(10),
            _ => None,
        }
    }
}

impl ApiError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = without_os_code(&message.into());
        Self { kind, message, param: None, model: None }
    }

    /// Returns an error for a request with an invalid field.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(Kind::BadRequest, message) }
    }

    /// Returns an error for a required field that is absent.
    pub(crate) fn missing(name: &str) -> Self {
        Self::field(name, format!("`{name}` is missing"))
    }

    /// Returns an error for a limit of answers that is 0. `name` is the dialect's name for it.
    pub(crate) fn no_tokens(name: &str) -> Self {
        Self::field(name, format!("`{name}` is 0, but an answer has at least one token"))
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, message)
    }

    /// Adds the name of the model that the sentence is about.
    pub(crate) fn about(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Kind::Stopping, "The server is stopping")
    }

    /// Returns an error for a task that panicked. The panic itself has been logged where it happened.
    pub(crate) fn panicked() -> Self {
        Self::new(Kind::Internal, "The server failed while it handled this request")
    }
}

/// Returns the beginning of a client's text for a message, without control characters.
pub(crate) fn cleaned(text: &str, most_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most_chars).collect()
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let message = match &error {
            // Clients recognize the error by these words, and shorten the conversation.
            EngineError::PromptTooLong { prompt_tokens, context } => format!(
                "The prompt is too long: this model's maximum context length is {context} tokens, and the \
                 prompt of {prompt_tokens} tokens with its answer would exceed it"
            ),
            _ => without_os_code(&error.to_string()),
        };
        let param = match &error {
            EngineError::BadSampling { key, .. } => Some((*key).to_owned()),
            EngineError::ZeroMaxTokens => Some("max_tokens".to_owned()),
            EngineError::EmptyStop => Some("stop".to_owned()),
            EngineError::BadLogitBias { .. } | EngineError::NothingAllowed => {
                Some("logit_bias".to_owned())
            }
            EngineError::TooManyLogprobs { .. } => Some("logprobs".to_owned()),
            EngineError::AnswerFormat { .. } => Some("response_format".to_owned()),
            EngineError::Dimensions { .. } => Some("dimensions".to_owned()),
            EngineError::UnknownPrompt { .. } => Some("prompt_name".to_owned()),
            EngineError::InputTooLong { .. } | EngineError::EmptyInput { .. } => {
                Some("input".to_owned())
            }
            EngineError::NotGenerative | EngineError::NotAnEmbedder | EngineError::NotAReranker => {
                Some("model".to_owned())
            }
            EngineError::Tools { .. } | EngineError::NoTools { .. } => Some("tools".to_owned()),
            _ => None,
        };
        let kind = match error {
            EngineError::PromptTooLong { prompt_tokens, context } => {
                Kind::ContextLength { prompt_tokens, context }
            }
            EngineError::InputTooLong { tokens, maximum, .. } => {
                Kind::ContextLength { prompt_tokens: tokens, context: maximum }
            }
            EngineError::Dimensions { .. }
            | EngineError::UnknownPrompt { .. }
            | EngineError::NoInstruction
            | EngineError::EmptyInput { .. }
            | EngineError::NotGenerative
            | EngineError::NotAnEmbedder
            | EngineError::NotAReranker
            | EngineError::BadSampling { .. }
            | EngineError::BadLogitBias { .. }
            | EngineError::NothingAllowed
            | EngineError::BadOption { .. }
            | EngineError::ContextTooLong { .. }
            | EngineError::EmptyPrompt
            | EngineError::EmptyStop
            | EngineError::NoChatTemplate
            | EngineError::UnknownToken { .. }
            | EngineError::ZeroMaxTokens
            | EngineError::TooManyLogprobs { .. }
            | EngineError::AnswerFormat { .. }
            | EngineError::Tools { .. }
            | EngineError::NoTools { .. }
            | EngineError::Text(
                TextError::TemplateRaised { .. }
                | TextError::Template { .. }
                | TextError::TemplateBound { .. }
                | TextError::Content { .. }
                | TextError::Encode { .. },
            ) => Kind::BadRequest,
            EngineError::NotEnoughMemory { .. } => Kind::Memory,
            EngineError::Stopped => Kind::Stopping,
            EngineError::FormatsBusy => Kind::Busy,
            _ => Kind::Internal,
        };
        Self { kind, message, param, model: None }
    }
}

impl From<HubError> for ApiError {
    fn from(error: HubError) -> Self {
        let kind = match error {
            HubError::Io(_) => Kind::Internal,
            HubError::Reference(ReferenceError::Ambiguous { .. }) => Kind::BadRequest,
            _ => Kind::NoModel,
        };
        let param = Some("model".to_owned());
        Self { kind, message: without_os_code(&error.to_string()), param, model: None }
    }
}

impl IntoResponse for ApiError {
    /// Returns a response without a body, which carries the error: [`crate::conventions`] writes the body in
    /// the dialect's shape.
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
