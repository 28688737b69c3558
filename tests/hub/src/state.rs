//! State of the hub.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Method, Uri};

use crate::upload::Uploads;
use crate::{Fault, Repo};

/// Shared by all requests.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) cdn: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) repos: BTreeMap<String, Repo>,
    pub(crate) faults: HashMap<String, VecDeque<Fault>>,
    pub(crate) served: HashMap<String, Served>,
    pub(crate) log: Vec<Logged>,
    pub(crate) pace: Duration,
    /// Part of every link to content. Links with another one have expired.
    pub(crate) signature: u32,
    pub(crate) uploads: Uploads,
    /// `true` if new repositories are always public.
    pub(crate) forgets_privacy: bool,
}

/// Traffic of a file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Number of requests answered with content.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// `GET`, `HEAD` and so on.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `true` if it went to the CDN.
    pub on_cdn: bool,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
}

impl Inner {
    /// Returns the content with this SHA-256, from an upload or from the CDN.
    pub(crate) fn content(&self, sha256: &str) -> Option<Arc<Vec<u8>>> {
        let files = self.repos.values().flat_map(|repo| repo.commits.values()).flatten();
        let stored = || files.map(|(_, file)| file).find(|file| file.etag == sha256);
        let uploaded = self.uploads.objects.get(sha256).cloned();
        uploaded.or_else(|| stored().map(|file| Arc::clone(&file.content)))
    }

    pub(crate) fn has(&self, sha256: &str) -> bool {
        self.content(sha256).is_some()
    }
}

impl State {
    pub(crate) fn new(cdn: String) -> Self {
        Self { cdn, inner: Mutex::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_faults(&self, place: String, fault: Fault, times: usize) {
        let mut inner = self.lock();
        inner.faults.entry(place).or_default().extend(std::iter::repeat_n(fault, times));
    }

    /// Returns the next fault at `place`.
    pub(crate) fn next_fault(&self, place: &str) -> Option<Fault> {
        self.lock().faults.get_mut(place)?.pop_front()
    }

    pub(crate) fn log(&self, method: &Method, uri: &Uri, headers: &HeaderMap, on_cdn: bool) {
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        self.lock().log.push(Logged {
            method: method.to_string(),
            path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            on_cdn,
            authorization: header("authorization"),
            range: header("range"),
            user_agent: header("user-agent"),
        });
    }

    pub(crate) fn began(&self, file: &str) {
        self.lock().served.entry(file.to_owned()).or_default().requests += 1;
    }

    pub(crate) fn sent(&self, file: &str, bytes: u64) {
        self.lock().served.entry(file.to_owned()).or_default().bytes += bytes;
    }
}

/// The state in the form that handlers receive.
pub(crate) type Shared = axum::extract::State<Arc<State>>;
