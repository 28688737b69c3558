//! `/edit`: lets the user write a message in an editor.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::input;

/// Opens the editor with a text. Returns the text that the user left there, without spaces around it.
pub(super) fn compose(editor: &str, text: &str) -> anyhow::Result<String> {
    // Only the owner can read a temporary file. Editors recognize Markdown by its name.
    let file = tempfile::Builder::new().prefix("mlxk-").suffix(".md").tempfile();
    let mut file = file.context("Cannot create a file for the message")?;
    file.write_all(text.as_bytes()).context("Cannot write the message for the editor")?;
    // Some editors replace the file, so it is closed now and read by its name.
    let path = file.into_temp_path();
    let status = command(editor)
        .arg(&path)
        .status()
        .with_context(|| format!("Cannot start the editor `{editor}`; set `EDITOR` to another"))?;
    ensure!(status.success(), "The editor `{editor}` failed ({status}), so nothing was sent");
    let text = input::read_text(&path).context("Cannot read the message that you wrote")?;
    Ok(text.trim().to_owned())
}

/// Returns the command of an editor, which may have options, as in `code --wait`.
#[cfg(unix)]
fn command(editor: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{editor} \"$@\""), editor]);
    command
}

#[cfg(not(unix))]
fn command(editor: &str) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("notepad"));
    command.args(words);
    command
}
