//! Settings of the hub: its address, the user's token, proxies, time limits.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use mlxk_http::Proxies;

use crate::locations::{expand_home, is_true};

/// Address of the default hub.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// A token is short. A larger file is something else.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Settings for reaching a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// Address of the hub, without a slash at the end and without a name and password.
    pub endpoint: String,
    /// Name and password for the hub, if its address has them.
    pub login: Option<Login>,
    /// The user's token.
    pub token: Option<Token>,
    /// `true` if the network must not be used.
    pub offline: bool,
    /// Proxies to use.
    pub proxies: Proxies,
    /// File with certificates (PEM) to trust instead of those of the operating system and the
    /// built-in ones.
    pub certificates: Option<PathBuf>,
    /// Time after which a silent connection is given up.
    pub stall_timeout: Duration,
    /// First pause before a retry. Each further one is twice as long.
    pub retry_pause: Duration,
}

/// A secret that gives access to private and gated repositories.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The secret itself.
    pub secret: String,
    /// The place where it was found, for messages: a variable or a file.
    pub source: String,
}

/// Name and password of an address, as `name:password`. They are sent unless there is a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(pub(crate) String);

/// Leaves out the secret, like that of a token.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// Splits an address like `https://name:password@host/path` into the address without the login, and the login.
pub fn split_login(address: &str) -> (String, Option<Login>) {
    let (address, login) = mlxk_http::split_login(address);
    (address, login.map(Login))
}

/// Leaves out the secret, because debug output ends up in logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            login: None,
            token: None,
            offline: false,
            proxies: Proxies::default(),
            certificates: None,
            stall_timeout: DEFAULT_STALL_TIMEOUT,
            retry_pause: Duration::from_millis(300),
        }
    }
}

impl HubSettings {
    /// Returns the settings from the environment variables that the Python tools share, which
    /// `lookup` supplies. Unset and empty are the same. If no variable has a token, its file is
    /// read.
    pub fn from_values(lookup: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        let value = |name: &str| {
            lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let folder = |name: &str| value(name).map(|value| expand_home(&value, home));
        let either = |upper: &str| value(upper).or_else(|| value(&upper.to_ascii_lowercase()));
        let from_variable = |name: &str| {
            value(name).map(|secret| Token { secret, source: format!("the variable `{name}`") })
        };
        let token_file = folder("HF_TOKEN_PATH").unwrap_or_else(|| {
            let root = folder("HF_HOME")
                .or_else(|| folder("XDG_CACHE_HOME").map(|root| root.join("huggingface")));
            root.unwrap_or_else(|| home.join(".cache").join("huggingface")).join("token")
        });
        let all = either("ALL_PROXY");
        let defaults = Self::default();
        let (endpoint, login) = match value("HF_ENDPOINT") {
            Some(text) => split_login(text.trim_end_matches('/')),
            None => (defaults.endpoint, None),
        };
        Self {
            endpoint,
            login,
            token: from_variable("HF_TOKEN")
                .or_else(|| from_variable("HUGGING_FACE_HUB_TOKEN"))
                .or_else(|| from_variable("HUGGINGFACE_HUB_TOKEN"))
                .or_else(|| from_file(&token_file)),
            offline: value("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            proxies: Proxies {
                https: either("HTTPS_PROXY").or_else(|| all.clone()),
                http: either("HTTP_PROXY").or(all),
                no_proxy: either("NO_PROXY"),
            },
            certificates: folder("SSL_CERT_FILE").or_else(|| folder("REQUESTS_CA_BUNDLE")),
            stall_timeout: value("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|value| value.parse().ok())
                .filter(|seconds| *seconds > 0)
                .map_or(defaults.stall_timeout, Duration::from_secs),
            retry_pause: defaults.retry_pause,
        }
    }
}

fn from_file(path: &Path) -> Option<Token> {
    let small = path.metadata().ok()?.len() <= MAX_TOKEN_BYTES;
    let secret = small.then(|| crate::text_file::read(path).ok())??.trim().to_owned();
    (!secret.is_empty()).then(|| Token { secret, source: format!("the file `{}`", path.display()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&str, &str)], home: &Path) -> HubSettings {
        let lookup = |name: &str| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        HubSettings::from_values(lookup, home)
    }

    #[test]
    fn a_token_comes_from_a_variable_or_the_file_of_the_python_tools() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".cache/huggingface");
        fs_err::create_dir_all(&folder).unwrap();
        assert_eq!(with(&[], home.path()).token, None);
        fs_err::write(folder.join("token"), "hf_file\n").unwrap();
        let token = with(&[], home.path()).token.unwrap();
        assert_eq!(token.secret, "hf_file");
        assert!(token.source.contains("token`"), "{token:?}");
        assert!(!format!("{token:?}").contains("hf_file"));
        let token = with(&[("HF_TOKEN", " hf_variable ")], home.path()).token.unwrap();
        assert_eq!(token.secret, "hf_variable");
        let path = home.path().join("mine");
        fs_err::write(&path, "hf_mine").unwrap();
        let values = [("HF_TOKEN", ""), ("HF_TOKEN_PATH", path.to_str().unwrap())];
        assert_eq!(with(&values, home.path()).token.unwrap().secret, "hf_mine");
    }

    #[test]
    fn a_password_in_the_address_is_kept_apart() {
        let home = Path::new("/nowhere");
        let settings = with(&[("HF_ENDPOINT", "https://me:p@ss%2Fword@hub.example:8/x/")], home);
        assert_eq!(settings.endpoint, "https://hub.example:8/x");
        assert_eq!(settings.login, Some(Login("me:p@ss%2Fword".to_owned())));
        assert!(!format!("{settings:?}").contains("ss%2F"));
        for address in ["https://hub.example/a@b", "hub.example", "https://hub.example?x=a@b"] {
            assert_eq!(split_login(address), (address.to_owned(), None));
        }
    }

    #[test]
    fn the_usual_variables() {
        let home = Path::new("/nowhere");
        assert_eq!(with(&[], home), HubSettings::default());
        let settings = with(
            &[
                ("HF_ENDPOINT", "https://hub.example/"),
                ("https_proxy", "proxy:3128"),
                ("ALL_PROXY", "socks5://other"),
                ("NO_PROXY", "localhost,.internal"),
                ("HF_HUB_DOWNLOAD_TIMEOUT", "5"),
                ("HF_HUB_OFFLINE", "1"),
            ],
            home,
        );
        assert_eq!(settings.endpoint, "https://hub.example");
        assert_eq!(settings.proxies.https.as_deref(), Some("proxy:3128"));
        assert_eq!(settings.proxies.http.as_deref(), Some("socks5://other"));
        assert_eq!(settings.stall_timeout, Duration::from_secs(5));
        assert!(settings.offline);
    }
}
