//! The blocking HTTP client that everything here uses to reach other machines.
//!
//! [`Connections`] sends one request and gives its response, or a [`Problem`] that says what happened in words for a
//! user. Redirects, tokens and the meaning of a status are up to the caller. Time-outs can limit the silence of a
//! server, or a complete exchange. [`Connections::cancel`] ends all exchanges in all threads.

#![forbid(unsafe_code)]

mod connections;
mod os_code;
mod pause;
mod problem;
mod settings;
mod trust;
mod url;

pub use connections::{Connections, Limits};
pub use os_code::without_os_code;
pub use pause::{growing, retry_after};
pub use problem::Problem;
pub use settings::{BadSetting, Proxies, Settings};
pub use ureq::http::{Error as InvalidRequest, HeaderMap, Method, Response, Uri, request};
pub use ureq::{Body, Error, SendBody};
pub use url::{
    absolute, escape, escape_part, host_and_port, origin, split_login, unescape, without_query,
};
