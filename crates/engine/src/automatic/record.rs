//! Decisions that were made before, in a folder: a file for each model, machine and version.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::decision::Measured;

/// A decision, and the figures that it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Version of this program.
    pub version: String,
    /// Folder of the model.
    pub model: PathBuf,
    /// The GPU, with its driver. `None` if there was none that isn't software.
    pub gpu: Option<String>,
    /// The figures that were measured, if there was a GPU.
    pub measured: Option<Measured>,
}

impl Decision {
    /// Returns `true` if the model runs on the GPU.
    pub fn is_gpu(&self) -> bool {
        self.gpu.is_some() && self.measured.is_some_and(|measured| measured.prefers_gpu())
    }
}

/// Returns the name of the file for everything that a decision depends on.
pub(super) fn file(folder: &Path, facts: &[&str]) -> PathBuf {
    let mut hasher = Sha256::new();
    for fact in facts {
        hasher.update((fact.len() as u64).to_le_bytes());
        hasher.update(fact);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let (first, _) = digest.split_at(16);
    let number = first.iter().fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
    folder.join(format!("{number:032x}.json"))
}

/// Reads a decision. A damaged file is as good as none.
pub(super) fn read(file: &Path) -> Option<Decision> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Keeps a decision. It is made again if that fails.
pub(super) fn write(file: &Path, decision: &Decision) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(&serde_json::to_vec_pretty(decision)?)?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::decision::Speeds;
    use super::*;

    #[test]
    fn a_decision_comes_back_for_the_same_facts_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder.path().join("devices"), &["model", "machine"]);
        assert_ne!(path, file(&folder.path().join("devices"), &["modelm", "achine"]));
        assert_eq!(read(&path), None);
        let speeds = |factor: f64| Speeds { decode: 10.0 * factor, prefill: Some(100.0 * factor) };
        let decision = Decision {
            version: "1".into(),
            model: "/models/one".into(),
            gpu: Some("Card, driver 5".into()),
            measured: Some(Measured { gpu: speeds(3.0), cpu: speeds(1.0) }),
        };
        write(&path, &decision).unwrap();
        assert_eq!(read(&path), Some(decision.clone()));
        assert!(decision.is_gpu());
        fs::write(&path, "{").unwrap();
        assert_eq!(read(&path), None);
        assert!(!Decision { gpu: None, measured: None, ..decision }.is_gpu());
    }
}
