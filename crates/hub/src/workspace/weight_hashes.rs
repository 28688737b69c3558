//! SHA-256 of the files whose contents the hash of a workspace leaves out: weights, of which it
//! covers the headers, and files too large for it. `health --deep` compares them.

use std::collections::BTreeMap;
use std::path::Path;

use super::content::{FoundKind, is_read, walk};
use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};
use crate::reporter::Reporter;

const READ: &str = "read the weights of the workspace";

/// Returns the hashes of these files in `folder`, in hexadecimal, by their paths with slashes. Files
/// in `known` are not read, because their hashes are known from where they were copied.
pub fn weight_hashes(
    folder: &Path,
    excludes: &[String],
    known: &BTreeMap<String, String>,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, String>> {
    let (mut hashes, mut to_read) = (BTreeMap::new(), Vec::new());
    for found in walk(folder, excludes)? {
        let FoundKind::File(metadata) = &found.kind else { continue };
        if is_read(&found.path, metadata.len()) {
            continue;
        }
        match known.get(&found.path) {
            Some(hash) => {
                hashes.insert(found.path, hash.clone());
            }
            None => to_read.push((found.path, found.file, metadata.len())),
        }
    }
    if to_read.is_empty() {
        return Ok(hashes);
    }
    reporter.stage("Recording hashes");
    let total = to_read.iter().map(|(_, _, bytes)| bytes).sum();
    let mut before = 0;
    for (path, file, bytes) in to_read {
        let mut reader = fs_err::File::open(file).map_err(HubError::io(READ))?;
        let mut advance = |done| {
            reporter.advance(before + done, total);
            if reporter.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
        };
        let hash = hash::sha256(&mut reader, &mut advance).map_err(Stopped::during(READ))?;
        hashes.insert(path, hash);
        before += bytes;
    }
    Ok(hashes)
}
