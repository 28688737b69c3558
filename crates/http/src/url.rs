//! Web addresses as text.

use ureq::http::Uri;

/// Returns an address without its query, which may contain a signature, and without a password.
pub fn without_query(url: &str) -> String {
    split_login(url.split('?').next().unwrap_or_default()).0
}

/// Returns the host and the port of an address, as a message names them.
pub fn host_and_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // A redirect may contain a password, too.
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

/// Returns scheme, host and port, which together decide whether a token may be sent.
pub fn origin(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16()))
}

/// Returns the full address of a redirect from `base` to `target`.
pub fn absolute(base: &str, target: &str) -> Option<String> {
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
pub fn escape(path: &str) -> String {
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

/// Replaces `%20` and the like by the bytes that they stand for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high * 16 + low) as u8);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

/// Escapes one part of a path or query, slashes included.
pub fn escape_part(part: &str) -> String {
    escape(part).replace('/', "%2F")
}

/// Splits an address like `https://name:password@host/path` into the address without the login, and the login.
pub fn split_login(address: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = address.split_once("://") else { return (address.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((login, host)) => {
            (format!("{scheme}://{host}{}", &rest[end..]), Some(login.to_owned()))
        }
        None => (address.to_owned(), None),
    }
}
