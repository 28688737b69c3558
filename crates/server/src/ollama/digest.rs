//! Digests of models and of uploads.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::error::{ApiError, cleaned};

/// Prefix of digests.
pub(super) const PREFIX: &str = "sha256:";

/// Returns the SHA-256 of the parts, in hexadecimal.
pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

/// Returns bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the digits of a digest that a client writes, such as `sha256:..`.
pub(super) fn digits(digest: &str) -> Result<&str, ApiError> {
    let digits = digest.strip_prefix(PREFIX).or_else(|| digest.strip_prefix("sha256-"));
    let is_hash = |text: &&str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    digits.filter(is_hash).ok_or_else(|| {
        let digest = cleaned(digest, 80);
        let message =
            format!("`{digest}` is not a digest; expected `sha256:` and 64 hexadecimal digits");
        ApiError::field("digest", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_from_other_texts() {
        let hash = of(["a", "b"]);
        assert_ne!(hash, of(["ab"]));
        assert_eq!(digits(&format!("{PREFIX}{hash}")).unwrap(), hash);
        for digest in ["", "sha256:", "sha256:../../../etc/passwd", &hash, "md5:00"] {
            assert!(digits(digest).is_err(), "{digest}");
        }
    }
}
