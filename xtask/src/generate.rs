//! Reference pages that follow from the code.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use mlxk_format::Mode;
use mlxk_models::registry;

use crate::process;

const MODELS: &str = "docs/models.md";

/// Pages that the binary writes itself.
const REFERENCE: &str = "docs/reference";
const REFERENCE_PAGES: [&str; 3] = ["cli.md", "config.md", "environment.md"];
const README: &str = "README.md";
/// What the README's table of commands lies between.
const README_MARKS: [&str; 2] = ["<!-- commands -->\n", "<!-- /commands -->\n"];

/// Writes the pages, or with `check` refuses those that are out of date.
pub(crate) fn run(check: bool) -> Result<()> {
    page(MODELS, &models(), check)?;
    let folder = format!("target/{REFERENCE}");
    process::run(
        "cargo",
        &["run", "--quiet", "--package", "mlxk-cli", "--", "reference", &folder],
        &[],
    )?;
    std::fs::create_dir_all(REFERENCE).with_context(|| format!("Cannot make {REFERENCE}"))?;
    for name in REFERENCE_PAGES {
        let text = read(&format!("{folder}/{name}"))?;
        page(&format!("{REFERENCE}/{name}"), &text, check)?;
    }
    let commands = read(&format!("{REFERENCE}/cli.md"))?;
    page(README, &readme(&read(README)?, &commands)?, check)
}

/// Writes a page, or refuses it where it is out of date.
fn page(path: &str, text: &str, check: bool) -> Result<()> {
    if !check {
        return std::fs::write(path, text).with_context(|| format!("Cannot write {path}"));
    }
    if std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n") != text {
        bail!("{path} is out of date; run `cargo xtask generate`");
    }
    Ok(())
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

/// What runs: architectures and quantizations.
fn models() -> String {
    let mut page = String::from(
        "# What runs\n\n\
         *Written by `cargo xtask generate`; do not edit.*\n\n\
         `mlxk` runs a checkpoint by the `model_type` of its `config.json`. Any other type is \
         refused by name. Tensors of vision towers are skipped: these models answer text only.\n\n\
         | `model_type` | such as |\n|---|---|\n",
    );
    for (model_type, examples) in registry::examples() {
        let _ = writeln!(page, "| `{model_type}` | {examples} |");
    }
    page.push_str(
        "\nWeights may be dense (F32, F16, BF16) or quantized in any of MLX's modes, mixed \
         freely within one checkpoint:\n\n| mode | bits of a value | group size |\n|---|---|---|\n",
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
