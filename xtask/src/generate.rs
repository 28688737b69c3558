//! Reference pages that follow from the code.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use mlxk_format::Mode;
use mlxk_models::registry;

const MODELS: &str = "docs/models.md";

/// Writes the pages, or with `check` refuses those that are out of date.
pub(crate) fn run(check: bool) -> Result<()> {
    let page = models();
    if check {
        let found = std::fs::read_to_string(MODELS).unwrap_or_default();
        if found.replace("\r\n", "\n") != page {
            bail!("{MODELS} is out of date; run `cargo xtask generate`");
        }
        return Ok(());
    }
    std::fs::write(MODELS, page).with_context(|| format!("Cannot write {MODELS}"))
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
