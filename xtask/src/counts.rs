//! Numbers of architectures, families and goldens, which pages copy like figures.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::figures::Figures;

/// Adds the numbers of the checkout in `root`.
pub(crate) fn add(figures: &mut Figures, root: &Path) -> Result<()> {
    let goldens = configurations(&root.join("tests/parity/fixtures"))?;
    let writing = types(&goldens);
    // Some models that write give vectors, too.
    let encoders = &types(&configurations(&root.join("tests/parity/encoders"))?) - &writing;
    let page = read(&root.join("docs/models.md"))?;
    let all = supported(&page);
    ensure!(!all.is_empty(), "docs/models.md has no table of model types");
    // RoBERTa has the goldens of XLM-RoBERTa, which is of its family.
    let encoding: BTreeSet<&str> = all
        .iter()
        .filter(|(model_type, _)| encoders.contains(*model_type))
        .map(|(_, family)| *family)
        .collect();
    let encoders = all.iter().filter(|(_, family)| encoding.contains(family)).count();
    let families = read(&root.join("crates/models/src/families/mod.rs"))?;
    figures.add("architectures", all.len());
    figures.add("architectures-that-write", all.len() - encoders);
    figures.add("encoders", encoders);
    figures.add("families", families.matches("::FAMILY").count());
    figures.add("goldens", goldens.len());
    Ok(())
}

/// Returns the model types and families in the first table of `docs/models.md`.
fn supported(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().skip_while(|line| !line.starts_with("|---|")).skip(1);
    rows.map_while(|row| {
        let mut cells = row.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`'), cells.next()?))
    })
    .collect()
}

/// Returns the configurations of the goldens in a folder.
fn configurations(folder: &Path) -> Result<Vec<Value>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("Cannot read the folder {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let mut golden: Value = serde_json::from_str(&read(&path)?)
            .with_context(|| format!("{} is malformed", path.display()))?;
        found.push(golden["config"].take());
    }
    Ok(found)
}

fn types(configurations: &[Value]) -> BTreeSet<String> {
    let types = configurations.iter().filter_map(|config| config["model_type"].as_str());
    types.map(str::to_owned).collect()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("Cannot read {}", path.display()))
}
