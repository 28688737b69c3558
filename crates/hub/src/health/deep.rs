//! Compares every byte with the hash that names it. The cache names a blob by its SHA-256 if it
//! came from large-file storage, otherwise by git's SHA-1. A downloaded folder keeps the same
//! hashes in small files, an import records those of the files that it wrote, and a workspace those
//! of its weights.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Finding, Problem, repair};
use crate::error::{HubError, Result};
use crate::hash::{self, Advance, Stopped};
use crate::inventory::Inventory;
use crate::reporter::Reporter;
use crate::resolution::Resolved;
use crate::store::Origin;
use crate::workspace::Sentinel;

/// Folder in which a download keeps its records of files.
const RECORDS: &str = ".cache/huggingface/download/";
const GIT_DIGITS: usize = 40;
const SHA256_DIGITS: usize = 64;

/// The result of reading everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepReport {
    /// Files with the wrong content.
    pub findings: Vec<Finding>,
    /// Number of files compared.
    pub files: usize,
    /// Total size of these files.
    pub bytes: u64,
    /// Number of files whose hash is unknown.
    pub unnamed: usize,
}

/// A file to compare.
struct Job {
    name: String,
    path: PathBuf,
    size_bytes: u64,
    expected: String,
}

/// Reads every file of the model whose hash is known.
pub fn deep(model: &Resolved, reporter: &dyn Reporter) -> Result<DeepReport> {
    let files = Inventory::read(&model.path);
    let (jobs, unnamed) = jobs(&files);
    let total: u64 = jobs.iter().map(|job| job.size_bytes).sum();
    let mut report = DeepReport { findings: Vec::new(), files: 0, bytes: 0, unnamed };
    reporter.stage(&format!("Reading {}", model.name));
    for job in jobs {
        let before = report.bytes;
        let found = read(&job, &mut |done| {
            report.bytes = before + done;
            reporter.advance(report.bytes, total);
            if reporter.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
        })?;
        report.files += 1;
        let problem = match found {
            Ok(found) if found == job.expected => continue,
            Ok(found) => Problem::WrongHash { expected: job.expected, found },
            Err(error) => Problem::Unreadable(error.to_string()),
        };
        let mut finding = Finding::error(job.name, problem);
        finding.repair = repair(&finding, model);
        report.findings.push(finding);
    }
    Ok(report)
}

/// Returns the files to compare, each blob once, and the number of files that cannot be compared.
fn jobs(files: &Inventory) -> (Vec<Job>, usize) {
    let (mut jobs, mut unnamed, mut seen) = (Vec::new(), 0, HashSet::new());
    let written = written(&files.folder);
    for (name, file) in &files.files {
        let Some(size_bytes) = file.size_bytes.filter(|_| !name.starts_with('.')) else { continue };
        let Some(expected) = expected(files, &written, name) else {
            unnamed += 1;
            continue;
        };
        if file.blob.is_none() || seen.insert(expected.clone()) {
            jobs.push(Job { name: name.clone(), path: file.path.clone(), size_bytes, expected });
        }
    }
    (jobs, unnamed)
}

/// Returns the SHA-256 of the files of a model that are known without reading them, by name.
pub(crate) fn recorded_sha256(folder: &Path) -> BTreeMap<String, String> {
    let (files, written) = (Inventory::read(folder), written(folder));
    let hash = |name: &String| Some((name.clone(), expected(&files, &written, name)?));
    files.files.keys().filter_map(hash).filter(|(_, hash)| hash.len() == SHA256_DIGITS).collect()
}

/// Returns the hashes that an import or a workspace records.
fn written(folder: &Path) -> BTreeMap<String, String> {
    let imported = Origin::read(folder).map(|origin| origin.written);
    let own = || Sentinel::read(folder).map(|sentinel| sentinel.weight_hashes());
    imported.or_else(own).unwrap_or_default()
}

/// Returns the hash that a file should have, if it is known.
fn expected(files: &Inventory, written: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let named = files.files.get(name)?.blob.clone().filter(|blob| is_hash(blob));
    let written = || written.get(name).filter(|hash| is_hash(hash)).cloned();
    named.or_else(written).or_else(|| recorded(files, name))
}

/// Returns the hash recorded by the download of a folder: the second line of its record.
fn recorded(files: &Inventory, name: &str) -> Option<String> {
    let record = files.text(&format!("{RECORDS}{name}.metadata"), 4096)?;
    let hash = record.lines().nth(1)?.trim();
    is_hash(hash).then(|| hash.to_owned())
}

fn is_hash(text: &str) -> bool {
    matches!(text.len(), GIT_DIGITS | SHA256_DIGITS)
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Computes a hash of the expected kind. The outer error is that of `advance`.
fn read(job: &Job, advance: &mut Advance<'_>) -> Result<std::io::Result<String>> {
    let mut file = match fs_err::File::open(&job.path) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let hash = if job.expected.len() == GIT_DIGITS {
        hash::git_blob(&mut file, job.size_bytes, advance)
    } else {
        hash::sha256(&mut file, advance)
    };
    match hash {
        Ok(hash) => Ok(Ok(hash)),
        Err(Stopped::Read(error)) => Ok(Err(error)),
        Err(Stopped::By(error)) => Err(*error),
    }
}
