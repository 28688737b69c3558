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
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => {
                return Err(wrong(&format!("`{scheme}` is not `http`")));
            }
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        host_and_port(rest.strip_suffix("/v1").unwrap_or(rest)).map_err(|problem| wrong(&problem))
    }
}

fn wrong(problem: &str) -> String {
    format!(
        "must be an address such as `0.0.0.0`, `127.0.0.1:9000` or `http://localhost:8000`; {problem}"
    )
}

/// Checks `OLLAMA_HOST`, which may also have the scheme `https` and a path. The error completes "`OLLAMA_HOST` is
/// `value`, but must be …".
pub(crate) fn check_ollama_host(text: &str) -> Result<(), String> {
    let wrong = |problem| format!("an address such as `127.0.0.1:11434`; {problem}");
    let rest = match text.trim().split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some((scheme, _)) => return Err(wrong(format!("`{scheme}` is not `http`"))),
        None => text.trim(),
    };
    let host = rest.split('/').next().unwrap_or(rest);
    host_and_port(host).map(|_| ()).map_err(wrong)
}

/// Parses the part of an address after the scheme. The error says what is wrong with it.
fn host_and_port(text: &str) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("`]` is missing")?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err(format!("`{after}` is not a port")),
            };
            (host, port)
        }
        // Several colons without brackets are an IPv6 address without a port.
        None if text.matches(':').count() > 1 => (text, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_port = |port: &str| port.parse::<u16>().map_err(|_| not_a_port(port));
    let port = port.map(is_port).transpose()?;
    if host.contains(':') {
        let without_zone = host.split('%').next().unwrap_or(host);
        without_zone
            .parse::<std::net::Ipv6Addr>()
            .map_err(|_| format!("`{host}` is not an IPv6 address"))?;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if !host.chars().all(is_name) {
        return Err(format!("`{host}` is not the name of a host"));
    }
    if host.is_empty() && port.is_none() {
        return Err("it names no host".to_owned());
    }
    let host = if host.is_empty() { DEFAULT_HOST } else { host };
    Ok(Address { host: host.to_owned(), port })
}

fn not_a_port(text: &str) -> String {
    format!("the port `{text}` is not a number from 0 to {}", u16::MAX)
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
    fn an_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("box:port", "; the port `port` is not a number from 0 to 65535"),
            ("https://box", "; `https` is not `http`"),
            ("1:2:3:99999", "; `1:2:3:99999` is not an IPv6 address"),
            ("a b", "; `a b` is not the name of a host"),
        ] {
            assert!(text.parse::<Address>().unwrap_err().ends_with(reason), "{text}");
        }
        for text in ["box", ":9000", "https://box/ollama", "http://[::1]:9000", "0.0.0.0:11434"] {
            assert_eq!(check_ollama_host(text), Ok(()), "{text}");
        }
        for text in ["box:port", "ftp://box", "a b", "1:2:3:99999"] {
            assert!(check_ollama_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_lead_to_this_machine() {
        assert_eq!(url("0.0.0.0", 8000), "http://127.0.0.1:8000");
        assert_eq!(url("::", 8000), "http://[::1]:8000");
        assert_eq!(url("box", 9000), "http://box:9000");
    }
}
