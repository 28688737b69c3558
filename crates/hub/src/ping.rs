//! Whether the hub answers.

use std::time::{Duration, Instant};

use crate::http::error::HttpError;
use crate::http::{Client, Request, supervised};
use crate::{HubSettings, Reporter, Result};

/// Asks the hub for next to nothing, once, with the token where there is one, and says how long the
/// answer took.
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
