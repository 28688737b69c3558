//! The API key of requests, compared in constant time.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::config::ApiKey;
use crate::error::{ApiError, Kind};

/// Refuses a request that does not send `key`.
pub(super) fn check(key: &ApiKey, headers: &HeaderMap) -> Result<(), ApiError> {
    let bearer = headers
        .get(AUTHORIZATION)
        .map(axum::http::HeaderValue::as_bytes)
        .and_then(|value| value.split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map(|(_, key)| key.trim_ascii());
    let own = headers.get("x-api-key").map(axum::http::HeaderValue::as_bytes);
    let Some(given) = bearer.or(own) else {
        let message =
            "This server requires an API key: send `Authorization: Bearer KEY` or `x-api-key: KEY`";
        return Err(ApiError::new(Kind::Unauthorized, message));
    };
    if equal(given, key.0.as_bytes()) {
        return Ok(());
    }
    Err(ApiError::new(Kind::Unauthorized, "The API key is wrong"))
}

/// Compares two keys. Takes the same time whatever they have in common, their length included.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    let difference = a.iter().zip(b.iter()).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_two_headers() {
        let key = ApiKey::new(" secret\n").unwrap();
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check(&key, &headers).is_ok()
        };
        assert!(with("authorization", "Bearer secret") && with("authorization", "bearer  secret"));
        assert!(with("x-api-key", "secret"));
        assert!(!with("authorization", "secret") && !with("authorization", "Basic secret"));
        assert!(!with("x-api-key", "secre") && !with("x-api-key", "secretx"));
        assert!(check(&key, &HeaderMap::new()).is_err());
        assert!(ApiKey::new(" \n").is_none());
        assert!(!format!("{key:?}").contains("secret"));
    }
}
