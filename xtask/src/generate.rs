//! Pages that are generated from the code and from the measured figures.

use std::path::Path;

use anyhow::{Context, Result};

use crate::counts;
use crate::figures::{self, Figures};
use crate::process;

/// Folder that `mlxk` writes its pages to. Nothing here depends on the crates of the engine, so that `cargo xtask`
/// builds in seconds.
const WRITTEN: &str = "target/docs/reference";
/// Pages that `mlxk` writes, with their folders.
const PAGES: [(&str, &str); 5] = [
    ("docs", "models.md"),
    ("docs/reference", "cli.md"),
    ("docs/reference", "config.md"),
    ("docs/reference", "environment.md"),
    ("docs/reference", "names.md"),
];

/// Writes the pages. Tests fail while a page is out of date.
pub(crate) fn run() -> Result<()> {
    // The features of the tests' build, which usually exists already.
    process::run("cargo", &["test", "--workspace", "--test", "cli", "--no-run"], &[])?;
    let program = format!("target/debug/mlxk{}", std::env::consts::EXE_SUFFIX);
    process::run(&program, &["reference", WRITTEN], &[])?;
    for (folder, name) in PAGES {
        std::fs::create_dir_all(folder).with_context(|| format!("Cannot create {folder}"))?;
        write(&format!("{folder}/{name}"), &read(&format!("{WRITTEN}/{name}"))?)?;
    }
    // They count the rows of a page above.
    let mut figures = Figures::parse(&read(figures::SOURCE)?)?;
    counts::add(&mut figures, Path::new("."))?;
    for page in figures::PAGES {
        write(page, &figures.fill(&read(page)?)?)?;
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("Cannot write {path}"))
}

fn read(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("Cannot read {path}"))?;
    Ok(text.replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests of `mlxk` check the pages that it writes.
    #[test]
    fn the_pages_are_up_to_date() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let root = |path| read(&format!("{folder}/{path}")).unwrap();
        let hint = "run `cargo xtask generate`";
        let mut figures = Figures::parse(&root(figures::SOURCE)).unwrap();
        counts::add(&mut figures, Path::new(folder)).unwrap();
        let mut copied = String::new();
        for page in figures::PAGES {
            let text = root(page);
            assert!(figures.fill(&text).unwrap() == text, "{page} is out of date; {hint}");
            copied.push_str(&text);
        }
        for id in figures.ids() {
            let is_copied = ["<!-- table ", "<!-- figure "]
                .iter()
                .any(|mark| copied.contains(&format!("{mark}{id} -->")));
            assert!(is_copied, "no page copies the figure `{id}`");
        }
    }
}
