//! The address of Ollama's server.

const PORT: u16 = 11434;

/// Returns the address that a value of `OLLAMA_HOST` means: a host, a port, both, or a URL. The
/// address for listening on all interfaces means this machine. Without a value, it is Ollama's
/// default address.
pub fn ollama_address(host: Option<&str>) -> String {
    let text = host.map_or("127.0.0.1", str::trim).trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = match rest.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => rest.to_owned(),
    };
    let has_port = match rest.rsplit_once(':') {
        // The colons of a bare IPv6 address do not precede a port.
        Some((host, port)) => {
            port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
        }
        None => false,
    };
    let port = match scheme {
        _ if has_port => String::new(),
        "https" => ":443".to_owned(),
        _ => format!(":{PORT}"),
    };
    format!("{scheme}://{}{port}", rest.replacen("0.0.0.0", "127.0.0.1", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_ollama_reads_them() {
        for (host, expected) in [
            (None, "http://127.0.0.1:11434"),
            (Some("127.0.0.1"), "http://127.0.0.1:11434"),
            (Some("0.0.0.0"), "http://127.0.0.1:11434"),
            (Some("0.0.0.0:9000"), "http://127.0.0.1:9000"),
            (Some(":9000"), "http://127.0.0.1:9000"),
            (Some("http://localhost:9000/"), "http://localhost:9000"),
            (Some("https://box/"), "https://box:443"),
            (Some("[::1]"), "http://[::1]:11434"),
            (Some("[::1]:9000"), "http://[::1]:9000"),
            (Some("gpu.example"), "http://gpu.example:11434"),
        ] {
            assert_eq!(ollama_address(host), expected);
        }
    }
}
