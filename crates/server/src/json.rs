//! JSON in and out: bodies with bounds and names for what is wrong with them, and responses.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::dialect::Dialect;
use crate::error::{ApiError, Kind};
use crate::state::Shared;

/// A response of JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let json = HeaderValue::from_static("application/json");
                ([(CONTENT_TYPE, json)], bytes).into_response()
            }
            Err(error) => ApiError::new(Kind::Internal, error.to_string()).into_response(),
        }
    }
}

/// The JSON object of a request's body.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

/// Fields of a request that it may have beside those that mean something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Taken and without effect, because clients send them blindly.
    pub(crate) tolerated: &'static [&'static str],
    /// Refused, with the reason.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

impl FromRequest<Shared> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, ApiError> {
        // What Ollama's clients call a body is their own affair, as long as no page sends it.
        let is_lenient = Dialect::of(request.uri().path()) == Dialect::Ollama
            && !request.headers().contains_key(ORIGIN);
        if !is_lenient {
            check_type(request.headers())?;
        }
        let bytes = read(request.into_body(), state).await?;
        if bytes.is_empty() {
            return Err(ApiError::bad("The request has no body; a JSON object is expected"));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(ApiError::bad("The body is JSON, but not an object")),
            Err(error) => Err(ApiError::bad(format!("The body is no JSON: {error}"))),
        }
    }
}

impl Fields {
    /// The fields as `T` has them. `null` is as good as absent. A field that `T` does not know is
    /// refused, and so is a value of another type; the error names the field.
    pub(crate) fn parse<T: DeserializeOwned>(self, beside: Beside) -> Result<T, ApiError> {
        let mut fields = self.0;
        fields.retain(|name, value| !value.is_null() && !beside.tolerated.contains(&name.as_str()));
        let known = names::<T>();
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let reason = beside.refused.iter().find(|(refused, _)| refused == name);
            let message = match reason {
                Some((_, reason)) => format!("`{name}` is not supported: {reason}"),
                None => format!("`{name}` is no field that this endpoint knows"),
            };
            return Err(ApiError::field(name, message));
        }
        serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
            let path = error.path().to_string();
            let problem = error.into_inner();
            if path == "." {
                return ApiError::bad(format!("The body is not as expected: {problem}"));
            }
            let message = format!("`{path}` is not as expected: {problem}");
            ApiError::field(path, message)
        })
    }
}

/// The names of the fields of a struct, as serde knows them.
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found = names::Finder::default();
    // It fails by design, once it was told the names.
    let _ = T::deserialize(&mut found);
    found.names
}

mod names {
    use serde::de::{Deserializer, Error as _, Visitor, value::Error};

    /// A deserializer that only listens to what a struct asks for.
    #[derive(Default)]
    pub(super) struct Finder {
        pub(super) names: &'static [&'static str],
    }

    impl<'de> Deserializer<'de> for &mut Finder {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("only structs have fields"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.names = fields;
            Err(Error::custom("the names are known"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }
}

/// A page of another origin can send anything but JSON without asking first; scripts that forget
/// the header are let through.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = value.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    // What `curl -d` sends where nobody says otherwise.
    if is_json || kind.is_empty() || kind == "application/x-www-form-urlencoded" {
        return Ok(());
    }
    let message = format!("The body is `{kind}`, but JSON is expected");
    Err(ApiError::new(Kind::MediaType, message))
}

/// Reads a body within the server's limits.
pub(crate) async fn read(body: Body, state: &Shared) -> Result<Bytes, ApiError> {
    let limits = &state.config.limits;
    let too_large = || {
        let most = limits.body_bytes;
        ApiError::new(Kind::TooLarge, format!("The body is larger than {most} bytes"))
    };
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
                return Err(ApiError::bad(format!("The body breaks off: {error}")));
            }
            Ok(None) => return Ok(bytes.freeze()),
            Err(_) => {
                let seconds = Duration::as_secs(&limits.body_idle);
                let message = format!("The body did not come within {seconds} s");
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
