//! Faults to simulate.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};

/// A fault of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks after this many bytes of content.
    Cut(u64),
    /// The content is this many bytes too short, and the header agrees.
    Short(u64),
    /// One byte in the middle is wrong.
    Flip,
    /// A status instead of content.
    Status(u16),
    /// 429, with this `Retry-After`.
    TooMany(String),
    /// Content trickles: this many bytes, then a pause, and so on.
    Drip(usize, Duration),
    /// The connection stays open, but is silent after this many bytes.
    Stall(u64),
    /// A redirect to the same address.
    RedirectLoop,
    /// The whole content, whatever range was requested.
    IgnoreRange,
    /// The range after the requested one.
    WrongRange,
    /// Another `ETag`, as if the file had changed.
    OtherEtag,
}

impl Fault {
    /// Returns the answer of a fault that needs no content.
    pub(crate) fn answer(&self, address: &str) -> Option<Response<Body>> {
        let response = Response::builder();
        let response = match self {
            Self::Status(status) => {
                response.status(*status).body(Body::from("{\"error\":\"as told\"}"))
            }
            Self::TooMany(after) => response
                .status(StatusCode::TOO_MANY_REQUESTS)
                .header("retry-after", after)
                .body(Body::empty()),
            Self::RedirectLoop => {
                response.status(StatusCode::FOUND).header("location", address).body(Body::empty())
            }
            _ => return None,
        };
        Some(response.unwrap())
    }
}
