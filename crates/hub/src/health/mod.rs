//! Checks if a model is complete: finds files that are missing, truncated or damaged, and the
//! command that repairs each.
//!
//! A check reads small files and the headers of weights, so it takes milliseconds whatever the
//! model's size. [`deep`] reads every byte and compares it with the hash in the file's name.
//! Findings of severity [`Severity::Error`] decide the verdict; notes do not.

mod check;
mod deep;
mod files;
pub(crate) mod finding;
mod tokenizer;
mod weights;

use std::path::Path;

pub(crate) use check::check;
pub(crate) use deep::recorded_sha256;
pub use deep::{DeepReport, deep};
pub use files::check_gguf;
pub use finding::{Finding, Problem, Severity};
pub(crate) use weights::Weights;

use crate::pairs::PairTable;
use crate::resolution::{Kind, Resolved};
use crate::workspace::Operation;

/// The verdict on a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Findings, errors first.
    pub findings: Vec<Finding>,
    /// Number of weight files.
    pub shards: usize,
}

impl Report {
    /// Sorts the findings and adds the repair of each.
    pub(crate) fn new(mut findings: Vec<Finding>, shards: usize, model: &Resolved) -> Self {
        for finding in &mut findings {
            finding.repair = repair(finding, model);
        }
        findings.sort_by_key(|finding| finding.severity);
        Self { findings, shards }
    }

    /// Adds findings about other files.
    pub(crate) fn add(&mut self, findings: Vec<Finding>, model: &Resolved) {
        let is_new = |finding: &Finding| self.findings.iter().all(|old| old.file != finding.file);
        let added: Vec<Finding> = findings.into_iter().filter(is_new).collect();
        if !added.is_empty() {
            let all = std::mem::take(&mut self.findings).into_iter().chain(added).collect();
            *self = Self::new(all, self.shards, model);
        }
    }

    /// Returns `true` if there are no errors.
    pub fn is_healthy(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Returns the findings that make the model unhealthy.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// Returns the verdict in one line.
    pub fn reason(&self) -> String {
        let mut errors = self.errors();
        match (errors.next(), errors.count()) {
            (None, _) if self.shards > 1 => {
                format!("All {} weight files OK", self.shards)
            }
            (None, _) => "All files OK".to_owned(),
            (Some(first), 0) => first.to_string(),
            (Some(first), more) => format!("{first}, and {more} more"),
        }
    }
}

/// Returns the command that repairs the problem, if there is one.
fn repair(finding: &Finding, model: &Resolved) -> Option<String> {
    let (name, problem) = (quoted(&model.name), &finding.problem);
    let folder = quoted(&model.path.to_string_lossy());
    let rebuild = || format!("mlxk convert {folder} ./repaired --repair-index");
    match (model.kind, problem) {
        (_, Problem::PartMarker) => {
            Some(format!("rm {}", quoted(&model.path.join(&finding.file).to_string_lossy())))
        }
        (_, Problem::Leftover) => Some("mlxk rm --unused".to_owned()),
        (_, Problem::NoIndex | Problem::StaleIndex { .. }) => Some(rebuild()),
        _ if finding.severity == Severity::Note => None,
        (Kind::Missing, _) => {
            let base = model.base.as_deref()?;
            // A bare name without a meaning on a hub was made here.
            let gets_it = PairTable::default().can_be_pulled(base);
            gets_it.then(|| format!("mlxk pull {}", quoted(base)))
        }
        (Kind::HfCache, Problem::NoRevision | Problem::NoConfig | Problem::NoWeights) => {
            Some(format!("mlxk pull {name}"))
        }
        // Without `--deep`, a repair compares only files that look damaged.
        (Kind::HfCache, Problem::WrongHash { .. }) => {
            Some(format!("mlxk health {name} --deep --repair"))
        }
        (Kind::HfCache, _) => Some(format!("mlxk health {name} --repair")),
        (Kind::Imported, _) => Some(match crate::store::Origin::read(&model.path) {
            Some(origin) => format!("mlxk rm {name}, then mlxk pull {}", quoted(&origin.source)),
            None => format!("mlxk rm {name}, then import it again"),
        }),
        (Kind::Folder | Kind::Workspace, Problem::LfsPointer) => {
            Some(format!("git -C {folder} lfs pull"))
        }
        (Kind::Folder | Kind::Workspace, Problem::BadIndex(_) | Problem::NotInShard { .. }) => {
            Some(rebuild())
        }
        (Kind::Folder | Kind::Workspace, _) => made_again(&model.path),
    }
}

/// Returns the command that makes a copy or conversion again, next to the damaged one. A sentence if the
/// options of the conversion are unknown, and `None` if its source is.
fn made_again(folder: &Path) -> Option<String> {
    let sentinel = crate::workspace::Sentinel::read(folder)?;
    let source = sentinel.source_repo()?;
    // A copy of a folder that is gone, or of this very folder, repairs nothing.
    let path = Path::new(source);
    let is_path = path.is_absolute() || source.starts_with('.');
    let is_other = path.canonicalize().ok() != folder.canonicalize().ok();
    let is_here = path.join("config.json").is_file() || path.is_file();
    if is_path && !(is_here && is_other) {
        return None;
    }
    let pinned = match sentinel.source_revision().filter(|_| !is_path) {
        Some(revision) => format!("{source}@{revision}"),
        None => source.to_owned(),
    };
    let source = quoted(&pinned);
    if sentinel.operation() != Some(Operation::Convert.name()) {
        return Some(format!("mlxk clone {source} ./repaired"));
    }
    let Some(options) = sentinel.options() else {
        return Some(format!("Convert {source} again, with the options that you used"));
    };
    let words = ["mlxk", "convert", &source, "./repaired"].map(str::to_owned).into_iter();
    let words: Vec<String> = words.chain(options.iter().map(|word| quoted(word))).collect();
    Some(words.join(" "))
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./\\:=@+,~".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{text}'") }
}
