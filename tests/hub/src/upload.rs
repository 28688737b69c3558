//! Uploads: new repositories and branches, large files by LFS (whole or in parts), commits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{post, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::api::{allowed, answer, error};
use crate::repo::{Repo, StoredFile, git_sha1, hex, sha256};
use crate::state::{Shared, State};

/// Uploads that no commit names yet.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Contents by their SHA-256.
    pub(crate) objects: BTreeMap<String, Arc<Vec<u8>>>,
    /// Parts that arrived, by object and number.
    parts: BTreeMap<String, BTreeMap<u64, Vec<u8>>>,
    /// Size of the parts in which objects are requested; 0 for whole objects.
    pub(crate) part_bytes: u64,
    /// Bytes of content received.
    pub(crate) received: u64,
}

/// Returns the routes of the hub itself.
pub(crate) fn router(state: &Arc<State>) -> Router {
    let routes = Router::new()
        .route("/api/repos/create", post(create))
        .route("/api/validate-yaml", post(valid))
        .route("/api/models/{org}/{name}/branch/{branch}", post(branch))
        .route("/api/models/{org}/{name}/preupload/{branch}", post(preupload))
        .route("/api/models/{org}/{name}/commit/{branch}", post(commit))
        .route("/{org}/{name}/info/lfs/objects/batch", post(batch))
        .route("/verify/{oid}", post(verify));
    noticed(routes, state, false)
}

/// Returns the routes of the store for contents.
pub(crate) fn store_router(state: &Arc<State>) -> Router {
    let routes = Router::new()
        .route("/upload/{oid}", put(whole))
        .route("/part/{oid}/{number}", put(part))
        .route("/complete/{oid}", post(complete));
    noticed(routes, state, true)
}

/// Adds logging and faults to the routes.
fn noticed(routes: Router<Arc<State>>, state: &Arc<State>, on_cdn: bool) -> Router {
    let notice = move |axum::extract::State(state): Shared, request: Request, next: Next| async move {
        state.log(request.method(), request.uri(), request.headers(), on_cdn);
        let path = request.uri().path();
        let place = match () {
            () if path.contains("/commit/") => Some("commit"),
            () if path.starts_with("/upload/") || path.starts_with("/part/") => Some("upload"),
            () => None,
        };
        let fault = place.and_then(|place| state.next_fault(place));
        match fault.and_then(|fault| fault.answer(path)) {
            Some(answer) => answer.into_response(),
            None => next.run(request).await,
        }
    };
    routes
        .layer(from_fn_with_state(Arc::clone(state), notice))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(state))
}

/// The token that was sent.
struct Token(String);

impl<S: Sync> FromRequestParts<S> for Token {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let sent = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        match sent.and_then(|value| value.strip_prefix("Bearer ")) {
            None => Err(error(401, "", "Invalid username or password.")),
            Some("read-only") => Err(error(403, "", "You don't have the rights to write")),
            Some(token) => Ok(Self(token.to_owned())),
        }
    }
}

/// The repository that a request may change.
struct Target {
    id: String,
    repo: Repo,
    /// Empty if the address names none.
    branch: String,
}

impl FromRequestParts<Arc<State>> for Target {
    type Rejection = Response<Body>;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<State>,
    ) -> Result<Self, Self::Rejection> {
        Token::from_request_parts(parts, state).await?;
        let words = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(mut words) = words.map_err(IntoResponse::into_response)?;
        let mut word = |name| words.remove(name).unwrap_or_default();
        let id = format!("{}/{}", word("org"), word("name").trim_end_matches(".git"));
        let repo = allowed(state, &id, &parts.headers, true)?;
        Ok(Self { id, repo, branch: word("branch") })
    }
}

/// Returns the address of the hub, as the client knows it.
fn address(headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or_default())
}

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

async fn create(
    axum::extract::State(state): Shared,
    Token(token): Token,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = parsed(&body);
    let name = body["name"].as_str().unwrap_or_default();
    // In the older form of the request, the name may contain the organization.
    let id = match body["organization"].as_str() {
        Some(org) => format!("{org}/{name}"),
        None if name.contains('/') => name.to_owned(),
        None => format!("me/{name}"),
    };
    let mut inner = state.lock();
    if inner.repos.contains_key(&id) {
        let message = "You already created this model repo";
        let url = format!("{}/{id}", address(&headers));
        let mut refused = error(409, "", message);
        *refused.body_mut() = Body::from(json!({"error": message, "url": url}).to_string());
        return refused;
    }
    let repo = Repo::new(&id);
    let private = body["private"] == true || body["visibility"] == "private";
    let repo = if private && !inner.forgets_privacy { repo.private(&token) } else { repo };
    inner.repos.insert(id.clone(), repo);
    answer(&json!({"url": format!("{}/{id}", address(&headers)), "name": id}))
}

/// The official client asks if the front matter of a README is valid.
async fn valid() -> Response<Body> {
    answer(&json!({"errors": [], "warnings": []}))
}

async fn branch(
    axum::extract::State(state): Shared,
    Target { id, branch, .. }: Target,
) -> Response<Body> {
    let mut inner = state.lock();
    let Some(repo) = inner.repos.get_mut(&id) else { return error(404, "RepoNotFound", "gone") };
    if repo.refs.contains_key(&branch) {
        return error(409, "", "Reference already exists");
    }
    let main = repo.commit();
    repo.refs.insert(branch, main);
    answer(&json!({"success": true}))
}

async fn preupload(Target { repo, branch, .. }: Target, body: Bytes) -> Response<Body> {
    let Some(commit) = repo.refs.get(&branch) else {
        return error(404, "RevisionNotFound", &format!("Invalid rev id: {branch}"));
    };
    let there = &repo.commits[commit];
    let files = parsed(&body)["files"].as_array().cloned().unwrap_or_default();
    let ways: Vec<Value> = files
        .iter()
        .map(|file| {
            let path = file["path"].as_str().unwrap_or_default();
            let large = file["size"].as_u64() > Some(10 << 20) || is_lfs(path);
            json!({"path": path, "uploadMode": if large { "lfs" } else { "regular" },
                "shouldIgnore": false, "oid": there.get(path).map(|file| &file.etag)})
        })
        .collect();
    answer(&json!({"files": ways, "commitOid": commit}))
}

fn is_lfs(path: &str) -> bool {
    [".safetensors", ".gguf", ".bin"].iter().any(|end| path.ends_with(end))
}

async fn batch(
    axum::extract::State(state): Shared,
    _target: Target,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let inner = state.lock();
    let objects = parsed(&body)["objects"].as_array().cloned().unwrap_or_default();
    let objects: Vec<Value> = objects
        .iter()
        .map(|object| {
            let oid = object["oid"].as_str().unwrap_or_default();
            let size = object["size"].as_u64().unwrap_or_default();
            let mut described = json!({"oid": oid, "size": size, "authenticated": true});
            if inner.has(oid) {
                return described;
            }
            let parts = inner.uploads.part_bytes;
            let upload = if parts == 0 {
                json!({"href": format!("{}/upload/{oid}?signature=1", state.cdn), "header": {}})
            } else {
                let mut header = json!({"chunk_size": parts.to_string()});
                for number in 1..=size.div_ceil(parts) {
                    let url = format!("{}/part/{oid}/{number}?signature=1", state.cdn);
                    header[format!("{number:05}")] = url.into();
                }
                json!({"href": format!("{}/complete/{oid}", state.cdn), "header": header})
            };
            let verify = json!({"href": format!("{}/verify/{oid}", address(&headers))});
            described["actions"] = json!({"upload": upload, "verify": verify});
            described
        })
        .collect();
    let transfer = if inner.uploads.part_bytes == 0 { "basic" } else { "multipart" };
    answer(&json!({"transfer": transfer, "objects": objects}))
}

async fn whole(
    axum::extract::State(state): Shared,
    Path(oid): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let mut inner = state.lock();
    inner.uploads.received += body.len() as u64;
    if sha256(&body) != oid {
        return error(400, "", "The content has another hash");
    }
    inner.uploads.objects.insert(oid, Arc::new(body.to_vec()));
    Response::new(Body::empty())
}

async fn part(
    axum::extract::State(state): Shared,
    Path((oid, number)): Path<(String, u64)>,
    body: Bytes,
) -> Response<Body> {
    let mut inner = state.lock();
    inner.uploads.received += body.len() as u64;
    let etag = format!("\"{}\"", &sha256(&body)[..32]);
    inner.uploads.parts.entry(oid).or_default().insert(number, body.to_vec());
    Response::builder().header("etag", etag).body(Body::empty()).unwrap()
}

async fn complete(
    axum::extract::State(state): Shared,
    Path(oid): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let listed = parsed(&body)["parts"].as_array().cloned().unwrap_or_default();
    let mut inner = state.lock();
    let parts = inner.uploads.parts.get(&oid).cloned().unwrap_or_default();
    let confirmed = listed.iter().map(|part| {
        let content = parts.get(&part["partNumber"].as_u64()?)?;
        let etag = format!("\"{}\"", &sha256(content)[..32]);
        (part["etag"] == etag).then_some(content.as_slice())
    });
    let content: Option<Vec<&[u8]>> = confirmed.collect();
    match content.map(|parts| parts.concat()).filter(|content| sha256(content) == oid) {
        Some(content) => {
            inner.uploads.objects.insert(oid, Arc::new(content));
            answer(&json!({"success": true}))
        }
        None => error(400, "", "The parts do not make up the object"),
    }
}

async fn verify(
    axum::extract::State(state): Shared,
    _token: Token,
    Path(oid): Path<String>,
) -> Response<Body> {
    if state.lock().has(&oid) { answer(&json!({})) } else { error(404, "", "No such object") }
}

async fn commit(
    axum::extract::State(state): Shared,
    Target { id, repo, branch }: Target,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Some(parent) = repo.refs.get(&branch) else {
        return error(404, "RevisionNotFound", &format!("Invalid rev id: {branch}"));
    };
    let mut files = repo.commits[parent].clone();
    let mut inner = state.lock();
    for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let value = &line["value"];
        let path = value["path"].as_str().unwrap_or_default().to_owned();
        let file = match line["key"].as_str() {
            Some("header") => continue,
            Some("file") => {
                let content = BASE64.decode(value["content"].as_str().unwrap_or_default());
                let content = content.unwrap_or_default();
                let etag = git_sha1(&content);
                StoredFile { content: Arc::new(content), lfs: false, etag }
            }
            Some("lfsFile") => {
                let oid = value["oid"].as_str().unwrap_or_default();
                let Some(content) = inner.content(oid) else {
                    return error(400, "", "Your push was rejected: an object is missing");
                };
                StoredFile { content, lfs: true, etag: oid.to_owned() }
            }
            _ => return error(400, "", "Unknown operation"),
        };
        files.insert(path, file);
    }
    let hash = hex(&Sha1::digest(format!("{id}-{}", repo.commits.len())));
    if let Some(repo) = inner.repos.get_mut(&id) {
        repo.refs.insert(branch, hash.clone());
        repo.commits.insert(hash.clone(), files);
    }
    let url = format!("{}/{id}/commit/{hash}", address(&headers));
    answer(&json!({"success": true, "commitOid": hash, "commitUrl": url, "hookOutput": ""}))
}
