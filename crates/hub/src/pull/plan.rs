//! The plan of a pull, which is reported before it begins.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::layout::{Missing, RepoFolder};
use super::remote::Remote;
use super::remote_file::RemoteFile;
use crate::error::Result;
use crate::http::{Client, Request, Tries};
use crate::info::QuantizationSummary;
use crate::info::{context_length, quantization};
use crate::pull::error::PullError;

const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// The files that a pull is about to fetch.
#[derive(Clone, Debug)]
pub struct PullPlan {
    /// The repository, `org/NAME`.
    pub name: String,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit of that revision.
    pub commit: String,
    /// Every file of the result.
    pub files: Vec<PlannedFile>,
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Bytes that have to be fetched.
    pub download_bytes: u64,
    /// Bytes of the weights.
    pub weights_bytes: u64,
    /// Free bytes on the disk.
    pub free_bytes: u64,
    /// The cache.
    pub folder: PathBuf,
    /// Model type, such as `llama`.
    pub model_type: Option<String>,
    /// Quantization of the weights; `None` for plain floating point.
    pub quantization: Option<QuantizationSummary>,
    /// Maximum context length of the model.
    pub context_length: Option<u64>,
    /// The caller's findings.
    pub inspection: Inspection,
}

/// One file of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// Path in the repository.
    pub name: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Bytes of it that have to be fetched.
    pub missing_bytes: u64,
}

/// The result of inspecting `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Reason why it does not run here, as a sentence without its full stop.
    pub problem: Option<String>,
    /// Memory that it needs to run, in bytes.
    pub memory_bytes: Option<u64>,
    /// Context length, in tokens, that this memory is for.
    pub context: Option<u64>,
}

impl PullPlan {
    pub(super) fn new(
        remote: &Remote,
        files: &[RemoteFile],
        missing: &[Missing],
        config: Value,
        free_bytes: u64,
        folder: &Path,
        inspect: &dyn Fn(&Value, u64) -> Inspection,
    ) -> Self {
        let is_weights = |file: &&RemoteFile| file.name.ends_with(".safetensors");
        let weights_bytes = total(files.iter().filter(is_weights).map(|file| file.size_bytes));
        let inspection = match &config {
            Value::Object(_) if weights_bytes > 0 => inspect(&config, weights_bytes),
            Value::Object(_) => problem("It has no weights in safetensors format"),
            _ => problem("It has no usable `config.json`, so it is not an MLX checkpoint"),
        };
        let config: Map<String, Value> = match config {
            Value::Object(config) => config,
            _ => Map::new(),
        };
        let planned = |file: &RemoteFile| PlannedFile {
            name: file.name.clone(),
            size_bytes: file.size_bytes,
            missing_bytes: missing
                .iter()
                .find(|missing| missing.file.etag == file.etag)
                .map_or(0, |missing| missing.bytes),
        };
        Self {
            name: remote.repo.to_string(),
            revision: remote.revision.clone(),
            commit: remote.commit.clone(),
            files: files.iter().map(planned).collect(),
            total_bytes: total(files.iter().map(|file| file.size_bytes)),
            download_bytes: total(missing.iter().map(|missing| missing.bytes)),
            weights_bytes,
            free_bytes,
            folder: folder.to_owned(),
            model_type: config.get("model_type").and_then(Value::as_str).map(str::to_owned),
            quantization: quantization(&config),
            context_length: context_length(&config),
            inspection,
        }
    }

    /// Returns an error if the model would not run or does not fit on the disk.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(problem) = &self.inspection.problem {
            return Err(PullError::WillNotRun {
                name: self.name.clone(),
                problem: problem.clone(),
            }
            .into());
        }
        if self.free_bytes < self.download_bytes {
            return Err(PullError::NoRoom {
                name: self.name.clone(),
                folder: self.folder.clone(),
                needed_bytes: self.download_bytes,
                free_bytes: self.free_bytes,
            }
            .into());
        }
        Ok(())
    }
}

/// Adds up sizes. The hub states them, so their sum may be too large for a number.
pub(super) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// Returns the parsed `config.json`, from the cache if it is there. Returns `null` if the repository
/// has none, or if it is not JSON, which the inspection reports.
pub(super) fn config(client: &Client, remote: &Remote, folder: &RepoFolder) -> Result<Value> {
    let Some(file) = remote.files.iter().find(|file| file.name == "config.json") else {
        return Ok(Value::Null);
    };
    let blob = folder.blob(&file.etag);
    let bytes = match fs_err::read(&blob) {
        Ok(bytes) if bytes.len() as u64 == file.size_bytes => bytes,
        _ => {
            let url = remote.resolve_url(client, &file.name);
            let request = Request::get(url).about(&remote.subject(Some(&file.name)));
            get_whole(client, &request)?
        }
    };
    Ok(serde_json::from_slice(mlxk_format::without_mark(&bytes)).unwrap_or(Value::Null))
}

/// Fetches a small body, and fetches it again if the connection breaks off.
fn get_whole(client: &Client, request: &Request) -> Result<Vec<u8>> {
    let mut tries = Tries::new(client);
    loop {
        let response = client.send(request)?;
        match response.bytes(MAX_CONFIG_BYTES) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => tries.pause(error, None)?,
        }
    }
}

fn problem(text: &str) -> Inspection {
    Inspection { problem: Some(text.to_owned()), ..Inspection::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::HubError;
    use crate::pull::remote_file::Check;
    use crate::repo_id::RepoId;

    #[test]
    fn no_room_is_told_with_the_numbers() {
        let file = |name: &str, size_bytes| RemoteFile {
            name: name.to_owned(),
            size_bytes,
            etag: name.len().to_string(),
            check: Check::SizeOnly,
        };
        let files = [file("config.json", 1000), file("model.safetensors", 5_000_000_000)];
        let remote = Remote {
            repo: RepoId::parse("org/Big").unwrap(),
            revision: "main".into(),
            commit: "0".repeat(40),
            files: files.to_vec(),
        };
        let missing = [Missing { file: files[1].clone(), bytes: 4_000_000_000 }];
        let plan_of = |config, free| {
            let seen = |_: &Value, weights| {
                assert_eq!(weights, 5_000_000_000);
                Inspection::default()
            };
            PullPlan::new(&remote, &files, &missing, config, free, Path::new("/hub"), &seen)
        };
        let config = json!({"model_type": "llama"});
        plan_of(config.clone(), 4_000_000_000).check().unwrap();
        let error = plan_of(config, 1_500_000_000).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Not enough disk space to download `org/Big`: it needs 4.0 GB in `/hub`, and 1.5 GB is free"
        );
        let huge = [file("config.json", 1000), file("model.safetensors", u64::MAX - 999)];
        let missing = huge.clone().map(|file| Missing { bytes: file.size_bytes, file });
        let config = json!({"model_type": "llama"});
        let room = 1 << 40;
        let here = Path::new("/hub");
        let seen = |_: &Value, _| Inspection::default();
        let plan = PullPlan::new(&remote, &huge, &missing, config, room, here, &seen);
        assert_eq!((plan.total_bytes, plan.download_bytes), (u64::MAX, u64::MAX));
        assert!(matches!(plan.check(), Err(HubError::Pull(PullError::NoRoom { .. }))));
        let error = plan_of(Value::Null, u64::MAX).check().unwrap_err();
        assert!(matches!(error, HubError::Pull(PullError::WillNotRun { .. })), "{error}");
    }
}
