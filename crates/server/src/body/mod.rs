//! Bodies of requests: read within bounds, and turned into structs with a name for whatever is wrong.

mod decode;
mod problem;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ORIGIN};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use tokio::time::{Instant, timeout_at};

use crate::blocking::blocking;
use crate::error::{ApiError, Kind};
use crate::ignored::{self, Ignored};
use crate::json::names;
use crate::state::Shared;

/// A router's way to read bodies. [`crate::conventions`] adds it to every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// `true` if the content type does not matter, unless a page sends the request.
    pub(crate) any_content_type: bool,
    /// `true` if an empty text stands for a field that is absent, as in programs in Go.
    pub(crate) empty_is_absent: bool,
    /// `true` if unknown fields are refused instead of ignored.
    pub(crate) strict: bool,
    /// Fields of this request that were ignored.
    pub(crate) ignored: Ignored,
}

impl Reading {
    /// Takes note of unknown fields, which the log and a response header report. Refuses them if the server is strict.
    pub(crate) fn unknown(&self, names: Vec<String>) -> Result<(), ApiError> {
        let Some(first) = names.first() else { return Ok(()) };
        if self.strict {
            let name = ignored::shown(first);
            let message = format!("Unknown field `{name}`");
            return Err(ApiError::field(name, message));
        }
        for name in names {
            self.ignored.add(name);
        }
        Ok(())
    }
}

/// The JSON object of a request's body.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) map: Map<String, Value>,
    pub(crate) reading: Reading,
}

/// Fields that an endpoint knows by name only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extras {
    /// Taken without a word: clients send them by habit, and they would not change an answer.
    pub(crate) harmless: &'static [&'static str],
    /// Refused, each with the reason, unless their value [asks for nothing](asks_for_nothing): they would
    /// change the answer, and the server cannot do that.
    pub(crate) unsupported: &'static [(&'static str, &'static str)],
}

impl Extras {
    pub(crate) const NONE: Self = Self { harmless: &[], unsupported: &[] };
}

impl FromRequest<Shared> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, ApiError> {
        let reading = request.extensions().get::<Reading>().cloned().unwrap_or_default();
        if !reading.any_content_type || request.headers().contains_key(ORIGIN) {
            check_type(request.headers())?;
        }
        let (parts, body) = request.into_parts();
        let bytes = read(body, state).await?;
        if bytes.is_empty() {
            return Err(ApiError::bad("The request has no body; a JSON object is expected"));
        }
        let bytes = if parts.headers.contains_key(CONTENT_ENCODING) {
            let most = state.config.limits.body_bytes;
            blocking(move || decode::uncompressed(bytes, &parts.headers, most)).await?
        } else {
            bytes
        };
        let Value::Object(mut map) = decode::json(&bytes)? else {
            return Err(ApiError::bad("The body is JSON, but not an object"));
        };
        map.values_mut().for_each(without_fraction);
        Ok(Self { map, reading })
    }
}

impl Fields {
    /// Takes the fields that `T` knows out of the body and reads them. Endpoints that share fields read
    /// the shared ones first, and the rest with [`Fields::parse`].
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let known = names::<T>();
        let (own, rest) = std::mem::take(&mut self.map)
            .into_iter()
            .partition(|(name, _)| known.contains(&name.as_str()));
        self.map = rest;
        self.deserialize(own)
    }

    /// Reads the body as `T`. A field that is `null` counts as absent. A field that `T` does not know is
    /// ignored and reported. A value of the wrong type is an error that names its field.
    pub(crate) fn parse<T: DeserializeOwned>(mut self, extras: Extras) -> Result<T, ApiError> {
        let mut map = std::mem::take(&mut self.map);
        map.retain(|name, _| !extras.harmless.contains(&name.as_str()));
        for (name, reason) in extras.unsupported {
            match map.remove(*name) {
                Some(value) if !asks_for_nothing(&value) => {
                    let message = format!("`{name}` is not supported: {reason}");
                    return Err(ApiError::field(*name, message));
                }
                _ => {}
            }
        }
        self.deserialize(map)
    }

    fn deserialize<T: DeserializeOwned>(&self, mut map: Map<String, Value>) -> Result<T, ApiError> {
        let empty_is_absent = self.reading.empty_is_absent;
        map.retain(|_, value| !(value.is_null() || empty_is_absent && *value == ""));
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let reader = serde_path_to_error::Deserializer::new(Value::Object(map), &mut track);
        let read = serde_ignored::deserialize(reader, |path| {
            if unknown.len() <= ignored::MAX_NAMES {
                unknown.push(ignored::path(&path));
            }
        });
        let value = read.map_err(|problem: serde_json::Error| {
            let path = track.path().to_string();
            let problem = problem::in_words(&problem);
            if path == "." {
                return ApiError::bad(format!("The body {problem}"));
            }
            let message = format!("`{path}` {problem}");
            ApiError::field(path, message)
        })?;
        self.reading.unknown(unknown)?;
        Ok(value)
    }
}

/// Returns `true` for values that programs send for a field that they don't use.
pub(crate) fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Writes `4.0` as `4`: JavaScript and Lua have one type for both, and some programs write all numbers alike.
fn without_fraction(value: &mut Value) {
    let Some(number) = value.as_f64().filter(|_| value.is_f64()) else { return };
    if number.fract() == 0.0 && number.abs() < 9e15 {
        *value = Value::Number(Number::from(number as i64));
    }
}

/// Refuses content types that a page of another origin can send without a preflight request, so that only
/// JSON gets through. `curl -d` and scripts that set no type are let through.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = value.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    if is_json || kind.is_empty() || kind == "application/x-www-form-urlencoded" {
        return Ok(());
    }
    let message = format!("The body is `{kind}`, but JSON is expected");
    Err(ApiError::new(Kind::MediaType, message))
}

/// Reads a body that no handler wants. Otherwise the connection would be closed, and the client's next request on it
/// would fail.
pub(crate) async fn discard(body: Body, state: &Shared) {
    let _ = read(body, state).await;
}

/// Reads a body within the server's limits.
async fn read(body: Body, state: &Shared) -> Result<Bytes, ApiError> {
    let limits = &state.config.limits;
    let too_large = || decode::too_large(limits.body_bytes);
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    let mut body = std::pin::pin!(body);
    let mut bytes = BytesMut::new();
    let last = Instant::now() + limits.body_timeout;
    loop {
        let deadline = last.min(Instant::now() + limits.body_idle);
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
        let frame = match timeout_at(deadline, frame).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                return Err(ApiError::bad(format!("The body is incomplete: {error}")));
            }
            Ok(None) => return Ok(bytes.freeze()),
            Err(_) => {
                let seconds = Duration::as_secs(&limits.body_idle);
                let message = format!("The body did not arrive within {seconds} s");
                return Err(ApiError::new(Kind::Timeout, message));
            }
        };
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limits.body_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}
