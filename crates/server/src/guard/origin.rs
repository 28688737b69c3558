//! Origins and host names under which a server may be used.

use std::net::IpAddr;

use super::authority;

/// Schemes of pages that belong to applications on this machine.
const APPLICATIONS: [&str; 5] = ["app", "file", "tauri", "vscode-file", "vscode-webview"];

/// Returns `true` if only this machine can reach the address.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Returns `true` if a `Host` header names this machine. `own` is the address that the server listens on.
pub(super) fn is_own_host(host: &str, own: &str) -> bool {
    let Some(name) = authority::name(host) else { return false };
    is_this_machine(name) || name.eq_ignore_ascii_case(own.trim_matches(['[', ']']))
}

/// Returns `true` if a `Host` header calls a server on the network by an address, or by one of `names`. Any other name
/// may be one of a web page that points it here.
pub(super) fn is_own_in_network(host: &str, own: &str, names: &[String]) -> bool {
    let Some(name) = authority::name(host) else { return false };
    let name = name.trim_end_matches('.');
    is_own_host(host, own)
        || authority::is_address(name)
        || names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Returns `true` if pages of `origin` may use the server that they call `host`.
pub(super) fn is_allowed(origin: &str, host: Option<&str>, allowed: &[String]) -> bool {
    let named = allowed.iter().map(|it| it.trim_end_matches('/'));
    if named.into_iter().any(|it| it == "*" || it.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    if APPLICATIONS.contains(&scheme) {
        return true;
    }
    let is_page = matches!(scheme, "http" | "https");
    let is_same = host.is_some_and(|host| host.eq_ignore_ascii_case(rest));
    let is_ours = authority::name(rest).is_some_and(is_this_machine);
    is_page && (is_same || is_ours)
}

/// Returns `true` for `*`, `null`, and an origin as browsers send it: a scheme, a host and perhaps a port. A slash
/// at the end is allowed.
pub fn is_origin(text: &str) -> bool {
    if matches!(text, "*" | "null") {
        return true;
    }
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let is_host =
        |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    is_scheme && !host.is_empty() && host.bytes().all(is_host)
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(is_loopback)
}

/// Shortens a client's header for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '`').take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_only_leads_here_is_not_ours() {
        for host in ["localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "a.localhost"] {
            assert!(is_own_host(host, "127.0.0.1"), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "[::1].evil.example",
            "localhost:1@evil.example",
        ] {
            assert!(!is_own_host(host, "127.0.0.1"), "{host}");
            assert!(!is_allowed(&format!("http://{host}"), Some("box:8000"), &[]), "{host}");
        }
        assert!(is_own_host("box.lan:8000", "box.lan"));
        let names = ["box".to_owned(), "box.local".to_owned()];
        let in_network = |host: &str| is_own_in_network(host, "0.0.0.0", &names);
        for host in ["localhost", "192.168.1.5:8000", "[fe80::1]:8000", "BOX:8000", "box.local."] {
            assert!(in_network(host), "{host}");
        }
        for host in ["evil.example:8000", "box.evil.example", "1.2.3.4.evil.example", ""] {
            assert!(!in_network(host), "{host}");
        }
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for origin in
            ["*", "null", "https://app.example", "http://[::1]:80/", "chrome-extension://abc"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for text in ["", "foo", "app.example", "https://", "https://a/b", "https://a b", "://a"] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn pages_of_this_machine_and_of_allowed_origins_may() {
        let none: &[String] = &[];
        let host = Some("box:8000");
        for origin in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:5173",
            "http://box:8000",
            "vscode-webview://x",
        ] {
            assert!(is_allowed(origin, host, none), "{origin}");
        }
        for origin in ["https://evil.example", "null", "", "http://box:9", "ftp://localhost"] {
            assert!(!is_allowed(origin, host, none), "{origin}");
        }
        let named = ["https://app.example/".to_owned()];
        assert!(is_allowed("https://app.example", host, &named));
        assert!(!is_allowed("https://app.example.evil", host, &named));
        assert!(is_allowed("null", host, &["*".to_owned()]));
    }
}
