//! The pages of model types and of Ollama's names.

use std::fmt::Write as _;

use mlxk_models::registry;
use mlxk_tensor::Mode;

use super::WRITTEN;

/// Returns the page of supported architectures and quantizations.
pub(super) fn models() -> String {
    let mut page = format!(
        "# Supported models\n\n\
         {WRITTEN}\
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
pub(super) fn names() -> String {
    let mut page = format!(
        "# Names in Ollama's library\n\n\
         {WRITTEN}\
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
