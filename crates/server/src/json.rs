//! Responses of JSON, and the names of a struct's fields.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor, value::Error};

use crate::error::{ApiError, Kind};

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

/// Returns the names of the fields that a struct is read from, aliases included.
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut finder = Finder::default();
    // Always fails: the finder only notes the names that it is asked for.
    let _ = T::deserialize(&mut finder);
    finder.names
}

/// A deserializer that notes the names of a struct's fields instead of reading anything.
#[derive(Default)]
struct Finder {
    names: &'static [&'static str],
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
