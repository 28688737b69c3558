//! Layout of `--help`: the lines of `-h`, then what options have to say beyond a line.
//!
//! clap renders help without line breaks; this module breaks the lines, so that paragraphs rarely end with one or two
//! words alone on a line, which clap's own wrapping often leaves.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};

use crate::args::Cli;
use crate::printer::Printer;
use crate::{env, output, terminal};

/// Longest line, on wider terminals too.
const MAX_WIDTH: usize = 100;
/// Longest line if standard output is not a terminal, as in `man`.
const PIPED_WIDTH: usize = 80;
/// Title above examples.
const EXAMPLES: &str = "Examples:";
/// Indentation of a description that has no room next to its option.
const BELOW: usize = 10;
/// Number of words that the last line of a paragraph has at least.
const MIN_LAST_WORDS: usize = 3;

/// Prints a help text, or the version, for the width of the terminal. `words` are the command line after the
/// program's name.
pub(crate) fn print(error: &clap::Error, words: impl IntoIterator<Item = OsString>) {
    let words: Vec<OsString> = words.into_iter().collect();
    let is_long = error.kind() == clap::error::ErrorKind::DisplayHelp
        && words.iter().any(|word| word == "--help" || word == "help");
    let text = if is_long { long(&words) } else { error.render() };
    let width = if output::stdout_is_terminal() { terminal::width() } else { PIPED_WIDTH };
    let styled = Printer::new(env::is_plain()).styles_stdout();
    let text = if styled { text.ansi().to_string() } else { text.to_string() };
    // If standard output is closed, there is no one to tell.
    let _ = output::stdout().styled(&wrap(&text, width.min(MAX_WIDTH)));
}

/// Returns the long help of the command that the words name.
fn long(words: &[OsString]) -> StyledStr {
    let mut all = Cli::command();
    all.build();
    let mut command = &all;
    for word in words.iter().filter(|word| *word != "help") {
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None if command.has_subcommands() => {}
            None => break,
        }
    }
    let mut short = command.clone().after_help(clap::builder::Resettable::Reset);
    // A summary of every option, then details of some.
    let mut text = short.render_help().ansi().to_string();
    text = text.replace("see more with '--help'", "see a summary with '-h'");
    let details = details(command);
    if !details.is_empty() {
        let _ = write!(text, "\n\x1b[1m\x1b[4mDetails:\x1b[0m\n{details}");
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        let _ = write!(text, "\n{}\n", after.ansi());
    }
    StyledStr::from(text)
}

/// Returns what the options of a command have to say beyond their summary.
fn details(command: &Command) -> String {
    let mut text = String::new();
    for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
        let long = option.get_long_help().map(ToString::to_string).unwrap_or_default();
        let mut lines: Vec<String> =
            long.split("\n\n").skip(1).map(|line| line.replace('\n', " ")).collect();
        for value in option.get_possible_values() {
            lines.extend(value.get_help().map(|help| format!("{}: {help}", value.get_name())));
        }
        if !lines.is_empty() {
            let _ = writeln!(text, "  {option}");
            for line in lines {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
    text
}

/// Wraps rendered help. A line continues below its description column. An example stays on a line of its own, so that
/// it can be copied; its comment moves above it.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut in_examples = false;
    for line in text.lines() {
        let line = line.trim_end();
        in_examples = line == EXAMPLES || (in_examples && !line.is_empty());
        if columns(line) <= width && !is_far(line, width) {
            out.push_str(line);
        } else if in_examples {
            match line.split_once("  # ") {
                Some((command, comment)) => {
                    out.push_str("  # ");
                    out.push_str(comment.trim_start());
                    out.push('\n');
                    out.push_str(command.trim_end());
                }
                None => out.push_str(line),
            }
        } else {
            wrap_line(line, width, &mut out);
        }
        out.push('\n');
    }
    out
}

/// Returns `true` if the description of an option begins in the right half of the line.
fn is_far(line: &str, width: usize) -> bool {
    let head = &line[..description(line)];
    head.contains("--") && columns(head) > width / 2
}

fn wrap_line(line: &str, width: usize, out: &mut String) {
    let start = description(line);
    let (head, text) = line.split_at(start);
    let mut head = head.to_owned();
    let mut indent = columns(&head);
    if is_far(line, width) {
        head = format!("{}\n{:BELOW$}", head.trim_end(), "");
        indent = BELOW;
    }
    let words: Vec<&str> = text.split(' ').collect();
    for (number, line) in lines(&words, width.saturating_sub(indent).max(1)).iter().enumerate() {
        if number == 0 {
            out.push_str(&head);
        } else {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(&line.join(" "));
    }
}

/// Breaks words into lines, and moves words down to the last one if it is too short.
fn lines<'a>(words: &[&'a str], width: usize) -> Vec<Vec<&'a str>> {
    let mut lines: Vec<Vec<&str>> = vec![Vec::new()];
    let mut used = 0;
    for word in words {
        let taken = columns(word);
        if used > 0 && used + 1 + taken > width {
            lines.push(Vec::new());
            used = 0;
        }
        used += taken + usize::from(used > 0);
        if let Some(line) = lines.last_mut() {
            line.push(*word);
        }
    }
    while let [.., before, last] = &mut lines[..] {
        let moved = before.last().map_or(0, |word| columns(word) + 1);
        // A line in the middle should not become short instead.
        if last.len() >= MIN_LAST_WORDS
            || before.len() <= last.len() + 1
            || columns(&last.join(" ")) + moved > width
        {
            break;
        }
        last.extend(before.pop());
        last.rotate_right(1);
    }
    lines
}

/// Returns the position of the text in a line: after its indentation, and after an option in front of
/// the text.
fn description(line: &str) -> usize {
    let content = line.len() - line.trim_start_matches(' ').len();
    let gap = line[content..].find("  ");
    let text = gap.map(|gap| {
        let after = &line[content + gap..];
        content + gap + after.len() - after.trim_start_matches(' ').len()
    });
    text.unwrap_or(content)
}

/// Returns the width of a text on a terminal, without its escape sequences.
fn columns(text: &str) -> usize {
    let mut count = 0;
    let mut escaped = false;
    for character in text.chars() {
        match character {
            '\x1b' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests;
