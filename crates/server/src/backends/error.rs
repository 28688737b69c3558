//! Failures of hosts, in the words of this server.

use mlxk_providers::ProviderError;

use crate::error::{ApiError, Kind};

/// Returns the error for a client. Addresses of hosts are for the log only.
pub(super) fn api_error(error: &ProviderError, name: &str) -> ApiError {
    let (kind, message) = match error {
        ProviderError::TooLong { message, .. } => (Kind::BadRequest, message.clone()),
        ProviderError::ModelMissing { .. } => {
            (Kind::Backend, format!("A host of `{name}` does not have its model"))
        }
        ProviderError::RateLimited { .. } => {
            (Kind::Busy, format!("The hosts of `{name}` accept no more requests for now"))
        }
        ProviderError::Refused { status: 400 | 413 | 415 | 422, message, .. } => {
            (Kind::BadRequest, message.clone())
        }
        ProviderError::Refused { message, .. } => {
            (Kind::Backend, format!("A host of `{name}` refused the request: {message}"))
        }
        ProviderError::Unsupported { what, dialect, .. } => {
            (Kind::BadRequest, format!("`{name}` cannot take {what}: its host has {dialect}"))
        }
        ProviderError::Failed { message, .. } => {
            (Kind::Backend, format!("The host of `{name}` failed within its answer: {message}"))
        }
        ProviderError::BrokeOff { .. } => {
            (Kind::Backend, format!("The host of `{name}` ended the connection within its answer"))
        }
        ProviderError::Unreachable { .. } => {
            (Kind::Backend, format!("No host of `{name}` can be reached"))
        }
        ProviderError::Silent { .. } | ProviderError::Deadline { .. } => {
            (Kind::BackendTimeout, format!("The host of `{name}` does not answer in time"))
        }
        _ => (Kind::Backend, format!("The host of `{name}` gave an answer that is not valid")),
    };
    ApiError::new(kind, message)
}

/// Returns `true` if an error says something about the host, and not only about the request.
pub(super) fn is_of_host(error: &ProviderError) -> bool {
    error.is_passing()
        || matches!(error, ProviderError::BadAnswer { .. } | ProviderError::ModelMissing { .. })
}
