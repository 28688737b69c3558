//! Reference pages that follow from the code.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use mlxk_models::registry;
use mlxk_tensor::Mode;

use crate::process;

const MODELS: &str = "docs/models.md";

/// Pages that the binary writes itself.
const REFERENCE: &str = "docs/reference";
const REFERENCE_PAGES: [&str; 3] = ["cli.md", "config.md", "environment.md"];
const README: &str = "README.md";
/// What the README's table of commands lies between.
const README_MARKS: [&str; 2] = ["<!-- commands -->\n", "<!-- /commands -->\n"];

/// Writes the pages. The tests tell where they are out of date.
pub(crate) fn run() -> Result<()> {
    write(MODELS, &models())?;
    let folder = format!("target/{REFERENCE}");
    // With the features of the tests' build, which is most often there already.
    process::run("cargo", &["test", "--workspace", "--test", "cli", "--no-run"], &[])?;
    let program = format!("target/debug/mlxk{}", std::env::consts::EXE_SUFFIX);
    process::run(&program, &["reference", &folder], &[])?;
    std::fs::create_dir_all(REFERENCE).with_context(|| format!("Cannot make {REFERENCE}"))?;
    for name in REFERENCE_PAGES {
        write(&format!("{REFERENCE}/{name}"), &read(&format!("{folder}/{name}"))?)?;
    }
    let commands = read(&format!("{REFERENCE}/cli.md"))?;
    write(README, &readme(&read(README)?, &commands)?)
}

fn write(path: &str, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("Cannot write {path}"))
}

fn read(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("Cannot read {path}"))?;
    Ok(text.replace("\r\n", "\n"))
}

/// The README with the table of commands of the reference.
fn readme(text: &str, reference: &str) -> Result<String> {
    let [begin, end] = README_MARKS;
    let (before, rest) =
        text.split_once(begin).with_context(|| format!("No {begin}in {README}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("No {end}in {README}"))?;
    let table: Vec<String> = reference
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.replace("](#", "](docs/reference/cli.md#"))
        .collect();
    Ok(format!("{before}{begin}{}\n{end}{after}", table.join("\n")))
}

/// Returns the page of supported architectures and quantizations.
fn models() -> String {
    let mut page = String::from(
        "# Supported models\n\n\
         *Written by `cargo xtask generate`; do not edit.*\n\n\
         `mlxk` supports a checkpoint if this table has the `model_type` of its `config.json`. \
         `mlxk list --supported` prints the same table. Vision towers are skipped, so models \
         with one answer text only.\n\n\
         | `model_type` | family | examples |\n|---|---|---|\n",
    );
    for registry::Supported { model_type, family, examples } in registry::supported() {
        let _ = writeln!(page, "| `{model_type}` | {family} | {examples} |");
    }
    page.push_str(
        "\nWeights may be dense (F32, F16, BF16) or quantized in any of MLX's modes. One \
         checkpoint may mix them:\n\n| mode | bits per value | group size |\n|---|---|---|\n",
    );
    let modes: Vec<Mode> = Mode::all().collect();
    let mut rows: Vec<(&str, Vec<usize>, Vec<usize>)> = vec![];
    for mode in modes {
        if rows.last().is_none_or(|(name, ..)| *name != mode.name()) {
            rows.push((mode.name(), vec![], vec![]));
        }
        if let Some((_, bits, groups)) = rows.last_mut() {
            bits.push(mode.bits());
            groups.push(mode.group_size());
        }
    }
    for (name, mut bits, mut groups) in rows {
        for list in [&mut bits, &mut groups] {
            list.sort_unstable();
            list.dedup();
        }
        let list =
            |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| {name} | {} | {} |", list(&bits), list(&groups));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of `docs/reference` are the tests' of the program that writes them.
    #[test]
    fn the_pages_are_up_to_date() {
        let root = |path| read(&format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let hint = "run `cargo xtask generate`";
        assert!(root(MODELS) == models(), "{MODELS} is out of date; {hint}");
        let (text, commands) = (root(README), root("docs/reference/cli.md"));
        assert!(readme(&text, &commands).unwrap() == text, "{README} is out of date; {hint}");
    }
}
