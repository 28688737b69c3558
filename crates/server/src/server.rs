//! The life of a server: start, service, shutdown.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use mlxk_memory::available_bytes;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::backends::{BackendError, Backends};
use crate::config::ServerConfig;
use crate::error::ApiError;
use crate::models::Models;
use crate::state::{MAX_CHANGES, Phase, Shared, State};
use crate::{guard, listen, ollama, open_files, routes};

/// Threads that serve connections. Engines have their own.
const SERVING_THREADS: usize = 2;
/// Threads for slow work: encoding prompts, reading folders, loading models.
const WORKING_THREADS: usize = 32;

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    state: Shared,
}

/// Stops a server, from any thread.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Phase>);

/// Reason why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address does not exist.
    #[error("Cannot find the address `{host}`: {source}")]
    Address {
        /// The address as configured.
        host: String,
        /// Error of the system.
        source: io::Error,
    },
    /// The port is taken, or may not be used.
    #[error("Cannot listen on `{host}:{port}`: {source}")]
    Listen {
        /// The address as configured.
        host: String,
        /// The port as configured.
        port: u16,
        /// Error of the system.
        source: io::Error,
    },
    /// A backend is invalid.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The system refused threads.
    #[error("Cannot start the server: {0}")]
    Runtime(io::Error),
    /// The server's own model cannot be loaded.
    #[error("{0}")]
    Model(String),
}

impl Server {
    /// Starts to listen. Connections are answered when the server [runs](Self::run).
    pub fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        let (host, port) = (config.host.clone(), config.port);
        let backends = Backends::new(&config.backends, config.queue, config.lookup)?;
        if !config.backends.is_empty() {
            open_files::raise_limit();
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = (bare, port)
            .to_socket_addrs()
            .map_err(|source| ServerError::Address { host: host.clone(), source })?
            .collect();
        let failed = |source| ServerError::Listen { host: host.clone(), port, source };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SERVING_THREADS)
            .max_blocking_threads(WORKING_THREADS)
            .thread_name("mlxk-server")
            .enable_all()
            .build()
            .map_err(ServerError::Runtime)?;
        let entered = runtime.enter();
        let listener = listen::bind(&addresses).map_err(failed)?;
        drop(entered);
        let address = listener.local_addr().map_err(ServerError::Runtime)?;
        let state = Arc::new(State {
            models: Models::new(config.clone(), available_bytes()),
            backends,
            config,
            metrics: Arc::default(),
            started: Instant::now(),
            is_local: guard::is_loopback(address.ip()),
            names: guard::machine::names(),
            phase: watch::Sender::new(Phase::Running),
            capabilities: ollama::Known::default(),
            responses: Arc::default(),
            changes: Arc::new(Semaphore::new(MAX_CHANGES)),
        });
        Ok(Self { runtime, listener, address, state })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `true` if only this machine can reach the server.
    pub fn is_local(&self) -> bool {
        self.state.is_local
    }

    /// Returns a handle that stops the server.
    pub fn stop(&self) -> Stop {
        Stop(self.state.phase.clone())
    }

    /// Loads the server's own model, if it has one. Returns `false` if the server was stopped before that ended.
    pub fn preload(&self) -> Result<bool, ServerError> {
        if self.state.config.model.is_none() {
            return Ok(true);
        }
        let mut phase = self.state.phase.subscribe();
        self.runtime.block_on(async {
            tokio::select! {
                lease = self.state.models.acquire(None, None) => lease
                    .map(|_| true)
                    .map_err(|ApiError { message, .. }| ServerError::Model(message)),
                // The thread that loads it ends with the process.
                _ = phase.wait_for(|phase| *phase != Phase::Running) => Ok(false),
            }
        })
    }

    /// Serves until the server is stopped. Running answers get a moment to end.
    pub fn run(self) {
        let Self { runtime, listener, state, .. } = self;
        let router = routes::routes(&state);
        let models = state.models.clone();
        let expiring = runtime.spawn(async move { models.expire().await });
        runtime.block_on(listen::serve(listener, router, &state));
        expiring.abort();
        state.models.close();
        // Does not wait for threads: one of them may be loading a model.
        runtime.shutdown_background();
    }
}

impl Stop {
    /// Stops the server: it takes no new requests, and running answers get a moment to end.
    pub fn stop(&self) {
        let stops = self.0.send_if_modified(|phase| {
            let is_running = *phase == Phase::Running;
            if is_running {
                *phase = Phase::Draining;
            }
            is_running
        });
        if stops {
            tracing::info!("stopping");
        }
    }
}
