//! What the hub says about a repository. None of it is trusted: names become paths here.

use serde_json::Value;

use super::layout::RepoFolder;
use crate::http::error::HttpError;
use crate::http::{Client, Follow, Request, Response, Subject, escape};
use crate::repo_files::{Sibling, repo_files};
use crate::{HubError, RepoId, Result};

const MAX_CONFIG_BYTES: u64 = 16 << 20;
const MAX_FILES: usize = 20_000;
const MAX_NAME_LENGTH: usize = 1024;

/// One commit of a repository.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub repo: RepoId,
    /// What was asked for.
    pub revision: String,
    pub commit: String,
    pub files: Vec<RemoteFile>,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Path in the repository, with slashes; checked to stay inside any folder.
    pub name: String,
    pub size_bytes: u64,
    /// What the hub knows its content by, and the name of its blob.
    pub etag: String,
    pub check: Check,
}

/// How a content is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Sha256,
    /// Git's hash of a blob.
    GitSha1,
    /// The etag is no hash that we know.
    SizeOnly,
}

impl Remote {
    pub(super) fn subject(&self, file: Option<&str>) -> Subject {
        Subject {
            repo: self.repo.to_string(),
            revision: Some(self.revision.clone()),
            file: file.map(str::to_owned),
        }
    }

    /// Where the hub gives the file.
    pub(super) fn resolve_url(&self, client: &Client, name: &str) -> String {
        client.url(&format!("/{}/resolve/{}/{}", self.repo, self.commit, escape(name)))
    }
}

/// Asks for the description of a revision.
pub(super) fn look_up(client: &Client, repo: &RepoId, revision: Option<&str>) -> Result<Remote> {
    let revision = revision.unwrap_or("main");
    let subject =
        Subject { repo: repo.to_string(), revision: Some(revision.to_owned()), file: None };
    let (url, info) = repo_files(client, repo, revision, &subject)?;
    let bad = |problem: String| HubError::Http(HttpError::BadAnswer { url: url.clone(), problem });
    let commit = info
        .sha
        .filter(|sha| is_hex(sha, 40) || is_hex(sha, 64))
        .ok_or_else(|| bad("names no commit".to_owned()))?;
    if info.siblings.len() > MAX_FILES {
        return Err(bad(format!("lists more than {MAX_FILES} files")));
    }
    let mut remote =
        Remote { repo: repo.clone(), revision: revision.to_owned(), commit, files: Vec::new() };
    for sibling in info.siblings {
        if !is_safe(&sibling.rfilename) {
            let name: String = sibling.rfilename.escape_debug().take(100).collect();
            return Err(bad(format!("lists a file called `{name}`, which could leave the cache")));
        }
        let file = match known(&sibling) {
            Some(file) => file,
            None => locate(client, &remote, &sibling.rfilename)?.file,
        };
        remote.files.push(file);
    }
    remote.files.sort_by(|a, b| a.name.cmp(&b.name));
    remote.files.dedup_by(|a, b| a.name == b.name);
    Ok(remote)
}

/// The file where the description has its size and hash.
fn known(sibling: &Sibling) -> Option<RemoteFile> {
    RemoteFile::new(sibling.rfilename.clone(), sibling.size_bytes()?, sibling.hash()?)
}

impl RemoteFile {
    fn new(name: String, size_bytes: u64, etag: &str) -> Option<Self> {
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

/// Where a file lies at the moment.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub file: RemoteFile,
    /// The address of its content: on the hub, or a signed one elsewhere.
    pub url: String,
}

/// Asks the hub for a file's place, size and hash, without fetching it.
pub(super) fn locate(client: &Client, remote: &Remote, name: &str) -> Result<Located> {
    let request = Request::head(remote.resolve_url(client, name))
        .follow(Follow::SameHost)
        .about(&remote.subject(Some(name)));
    let response = client.send(&request)?;
    let header = |linked, plain| response.header(linked).or_else(|| response.header(plain));
    let etag = header("x-linked-etag", "etag").map(plain_etag);
    let size = header("x-linked-size", "content-length").and_then(|size| size.trim().parse().ok());
    let file = match (etag, size) {
        (Some(etag), Some(size)) => RemoteFile::new(name.to_owned(), size, &etag),
        _ => None,
    };
    let url = match response.status() {
        300.. => response.location(),
        _ => Some(response.url.clone()),
    };
    match (file, url) {
        (Some(file), Some(url)) => Ok(Located { file, url }),
        _ => Err(HttpError::BadAnswer {
            url: request.url,
            problem: "does not say the file's size and hash".to_owned(),
        }
        .into()),
    }
}

/// An `ETag` without quotes and without the mark of a weak one.
pub(super) fn plain_etag(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// The parsed `config.json`, from the cache where it is there; `null` where the repository has
/// none.
pub(super) fn config(client: &Client, remote: &Remote, folder: &RepoFolder) -> Result<Value> {
    let Some(file) = remote.files.iter().find(|file| file.name == "config.json") else {
        return Ok(Value::Null);
    };
    let blob = folder.blob(&file.etag);
    let bytes = match fs_err::read(&blob) {
        Ok(bytes) if bytes.len() as u64 == file.size_bytes => bytes,
        _ => {
            let url = remote.resolve_url(client, &file.name);
            let request = Request::get(url).about(&remote.subject(Some(&file.name)));
            get_whole(client, &request)?
        }
    };
    // Whether it makes sense is for the inspection to say.
    Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A small body, asked for again where it breaks off.
fn get_whole(client: &Client, request: &Request) -> Result<Vec<u8>> {
    let mut tries = crate::http::Tries::new(client);
    loop {
        let response: Response = client.send(request)?;
        match response.bytes(MAX_CONFIG_BYTES) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => tries.pause(error, None)?,
        }
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a name stays inside the folder that it is joined to, on every system.
fn is_safe(name: &str) -> bool {
    let reserved =
        |c: char| c.is_control() || matches!(c, '\\' | ':' | '"' | '<' | '>' | '|' | '?' | '*');
    !name.is_empty()
        && name.len() <= MAX_NAME_LENGTH
        && !name.contains(reserved)
        && name.split('/').all(|part| {
            !part.is_empty() && part != "." && part != ".." && !part.ends_with([' ', '.'])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["config.json", "a/b/c.json", ".gitattributes", "ü n.txt"] {
            assert!(is_safe(name), "{name}");
        }
        for name in
            ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "C:x", "a\0b", "a/.. "]
        {
            assert!(!is_safe(name), "{name}");
        }
        assert!(!is_safe(&"a".repeat(2000)));
    }

    #[test]
    fn etags_become_names_of_files() {
        let of = |etag: &str| RemoteFile::new("f".into(), 1, etag).map(|file| file.check);
        assert_eq!(of(&"a1".repeat(32)), Some(Check::Sha256));
        assert_eq!(of(&"a1".repeat(20)), Some(Check::GitSha1));
        assert_eq!(of("abc-12"), Some(Check::SizeOnly));
        for etag in ["", "../x", "a/b", "a.b"] {
            assert_eq!(of(etag), None, "{etag}");
        }
        assert_eq!(plain_etag(" W/\"abc\""), "abc");
    }
}
