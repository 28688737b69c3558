//! Trying again: how often, and after how long.

use std::time::{Duration, Instant};

use super::client::Client;
use super::request::Request;
use super::response::Response;
use crate::error::{HubError, Result};

const MAX_TRIES: u32 = 6;
/// If no server has ever answered, there is probably no network.
const MAX_FIRST_TRIES: u32 = 3;
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A server that asks for a longer pause is reported instead.
const MAX_ASKED: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// Counts the failed tries of one piece of work.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    client: &'a Client,
    failed: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client, failed: 0 }
    }

    /// Starts counting again, because some of the work was done.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try: as long as the server `asked`, or a growing time. Returns the
    /// error if it will not pass by itself, or if too many tries have failed.
    pub(crate) fn pause(&mut self, error: HubError, asked: Option<Duration>) -> Result<()> {
        if matches!(&error, HubError::Http(error) if error.is_passing()) {
            return self.pause_anyway(error, asked);
        }
        Err(if self.client.cancelled() { HubError::Cancelled } else { error })
    }

    /// Like [`pause`](Self::pause), for an error that the caller can do something about.
    pub(crate) fn pause_anyway(&mut self, error: HubError, asked: Option<Duration>) -> Result<()> {
        if self.client.cancelled() {
            return Err(HubError::Cancelled);
        }
        self.failed += 1;
        let most = if self.client.was_answered() { MAX_TRIES } else { MAX_FIRST_TRIES };
        if self.failed >= most || asked.is_some_and(|t| t > MAX_ASKED) {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| {
            mlxk_http::growing(self.client.retry_pause(), self.failed, MAX_PAUSE)
        });
        if pause >= Duration::from_secs(2) {
            self.client.note(&format!("{error}; trying again in {} s", pause.as_secs()));
        }
        self.client.sleep(pause)
    }
}

impl Client {
    /// Sends a request, and sends it again if the failure may pass by itself. Returns an answer of
    /// 2xx, or a redirect that is not to be followed; every other status is an error.
    pub(crate) fn send(&self, request: &Request) -> Result<Response> {
        let mut tries = Tries::new(self);
        loop {
            let (error, asked) = match self.send_once(request)? {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            if !request.retry {
                return Err(error);
            }
            tries.pause(error, asked)?;
        }
    }

    /// Sleeps, or returns an error as soon as the client is cancelled.
    fn sleep(&self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        loop {
            if self.cancelled() {
                return Err(HubError::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL));
        }
    }
}
