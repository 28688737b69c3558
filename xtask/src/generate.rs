//! Pages that are generated from the code and from the measured figures.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use mlxk_models::registry;
use mlxk_tensor::Mode;

use crate::counts;
use crate::figures::{self, Figures};
use crate::process;

const MODELS: &str = "docs/models.md";
const NAMES: &str = "docs/reference/names.md";

/// Folder of the pages that the binary writes itself.
const REFERENCE: &str = "docs/reference";
const REFERENCE_PAGES: [&str; 3] = ["cli.md", "config.md", "environment.md"];
/// Writes the pages. Tests fail while a page is out of date.
pub(crate) fn run() -> Result<()> {
    write(MODELS, &models())?;
    write(NAMES, &names())?;
    let mut figures = Figures::parse(&read(figures::SOURCE)?)?;
    counts::add(&mut figures, Path::new("."))?;
    for page in figures::PAGES {
        write(page, &figures.fill(&read(page)?)?)?;
    }
    let folder = format!("target/{REFERENCE}");
    // The features of the tests' build, which usually exists already.
    process::run("cargo", &["test", "--workspace", "--test", "cli", "--no-run"], &[])?;
    let program = format!("target/debug/mlxk{}", std::env::consts::EXE_SUFFIX);
    process::run(&program, &["reference", &folder], &[])?;
    std::fs::create_dir_all(REFERENCE).with_context(|| format!("Cannot create {REFERENCE}"))?;
    for name in REFERENCE_PAGES {
        write(&format!("{REFERENCE}/{name}"), &read(&format!("{folder}/{name}"))?)?;
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
    page.push_str(
        "\nGGUF files are imported if this table has their `general.architecture`. Their tensors may be F32, \
         F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K or MXFP4.\n\n\
         | architecture | becomes |\n|---|---|\n",
    );
    let mut architectures = registry::gguf_architectures();
    architectures.sort_unstable_by_key(|architecture| architecture.name);
    for architecture in architectures {
        let model_type = architecture.wrapper.map_or(architecture.model_type, |(_, outer)| outer);
        let _ = writeln!(page, "| `{}` | `{model_type}` |", architecture.name);
    }
    page
}

/// Returns the page of names in Ollama's library.
fn names() -> String {
    let mut page = String::from(
        "# Names in Ollama's library\n\n\
         *Written by `cargo xtask generate`; do not edit.*\n\n\
         You can use these names wherever `mlxk` takes a model. Each stands for the checkpoint \
         in its row, which has the same weights: one for MLX, or the original of a small model for embeddings. A name without a tag has the tag `latest`, so \
         `mlxk run llama3.2` runs `llama3.2:3b`. `mlxk search --ollama WORD` prints the same table \
         with sizes. Add your own names under `[pairs]` in the [configuration](config.md).\n\n\
         The checkpoints marked *not yet* can be downloaded, but `mlxk` does not run them so far. Those marked \
         *text only* don't read pictures yet.\n\n\
         In `run`, `chat` and the commands that look at models, a name without a tag also means the one model on \
         this machine whose name contains it; `mlxk` then prints the whole name. The server never guesses.\n\n\
         | names | checkpoint | runs |\n|---|---|---|\n",
    );
    let supported = registry::supported();
    for model in mlxk_hub::library() {
        let runs = supported.iter().any(|one| one.model_type == model.model_type);
        let names: Vec<String> = model.names.iter().map(|name| format!("`{name}`")).collect();
        let runs = match (runs, model.is_multimodal()) {
            (true, false) => "yes",
            (true, true) => "text only",
            (false, _) => "not yet",
        };
        let _ = writeln!(page, "| {} | `{}` | {runs} |", names.join(", "), model.repo);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program's own tests check the pages in `docs/reference`.
    #[test]
    fn the_pages_are_up_to_date() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let root = |path| read(&format!("{folder}/{path}")).unwrap();
        let hint = "run `cargo xtask generate`";
        assert!(root(MODELS) == models(), "{MODELS} is out of date; {hint}");
        assert!(root(NAMES) == names(), "{NAMES} is out of date; {hint}");
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
