//! Classes of characters in patterns, such as `[a-z_]`.

use super::Translated;
use super::reader::{Escape, Reader};

/// Reads a class after its `[`.
pub(super) fn read(reader: &mut Reader<'_>) -> Translated<String> {
    let mut text = "[".to_owned();
    let is_negated = reader.take("^");
    if is_negated {
        text.push('^');
    }
    let mut is_empty = true;
    loop {
        if reader.take("]") {
            break;
        }
        is_empty = false;
        match member(reader)? {
            Escape::Class(class) => text.push_str(&class),
            Escape::Edge(_) => return Err("has an unknown escape in a class".to_owned()),
            Escape::Character(first) => {
                text.push_str(&escaped(first));
                range(reader, first, &mut text)?;
            }
        }
    }
    match (is_empty, is_negated) {
        (true, true) => Ok(r"[\s\S]".to_owned()),
        (true, false) => Err("has an empty class `[]`, which matches nothing".to_owned()),
        (false, _) => Ok(text + "]"),
    }
}

/// Reads the end of a range that begins with `first`, if there is one.
fn range(reader: &mut Reader<'_>, first: char, text: &mut String) -> Translated<()> {
    if !reader.take("-") {
        return Ok(());
    }
    if reader.next() == Some(']') {
        text.push_str("\\-");
        return Ok(());
    }
    match member(reader)? {
        Escape::Character(last) if last >= first => {
            text.push('-');
            text.push_str(&escaped(last));
        }
        Escape::Character(_) => return Err("has a range whose end is before its start".to_owned()),
        // As in browsers: `[a-\d]` is `a`, `-` and the digits.
        Escape::Class(class) => {
            text.push_str("\\-");
            text.push_str(&class);
        }
        Escape::Edge(_) => return Err("has an unknown escape in a class".to_owned()),
    }
    Ok(())
}

fn member(reader: &mut Reader<'_>) -> Translated<Escape> {
    match reader.pop() {
        Some('\\') => reader.escape(true),
        Some(c) => Ok(Escape::Character(c)),
        None => Err("has a `[` without a `]`".to_owned()),
    }
}

/// Writes a character so that it has no meaning in a class.
fn escaped(c: char) -> String {
    match c {
        c if c.is_control() => format!("\\x{{{:x}}}", u32::from(c)),
        '\\' | '[' | ']' | '^' | '-' | '&' | '~' | '#' => format!("\\{c}"),
        c => c.to_string(),
    }
}
