//! Reads `host[:port]`, as in `Host` headers and origins, strictly by its grammar (RFC 3986, section 3.2).

use std::net::{IpAddr, Ipv6Addr};

/// Returns the name or address in `host[:port]`, without brackets and port. Returns `None` if the text is anything
/// else, such as `[::1].evil.example` or `localhost:1@evil.example`.
pub(super) fn name(authority: &str) -> Option<&str> {
    let (name, rest) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        (address, rest)
    } else {
        let (name, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let is_name = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        (!name.is_empty() && name.bytes().all(is_name)).then_some(())?;
        (name, rest)
    };
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    let has_port = rest
        .strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()) && is_port(port));
    (rest.is_empty() || has_port).then_some(name)
}

/// Returns `true` if a name is an address in numbers. No name server can make it lead elsewhere.
pub(super) fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn only_the_grammar_is_read() {
        for (text, expected) in [
            ("localhost", "localhost"),
            ("localhost:8000", "localhost"),
            ("localhost:", "localhost"),
            ("a-b.example.:1", "a-b.example."),
            ("127.0.0.1:8000", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::1]:8000", "::1"),
        ] {
            assert_eq!(name(text), Some(expected), "{text}");
        }
        for text in [
            "",
            ":8000",
            "[::1].evil.example",
            "[::1]:8000.evil.example",
            "[::1]x",
            "[localhost]",
            "[evil",
            "localhost:1@evil.example",
            "localhost@evil.example",
            "localhost/x",
            "localhost:+1",
            "localhost:99999",
            "localhost:1:2",
            "local host",
            "::1",
            "a,b",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
