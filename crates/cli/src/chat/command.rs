//! The commands of a chat, which begin with `/`.

use std::fmt::Write as _;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Say(String),
    Help,
    Clear,
    System(Option<String>),
    Set(Vec<String>),
    Show,
    History,
    Save(String),
    Load(String),
    Undo,
    Retry,
    Copy,
    Bye,
}

/// Name, arguments and description of every command.
pub(super) const COMMANDS: [(&str, &str, &str); 12] = [
    ("/help", "", "list the commands"),
    ("/clear", "", "start a new conversation, with the same settings"),
    ("/system", "[TEXT|off]", "show or change the system prompt"),
    ("/set", "NAME VALUE", "change a setting, as in `/set temperature 0.2` or `/set seed default`"),
    ("/show", "", "show the model and the settings"),
    ("/history", "", "show the conversation"),
    ("/save", "NAME", "save the conversation under a name or to a file"),
    ("/load", "NAME", "continue a saved conversation"),
    ("/undo", "", "remove the last turn"),
    ("/retry", "", "answer the last message again"),
    ("/copy", "", "copy the last answer to the clipboard"),
    ("/bye", "", "leave the chat (Ctrl-D)"),
];

/// Returns the text of `/help`, with one line per command.
pub(super) fn help() -> String {
    let mut text = String::new();
    for (name, arguments, meaning) in COMMANDS {
        let usage = format!("{name} {arguments}");
        let _ = writeln!(text, "  {usage:<22} {meaning}");
    }
    text.push_str(
        "\n  For several lines, press Alt-Enter, or type \"\"\" before and after them.\n  \
         Ctrl-C stops an answer. Ctrl-R searches the input history.",
    );
    text
}

/// Parses a line. The error says what to type instead.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let text = line.trim();
    if let Some(quoted) = text.strip_prefix("\"\"\"") {
        return Ok(Command::Say(quoted.strip_suffix("\"\"\"").unwrap_or(quoted).trim().to_owned()));
    }
    // Paths and comments are messages.
    let is_command = text.starts_with('/')
        && text[1..]
            .split_whitespace()
            .next()
            .is_some_and(|name| name == "?" || name.chars().all(|c| c.is_ascii_alphabetic()));
    if !is_command {
        return Ok(Command::Say(text.to_owned()));
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let named = |what: fn(String) -> Command| {
        if rest.is_empty() {
            Err(format!("`{name}` needs a name, as in `{name} notes`"))
        } else {
            Ok(what(rest.to_owned()))
        }
    };
    match name {
        "/help" | "/?" => Ok(Command::Help),
        "/clear" | "/new" => Ok(Command::Clear),
        "/system" => Ok(Command::System((!rest.is_empty()).then(|| unquoted(rest)))),
        "/set" => Ok(Command::Set(rest.splitn(2, char::is_whitespace).map(unquoted).collect())),
        "/show" => Ok(Command::Show),
        "/history" => Ok(Command::History),
        "/save" => named(Command::Save),
        "/load" => named(Command::Load),
        "/undo" => Ok(Command::Undo),
        "/retry" => Ok(Command::Retry),
        "/copy" => Ok(Command::Copy),
        "/bye" | "/exit" | "/quit" => Ok(Command::Bye),
        _ => Err(format!("Unknown command `{name}`; `/help` lists the commands")),
    }
}

/// Returns the text without quotes around it.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// Returns `true` if the quotes of a line are still open.
pub(super) fn is_incomplete(text: &str) -> bool {
    let start = text.trim_start();
    match start.strip_prefix("\"\"\"") {
        Some(rest) => !rest.trim_end().ends_with("\"\"\""),
        None => false,
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
        assert_eq!(parse("/system  \"Be brief.\""), Ok(Command::System(Some("Be brief.".into()))));
        let set = Command::Set(vec!["stop".into(), "a b".into()]);
        assert_eq!(parse("/set stop  \"a b\""), Ok(set));
        assert!(parse("/save").unwrap_err().contains("/save notes"));
        assert!(parse("/nosuch thing").unwrap_err().contains("`/nosuch`"));
    }

    #[test]
    fn quotes_hold_several_lines() {
        for (text, incomplete) in [
            ("\"\"\"a", true),
            ("\"\"\"", true),
            ("\"\"\"a\"\"\"", false),
            ("\"\"\"\na\n\"\"\" ", false),
            ("a \"\"\"", false),
        ] {
            assert_eq!(is_incomplete(text), incomplete, "{text:?}");
        }
    }
}
