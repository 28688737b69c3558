//! Capabilities of a model, by the small files in its folder. They are large enough that a list of all models should not
//! read them each time, so the findings are kept while the files are unchanged.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use mlxk_hub::{ModelInfo, Role};
use mlxk_text::Thinking;
use mlxk_text::tools::ToolSupport;

use super::details;
use crate::fill_in_middle;

/// Bytes of `tokenizer.json` that are searched for marks: added tokens come before the vocabulary.
const HEAD_BYTES: u64 = 512 << 10;
/// Most models that are remembered.
const MAX_KNOWN: usize = 1000;
/// The files that the findings depend on.
const FILES: [&str; 4] =
    ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json"];

/// Sizes and times of [`FILES`].
type Stamp = [Option<(u64, SystemTime)>; FILES.len()];

/// Findings by folder.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<PathBuf, (Stamp, Findings)>>);

#[derive(Clone, Copy, Debug)]
struct Findings {
    fills_gaps: bool,
    thinks: bool,
    calls_tools: bool,
}

impl Known {
    /// Returns the capabilities of a model.
    pub(crate) fn capabilities(&self, info: &ModelInfo) -> Vec<&'static str> {
        let findings = self.findings(&info.path);
        let mut found = vec![match info.role {
            Role::Chat | Role::Base => "completion",
            Role::Embedding => "embedding",
            Role::Rerank => "rerank",
            Role::Audio => "audio",
        }];
        found.extend(findings.fills_gaps.then_some("insert"));
        found.extend(findings.calls_tools.then_some("tools"));
        found.extend(findings.thinks.then_some("thinking"));
        found
    }

    fn findings(&self, folder: &Path) -> Findings {
        let stamp = stamp(folder);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, findings)) = lock().get(folder)
            && *known == stamp
        {
            return *findings;
        }
        let template = details::template(folder);
        let thinks = template.is_some_and(|text| Thinking::of_template(&text).is_possible());
        let calls_tools = calls_tools(folder).unwrap_or(false);
        let findings = Findings { fills_gaps: fills_gaps(folder), thinks, calls_tools };
        let mut known = lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(folder.to_owned(), (stamp, findings));
        findings
    }
}

fn stamp(folder: &Path) -> Stamp {
    FILES.map(|name| {
        let metadata = std::fs::metadata(folder.join(name)).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

/// Returns `true` if the model's template shows tools, and calls in a known form.
fn calls_tools(folder: &Path) -> Option<bool> {
    let support = ToolSupport::open(folder).ok()??;
    Some(support.renders_tools && support.form.is_some())
}

fn fills_gaps(folder: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(folder.join("tokenizer.json"))
        .and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && fill_in_middle::has_marks(&String::from_utf8_lossy(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let known = Known::default();
        let write = |text: &str| std::fs::write(folder.path().join("tokenizer.json"), text);
        assert!(!known.findings(folder.path()).fills_gaps);
        write(r#"["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]"#).unwrap();
        assert!(known.findings(folder.path()).fills_gaps);
        write("[]").unwrap();
        assert!(!known.findings(folder.path()).fills_gaps);
    }
}
