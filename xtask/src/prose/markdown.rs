//! Prose of a Markdown page: everything but code and comments of HTML.

use super::{Kind, Passage};

/// Returns the paragraphs of a page. Rows of tables, list items and headings are passages of their own.
pub(super) fn passages(page: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let (mut fence, mut is_open) = (None, false);
    for (at, line) in page.lines().enumerate() {
        let trimmed = line.trim_start();
        let mark = trimmed.get(..3).filter(|mark| matches!(*mark, "```" | "~~~"));
        if let Some(mark) = mark {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            is_open = false;
            continue;
        }
        if fence.is_some() || trimmed.is_empty() || trimmed.starts_with("<!--") {
            is_open = false;
            continue;
        }
        let is_block = trimmed.starts_with(['|', '#', '*', '-'])
            || trimmed.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        match passages.last_mut() {
            Some(last) if is_open && !is_block => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            _ => {
                passages.push(Passage {
                    kind: Kind::Markdown,
                    line: at + 1,
                    text: line.to_owned(),
                });
            }
        }
        is_open = true;
    }
    for passage in &mut passages {
        passage.text = without_code(&passage.text);
    }
    passages
}

/// The text with each span in backticks replaced by `CODE`. Line breaks stay.
pub(super) fn without_code(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(begin) = rest.find('`') {
        let width = rest[begin..].bytes().take_while(|&byte| byte == b'`').count();
        let inside = &rest[begin + width..];
        let Some(end) = inside.find(&rest[begin..begin + width]) else { break };
        kept.push_str(&rest[..begin]);
        kept.push_str("CODE");
        kept.extend(inside[..end].chars().filter(|&letter| letter == '\n'));
        rest = &inside[end + width..];
    }
    kept + rest
}
