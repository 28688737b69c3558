//! A request that did not get a usable answer.

use mlxk_http::host_and_port;

use crate::explain::{Explain, Explained, impl_error};

/// Failures of talking to a hub, or to a server that it refers to.
///
/// `url` is always without its query, which may contain a signature. `token` names the place
/// where the token was found.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum HttpError {
    /// A setting, mostly from the environment. `problem` completes "… is `value`, which …".
    BadSetting { setting: &'static str, value: String, problem: String },
    /// The action needs the network.
    Offline { action: String },
    /// No search without the network.
    OfflineSearch,
    /// No connection. `passing` is `true` if trying again may help.
    Unreachable { host: String, problem: String, passing: bool },
    /// The server's certificate or encryption is not accepted.
    Untrusted { host: String, problem: String },
    /// The server went silent.
    Stalled { host: String, seconds: u64 },
    /// Too many redirects.
    RedirectLoop { url: String },
    /// A malformed answer. `problem` completes "The response from `url` …".
    BadAnswer { url: String, problem: String },
    /// The user has to request access to the repository on its page.
    Gated { name: String, page: String, token: Option<String> },
    /// The repository does not exist, or is private and belongs to someone else.
    NoSuchRepo { name: String, page: String, token: Option<String> },
    /// The repository has no such branch, tag or commit.
    NoSuchRevision { name: String, revision: String, page: String },
    /// The repository has no such file.
    NoSuchFile { name: String, file: String },
    /// Status 401 or 403 for any other reason.
    Denied { url: String, status: u16, token: Option<String>, message: Option<String> },
    /// Status 429.
    TooManyRequests { host: String, wait_seconds: Option<u64> },
    /// Any other status.
    ServerStatus { url: String, status: u16, message: Option<String> },
}

impl_error!(HttpError);

impl From<mlxk_http::BadSetting> for HttpError {
    fn from(bad: mlxk_http::BadSetting) -> Self {
        let mlxk_http::BadSetting { setting, value, problem } = bad;
        Self::BadSetting { setting, value, problem }
    }
}

impl HttpError {
    /// The connection ended before the content did.
    pub(crate) fn broken_off(url: &str) -> Self {
        Self::Unreachable {
            host: host_and_port(url),
            problem: "connection lost".to_owned(),
            passing: true,
        }
    }

    /// Returns `true` if the same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { passing: true, .. }
                | Self::Stalled { .. }
                | Self::TooManyRequests { .. }
                | Self::ServerStatus { status: 408 | 500.., .. }
        )
    }
}

const DOWNLOAD: &str = "download_failed";
pub(crate) const DENIED: &str = "access_denied";

/// Returns the message for a repository that the hub does not show.
pub(crate) fn no_such_repo(name: &str, token: Option<&str>) -> String {
    match token {
        Some(source) => {
            format!(
                "Repository `{name}` does not exist, or the token from {source} has no access to it"
            )
        }
        None => format!("Repository `{name}` does not exist, or it is private"),
    }
}
const CHECK_CONNECTION: &str = "Check the connection and the proxy (`HTTPS_PROXY`), then try again";
const STALLED: &str = "Check the connection and the proxy (`HTTPS_PROXY`), then try again; downloads resume \
                       where they stopped";
const CERTIFICATE: &str =
    "If a corporate proxy intercepts TLS, set `SSL_CERT_FILE` to its CA certificate (PEM)";
const CHECK_ENDPOINT: &str = "Try again later; if `HF_ENDPOINT` is set, check that it is a hub";
const LATER: &str = "Try again later; downloads resume where they stopped";
const OFFLINE: &str = "To allow downloads, unset `HF_HUB_OFFLINE` and the setting `offline`";

impl Explain for HttpError {
    fn explain(&self) -> Explained {
        match self {
            Self::BadSetting { setting, value, problem } => {
                let message = format!("`{setting}` is `{value}`, which {problem}");
                Explained::new("ValidationError", message)
                    .hint(format!("Correct or unset `{setting}`"))
            }
            Self::Offline { action } => {
                failed(format!("Cannot {action}: offline mode is on"), OFFLINE)
            }
            Self::OfflineSearch => {
                Explained::new("execution_error", "Cannot ask the hub: offline mode is on")
                    .hint(OFFLINE)
            }
            Self::Unreachable { host, problem, .. } => {
                failed(format!("Could not reach `{host}`: {problem}"), CHECK_CONNECTION)
            }
            Self::Stalled { host, seconds } => {
                failed(format!("`{host}` has sent nothing for {seconds} seconds"), STALLED)
            }
            Self::Untrusted { host, problem } => {
                failed(format!("Certificate of `{host}` not accepted: {problem}"), CERTIFICATE)
            }
            Self::RedirectLoop { url } => {
                failed(format!("Too many redirects from `{url}`"), CHECK_ENDPOINT)
            }
            Self::BadAnswer { url, problem } => {
                failed(format!("The response from `{url}` {problem}"), CHECK_ENDPOINT)
            }
            Self::Gated { name, page, token } => gated(name, page, token.as_ref()),
            Self::NoSuchRepo { name, page, token } => {
                let private = match token {
                    Some(_) => "",
                    None => "; for a private repository, set `HF_TOKEN`",
                };
                Explained::new(DENIED, no_such_repo(name, token.as_deref()))
                    .hint(format!("Check the spelling on {page}{private}"))
            }
            Self::NoSuchRevision { name, revision, page } => {
                let message = format!("Repository `{name}` has no revision `{revision}`");
                Explained::new("hash_not_found", message)
                    .hint(format!("See its branches on {page}/tree/main"))
            }
            Self::NoSuchFile { name, file } => {
                let message = format!("Repository `{name}` has no file `{file}`");
                failed(message, "The repository may have changed; try again")
            }
            Self::Denied { url, status, token, message } => {
                let hint = match token {
                    Some(source) => {
                        format!("Check that the token from {source} is valid and allows this")
                    }
                    None => "Set `HF_TOKEN` to a token that allows this".to_owned(),
                };
                let reason = after_colon(message.as_ref());
                Explained::new(DENIED, format!("Access to `{url}` denied ({status}{reason})"))
                    .hint(hint)
            }
            Self::TooManyRequests { host, wait_seconds } => {
                let hint = match wait_seconds {
                    Some(seconds) => LATER.replace("later", &format!("in {seconds} seconds")),
                    None => LATER.to_owned(),
                };
                failed(format!("`{host}` refuses more requests for now (429)"), hint)
            }
            Self::ServerStatus { url, status, message } => {
                let reason = after_colon(message.as_ref());
                let message = format!("`{url}` returned status {status}{reason}");
                match status {
                    500.. => failed(message, LATER),
                    _ => Explained::new(DOWNLOAD, message),
                }
            }
        }
    }
}

fn failed(message: String, hint: impl Into<String>) -> Explained {
    Explained::new(DOWNLOAD, message).hint(hint)
}

fn gated(name: &str, page: &str, token: Option<&String>) -> Explained {
    let Some(source) = token else {
        return Explained::new(
            DENIED,
            format!("Repository `{name}` is gated, and no token is set"),
        )
        .hint(format!("Request access on {page}, then set `HF_TOKEN` to your token"));
    };
    Explained::new(DENIED, format!("Repository `{name}` is gated, and the token has no access"))
        .hint(format!(
            "Request access on {page}. The token from {source} was used; it must belong to the user \
             who was granted access"
        ))
}

fn after_colon(message: Option<&String>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}
