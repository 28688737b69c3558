//! The address of our server, as people write it.

use std::str::FromStr;

/// A host, and a port if one is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or IP address, without the brackets of IPv6.
    pub host: String,
    pub port: Option<u16>,
}

impl FromStr for Address {
    type Err = String;

    /// Parses `host`, `host:port`, `:port` or an `http` URL without a path.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "must be an address such as `0.0.0.0`, `127.0.0.1:9000` or `http://localhost:8000`"
                .to_owned()
        };
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong()),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let rest = rest.strip_suffix("/v1").unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
                let port = match after.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if after.is_empty() => None,
                    None => return Err(wrong()),
                };
                (host, port)
            }
            // Several colons without brackets are an IPv6 address without a port.
            None if rest.matches(':').count() > 1 => (rest, None),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().map_err(|_| wrong())?),
            None => None,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if !host.chars().all(is_name) || (host.is_empty() && port.is_none()) {
            return Err(wrong());
        }
        let host = if host.is_empty() { DEFAULT_HOST } else { host };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// The address that `mlxk server` listens on unless told otherwise.
pub(crate) const DEFAULT_HOST: &str = "127.0.0.1";

/// Returns the URL of a server that listens on `host`, without a slash at the end. A server on all interfaces
/// also listens on the loopback one.
pub(crate) fn url(host: &str, port: u16) -> String {
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    if host.contains(':') {
        format!("http://[{host}]:{port}")
    } else {
        format!("http://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, host, port) in [
            ("0.0.0.0", "0.0.0.0", None),
            ("localhost:9000", "localhost", Some(9000)),
            (":9000", "127.0.0.1", Some(9000)),
            ("http://localhost:9000/", "localhost", Some(9000)),
            ("http://box.example/v1", "box.example", None),
            ("::1", "::1", None),
            ("[::1]:9000", "::1", Some(9000)),
            ("[::]", "::", None),
        ] {
            let expected = Address { host: host.to_owned(), port };
            assert_eq!(text.parse::<Address>(), Ok(expected), "{text}");
        }
        for text in
            ["", ":", "https://box", "box:port", "box:70000", "box/path", "[::1", "[::1]9", "a b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn urls_lead_to_this_machine() {
        assert_eq!(url("0.0.0.0", 8000), "http://127.0.0.1:8000");
        assert_eq!(url("::", 8000), "http://[::1]:8000");
        assert_eq!(url("box", 9000), "http://box:9000");
    }
}
