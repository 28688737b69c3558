//! What is asked of a server.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

pub(crate) use ureq::http::Method;

/// One request, which may be sent several times.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: Method,
    /// The full address.
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    pub follow: Follow,
    /// Whether a failure that passes by itself is tried again.
    pub retry: bool,
    pub subject: Subject,
}

/// What a request sends.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Bytes(Vec<u8>),
    /// A part of a file, read while it is sent.
    File {
        path: PathBuf,
        offset: u64,
        length: u64,
    },
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// All.
    Always,
    /// Those that stay on the host; one that leaves it is the answer.
    SameHost,
}

/// What a request is about, to be named in errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `org/NAME`, or empty.
    pub repo: String,
    pub revision: Option<String>,
    pub file: Option<String>,
}

impl Request {
    /// A request without body, header or subject. Sending it twice must do no harm: for a
    /// [`Method::POST`] set `retry` where that holds.
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
    /// Bytes that will be sent.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => None,
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { length, .. } => Some(*length),
        }
    }

    /// A reader of what will be sent.
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

/// A path with everything but slashes, letters, digits and `-._~` escaped.
pub(crate) fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte as char),
            byte if byte.is_ascii_alphanumeric() => escaped.push(byte as char),
            byte => {
                escaped.push('%');
                for digit in [byte >> 4, byte & 15] {
                    escaped.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                }
            }
        }
    }
    escaped
}

/// A part of a path or query, slashes escaped too.
pub(crate) fn escape_part(part: &str) -> String {
    escape(part).replace('/', "%2F")
}
