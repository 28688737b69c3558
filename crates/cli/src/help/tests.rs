use clap::{Command, CommandFactory};

use super::*;
use crate::args::Cli;
use crate::config::keys::KEYS;

/// Most words of a sentence in help.
const MAX_WORDS: usize = 25;

#[test]
fn lines_continue_below_their_description_and_end_without_orphans() {
    let text = "  -f, --force   one two three four five six seven eight\n\nshort";
    let indent = " ".repeat(16);
    let expected = format!(
        "  -f, --force   one two three four\n{indent}five six\n{indent}seven eight\n\nshort\n"
    );
    assert_eq!(wrap(text, 34), expected);
    assert_eq!(wrap("a \u{1b}[1mb\u{1b}[0m c d e f g", 11), "a \u{1b}[1mb\u{1b}[0m c d\ne f g\n");
}

#[test]
fn narrow_help_stays_legible() {
    // Examples can be copied.
    let text =
        "Examples:\n  mlxk run smollm2 \"Hello there\"   # an answer\n  mlxk list\n\nOne two three";
    let expected = "Examples:\n  # an answer\n  mlxk run smollm2 \"Hello there\"\n  mlxk list\n\nOne two\nthree\n";
    assert_eq!(wrap(text, 12), expected);
    // A description has at least half of the width.
    let text = "      --a-long-name <X>  one two three four five six";
    let expected = "      --a-long-name <X>\n          one two three\n          four five six\n";
    assert_eq!(wrap(text, 30), expected);
}

#[test]
fn long_help_begins_with_a_summary_and_ends_with_examples() {
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let text = long(&words("run --help")).to_string();
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(text.starts_with("Answer a prompt\n\nUsage: mlxk run [OPTIONS]"), "{text}");
    assert!(
        place("\n  -f, --file") < place("\nDetails:\n")
            && place("\nDetails:\n") < place("Examples:")
    );
    assert!(text.contains("  --batch <FILE>\n      A line is a string"), "{text}");
    assert_eq!(text.matches("Examples:").count(), 1);
    let inner = long(&words("bench compare --help")).to_string();
    assert!(inner.contains("Usage: mlxk bench compare"), "{inner}");
    assert!(long(&words("help")).to_string().contains("Usage: mlxk"));
}

/// Returns the title of every visible command, and the command.
fn commands() -> Vec<(String, Command)> {
    fn add(title: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        found.push((title.to_owned(), command.clone()));
        for inner in command.get_subcommands() {
            if !inner.is_hide_set() && inner.get_name() != "help" {
                add(&format!("{title} {}", inner.get_name()), inner, found);
            }
        }
    }
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    add("mlxk", &cli, &mut found);
    found
}

/// Returns the short and the long help of a command.
fn helps(command: &Command) -> [String; 2] {
    let mut command = command.clone();
    [command.render_help().to_string(), command.render_long_help().to_string()]
}

#[test]
fn help_names_no_file_of_the_source() {
    for (title, command) in commands() {
        for help in helps(&command) {
            for folder in ["crates/", "docs/", "tests/", "xtask/"] {
                assert!(!help.contains(folder), "{title}: {folder}");
            }
        }
    }
}

#[test]
fn no_line_of_help_is_an_orphan() {
    let mut orphans = Vec::new();
    for (title, command) in commands() {
        for (help, width) in helps(&command).iter().flat_map(|help| [(help, 80), (help, 100)]) {
            for line in help.lines().map(str::trim_end) {
                let wrapped = wrap(line, width);
                let wrapped: Vec<&str> = wrapped.lines().collect();
                let last = wrapped.last().copied().unwrap_or_default().trim_start();
                // `[default: x]` can be a line of its own.
                let is_short = last.split_whitespace().count() < MIN_LAST_WORDS;
                if wrapped.len() > 1 && is_short && !last.starts_with('[') {
                    orphans.push(format!("{title}, {width} columns: {}", wrapped.join("\n")));
                }
            }
        }
    }
    assert!(orphans.is_empty(), "{}", orphans.join("\n\n"));
}

#[test]
fn examples_and_tables_fit_on_a_line() {
    for (title, command) in commands() {
        let blocks = [command.get_after_help(), command.get_after_long_help()];
        for line in blocks.into_iter().flatten().flat_map(|help| {
            let text = help.to_string();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        }) {
            let fits = !line.starts_with("  ") || columns(&line) <= 80;
            assert!(fits, "{title}: {} columns: {line}", columns(&line));
        }
    }
}

#[test]
fn every_command_has_examples() {
    for (title, command) in commands() {
        let [short, long] = helps(&command);
        assert!(short.contains("\nExamples:\n"), "{title} -h");
        assert!(long.contains("\nExamples:\n"), "{title} --help");
    }
}

#[test]
fn sentences_of_help_are_short() {
    let mut long = Vec::new();
    let mut check = |place: String, text: &str| {
        for paragraph in text.lines().filter(|line| !line.starts_with(' ')) {
            for sentence in paragraph.split(". ") {
                let words = sentence.split_whitespace().count();
                if words > MAX_WORDS {
                    long.push(format!("{place}: {words} words: {sentence}"));
                }
            }
        }
    };
    for (title, command) in commands() {
        for text in [
            command.get_about(),
            command.get_long_about(),
            command.get_after_help(),
            command.get_after_long_help(),
        ] {
            check(title.clone(), &text.map(ToString::to_string).unwrap_or_default());
        }
        for arg in command.get_arguments() {
            for text in [arg.get_help(), arg.get_long_help()] {
                let text = text.map(ToString::to_string).unwrap_or_default();
                check(format!("{title} {}", arg.get_id()), &text);
            }
        }
    }
    for key in KEYS {
        check(key.name.to_owned(), key.about);
    }
    for variable in crate::env::ALL {
        check(variable.name.to_owned(), variable.about);
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
