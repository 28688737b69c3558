//! What a server answers.

use std::io::Read;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http;

use super::errors;
use super::retry::retry_after;
use crate::http::error::HttpError;
use crate::{HubError, Result};

/// Larger answers than any hub gives are cut, so that none can fill the memory.
const MAX_JSON_BYTES: u64 = 64 << 20;

/// Status and headers, and a body yet to be read.
pub(crate) struct Response {
    /// The address that answered, the last of a chain of redirects.
    pub url: String,
    inner: http::Response<ureq::Body>,
}

impl Response {
    pub(super) fn new(url: String, inner: http::Response<ureq::Body>) -> Self {
        Self { url, inner }
    }

    pub(crate) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// A header as text; `None` where it is missing or no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// Bytes that the body has, where the server says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Where a redirect leads, as an absolute address.
    pub(crate) fn location(&self) -> Option<String> {
        super::client::absolute(&self.url, self.header("location")?)
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, std::time::SystemTime::now())
    }

    /// The body; an error while reading is told by [`read_failed`](Self::read_failed).
    pub(crate) fn into_reader(self) -> impl Read {
        self.inner.into_body().into_reader()
    }

    /// The error for a body that broke off.
    pub(crate) fn read_failed(url: &str, error: std::io::Error, stall: Duration) -> HubError {
        errors::transport(url, error.into(), stall)
    }

    /// The body, where it has at most `limit` bytes.
    pub(crate) fn bytes(self, limit: u64) -> Result<Vec<u8>> {
        let url = self.url.clone();
        let mut bytes = Vec::new();
        self.into_reader()
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| errors::transport(&url, error.into(), Duration::ZERO))?;
        if bytes.len() as u64 > limit {
            let problem = format!("is longer than {}", crate::human(limit));
            return Err(HttpError::BadAnswer { url: errors::shown(&url), problem }.into());
        }
        Ok(bytes)
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let url = self.url.clone();
        let bytes = self.bytes(MAX_JSON_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            HubError::Http(HttpError::BadAnswer {
                url: errors::shown(&url),
                problem: format!("is not the JSON that a hub gives: {error}"),
            })
        })
    }
}
