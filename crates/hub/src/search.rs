//! Looks for models on the hub.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::error::HttpError;
use crate::http::{Client, Request, escape_part, supervised};
use crate::{HfCache, HubSettings, Locations, Reporter, Result};

/// A model that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `org/NAME`.
    pub name: String,
    /// Downloads of the last month.
    pub downloads: u64,
    /// People who like it.
    pub likes: u64,
    /// When it last changed, as the hub writes it (RFC 3339).
    pub last_modified: Option<String>,
    /// What it is for, such as `text-generation`.
    pub task: Option<String>,
    /// Words that it is filed under.
    pub tags: Vec<String>,
    /// Whether access has to be asked for.
    pub gated: bool,
    /// Whether the cache holds it, or a part of it.
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

/// The `limit` most downloaded models that fit `words`; only MLX checkpoints unless `all`.
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
    let cached = HfCache::new(&locations.hf_hub_cache).repos()?;
    Ok(entries
        .into_iter()
        .map(|entry| Found {
            cached: cached.iter().any(|repo| repo.id.to_string() == entry.id),
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
