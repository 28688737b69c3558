//! Sends large files by Git LFS's batch protocol and the hub's multipart transfer.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::commit::post;
use super::files::Hashes;
use super::{LocalFile, PushRequest};
use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::{Body, Client, Method, Request, Subject};

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// Number of objects in one batch.
const OBJECTS_PER_BATCH: usize = 256;

pub(super) struct Upload<'a> {
    pub client: &'a Client,
    pub request: &'a PushRequest,
    pub subject: &'a Subject,
}

#[derive(Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    #[serde(default)]
    actions: Option<Actions>,
    #[serde(default)]
    error: Option<ObjectError>,
}

#[derive(Deserialize)]
struct ObjectError {
    message: String,
}

#[derive(Deserialize)]
struct Actions {
    upload: Option<Action>,
    verify: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    /// Headers to send. In a multipart transfer, they are the size and the addresses of the parts.
    #[serde(default)]
    header: BTreeMap<String, Value>,
}

impl Upload<'_> {
    /// Sends the files whose content the hub does not have. Returns the number of bytes sent.
    /// `advance` receives the bytes of all files that have arrived.
    pub(super) fn run(
        &self,
        files: &[&(&LocalFile, Hashes)],
        advance: &mut dyn FnMut(u64),
    ) -> Result<u64> {
        let (mut done, mut sent) = (0, 0);
        let mut known = HashSet::new();
        for files in files.chunks(OBJECTS_PER_BATCH) {
            let mut actions = self.ask(files)?;
            for (file, hashes) in files {
                // Files with the same content are one object.
                if let Some(actions) = actions.remove(&hashes.sha256)
                    && known.insert(hashes.sha256.clone())
                {
                    if let Some(upload) = &actions.upload {
                        self.send(file, hashes, upload, &mut |bytes| advance(done + bytes))?;
                        sent += file.size_bytes;
                    }
                    if let Some(verify) = &actions.verify {
                        self.verify(file, hashes, verify)?;
                    }
                }
                done += file.size_bytes;
                advance(done);
            }
        }
        Ok(sent)
    }

    /// Returns the action for each object that the hub does not have.
    fn ask(&self, files: &[&(&LocalFile, Hashes)]) -> Result<BTreeMap<String, Actions>> {
        let objects: Vec<Value> = files
            .iter()
            .map(|(file, hashes)| json!({"oid": hashes.sha256, "size": file.size_bytes}))
            .collect();
        let body = json!({"operation": "upload", "transfers": ["basic", "multipart"],
            "hash_algo": "sha_256", "ref": {"name": self.request.branch}, "objects": objects});
        let url = self.client.url(&format!("/{}.git/info/lfs/objects/batch", self.request.repo));
        let mut ask = post(url, MEDIA_TYPE, &body, self.subject).header("accept", MEDIA_TYPE);
        ask.retry = true;
        let url = ask.url.clone();
        let batch: Batch = self.client.send(&ask)?.json()?;
        let mut actions = BTreeMap::new();
        for object in batch.objects {
            if let Some(error) = object.error {
                let problem = format!("refuses an object: {}", error.message);
                return Err(HttpError::BadAnswer { url, problem }.into());
            }
            actions.extend(object.actions.map(|actions| (object.oid, actions)));
        }
        Ok(actions)
    }

    fn send(
        &self,
        file: &LocalFile,
        hashes: &Hashes,
        action: &Action,
        advance: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let part_bytes = action.header.get("chunk_size").and_then(number).filter(|&size| size > 0);
        let Some(part_bytes) = part_bytes else {
            let mut put = self.put(file, action.href.clone(), 0, file.size_bytes);
            for (name, value) in &action.header {
                if let (Some(name), Some(value)) = (allowed(name), value.as_str()) {
                    put = put.header(name, value);
                }
            }
            self.client.send(&put)?;
            return Ok(());
        };
        let mut parts = Vec::new();
        // The other members are part numbers, with leading zeros, and addresses.
        let addresses = action.header.iter().filter_map(|(name, url)| {
            let number: u64 = name.parse().ok().filter(|&number| number > 0)?;
            Some((number, url.as_str()?))
        });
        let addresses: BTreeMap<u64, &str> = addresses.collect();
        let bad = |problem: &str| {
            HubError::Http(HttpError::BadAnswer {
                url: action.href.split('?').next().unwrap_or_default().to_owned(),
                problem: problem.to_owned(),
            })
        };
        for part in 0..file.size_bytes.div_ceil(part_bytes) {
            let (number, offset) = (part + 1, part * part_bytes);
            let url = addresses.get(&number).ok_or_else(|| bad("gives too few parts"))?;
            let length = part_bytes.min(file.size_bytes - offset);
            let response = self.client.send(&self.put(file, (*url).to_owned(), offset, length))?;
            let etag = response.header("etag").ok_or_else(|| bad("does not confirm a part"))?;
            parts.push(json!({"partNumber": number, "etag": etag}));
            advance(offset + length);
        }
        let body = json!({"oid": hashes.sha256, "parts": parts});
        self.client.send(&self.confirmation(action.href.clone(), &body))?;
        Ok(())
    }

    fn put(&self, file: &LocalFile, url: String, offset: u64, length: u64) -> Request {
        let mut put = Request::new(Method::PUT, url)
            .about(&Subject { file: Some(file.name.clone()), ..self.subject.clone() });
        put.body = Body::File { path: file.path.clone(), offset, length };
        put
    }

    fn verify(&self, file: &LocalFile, hashes: &Hashes, action: &Action) -> Result<()> {
        let body = json!({"oid": hashes.sha256, "size": file.size_bytes});
        self.client.send(&self.confirmation(action.href.clone(), &body))?;
        Ok(())
    }

    /// Returns a request that confirms sent content. Sending it twice does no harm.
    fn confirmation(&self, url: String, body: &Value) -> Request {
        let mut request = post(url, MEDIA_TYPE, body, self.subject).header("accept", MEDIA_TYPE);
        request.retry = true;
        request
    }
}

/// Returns the name of a header that a server may ask us to send with content.
fn allowed(name: &str) -> Option<&'static str> {
    let known = ["authorization", "content-type", "x-amz-content-sha256", "x-amz-checksum-sha256"];
    known.into_iter().find(|known| name.eq_ignore_ascii_case(known))
}
