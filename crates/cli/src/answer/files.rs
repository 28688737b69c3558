//! Text files in the prompt, each with its name.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::input;

/// Returns a file as a part of a prompt. `option` is the way that the user named it, for errors.
pub(crate) fn file_part(path: &Path, option: &str) -> anyhow::Result<String> {
    let text = input::read_text(path)
        .with_context(|| format!("Cannot read `{}` for `{option}`", path.display()))?;
    Ok(part(path, &text))
}

/// Returns the name of a file and its content in a block of code, as Markdown has it (CommonMark 0.31,
/// section 4.5): the fence is longer than any in the text.
fn part(path: &Path, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let language = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut part = format!("File `{}`:\n\n{fence}{language}\n{text}", path.display());
    if !text.is_empty() && !text.ends_with('\n') {
        part.push('\n');
    }
    let _ = write!(part, "{fence}");
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_longer_than_any_in_the_text() {
        let shown = |text| part(Path::new("a/b.md"), text);
        assert_eq!(shown("hi\n"), "File `a/b.md`:\n\n```md\nhi\n```");
        assert_eq!(shown("```\nhi\n```"), "File `a/b.md`:\n\n````md\n```\nhi\n```\n````");
        assert_eq!(shown(""), "File `a/b.md`:\n\n```md\n```");
    }
}
