//! Origins and host names under which a server may be used.

use std::net::IpAddr;

use super::authority;

/// Schemes of pages that belong to applications on this machine.
const APPLICATIONS: [&str; 5] = ["app", "file", "tauri", "vscode-file", "vscode-webview"];

/// Returns `true` if only this machine can reach the address.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Names by which containers and virtual machines reach this machine. Other names in `.local` and `.internal` may be
/// given out by anyone in the same network.
const CONTAINERS: [&str; 6] = [
    "host.docker.internal",
    "gateway.docker.internal",
    "host.containers.internal",
    "host.lima.internal",
    "host.orb.internal",
    "host.minikube.internal",
];

/// Returns `true` if a `Host` header names this machine. `own` is the address that the server listens on, and `names`
/// are those of the machine.
pub(super) fn is_own_host(host: &str, own: &str, names: &[String]) -> bool {
    let Some(name) = host_name(host) else { return false };
    let is_it = |known: &str| known.eq_ignore_ascii_case(&name);
    let is_local =
        name == "localhost" || is_below(&name, ".localhost") || CONTAINERS.contains(&name.as_str());
    // A page can only make a name lead to this machine, never an address.
    let is_address = name.parse::<IpAddr>().is_ok_and(is_near);
    is_local
        || is_address
        || is_it(own.trim_matches(['[', ']']))
        || names.iter().any(|known| is_it(known))
}

/// Returns `true` if the operator allows a `Host` header: by its name, by `*.example`, or by `*`.
pub(super) fn is_allowed_host(host: &str, allowed: &[String]) -> bool {
    let Some(name) = host_name(host) else { return false };
    allowed.iter().any(|allowed| {
        let allowed = allowed.trim().to_ascii_lowercase();
        match allowed.strip_prefix('*') {
            Some("") => true,
            Some(end) if end.starts_with('.') => is_below(&name, end),
            _ => authority::name(&allowed) == Some(name.as_str()),
        }
    })
}

/// Returns the name in `host[:port]` in the form that is compared: in lower case, without a dot at the end.
fn host_name(host: &str) -> Option<String> {
    authority::name(host).map(|name| name.trim_end_matches('.').to_ascii_lowercase())
}

fn is_below(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|rest| !rest.is_empty())
}

/// Returns `true` for addresses of this machine and of private networks.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            it.is_loopback() || it.is_private() || it.is_link_local() || it.is_unspecified()
        }
        IpAddr::V6(it) => {
            let (is_local, is_link) = (it.is_unique_local(), it.is_unicast_link_local());
            is_local || is_link || it.is_loopback() || it.is_unspecified()
        }
    }
}

/// Returns `true` if a `Host` header calls a server on the network by an address, or by one of `names`. Any other name
/// may be one of a web page that points it here.
pub(super) fn is_own_in_network(host: &str, own: &str, names: &[String]) -> bool {
    is_own_host(host, own, names)
        || host_name(host).is_some_and(|name| authority::is_address(&name))
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
    let is_ours = host_name(rest).is_some_and(|name| is_this_machine(&name));
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

/// Returns `true` if pages of this host are on this machine. Programs write `0.0.0.0` for it, too.
fn is_this_machine(name: &str) -> bool {
    let is_own = |address: IpAddr| is_loopback(address) || address.is_unspecified();
    name == "localhost" || is_below(name, ".localhost") || name.parse().is_ok_and(is_own)
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
        let names = ["box".to_owned(), "box.local".to_owned()];
        let is_own = |host: &str| is_own_host(host, "127.0.0.1", &names);
        for host in [
            "localhost:8000",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1:8000",
            "[::1]:8000",
            "a.localhost",
            "host.docker.internal:8000",
            "box.local",
            "10.0.0.1:8000",
            "192.168.1.7",
            "169.254.3.4",
            "0.0.0.0:8000",
            "[::]:8000",
            "[fd00::1]",
            "[fe80::1]:8000",
            "[::ffff:10.0.0.1]",
            "BOX:8000",
        ] {
            assert!(is_own(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "",
            "[::1].evil.example",
            "localhost:1@evil.example",
            "local",
            ".local",
            "evil.local",
            "evil.internal:8000",
            "evil.docker.internal",
            "evil.local.example",
            "8.8.8.8",
            "[2001:db8::1]",
            "10.0.0.1.evil.example",
            "box.evil.example",
        ] {
            assert!(!is_own(host), "{host}");
            assert!(!is_allowed(&format!("http://{host}"), Some("box:8000"), &[]), "{host}");
        }
        assert!(is_own_host("box.lan:8000", "box.lan", &[]));
        let in_network = |host: &str| is_own_in_network(host, "0.0.0.0", &names);
        for host in ["localhost", "192.168.1.5:8000", "[fe80::1]:8000", "BOX:8000", "box.local."] {
            assert!(in_network(host), "{host}");
        }
        for host in ["evil.example:8000", "box.evil.example", "1.2.3.4.evil.example", ""] {
            assert!(!in_network(host), "{host}");
        }
    }

    #[test]
    fn the_operator_may_allow_hosts() {
        let allowed = ["models.example:8000".to_owned(), "*.lan.example".to_owned()];
        for host in ["models.example", "MODELS.example:9000", "a.lan.example"] {
            assert!(is_allowed_host(host, &allowed), "{host}");
        }
        for host in ["evil.example", "lan.example", "models.example.evil", "a.lan.example@x", ""] {
            assert!(!is_allowed_host(host, &allowed), "{host}");
        }
        assert!(is_allowed_host("evil.example", &["*".to_owned()]));
        assert!(!is_allowed_host("evilexample", &["*example".to_owned()]));
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
            "http://0.0.0.0:3000",
            "https://[::]",
            "http://box:8000",
            "vscode-webview://x",
        ] {
            assert!(is_allowed(origin, host, none), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://box:9",
            "ftp://localhost",
            "http://10.0.0.1",
            "http://x.local",
        ] {
            assert!(!is_allowed(origin, host, none), "{origin}");
        }
        let named = ["https://app.example/".to_owned()];
        assert!(is_allowed("https://app.example", host, &named));
        assert!(!is_allowed("https://app.example.evil", host, &named));
        assert!(is_allowed("null", host, &["*".to_owned()]));
    }
}
