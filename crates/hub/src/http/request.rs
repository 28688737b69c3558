//! A request to a server.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

pub(crate) use mlxk_http::Method;

/// A request, which may be sent several times.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: Method,
    /// The full address.
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    pub follow: Follow,
    /// `true` if the request is sent again after a failure that passes by itself.
    pub retry: bool,
    pub subject: Subject,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Bytes(Vec<u8>),
    /// Part of a file, read while it is sent.
    File {
        path: PathBuf,
        offset: u64,
        length: u64,
    },
}

/// The redirects to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// All redirects.
    Always,
    /// Redirects that stay on the host. A redirect to another one is returned as the answer.
    SameHost,
}

/// The subject of a request, which errors name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `org/NAME`, or empty.
    pub repo: String,
    pub revision: Option<String>,
    pub file: Option<String>,
}

impl Request {
    /// Returns a request without body, headers or subject. It is retried unless it is a
    /// [`Method::POST`]; set `retry` if sending it twice does no harm.
    pub(crate) fn new(method: Method, url: impl Into<String>) -> Self {
        let retry = method != Method::POST;
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Body::Empty,
            follow: Follow::Always,
            retry,
            subject: Subject::default(),
        }
    }

    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn head(url: impl Into<String>) -> Self {
        Self::new(Method::HEAD, url)
    }

    pub(crate) fn about(mut self, subject: &Subject) -> Self {
        self.subject = subject.clone();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn follow(mut self, follow: Follow) -> Self {
        self.follow = follow;
        self
    }
}

impl Body {
    /// Returns the number of bytes to send.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => None,
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { length, .. } => Some(*length),
        }
    }

    /// Returns a reader of the bytes to send.
    pub(crate) fn reader(&self) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(match self {
            Self::Empty => None,
            Self::Bytes(bytes) => Some(Box::new(bytes.as_slice())),
            Self::File { path, offset, length } => {
                let mut file = fs_err::File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                Some(Box::new(file.take(*length)))
            }
        })
    }
}
