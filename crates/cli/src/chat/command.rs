//! The commands of a chat, which begin with `/`.

use std::fmt::Write as _;

use super::settings::unquoted;
use crate::misuse::similar;
use crate::terminal::fold;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Say(String),
    Help(Option<String>),
    Clear,
    System(Option<String>),
    Set(String),
    Show(Option<String>),
    Model(Option<String>),
    File(Option<String>),
    Edit(String),
    History,
    Save(String),
    Load(Option<String>),
    Undo,
    Retry,
    Copy,
    Bye,
}

/// Name, arguments and description of every command.
pub(super) const COMMANDS: [(&str, &str, &str); 15] = [
    ("/help", "[COMMAND]", "list the commands, or explain one"),
    ("/clear", "", "start a new conversation, with the same settings"),
    ("/system", "[TEXT|off]", "show, change or remove (`off`) the system prompt"),
    (
        "/set",
        "NAME [VALUE]",
        "show or change a setting, as in `/set temperature 0.2` or `/set seed default`",
    ),
    ("/show", "[NAME]", "show the model and the settings, or one of them"),
    ("/model", "[NAME]", "list the models, or switch to another one"),
    ("/file", "PATH", "put a text file into the next message"),
    ("/edit", "[TEXT]", "write the next message in your editor"),
    ("/history", "", "show the conversation"),
    ("/save", "NAME", "save the conversation under a name or to a file"),
    ("/load", "[NAME]", "list the conversations, or continue one"),
    ("/undo", "", "remove the last turn"),
    ("/retry", "", "answer the last message again"),
    ("/copy", "", "copy the last answer to the clipboard"),
    ("/bye", "", "leave the chat (Ctrl-D)"),
];

/// Column of the descriptions in the help.
const DESCRIPTION: usize = 24;

/// Returns the text of `/help`, with a line per command if `width` columns have room for it.
pub(super) fn help(width: usize) -> String {
    format!("{}\n{KEYS}", lines(COMMANDS.iter(), width))
}

/// The keys that do more than type.
const KEYS: &str = "  For several lines, press Alt-Enter, or type \"\"\" before and after them.\n  \
                    Ctrl-C stops an answer. Ctrl-R searches the input history.";

/// Returns the help of one command, with or without its `/`, or of the keys.
pub(super) fn help_on(name: &str, width: usize) -> Option<String> {
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    if matches!(name.as_str(), "shortcuts" | "keys") {
        return Some(KEYS.to_owned());
    }
    let name = other_name(&name).unwrap_or(&name);
    let found = COMMANDS.iter().filter(|(command, ..)| command[1..] == *name);
    let text = lines(found, width);
    (!text.is_empty()).then(|| text.trim_end().to_owned())
}

/// Returns the command that has this other name, both without their `/`.
fn other_name(name: &str) -> Option<&'static str> {
    match name {
        "?" => Some("help"),
        "new" => Some("clear"),
        "exit" | "quit" => Some("bye"),
        _ => None,
    }
}

fn lines<'a>(
    commands: impl Iterator<Item = &'a (&'a str, &'a str, &'a str)>,
    width: usize,
) -> String {
    let mut text = String::new();
    let is_narrow = width < 2 * DESCRIPTION;
    let indent = " ".repeat(if is_narrow { 6 } else { DESCRIPTION });
    for (name, arguments, meaning) in commands {
        let usage = format!("  {name} {arguments}");
        let meaning = fold(meaning, width.saturating_sub(indent.len()).max(1));
        let meaning = meaning.replace('\n', &format!("\n{indent}"));
        let _ = if is_narrow {
            writeln!(text, "{usage}\n{indent}{meaning}")
        } else {
            writeln!(text, "{usage:<DESCRIPTION$}{meaning}")
        };
    }
    text
}

/// Parses a line. The error says what to type instead.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let text = line.trim();
    if let Some(quoted) = text.strip_prefix("\"\"\"") {
        return Ok(Command::Say(quoted.strip_suffix("\"\"\"").unwrap_or(quoted).trim().to_owned()));
    }
    let Some((name, rest)) = split(text) else { return Ok(Command::Say(text.to_owned())) };
    let rest = rest.trim();
    let given = (!rest.is_empty()).then(|| unquoted(rest));
    let lower = name.to_ascii_lowercase();
    match other_name(&lower).unwrap_or(&lower) {
        "help" => Ok(Command::Help(given)),
        "clear" => Ok(Command::Clear),
        "system" => Ok(Command::System(given)),
        "set" => Ok(Command::Set(rest.to_owned())),
        "show" => Ok(Command::Show(given)),
        "model" => Ok(Command::Model(given)),
        "file" => Ok(Command::File(given)),
        "edit" => Ok(Command::Edit(given.unwrap_or_default())),
        "history" => Ok(Command::History),
        "save" => given
            .map(Command::Save)
            .ok_or_else(|| "`/save` needs a name, as in `/save notes`".to_owned()),
        "load" => Ok(Command::Load(given)),
        "undo" => Ok(Command::Undo),
        "retry" => Ok(Command::Retry),
        "copy" => Ok(Command::Copy),
        "bye" => Ok(Command::Bye),
        _ => Err(match meant(&lower) {
            Some(one) => format!("Unknown command `/{name}`; did you mean `{one}`?"),
            None => format!("Unknown command `/{name}`; `/help` lists the commands"),
        }),
    }
}

/// Splits a command, without its `/`, from its arguments. Returns `None` for a message, such as a path or a comment.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('/')?;
    if let Some(topic) = text.strip_prefix('?') {
        return Some(("?", topic));
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_letter = |c: char| c.is_alphabetic();
    let core = name.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '/');
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let is_command = name.is_empty() || (name.starts_with(is_letter) && core.chars().all(in_word));
    is_command.then_some((name, rest))
}

/// Returns the only command that begins alike, or the most similar one, for a name that is none.
fn meant(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(|c: char| c.is_ascii_punctuation());
    if name.is_empty() {
        return None;
    }
    let name = format!("/{}", other_name(name).unwrap_or(name));
    let commands = || COMMANDS.iter().map(|(command, ..)| *command);
    let begins = |command: &&str| command.starts_with(name.as_str()) || name.starts_with(*command);
    let mut alike = commands().filter(begins);
    match (alike.next(), alike.next()) {
        (Some(one), None) => Some(one),
        _ => similar(&name, commands()),
    }
}

/// Words that end or explain other programs, and the command that means the same here.
const ELSEWHERE: [(&[&str], &str); 3] = [
    (&["help", "?", "h", ":h", ":help"], "/help"),
    (&["exit", "quit", "bye", "q", ":q", ":q!", ":wq", "exit()", "quit()", "logout"], "/bye"),
    (&["clear", "cls", "reset"], "/clear"),
];

/// Returns the command that someone means who types nothing but one of these words, or a number after `listed` has
/// listed things by number.
pub(super) fn instead(line: &str, listed: Option<&str>) -> Option<String> {
    let word = line.trim().to_ascii_lowercase();
    if let (Some(command), Ok(number)) = (listed, word.parse::<usize>()) {
        return Some(format!("{command} {number}"));
    }
    let found = ELSEWHERE.iter().find(|(words, _)| words.contains(&word.as_str()));
    found.map(|(_, command)| (*command).to_owned())
}

/// Returns `true` if the quotes of a line are still open.
pub(super) fn is_incomplete(text: &str) -> bool {
    let start = text.trim_start();
    match start.strip_prefix("\"\"\"") {
        Some(rest) => !rest.trim_end().ends_with("\"\"\""),
        // Commands take a text of several lines, too, as in `/system \"\"\"`.
        None => {
            start.starts_with('/')
                && start.contains(" \"\"\"")
                && start.matches("\"\"\"").count() == 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_things_to_say() {
        let say = |text: &str| Ok(Command::Say(text.to_owned()));
        assert_eq!(parse(" Hello / there "), say("Hello / there"));
        assert_eq!(parse("/etc/hosts is a file"), say("/etc/hosts is a file"));
        assert_eq!(parse("// a comment"), say("// a comment"));
        assert_eq!(parse("\"\"\"\n two\nlines \"\"\""), say("two\nlines"));
        assert_eq!(parse("/bye"), Ok(Command::Bye));
        assert_eq!(parse("/Bye"), Ok(Command::Bye));
        assert_eq!(parse("/show top_k"), Ok(Command::Show(Some("top_k".into()))));
        assert_eq!(parse("/system  \"Be brief.\""), Ok(Command::System(Some("Be brief.".into()))));
        assert_eq!(parse("/set stop  \"a b\""), Ok(Command::Set("stop  \"a b\"".into())));
        assert_eq!(parse("/system \"\"\"a\nb\"\"\""), Ok(Command::System(Some("a\nb".into()))));
        assert_eq!(parse("/load"), Ok(Command::Load(None)));
        assert_eq!(parse("/file \"a b.txt\""), Ok(Command::File(Some("a b.txt".into()))));
        let bye = Some("/bye".to_owned());
        assert_eq!((instead(" Exit ", None), instead("exit the room", None)), (bye, None));
        assert_eq!(instead("2", Some("/model")).as_deref(), Some("/model 2"));
        assert_eq!((instead("2", None), instead("two", Some("/load"))), (None, None));
        assert!(parse("/save").unwrap_err().contains("/save notes"));
        assert!(parse("/nosuch thing").unwrap_err().contains("`/nosuch`"));
        assert!(parse("/hist x").unwrap_err().contains("did you mean `/history`?"));
        assert_eq!(parse("/foo.txt is a file"), say("/foo.txt is a file"));
        assert_eq!(parse("/* a comment */"), say("/* a comment */"));
    }

    #[test]
    fn punctuation_does_not_make_a_message_of_a_command() {
        let help = |topic: &str| Ok(Command::Help(Some(topic.to_owned())));
        assert_eq!(parse("/?"), Ok(Command::Help(None)));
        assert_eq!(
            (parse("/? shortcuts"), parse("/?shortcuts")),
            (help("shortcuts"), help("shortcuts"))
        );
        assert!(help_on("shortcuts", 80).unwrap().contains("Ctrl-R"));
        for (line, expected) in [
            ("/quit?", "Unknown command `/quit?`; did you mean `/bye`?"),
            ("/bye.", "Unknown command `/bye.`; did you mean `/bye`?"),
            ("/set-temperature 1", "Unknown command `/set-temperature`; did you mean `/set`?"),
            ("/", "Unknown command `/`; `/help` lists the commands"),
            ("/über", "Unknown command `/über`; `/help` lists the commands"),
        ] {
            assert_eq!(parse(line).unwrap_err(), expected);
        }
    }

    #[test]
    fn one_command_is_explained() {
        for name in ["set", "/set", "SET"] {
            let text = help_on(name, 80).unwrap();
            assert!(text.starts_with("  /set NAME [VALUE]") && !text.contains("/show"), "{text}");
        }
        assert_eq!(help_on("/quit", 80), help_on("bye", 80));
        assert_eq!(help_on("nosuch", 80), None);
    }

    #[test]
    fn quotes_hold_several_lines() {
        for (text, incomplete) in [
            ("\"\"\"a", true),
            ("\"\"\"", true),
            ("\"\"\"a\"\"\"", false),
            ("\"\"\"\na\n\"\"\" ", false),
            ("a \"\"\"", false),
            ("/system \"\"\"a", true),
            ("/system \"\"\"a\nb\"\"\"", false),
            ("/system a", false),
        ] {
            assert_eq!(is_incomplete(text), incomplete, "{text:?}");
        }
    }
}
