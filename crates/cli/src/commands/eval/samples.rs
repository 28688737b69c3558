//! `--samples FILE`: every answer in a line of JSON.

use std::io::Write;
use std::path::Path;

use mlxk_bench::eval::Task;
use serde_json::json;
use tempfile::NamedTempFile;

use super::Measured;

/// Creates the file under another name, so that a wrong path fails before the work begins.
pub(super) fn create(path: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".mlxk-samples-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| anyhow::anyhow!("Cannot write `{}`: {error}", path.display()))
}

/// Writes the answers and gives the file its name.
pub(super) fn write(
    file: NamedTempFile,
    path: &Path,
    tasks: &[Task],
    models: &[Measured],
) -> anyhow::Result<()> {
    let mut text = String::new();
    for model in models {
        for (task, answers) in tasks.iter().zip(&model.answers) {
            for (index, (question, it)) in task.questions.iter().zip(answers).enumerate() {
                let line = json!({
                    "model": model.name,
                    "task": task.name(),
                    "question": index + 1,
                    "answer": question.answer,
                    "choice": it.choice,
                    "choice_norm": it.choice_norm,
                    "log_likelihoods": it.log_likelihoods,
                });
                text.push_str(&line.to_string());
                text.push('\n');
            }
        }
    }
    let failed =
        |error: std::io::Error| anyhow::anyhow!("Cannot write `{}`: {error}", path.display());
    file.as_file().write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
