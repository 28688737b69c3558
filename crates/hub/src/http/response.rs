//! A server's answer.

use std::io::Read;
use std::time::{Duration, SystemTime};

use mlxk_http::{Problem, absolute, retry_after, without_query};
use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::transport;
use crate::error::Result;
use crate::human_bytes::human;

/// No hub gives larger JSON. The limit protects memory.
const MAX_JSON_BYTES: u64 = 64 << 20;

/// Status and headers, with a body that is yet to be read.
pub(crate) struct Response {
    /// The address that answered, which is the last of a chain of redirects.
    pub url: String,
    inner: mlxk_http::Response<mlxk_http::Body>,
}

impl Response {
    pub(super) fn new(url: String, inner: mlxk_http::Response<mlxk_http::Body>) -> Self {
        Self { url, inner }
    }

    pub(crate) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// Returns a header, or `None` if it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// Returns the length of the body in bytes, if the server says it.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Returns the absolute address that a redirect leads to.
    pub(crate) fn location(&self) -> Option<String> {
        absolute(&self.url, self.header("location")?)
    }

    /// Returns the time that the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, SystemTime::now())
    }

    /// Returns the body. Explain errors while reading it with [`read_failed`](Self::read_failed).
    pub(crate) fn into_reader(self) -> impl Read {
        self.inner.into_body().into_reader()
    }

    /// Returns the error for a body that broke off.
    pub(crate) fn read_failed(url: &str, error: std::io::Error, stall: Duration) -> HttpError {
        transport::failed(url, Problem::of_read(error), stall)
    }

    /// Returns the body if it has at most `limit` bytes.
    pub(crate) fn bytes(self, limit: u64) -> Result<Vec<u8>> {
        let url = self.url.clone();
        let mut bytes = Vec::new();
        self.into_reader()
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| transport::failed(&url, Problem::of_read(error), Duration::ZERO))?;
        if bytes.len() as u64 > limit {
            let problem = format!("is longer than {}", human(limit));
            return Err(HttpError::BadAnswer { url: without_query(&url), problem }.into());
        }
        Ok(bytes)
    }

    /// Returns the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let url = self.url.clone();
        let bytes = self.bytes(MAX_JSON_BYTES)?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| HttpError::BadAnswer {
            url: without_query(&url),
            problem: format!("is not the JSON that a hub gives: {error}"),
        })?)
    }
}
