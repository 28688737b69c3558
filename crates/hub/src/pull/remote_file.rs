//! A file of a repository, as the hub describes it.

/// A file of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Path in the repository, with slashes; checked to stay inside any folder.
    pub name: String,
    pub size_bytes: u64,
    /// The hub's name for the content, which is also the name of its blob in the cache.
    pub etag: String,
    pub check: Check,
}

/// The way to check a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Sha256,
    /// Git's hash of a blob.
    GitSha1,
    /// The etag is not a hash that we know.
    SizeOnly,
}

impl RemoteFile {
    /// Returns a file, or `None` if its etag cannot be the name of a file.
    pub(super) fn new(name: String, size_bytes: u64, etag: &str) -> Option<Self> {
        let check = match etag {
            etag if is_hex(etag, 64) => Check::Sha256,
            etag if is_hex(etag, 40) => Check::GitSha1,
            _ => Check::SizeOnly,
        };
        let clean = (1..=128).contains(&etag.len())
            && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        clean.then(|| Self { name, size_bytes, etag: etag.to_owned(), check })
    }
}

/// Returns `true` if the text is a hexadecimal number of that many digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_become_names_of_files() {
        let of = |etag: &str| RemoteFile::new("f".into(), 1, etag).map(|file| file.check);
        assert_eq!(of(&"a1".repeat(32)), Some(Check::Sha256));
        assert_eq!(of(&"a1".repeat(20)), Some(Check::GitSha1));
        assert_eq!(of("abc-12"), Some(Check::SizeOnly));
        for etag in ["", "../x", "a/b", "a.b"] {
            assert_eq!(of(etag), None, "{etag}");
        }
    }
}
