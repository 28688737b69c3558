//! The size of a request's head. The HTTP library bounds its buffer, which may hold more than one head.

use axum::extract::Request;

use crate::error::{ApiError, Kind};

/// Refuses a request whose head has more than `limit` bytes.
pub(super) fn check(request: &Request, limit: usize) -> Result<(), ApiError> {
    let line = request.uri().to_string().len() + request.method().as_str().len();
    // A colon, a space and a line end follow each name and value.
    let headers =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let size = headers.sum::<usize>() + line + " HTTP/1.1\r\n\r\n".len() + 1;
    if size <= limit {
        return Ok(());
    }
    let message =
        format!("The head of the request has {size} bytes, but at most {limit} are allowed");
    Err(ApiError::new(Kind::HeadTooLarge, message))
}
