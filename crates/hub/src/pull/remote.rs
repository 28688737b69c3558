//! The hub's description of a repository. It is not trusted, because its names become paths.

use std::collections::HashSet;

use super::remote_file::{RemoteFile, is_hex};
use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::{Client, Follow, Request, Subject, escape};
use crate::repo_files::{Sibling, repo_files};
use crate::repo_id::RepoId;

const MAX_FILES: usize = 20_000;
const MAX_NAME_LENGTH: usize = 1024;
/// Longest part of a path that all file systems take.
const MAX_PART_BYTES: usize = 255;

/// One commit of a repository.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub repo: RepoId,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    pub commit: String,
    pub files: Vec<RemoteFile>,
}

impl Remote {
    pub(super) fn subject(&self, file: Option<&str>) -> Subject {
        Subject {
            repo: self.repo.to_string(),
            revision: Some(self.revision.clone()),
            file: file.map(str::to_owned),
        }
    }

    /// Returns the address of a file on the hub.
    pub(super) fn resolve_url(&self, client: &Client, name: &str) -> String {
        client.url(&format!("/{}/resolve/{}/{}", self.repo, self.commit, escape(name)))
    }
}

/// Asks the hub for the description of a revision.
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
            let too_long = sibling.rfilename.split('/').any(|part| part.len() > MAX_PART_BYTES);
            let why = if too_long { "is too long" } else { "could leave the cache" };
            return Err(bad(format!("lists a file called `{name}`, which {why}")));
        }
        let file = match known(&sibling) {
            Some(file) => file,
            None => locate(client, &remote, &sibling.rfilename)?.file,
        };
        remote.files.push(file);
    }
    remote.files.sort_by(|a, b| a.name.cmp(&b.name));
    remote.files.dedup_by(|a, b| a.name == b.name);
    if let Some(name) = file_and_folder(&remote.files) {
        return Err(bad(format!("lists `{name}` as a file and as a folder")));
    }
    Ok(remote)
}

/// Returns the file if the description has its size and hash.
fn known(sibling: &Sibling) -> Option<RemoteFile> {
    RemoteFile::new(sibling.rfilename.clone(), sibling.size_bytes()?, sibling.hash()?)
}

/// The current place of a file.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub file: RemoteFile,
    /// The address of its content: on the hub, or a signed one elsewhere.
    pub url: String,
}

/// Asks the hub for the place, size and hash of a file, without fetching it.
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

/// Strips an `ETag` of its quotes and of the mark of a weak one.
pub(super) fn plain_etag(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Returns the name of a file that another file has as its folder.
fn file_and_folder(files: &[RemoteFile]) -> Option<&str> {
    let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let folders = |name: &'_ str| name.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
    files.iter().find_map(|file| {
        let name = file.name.as_str();
        folders(name).into_iter().map(|at| &name[..at]).find(|folder| names.contains(folder))
    })
}

/// Returns `true` if a name stays inside the folder that it is joined to, on every system.
fn is_safe(name: &str) -> bool {
    let reserved =
        |c: char| c.is_control() || matches!(c, '\\' | ':' | '"' | '<' | '>' | '|' | '?' | '*');
    !name.is_empty()
        && name.len() <= MAX_NAME_LENGTH
        && !name.contains(reserved)
        && name.split('/').all(|part| {
            !part.is_empty()
                && part.len() <= MAX_PART_BYTES
                && part != "."
                && part != ".."
                && !part.ends_with([' ', '.'])
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
        // File systems take 255 bytes for each part.
        assert!(is_safe(&"a".repeat(255)) && !is_safe(&"a".repeat(256)));
        assert!(!is_safe(&format!("a/{}", "ü".repeat(150))));
    }

    #[test]
    fn a_file_is_not_a_folder() {
        let files = |names: &[&str]| -> Vec<RemoteFile> {
            names.iter().map(|name| RemoteFile::new((*name).to_owned(), 1, "a").unwrap()).collect()
        };
        let clash = files(&["config.json", "config.json.bak", "config.json/x.json"]);
        assert_eq!(file_and_folder(&clash), Some("config.json"));
        assert_eq!(file_and_folder(&files(&["a/b", "a/c", "ab"])), None);
    }

    #[test]
    fn etags_lose_their_quotes() {
        assert_eq!(plain_etag(" W/\"abc\""), "abc");
    }
}
