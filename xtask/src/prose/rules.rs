//! The rules, each a function from passages to findings.

use super::words::{BANNED, Banned};
use super::{Finding, Kind, Passage};

/// Words that a sentence of help or of an error may have.
const MAX_WORDS: usize = 25;
/// A file may say `where` this often, whatever else it says.
const FREE_WHERE: usize = 1;
/// Openings that leave a doc comment without a verb or a head noun.
const HEADLESS: [(&str, &str); 6] = [
    ("What", "begin with a noun or a verb"),
    ("Whether", "\"`true` if …\" or \"Returns `true` if …\""),
    ("Who", "begin with a noun or a verb"),
    ("Whom", "begin with a noun or a verb"),
    ("How", "begin with a noun: \"Number of …\", \"Time to …\""),
    ("Those", "begin with a noun"),
];
/// A line of `--help` at least this long was broken because the next word did not fit.
const WRAPPED_COLUMNS: usize = 80;
/// Words that make an orphan when they are alone on a line.
const ORPHAN_WORDS: usize = 2;

pub(super) fn banned_words(passages: &[Passage]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for passage in passages {
        let text = one_line(&passage.text);
        for banned in &BANNED {
            for at in occurrences(&text, banned.phrase) {
                if !is_exception(&text, banned, at) {
                    findings.push(Finding {
                        line: line_at(passage, at),
                        found: banned.phrase.to_owned(),
                        advice: format!("write \"{}\"", banned.instead),
                    });
                }
            }
        }
    }
    findings
}

/// Finds a file whose documentation says `where` more often than `if` and `when` together.
pub(super) fn where_and_if(passages: &[Passage]) -> Option<Finding> {
    let (mut places, mut conditions, mut first) = (0, 0, None);
    for passage in passages {
        if !matches!(passage.kind, Kind::Doc | Kind::Comment | Kind::Markdown) {
            continue;
        }
        let text = one_line(&passage.text);
        conditions += occurrences(&text, "if").count() + occurrences(&text, "when").count();
        for at in occurrences(&text, "where") {
            places += 1;
            first.get_or_insert(line_at(passage, at));
        }
    }
    (places > FREE_WHERE && places > conditions).then(|| Finding {
        line: first.unwrap_or(1),
        found: format!("{places}× where, {conditions}× if and when"),
        advice: "write \"if\" for conditions, \"when\" for time".to_owned(),
    })
}

/// Finds doc comments that open with a relative clause.
pub(super) fn openings(passages: &[Passage]) -> Vec<Finding> {
    let docs = passages.iter().filter(|passage| passage.kind == Kind::Doc);
    docs.filter_map(|passage| {
        let first = passage.text.split_whitespace().next()?;
        let (word, advice) = HEADLESS.iter().find(|(word, _)| *word == first)?;
        Some(Finding {
            line: passage.line,
            found: format!("{word} …"),
            advice: (*advice).to_owned(),
        })
    })
    .collect()
}

/// Finds long sentences in errors and hints, and in help if `is_help`.
pub(super) fn sentences(passages: &[Passage], is_help: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for passage in passages {
        let is_checked = passage.kind == Kind::Error
            || is_help && matches!(passage.kind, Kind::Doc | Kind::Text);
        if !is_checked {
            continue;
        }
        for (at, sentence) in split_sentences(&passage.text) {
            let words = sentence.split_whitespace().count();
            if words > MAX_WORDS {
                let opening: Vec<&str> = sentence.split_whitespace().take(4).collect();
                findings.push(Finding {
                    line: line_at(passage, at),
                    found: format!("{} …", opening.join(" ")),
                    advice: format!("{words} words in a sentence; split it ({MAX_WORDS} at most)"),
                });
            }
        }
    }
    findings
}

/// Finds lines of help with one or two words that the terminal's width cut off from their sentence.
pub(super) fn orphans(page: &str) -> Vec<Finding> {
    let lines: Vec<&str> = page.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut is_code = false;
    let mut findings = Vec::new();
    for (at, pair) in lines.windows(2).enumerate() {
        if pair[0].starts_with("```") {
            is_code = !is_code;
        }
        let words = pair[1].split_whitespace().count();
        let is_last = lines
            .get(at + 2)
            .is_none_or(|next| next.trim().is_empty() || indent(next) != indent(pair[1]));
        let is_orphan = (1..=ORPHAN_WORDS).contains(&words)
            && pair[0].chars().count() >= WRAPPED_COLUMNS
            && indent(pair[0]) == indent(pair[1])
            && is_last
            && !pair[1].starts_with("```");
        if is_code && is_orphan {
            findings.push(Finding {
                line: at + 2,
                found: pair[1].trim().to_owned(),
                advice: "alone on its line; shorten the help text".to_owned(),
            });
        }
    }
    findings
}

/// Returns the sentences of a text with their positions. A blank line and a line break in a string end one, too.
fn split_sentences(text: &str) -> Vec<(usize, &str)> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, byte) in text.bytes().enumerate() {
        let next = bytes.get(at + 1);
        let ends = match byte {
            b'.' | b'!' | b'?' => next.is_none_or(u8::is_ascii_whitespace),
            b'\n' => next == Some(&b'\n'),
            super::rust::BREAK => true,
            _ => false,
        };
        if ends {
            sentences.push((start, &text[start..=at]));
            start = at + 1;
        }
    }
    sentences.push((start, &text[start..]));
    for (start, sentence) in &mut sentences {
        *start += sentence.len() - sentence.trim_start().len();
    }
    sentences
}

/// The text in lower case with line breaks as spaces, every position kept.
fn one_line(text: &str) -> String {
    text.to_ascii_lowercase().replace('\n', " ")
}

/// Returns the positions where `phrase` stands as whole words.
fn occurrences<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(phrase).map(|(at, _)| at).filter(move |&at| {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '\'';
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        !before.is_some_and(is_word)
            && !after.is_some_and(|letter| is_word(letter) || letter == '-')
    })
}

fn is_exception(text: &str, banned: &Banned, at: usize) -> bool {
    banned.unless.iter().any(|allowed| {
        let Some(inside) = allowed.find(banned.phrase) else { return false };
        at.checked_sub(inside).is_some_and(|start| text[start..].starts_with(allowed))
    })
}

fn line_at(passage: &Passage, at: usize) -> usize {
    passage.line + passage.text[..at].matches('\n').count()
}
