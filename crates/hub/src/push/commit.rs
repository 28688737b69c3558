//! Requests to the hub that carry no large files: listing a branch, asking how to send files, and
//! the commit.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::files::Hashes;
use super::{Changes, LocalFile, PushRequest, Visibility};
use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::{Body, Client, Method, Request, Subject, escape_part};
use crate::push::error::PushError;

/// Number of files in one question about how to send them.
const FILES_PER_QUESTION: usize = 256;
const CONFLICT: u16 = 409;

#[derive(Deserialize)]
struct Answers {
    files: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    path: String,
    #[serde(rename = "uploadMode")]
    upload_mode: String,
    #[serde(rename = "shouldIgnore", default)]
    should_ignore: bool,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "commitOid")]
    oid: String,
    #[serde(rename = "commitUrl")]
    url: Option<String>,
}

/// The hub's answer on how to send the files.
pub(super) struct Ways {
    large: HashSet<String>,
    ignored: HashSet<String>,
}

impl Ways {
    /// Returns `true` if a file is sent by LFS.
    pub(super) fn is_large(&self, name: &str) -> bool {
        self.large.contains(name) && !self.ignored.contains(name)
    }
}

/// Returns a POST request with JSON.
pub(super) fn post(url: String, content_type: &str, body: &Value, subject: &Subject) -> Request {
    let mut request =
        Request::new(Method::POST, url).header("content-type", content_type).about(subject);
    request.body = Body::Bytes(body.to_string().into_bytes());
    request
}

/// Returns the names and hashes of the files on a branch.
pub(super) fn listing(
    client: &Client,
    request: &PushRequest,
    subject: &Subject,
) -> Result<BTreeMap<String, String>> {
    let (_, listing) =
        crate::repo_files::repo_files(client, &request.repo, &request.branch, subject)?;
    let named = listing.siblings.into_iter().map(|file| {
        let hash = file.hash().unwrap_or_default().to_owned();
        (file.rfilename, hash)
    });
    Ok(named.collect())
}

/// Creates the repository and the branch, if they are missing.
pub(super) fn create(
    client: &Client,
    request: &PushRequest,
    changes: &Changes,
    subject: &Subject,
) -> Result<()> {
    if changes.repo_is_new {
        let private = request.create != Some(Visibility::Public);
        // Hubs know one of the two fields, or both.
        let visibility = if private { "private" } else { "public" };
        let mut body = json!({"name": request.repo.name(), "type": "model", "private": private,
            "visibility": visibility});
        if let Some(org) = request.repo.org() {
            body["organization"] = org.into();
        }
        // Without a subject, because the repository does not exist yet: a refusal is about the
        // token.
        let url = client.url("/api/repos/create");
        unless_there(client.send(&post(url, "application/json", &body, &Subject::default())))?;
        if private {
            check_private(client, request, subject)?;
        }
    }
    if changes.branch_is_new {
        let branch = escape_part(&request.branch);
        let url = client.url(&format!("/api/models/{}/branch/{branch}", request.repo));
        unless_there(client.send(&post(url, "application/json", &json!({}), subject)))?;
    }
    Ok(())
}

/// Checks that the hub says that the repository is private before anything is sent.
fn check_private(client: &Client, request: &PushRequest, subject: &Subject) -> Result<()> {
    let url = client.url(&format!("/api/models/{}", request.repo));
    let made: Value = client.send(&Request::get(url).about(subject))?.json()?;
    if made.get("private") == Some(&Value::Bool(false)) {
        return Err(PushError::NotPrivate {
            name: request.repo.to_string(),
            page: format!("{}/{}/settings", client.endpoint(), request.repo),
        }
        .into());
    }
    Ok(())
}

/// Accepts that another process created it meanwhile.
fn unless_there<T>(result: Result<T>) -> Result<()> {
    match result {
        Ok(_) | Err(HubError::Http(HttpError::ServerStatus { status: CONFLICT, .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Asks the hub how to send the files.
pub(super) fn ask_ways(
    client: &Client,
    request: &PushRequest,
    files: &[(&LocalFile, Hashes)],
    subject: &Subject,
) -> Result<Ways> {
    let mut ways = Ways { large: HashSet::new(), ignored: HashSet::new() };
    let branch = escape_part(&request.branch);
    for files in files.chunks(FILES_PER_QUESTION) {
        let questions = files
            .iter()
            .map(|(file, _)| {
                let sample = BASE64.encode(file.sample()?);
                Ok(json!({"path": file.name, "size": file.size_bytes, "sample": sample}))
            })
            .collect::<Result<Vec<Value>>>()?;
        let url = client.url(&format!("/api/models/{}/preupload/{branch}", request.repo));
        let mut ask = post(url, "application/json", &json!({"files": questions}), subject);
        ask.retry = true;
        let answers: Answers = client.send(&ask)?.json()?;
        for answer in answers.files {
            if answer.upload_mode == "lfs" {
                ways.large.insert(answer.path.clone());
            }
            if answer.should_ignore {
                ways.ignored.insert(answer.path);
            }
        }
    }
    Ok(ways)
}

/// Makes the commit. Returns its hash and its page.
pub(super) fn commit(
    client: &Client,
    request: &PushRequest,
    files: &[(&LocalFile, Hashes)],
    ways: &Ways,
    subject: &Subject,
) -> Result<(String, Option<String>)> {
    let header = json!({"key": "header", "value": {"summary": request.message, "description": ""}});
    let mut lines = vec![header.to_string()];
    for (file, hashes) in files {
        if ways.ignored.contains(&file.name) {
            continue;
        }
        let line = if ways.is_large(&file.name) {
            json!({"key": "lfsFile", "value": {"path": file.name, "algo": "sha256",
                "oid": hashes.sha256, "size": file.size_bytes}})
        } else {
            let content = BASE64.encode(file.content()?);
            json!({"key": "file", "value": {"path": file.name, "encoding": "base64",
                "content": content}})
        };
        lines.push(line.to_string());
    }
    let branch = escape_part(&request.branch);
    let url = client.url(&format!("/api/models/{}/commit/{branch}", request.repo));
    let mut post = Request::new(Method::POST, url)
        .header("content-type", "application/x-ndjson")
        .about(subject);
    post.body = Body::Bytes((lines.join("\n") + "\n").into_bytes());
    let made: Made = client.send(&post)?.json()?;
    Ok((made.oid, made.url))
}
