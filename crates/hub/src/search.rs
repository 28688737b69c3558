//! Searches the hub for models.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cache::HfCache;
use crate::error::Result;
use crate::http::error::HttpError;
use crate::http::settings::HubSettings;
use crate::http::{Client, Request, escape_part, supervised};
use crate::locations::Locations;
use crate::reporter::Reporter;

/// A search result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `org/NAME`.
    pub name: String,
    /// Downloads of the last month.
    pub downloads: u64,
    /// Number of likes.
    pub likes: u64,
    /// Time of the last change in the hub's format (RFC 3339).
    pub last_modified: Option<String>,
    /// Task, such as `text-generation`.
    pub task: Option<String>,
    /// Tags of the repository.
    pub tags: Vec<String>,
    /// `true` if access has to be requested.
    pub gated: bool,
    /// `true` if the cache has at least a part of it.
    pub cached: bool,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    downloads: u64,
    #[serde(default)]
    likes: u64,
    #[serde(rename = "lastModified")]
    last_modified: Option<String>,
    pipeline_tag: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    gated: Value,
}

/// Returns the `limit` most downloaded models that match `words`: only MLX checkpoints, unless
/// `all` is set.
pub fn search(
    words: &str,
    limit: usize,
    all: bool,
    locations: &Locations,
    settings: &HubSettings,
    reporter: &dyn Reporter,
) -> Result<Vec<Found>> {
    if settings.offline {
        return Err(HttpError::OfflineSearch.into());
    }
    let client = Client::new(settings)?;
    let mut query = format!(
        "/api/models?search={}&sort=downloads&direction=-1&limit={limit}&full=true",
        escape_part(words)
    );
    if !all {
        let _ = write!(query, "&filter=mlx");
    }
    reporter.stage("Searching");
    let request = Request::get(client.url(&query));
    let entries: Vec<Entry> = supervised(&client, reporter, |_| client.send(&request)?.json())?;
    let cached = cached_names(locations)?;
    Ok(entries
        .into_iter()
        .map(|entry| Found {
            cached: cached.contains(&entry.id),
            gated: !matches!(entry.gated, Value::Bool(false) | Value::Null),
            name: entry.id,
            downloads: entry.downloads,
            likes: entry.likes,
            last_modified: entry.last_modified,
            task: entry.pipeline_tag,
            tags: entry.tags,
        })
        .collect())
}

/// Returns the names of all repositories of which the cache has at least a part.
pub fn cached_names(locations: &Locations) -> Result<BTreeSet<String>> {
    let repos = HfCache::new(&locations.hf_hub_cache).repos()?;
    Ok(repos.into_iter().map(|repo| repo.id.to_string()).collect())
}
