//! Numbers of architectures, families and goldens, which pages copy like figures.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use mlxk_models::registry;
use serde_json::Value;

use crate::figures::Figures;

/// Adds the numbers of the checkout in `root`.
pub(crate) fn add(figures: &mut Figures, root: &Path) -> Result<()> {
    let goldens = configurations(&root.join("tests/parity/fixtures"))?;
    let writing = types(&goldens);
    // Some models that write give vectors, too.
    let encoders = &types(&configurations(&root.join("tests/parity/encoders"))?) - &writing;
    let all = registry::supported();
    // RoBERTa has the goldens of XLM-RoBERTa, which is of its family.
    let encoding: BTreeSet<&str> =
        all.iter().filter(|one| encoders.contains(one.model_type)).map(|one| one.family).collect();
    let encoders = all.iter().filter(|one| encoding.contains(one.family)).count();
    let families = read(&root.join("crates/models/src/families/mod.rs"))?;
    figures.add("architectures", all.len());
    figures.add("architectures-that-write", all.len() - encoders);
    figures.add("encoders", encoders);
    figures.add("families", families.matches("::FAMILY").count());
    figures.add("goldens", goldens.len());
    Ok(())
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
