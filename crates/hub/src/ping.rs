//! Checks that the hub answers.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::http::error::HttpError;
use crate::http::settings::HubSettings;
use crate::http::{Client, Request, supervised};
use crate::reporter::Reporter;

/// Sends one small request to the hub, with the token if there is one. Returns the time until the
/// answer.
pub fn ping(settings: &HubSettings, reporter: &dyn Reporter) -> Result<Duration> {
    if settings.offline {
        return Err(HttpError::OfflineSearch.into());
    }
    let client = Client::new(settings)?;
    let mut request = Request::get(client.url("/api/models?limit=1"));
    request.retry = false;
    let started = Instant::now();
    supervised(&client, reporter, |_| client.send(&request).map(drop))?;
    Ok(started.elapsed())
}
