//! Nested elements as JSON: an object is a sequence of elements, and a list is a sequence of `item`s.

use super::schema::{Types, convert};
use super::shape::Values;
use super::value::write_string;

/// Nesting limit. Deeper elements are text.
const MAX_DEPTH: usize = 64;

/// Returns the elements in `text` as JSON. Text that is not a sequence of elements is a string.
pub(super) fn converted(text: &str, prefix: &str, values: Values) -> String {
    let mut out = String::with_capacity(text.len());
    write(text, prefix, values, 0, &mut out);
    out
}

/// An element: its name and its content.
struct Element<'a> {
    name: &'a str,
    content: &'a str,
}

fn write(text: &str, prefix: &str, values: Values, depth: usize, out: &mut String) {
    let elements = if depth < MAX_DEPTH { split(text, prefix) } else { None };
    let Some(elements) = elements else {
        out.push_str(&convert(text, Types::default(), values));
        return;
    };
    let is_list = elements.iter().all(|element| element.name == "item");
    out.push(if is_list { '[' } else { '{' });
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if !is_list {
            write_string(element.name, out);
            out.push(':');
        }
        write(element.content, prefix, values, depth + 1, out);
    }
    out.push(if is_list { ']' } else { '}' });
}

/// Splits a sequence of elements. Returns `None` if `text` is not one.
fn split<'a>(text: &'a str, prefix: &str) -> Option<Vec<Element<'a>>> {
    let mut rest = text.trim();
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (name, content) = rest.strip_prefix(prefix)?.strip_prefix('<')?.split_once('>')?;
        let begin = format!("{prefix}<{name}>");
        let end = format!("{prefix}</{name}>");
        let length = length_until(content, &begin, &end)?;
        elements.push(Element { name, content: &content[..length] });
        rest = content[length + end.len()..].trim_start();
    }
    (!elements.is_empty()).then_some(elements)
}

/// Returns the length of the text before the `end` that belongs to an element whose `begin` was read.
pub(super) fn length_until(text: &str, begin: &str, end: &str) -> Option<usize> {
    let mut open = 1;
    let mut at = 0;
    loop {
        let next_end = at + text[at..].find(end)?;
        open += text[at..next_end].matches(begin).count();
        open -= 1;
        if open == 0 {
            return Some(next_end);
        }
        at = next_end + end.len();
    }
}
