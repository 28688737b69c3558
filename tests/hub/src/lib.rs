//! A model hub over real HTTP, for tests: the API, files behind redirects to a second server (the
//! CDN), ranges, revisions, gating, search, and faults on demand. It counts its traffic.
//!
//! ```
//! # use mlxk_test_hub::{Fault, Hub, Repo};
//! let hub = Hub::start();
//! hub.add(Repo::new("org/Tiny").file("config.json", b"{}").file("model.safetensors", &[7; 1000]));
//! hub.fault("model.safetensors", Fault::Cut(500), 1);
//! // Point a client at `hub.endpoint()`.
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::result_large_err, reason = "the error is the answer")]

mod api;
mod content;
mod faults;
mod repo;
mod resolve;
mod state;
mod upload;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

pub use faults::Fault;
pub use repo::{Repo, git_sha1, sha256};
pub use state::{Logged, Served};

use state::State;

/// A running hub. Dropping it stops it.
#[derive(Debug)]
pub struct Hub {
    state: Arc<State>,
    runtime: Option<Runtime>,
    endpoint: String,
}

impl Hub {
    /// Starts an empty hub on free ports of this machine.
    pub fn start() -> Self {
        let listen = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            (listener, address)
        };
        let ((hub, endpoint), (cdn, cdn_endpoint)) = (listen(), listen());
        let state = Arc::new(State::new(cdn_endpoint));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let hub_router = api::router(&state).merge(upload::router(&state));
        let cdn_router = resolve::cdn_router(&state).merge(upload::store_router(&state));
        let routers = [(hub, hub_router), (cdn, cdn_router)];
        for (listener, router) in routers {
            runtime.spawn(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        }
        Self { state, runtime: Some(runtime), endpoint }
    }

    /// Returns the address of the hub, for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Adds a repository, or replaces the one of that name.
    pub fn add(&self, repo: Repo) {
        self.state.lock().repos.insert(repo.id.clone(), repo);
    }

    /// Makes the next `times` transfers of the content of `file` fail.
    pub fn fault(&self, file: &str, fault: Fault, times: usize) {
        self.state.add_faults(format!("content:{file}"), fault, times);
    }

    /// Makes the next `times` requests for the place of `file` fail, before any content.
    pub fn fault_resolve(&self, file: &str, fault: Fault, times: usize) {
        self.state.add_faults(format!("resolve:{file}"), fault, times);
    }

    /// Makes the next `times` requests to the API fail.
    pub fn fault_api(&self, fault: Fault, times: usize) {
        self.state.add_faults("api".to_owned(), fault, times);
    }

    /// Makes the next `times` uploads of content fail.
    pub fn fault_upload(&self, fault: Fault, times: usize) {
        self.state.add_faults("upload".to_owned(), fault, times);
    }

    /// Makes the next `times` commits fail.
    pub fn fault_commit(&self, fault: Fault, times: usize) {
        self.state.add_faults("commit".to_owned(), fault, times);
    }

    /// Asks for large files in parts of this many bytes; 0 asks for whole files.
    pub fn set_upload_parts(&self, bytes: u64) {
        self.state.lock().uploads.part_bytes = bytes;
    }

    /// Makes all new repositories public, even if private ones are requested.
    pub fn forget_privacy(&self) {
        self.state.lock().forgets_privacy = true;
    }

    /// Returns the bytes of content received.
    pub fn received_bytes(&self) -> u64 {
        self.state.lock().uploads.received
    }

    /// Returns the content of a file on a branch.
    pub fn content(&self, repo: &str, branch: &str, file: &str) -> Option<Vec<u8>> {
        let inner = self.state.lock();
        let repo = inner.repos.get(repo)?;
        Some(repo.commits[repo.find(branch)?].get(file)?.content.to_vec())
    }

    /// Returns the names of the files on a branch.
    pub fn names(&self, repo: &str, branch: &str) -> Vec<String> {
        let inner = self.state.lock();
        let Some(repo) = inner.repos.get(repo) else { return Vec::new() };
        let files = repo.find(branch).map(|commit| repo.commits[commit].keys().cloned());
        files.into_iter().flatten().collect()
    }

    /// Returns `true` if a repository is private, or `None` if it does not exist.
    pub fn is_private(&self, repo: &str) -> Option<bool> {
        let inner = self.state.lock();
        inner.repos.get(repo).map(|repo| repo.token.is_some())
    }

    /// Returns `true` if all faults have happened.
    pub fn faults_are_over(&self) -> bool {
        self.state.lock().faults.values().all(std::collections::VecDeque::is_empty)
    }

    /// Cancels the faults that have not happened.
    pub fn reset_faults(&self) {
        self.state.lock().faults.clear();
    }

    /// Slows down all content by a pause after every 16 KiB.
    pub fn set_pace(&self, pause: Duration) {
        self.state.lock().pace = pause;
    }

    /// Invalidates all links to content.
    pub fn expire_links(&self) {
        self.state.lock().signature += 1;
    }

    /// Returns the traffic of `file`.
    pub fn served(&self, file: &str) -> Served {
        self.state.lock().served.get(file).copied().unwrap_or_default()
    }

    /// Returns the bytes of content sent.
    pub fn served_bytes(&self) -> u64 {
        self.state.lock().served.values().map(|served| served.bytes).sum()
    }

    /// Returns every request so far, in order.
    pub fn log(&self) -> Vec<Logged> {
        self.state.lock().log.clone()
    }

    /// Resets the log and the counters.
    pub fn reset_counts(&self) {
        let mut state = self.state.lock();
        state.log.clear();
        state.served.clear();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
