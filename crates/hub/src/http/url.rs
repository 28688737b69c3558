//! Web addresses as text.

use ureq::http::Uri;

/// Returns an address without its query, which may contain a signature.
pub(crate) fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// Returns the host and the port of an address, as a message names them.
pub(super) fn host_and_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default().to_owned()
}

/// Returns scheme, host and port, which together decide whether a token may be sent.
pub(super) fn origin(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16()))
}

/// Returns the full address of a redirect from `base` to `target`.
pub(super) fn absolute(base: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default().trim();
    let base: Uri = base.parse().ok()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    if target.contains("://") && !target.starts_with('/') {
        return Some(target.to_owned());
    }
    if let Some(rest) = target.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    if target.starts_with('/') {
        return Some(format!("{scheme}://{authority}{target}"));
    }
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    (!target.is_empty()).then(|| format!("{scheme}://{authority}{folder}/{target}"))
}

/// Escapes everything in a path but slashes, letters, digits and `-._~`.
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

/// Escapes one part of a path or query, slashes included.
pub(crate) fn escape_part(part: &str) -> String {
    escape(part).replace('/', "%2F")
}
