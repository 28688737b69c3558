//! What can go wrong with a request, whatever dialect it speaks.
//!
//! Handlers return an [`ApiError`]; [`crate::dialect`] gives it the shape that the client expects.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mlxk_engine::EngineError;
use mlxk_hub::{HubError, ReferenceError};
use mlxk_text::TextError;

/// A refusal or failure.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) kind: Kind,
    /// One sentence for people.
    pub(crate) message: String,
    /// The field of the request that is to blame.
    pub(crate) param: Option<String>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense.
    BadRequest,
    /// The prompt leaves no room for an answer.
    ContextLength,
    /// No key, or another one.
    Unauthorized,
    /// Not from there, or not that.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is no such model.
    NoModel,
    /// There is no such method.
    Method,
    /// The client took too long.
    Timeout,
    /// The request is too large.
    TooLarge,
    /// The body is no JSON.
    MediaType,
    /// The server does not offer this.
    NotOffered,
    /// Come back later.
    Busy,
    /// The model does not fit.
    Memory,
    /// The server is about to end.
    Stopping,
    /// A damaged model, or a defect.
    Internal,
}

impl Kind {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ContextLength => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoModel => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotOffered => StatusCode::NOT_IMPLEMENTED,
            Self::Busy | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Memory => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which it is worth another try.
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
        Self { kind, message: message.into(), param: None }
    }

    /// A request that makes no sense because of one of its fields.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(Kind::BadRequest, message) }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, message)
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Kind::Stopping, "The server is stopping")
    }

    /// A task of our own that ended by a panic, which has been reported where it happened.
    pub(crate) fn panicked() -> Self {
        Self::new(Kind::Internal, "The server failed while it handled this request")
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        let param = match &error {
            EngineError::BadSampling { key, .. } => Some((*key).to_owned()),
            EngineError::ZeroMaxTokens => Some("max_tokens".to_owned()),
            EngineError::EmptyStop => Some("stop".to_owned()),
            EngineError::BadLogitBias { .. } => Some("logit_bias".to_owned()),
            EngineError::TooManyLogprobs { .. } => Some("logprobs".to_owned()),
            _ => None,
        };
        let kind = match error {
            EngineError::PromptTooLong { .. } => Kind::ContextLength,
            EngineError::BadSampling { .. }
            | EngineError::BadLogitBias { .. }
            | EngineError::BadOption { .. }
            | EngineError::ContextTooLong { .. }
            | EngineError::EmptyPrompt
            | EngineError::EmptyStop
            | EngineError::NoChatTemplate
            | EngineError::UnknownToken { .. }
            | EngineError::ZeroMaxTokens
            | EngineError::TooManyLogprobs { .. }
            | EngineError::AnswerFormat { .. }
            | EngineError::Text(
                TextError::TemplateRaised { .. }
                | TextError::Template { .. }
                | TextError::TemplateBound { .. }
                | TextError::Content { .. }
                | TextError::Encode { .. },
            ) => Kind::BadRequest,
            EngineError::NotEnoughMemory { .. } => Kind::Memory,
            EngineError::Stopped => Kind::Stopping,
            _ => Kind::Internal,
        };
        Self { kind, message, param }
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
        Self { kind, message: error.to_string(), param }
    }
}

impl IntoResponse for ApiError {
    /// A response without a body: [`crate::dialect::render`] writes it, which knows the path.
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
