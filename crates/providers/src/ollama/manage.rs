//! The models of an Ollama server: listing, pulling, loading and unloading them.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Ollama;
use crate::endpoint::{Ask, seconds};
use crate::error::{ProviderError, Result};
use crate::limits::Limits;
use crate::lines::{Lines, Next};

/// A model that the server has on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// `name:tag`.
    pub name: String,
    /// Bytes on disk.
    pub size_bytes: u64,
}

/// A model that the server has in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedModel {
    /// `name:tag`.
    pub name: String,
    /// Context length in tokens, if the server says it.
    pub context: Option<u64>,
}

/// The server's description of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Quantization, such as `Q4_K_M`.
    pub quantization: Option<String>,
    /// Number of parameters.
    pub parameters: Option<u64>,
    /// File format: `gguf` or `safetensors`.
    pub format: Option<String>,
}

/// Progress of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullStep {
    /// Current activity, in the server's words.
    pub status: String,
    /// Bytes of this part that have arrived.
    pub completed: u64,
    /// Size of this part in bytes.
    pub total: u64,
}

/// Versions that a server states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Version of Ollama whose API it has.
    pub ollama: String,
    /// Version of `mlxk`, if it is a server of `mlxk`.
    pub mlxk: Option<String>,
}

impl Ollama {
    /// Returns the version of the server.
    pub fn version(&self) -> Result<String> {
        Ok(self.versions()?.ollama)
    }

    /// Returns the version of the server, and that of `mlxk` if it is one of ours.
    pub fn versions(&self) -> Result<Versions> {
        let found = self.get("/api/version")?;
        let text = |name: &str| found[name].as_str().map(str::to_owned);
        let ollama = text("version").ok_or_else(|| self.bad_answer(&found))?;
        Ok(Versions { ollama, mlxk: text("mlxk") })
    }

    /// Returns the models on the server's disk.
    pub fn tags(&self) -> Result<Vec<LocalModel>> {
        let found = self.get("/api/tags")?;
        let models = found["models"].as_array().ok_or_else(|| self.bad_answer(&found))?;
        let local = |model: &Value| {
            let name = model["name"].as_str()?.to_owned();
            Some(LocalModel { name, size_bytes: model["size"].as_u64().unwrap_or(0) })
        };
        Ok(models.iter().filter_map(local).collect())
    }

    /// Returns the model of that name on the server's disk. Without a tag, it is `:latest`.
    pub fn find(&self, name: &str) -> Result<Option<LocalModel>> {
        let tagged = if name.rsplit('/').next().unwrap_or(name).contains(':') {
            name.to_owned()
        } else {
            format!("{name}:latest")
        };
        let is_it = |model: &LocalModel| {
            model.name.eq_ignore_ascii_case(&tagged) || model.name.eq_ignore_ascii_case(name)
        };
        Ok(self.tags()?.into_iter().find(is_it))
    }

    /// Returns the models in the server's memory.
    pub fn ps(&self) -> Result<Vec<LoadedModel>> {
        let found = self.get("/api/ps")?;
        let models = found["models"].as_array().ok_or_else(|| self.bad_answer(&found))?;
        let loaded = |model: &Value| {
            let name = model["name"].as_str()?.to_owned();
            Some(LoadedModel { name, context: model["context_length"].as_u64() })
        };
        Ok(models.iter().filter_map(loaded).collect())
    }

    /// Returns the server's description of a model.
    pub fn show(&self, model: &str) -> Result<Details> {
        let body = json!({"model": model});
        let found = self.endpoint.json(Ask::post("/api/show", &body, model), &Limits::SHORT)?;
        let text =
            |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let details = &found["details"];
        Ok(Details {
            quantization: text(&details["quantization_level"]),
            parameters: found["model_info"]["general.parameter_count"].as_u64(),
            format: text(&details["format"]),
        })
    }

    /// Makes the server pull a model. Fails after `stall` without progress, or if `on_step` says to
    /// stop.
    pub fn pull(
        &self,
        model: &str,
        stall: Duration,
        on_step: &mut dyn FnMut(&PullStep) -> ControlFlow<()>,
    ) -> Result<()> {
        let body = json!({"model": model, "stream": true});
        let limits = Limits::progress(stall);
        let ask = Ask::post("/api/pull", &body, model);
        let mut lines = Lines::request(&self.endpoint, ask, &limits)?;
        let (mut last, mut moved) = (None, Instant::now());
        loop {
            let event = match lines.next_json()? {
                Next::Event(event, _) => event,
                Next::Done | Next::End => return Err(lines.broke_off("the pull has no last line")),
            };
            let Some(status) = event["status"].as_str() else {
                return Err(lines.bad_answer(&event));
            };
            if status == "success" {
                return Ok(());
            }
            let count = |name: &str| event[name].as_u64().unwrap_or(0);
            let (completed, total) = (count("completed"), count("total"));
            let step = PullStep { status: status.to_owned(), completed, total };
            if on_step(&step).is_break() {
                return Err(ProviderError::Cancelled);
            }
            // A repeated line is not progress.
            if last.as_ref() != Some(&step) {
                (last, moved) = (Some(step), Instant::now());
            } else if moved.elapsed() > stall {
                let address = self.endpoint.address.clone();
                let (seconds, events) = (seconds(stall), 0);
                return Err(ProviderError::Silent { address, seconds, events });
            }
        }
    }

    /// Loads a model with these options `within` the given time, and keeps it loaded.
    pub fn load(&self, model: &str, options: &Map<String, Value>, within: Duration) -> Result<()> {
        let body = json!({"model": model, "options": options, "keep_alive": -1, "stream": false});
        self.generate(model, &body, within)
    }

    /// Unloads a model.
    pub fn unload(&self, model: &str) -> Result<()> {
        let body = json!({"model": model, "keep_alive": 0, "stream": false});
        self.generate(model, &body, Duration::from_mins(1))
    }

    fn generate(&self, model: &str, body: &Value, within: Duration) -> Result<()> {
        let ask = Ask::post("/api/generate", body, model);
        let found = self.endpoint.json(ask, &Limits::once(within))?;
        match found["done"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(self.bad_answer(&found)),
        }
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.endpoint.json(Ask::get(path), &Limits::SHORT)
    }
}
