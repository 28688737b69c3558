//! Reads the name of a call.

use super::shape::{Arguments, NameForm, Named};
use super::text::{Found, begins_with, find, skip_space};

/// Length limit of a name with its id and the white space around it, in bytes.
const MAX_BYTES: usize = 512;
/// Tag before arguments as one JSON object in Kimi K3's form, and its end.
const JSON_BLOCK: &str = "<|open|>json";
const JSON_BLOCK_SEPARATOR: &str = "<|sep|>";
/// Mark at the end of a message's header.
const MESSAGE: &str = "<|message|>";

/// Result of [`read_name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// More text has to come.
    NeedsMore,
    /// This is not the beginning of a call.
    No,
    /// A name, and the length of the text up to the arguments.
    Found { name: String, id: Option<String>, length: usize },
    /// Like `Found`, with the arguments as one JSON object instead of the form's own.
    FoundJson { name: String, length: usize },
    /// Text of this length that is not a call, and not content either.
    Skip { length: usize },
}

/// Reads a name at the beginning of `text`.
pub(super) fn read_name(named: &Named, section_end: &str, text: &str) -> Name {
    let after = named.after_name.trim();
    let name = match named.name {
        NameForm::Header => header(text),
        NameForm::Indexed => until(text, after, |head| {
            let name = head.split('"').next().unwrap_or_default();
            (name.replace("&quot;", "\"").replace("&amp;", "&"), None)
        }),
        NameForm::AfterId(mark) => until(text, after, |head| match head.split_once(mark) {
            Some((id, name)) => (name.trim().to_owned(), Some(id.trim().to_owned())),
            None => (head.trim().to_owned(), None),
        }),
        NameForm::Plain { id_mark } => match word(named, section_end, text) {
            Name::Found { name, length, .. } => {
                match id_mark.and_then(|mark| name.split_once(mark)) {
                    Some((name, id)) => {
                        Name::Found { name: name.to_owned(), id: Some(id.to_owned()), length }
                    }
                    None => Name::Found { name, id: None, length },
                }
            }
            other => other,
        },
        NameForm::Numbered => match word(named, section_end, text) {
            Name::Found { name: id, length, .. } => {
                let name = id.strip_prefix("functions.").unwrap_or(&id);
                let name = name.rsplit_once(':').map_or(name, |(name, _)| name).to_owned();
                Name::Found { name, id: Some(id), length }
            }
            other => other,
        },
    };
    let Name::Found { length, .. } = name else { return name };
    if let (NameForm::Indexed, Name::Found { name, .. }) = (named.name, &name) {
        match json_block(&text[length..]) {
            Some(Name::FoundJson { length: block, .. }) => {
                return Name::FoundJson { name: name.clone(), length: length + block };
            }
            Some(other) => return other,
            None => {}
        }
    }
    match begins_arguments(named, section_end, &text[length..]) {
        Found::Yes => name,
        Found::Perhaps => Name::NeedsMore,
        Found::No => Name::No,
    }
}

/// Reads the tag before arguments as one JSON object. Returns `None` if there is none.
fn json_block(text: &str) -> Option<Name> {
    let rest = &text[skip_space(text)..];
    match begins_with(rest, JSON_BLOCK) {
        Found::Yes => {}
        Found::Perhaps => return Some(Name::NeedsMore),
        Found::No => return None,
    }
    Some(match find(text, JSON_BLOCK_SEPARATOR) {
        Some(at) => {
            let length = at + JSON_BLOCK_SEPARATOR.len();
            match begins_with(text[length..].trim_ascii_start(), "{") {
                Found::Yes => Name::FoundJson { name: String::new(), length },
                Found::Perhaps => Name::NeedsMore,
                Found::No => Name::No,
            }
        }
        None if text.len() <= MAX_BYTES => Name::NeedsMore,
        None => Name::No,
    })
}

/// Compares the text after a name with the beginnings of arguments.
fn begins_arguments(named: &Named, section_end: &str, text: &str) -> Found {
    let rest = &text[skip_space(text)..];
    terminators(named, section_end)
        .into_iter()
        .filter(|mark| !mark.is_empty())
        .map(|mark| begins_with(rest, mark))
        .max()
        .unwrap_or(Found::Yes)
}

/// Returns the marks with which arguments begin, or with which a call without arguments ends.
fn terminators<'a>(named: &Named, section_end: &'a str) -> [&'a str; 3] {
    match named.arguments {
        Arguments::Json | Arguments::Braces { .. } => ["{", "", ""],
        Arguments::Tagged(tags) => [tags.begin.trim(), named.end.trim(), section_end],
        Arguments::Elements { tag_begin, .. } => [tag_begin, named.end.trim(), section_end],
        Arguments::Keywords => ["", "", ""],
    }
}

/// Reads all text until a mark, and takes it apart.
fn until(text: &str, mark: &str, parts: impl Fn(&str) -> (String, Option<String>)) -> Name {
    match find(text, mark) {
        Some(at) if at <= MAX_BYTES => {
            let (name, id) = parts(&text[..at]);
            Name::Found { name, id, length: at + mark.len() }
        }
        None if text.len() <= MAX_BYTES => Name::NeedsMore,
        _ => Name::No,
    }
}

/// Reads a word, and the mark after it.
fn word(named: &Named, section_end: &str, text: &str) -> Name {
    let after = named.after_name.trim();
    let marks = if after.is_empty() { terminators(named, section_end) } else { [after, "", ""] };
    let spaces = skip_space(text);
    let rest = &text[spaces..];
    match rest.chars().next() {
        None if spaces <= MAX_BYTES => return Name::NeedsMore,
        Some(first) if first.is_alphanumeric() || first == '_' => {}
        _ => return Name::No,
    }
    let end = marks.iter().filter_map(|mark| find(rest, mark)).min();
    let space = rest.find(|char: char| char.is_ascii_whitespace());
    let length = match (end, space) {
        (Some(end), None) => end,
        (Some(end), Some(space)) if end < space => end,
        (_, Some(space)) => space,
        (None, None) if rest.len() <= MAX_BYTES => return Name::NeedsMore,
        (None, None) => return Name::No,
    };
    if length > MAX_BYTES {
        return Name::No;
    }
    let end = length + skip_space(&rest[length..]);
    let marks = marks.iter().filter(|mark| !mark.is_empty());
    let found = marks.map(|mark| (begins_with(&rest[end..], mark), mark.len())).max();
    let name = rest[..length].to_owned();
    match found {
        Some((Found::Yes, mark)) => {
            let mark = if after.is_empty() { 0 } else { mark };
            Name::Found { name, id: None, length: spaces + end + mark }
        }
        Some((Found::Perhaps, _)) => Name::NeedsMore,
        _ => Name::No,
    }
}

/// Reads the header of a message, from its first mark on.
fn header(text: &str) -> Name {
    let Some(at) = text.find(MESSAGE) else {
        return if text.len() <= MAX_BYTES { Name::NeedsMore } else { Name::No };
    };
    let length = at + MESSAGE.len();
    let recipient = text[..at].split("to=").nth(1).map(|rest| {
        let end = rest.find(|char: char| char.is_ascii_whitespace() || char == '<');
        &rest[..end.unwrap_or(rest.len())]
    });
    match recipient {
        Some(name) => {
            let name = name.strip_prefix("functions.").unwrap_or(name).to_owned();
            Name::Found { name, id: None, length }
        }
        None => Name::Skip { length },
    }
}
