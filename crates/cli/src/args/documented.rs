//! Checks that this program understands every command in the documentation.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

/// Placeholders for which no value parses.
const PLACEHOLDERS: [&str; 5] = ["COMMAND", "CHECK", "SHELL", "[OPTIONS]", "…"];

#[test]
fn every_documented_command_parses() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            count += 1;
            match Cli::try_parse_from(&command) {
                Err(error) if !is_fine(error.kind(), command.len()) => {
                    let command = command.join(" ");
                    wrong.push(format!("{}: {command}\n{error}", page.display()));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 200, "{count} commands were found");
}

/// Returns `true` for help and the version, and for the bare name of a command that needs arguments.
fn is_fine(error: ErrorKind, words: usize) -> bool {
    let is_name = words <= 4
        && matches!(error, ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand);
    is_name || matches!(error, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

#[test]
fn commands_are_found_in_blocks_and_in_backticks() {
    let page = "Run `mlxk list`, `rm` or `mlxk COMMAND`.\n```console\n$ A=1 mlxk run m \"a | b\" \\\n\
                > --n 2 | jq .   # mlxk no\nmlxk 1\n```\n```\n  mlxk rm 'x y'    the rest\n```\n";
    let words: Vec<String> = commands(page).iter().map(|command| command.join("+")).collect();
    assert_eq!(words, ["mlxk+list", "mlxk+run+m+a | b+--n+2", "mlxk+rm+x y"]);
}

/// Returns README.md and the pages in `docs` and `packaging`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("docs"), root.join("packaging")];
    let mut pages = vec![root.join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Returns the words of every `mlxk` command in code blocks and in backticks.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut block = None;
    let mut pending = String::new();
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim_matches('`')) };
        } else if let Some(language) = block {
            // Lines without a prompt are output.
            if language == "console" && pending.is_empty() && !line.starts_with("$ ") {
                continue;
            }
            let line = line.trim_start().trim_start_matches("$ ").trim_start_matches("> ");
            if let Some(begun) = line.strip_suffix('\\') {
                pending.push_str(begun);
                continue;
            }
            found.extend(of_line(&(std::mem::take(&mut pending) + line)));
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.filter(|span| span.starts_with("mlxk ")).flat_map(of_line));
        }
    }
    found
}

/// Returns the `mlxk` commands of a line of shell.
fn of_line(line: &str) -> Vec<Vec<String>> {
    if PLACEHOLDERS.iter().any(|placeholder| line.contains(placeholder)) {
        return Vec::new();
    }
    let commands = split(line).into_iter().map(|words| {
        let skipped = words.iter().take_while(|word| is_assignment(word)).count();
        words[skipped..].to_vec()
    });
    commands.filter(|words| words.first().is_some_and(|word| word == "mlxk")).collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_uppercase() || c == '_'))
}

/// Splits a line of shell into commands and these into words. A redirection ends a command, and so does the
/// gap before an explanation.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut spaces = 0;
    let mut is_ended = false;
    for letter in line.chars().chain([' ']) {
        spaces = if letter == ' ' { spaces + 1 } else { 0 };
        if let Some(open) = quote {
            if letter == open {
                quote = None;
            } else {
                word.get_or_insert_default().push(letter);
            }
        } else if matches!(letter, '"' | '\'') {
            quote = Some(letter);
            word.get_or_insert_default();
        } else if matches!(letter, ' ' | '|' | '<' | '>' | '&' | ';' | '(' | ')') {
            if let (Some(word), Some(command), false) = (word.take(), commands.last_mut(), is_ended)
            {
                command.push(word);
            }
            is_ended |= matches!(letter, '<' | '>') || spaces > 2;
            if matches!(letter, '|' | '&' | ';' | '(' | ')') {
                commands.push(Vec::new());
                is_ended = false;
            }
        } else if letter == '#' && word.is_none() {
            break;
        } else {
            word.get_or_insert_default().push(letter);
        }
    }
    commands
}
