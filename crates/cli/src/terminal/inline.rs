//! Emphasis inside a line of Markdown (the part of CommonMark 0.31, §6, that models use).

use super::wrap::Style;

/// Most words of a span. An opening mark without a closing one within them is plain text, so that an answer doesn't wait
/// for the end of its line.
const MAX_WORDS: usize = 24;

/// Parses the certain beginning of `text`. Returns its pieces and its length in bytes. With `complete`,
/// nothing follows on this line and all of it is certain.
pub(super) fn parse(text: &str, base: Style, complete: bool) -> (Vec<(Style, String)>, usize) {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or_default();
        let taken = match c {
            '\\' => escaped(rest, complete),
            '`' => code(rest, complete),
            '*' | '_' | '~' => emphasis(rest, text[..at].chars().next_back(), complete),
            _ => Taken::Literal(c.len_utf8()),
        };
        match taken {
            Taken::Undecided => break,
            Taken::Literal(length) => {
                plain.push_str(&rest[..length]);
                at += length;
            }
            Taken::Escaped(length) => {
                plain.push_str(&rest[1..length]);
                at += length;
            }
            Taken::Span { inner, length, add } => {
                if !plain.is_empty() {
                    pieces.push((base, std::mem::take(&mut plain)));
                }
                let style = add.onto(base);
                if style.code {
                    pieces.push((style, inner.to_owned()));
                } else {
                    pieces.extend(parse(inner, style, true).0);
                }
                at += length;
            }
        }
    }
    if !plain.is_empty() {
        pieces.push((base, plain));
    }
    (pieces, at)
}

enum Taken<'a> {
    /// More text is needed to decide.
    Undecided,
    /// This many bytes of plain text.
    Literal(usize),
    /// A backslash and the character that it escapes.
    Escaped(usize),
    Span {
        inner: &'a str,
        length: usize,
        add: Add,
    },
}

#[derive(Clone, Copy)]
enum Add {
    Bold,
    Italic,
    Both,
    Struck,
    Code,
}

impl Add {
    fn onto(self, style: Style) -> Style {
        match self {
            Self::Bold => Style { bold: true, ..style },
            Self::Italic => Style { italic: true, ..style },
            Self::Both => Style { bold: true, italic: true, ..style },
            Self::Struck => Style { struck: true, ..style },
            Self::Code => Style { code: true, ..style },
        }
    }
}

fn escaped(rest: &str, complete: bool) -> Taken<'_> {
    match rest[1..].chars().next() {
        Some(c) if c.is_ascii_punctuation() => Taken::Escaped(1 + c.len_utf8()),
        Some(_) => Taken::Literal(1),
        None if complete => Taken::Literal(1),
        None => Taken::Undecided,
    }
}

/// Parses a code span between equal numbers of backticks.
fn code(rest: &str, complete: bool) -> Taken<'_> {
    let ticks = run_length(rest, '`');
    if ticks == rest.len() {
        return if complete { Taken::Literal(ticks) } else { Taken::Undecided };
    }
    let (rest, complete) = bounded(rest, complete);
    let mut at = ticks;
    while let Some(found) = rest[at..].find('`') {
        let start = at + found;
        let length = run_length(&rest[start..], '`');
        let ends_here = start + length == rest.len() && !complete;
        if length == ticks && !ends_here {
            let inner = rest[ticks..start].trim_matches(' ');
            return Taken::Span { inner, length: start + length, add: Add::Code };
        }
        at = start + length;
    }
    if complete { Taken::Literal(ticks) } else { Taken::Undecided }
}

/// Parses `*`, `**`, `***`, the same with underscores, and `~~`.
fn emphasis(rest: &str, before: Option<char>, complete: bool) -> Taken<'_> {
    let mark = rest.chars().next().unwrap_or_default();
    let count = run_length(rest, mark);
    let Some(after) = rest[count..].chars().next() else {
        return if complete { Taken::Literal(count) } else { Taken::Undecided };
    };
    let add = match (mark, count) {
        ('~', 2) => Add::Struck,
        ('*' | '_', 1) => Add::Italic,
        ('*' | '_', 2) => Add::Bold,
        ('*' | '_', 3) => Add::Both,
        _ => return Taken::Literal(count),
    };
    // Underscores inside words are parts of names.
    let inside_word = mark == '_' && before.is_some_and(char::is_alphanumeric);
    if after.is_whitespace() || inside_word {
        return Taken::Literal(count);
    }
    let (rest, complete) = bounded(rest, complete);
    let mut at = count;
    while let Some(found) = rest[at..].find(mark) {
        let start = at + found;
        let length = run_length(&rest[start..], mark);
        if start + length == rest.len() && !complete {
            return Taken::Undecided;
        }
        let closes = length == count
            && !rest[..start].ends_with(char::is_whitespace)
            && !(mark == '_' && rest[start + length..].starts_with(char::is_alphanumeric));
        if closes {
            return Taken::Span { inner: &rest[count..start], length: start + length, add };
        }
        at = start + length;
    }
    if complete { Taken::Literal(count) } else { Taken::Undecided }
}

/// Returns the part in which a span may end, and `true` if nothing follows that could change how it ends.
fn bounded(rest: &str, complete: bool) -> (&str, bool) {
    let ends = rest.char_indices().zip(rest.chars().skip(1));
    let mut ends = ends.filter(|((_, c), next)| !c.is_whitespace() && next.is_whitespace());
    match ends.nth(MAX_WORDS - 1) {
        Some(((at, c), _)) => (&rest[..at + c.len_utf8()], true),
        None => (rest, complete),
    }
}

fn run_length(text: &str, mark: char) -> usize {
    text.bytes().take_while(|&byte| char::from(byte) == mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> String {
        let (pieces, length) = parse(text, Style::default(), true);
        assert_eq!(length, text.len());
        pieces
            .iter()
            .map(|(style, text)| {
                let marks = [
                    (style.bold, 'b'),
                    (style.italic, 'i'),
                    (style.struck, 's'),
                    (style.code, 'c'),
                ];
                let marks: String =
                    marks.iter().filter(|(set, _)| *set).map(|(_, mark)| mark).collect();
                if marks.is_empty() { text.clone() } else { format!("<{marks}:{text}>") }
            })
            .collect()
    }

    #[test]
    fn marks_become_styles() {
        for (text, expected) in [
            ("a **b** *c* _d_ __e__ ~~f~~", "a <b:b> <i:c> <i:d> <b:e> <s:f>"),
            ("***x*** **a *b* c**", "<bi:x> <b:a ><bi:b><b: c>"),
            ("`a*b*` ``x`y``", "<c:a*b*> <c:x`y>"),
            ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
            ("**open and *open", "**open and *open"),
            (r"\*not\* \a C:\x", r"*not* \a C:\x"),
            ("5 ** 2 ~ `", "5 ** 2 ~ `"),
            ("**größe:** ok", "<b:größe:> ok"),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mark_that_is_never_closed_holds_nothing_back() {
        let words = |count: usize| vec!["word"; count].join(" ");
        for mark in ["**", "*", "_", "~~", "`", "``"] {
            let closed = format!("{mark}{}{mark} end", words(MAX_WORDS));
            let (pieces, length) = parse(&closed, Style::default(), false);
            assert_eq!((pieces.len(), length), (2, closed.len()), "{mark}");
            let open = format!("{mark}{}", words(MAX_WORDS));
            assert_eq!(parse(&open, Style::default(), false).1, 0, "{mark}");
            // After the next space, it is certain that the mark is text.
            let open = open + " and";
            assert_eq!(parse(&open, Style::default(), false).1, open.len(), "{mark}");
            // That doesn't change if a mark comes later.
            let late = format!("{open} more{mark} end");
            let (pieces, _) = parse(&late, Style::default(), true);
            assert_eq!(pieces, [(Style::default(), late)], "{mark}");
        }
    }

    #[test]
    fn what_is_undecided_is_left() {
        for (text, certain) in
            [("a **b", 2), ("a `", 2), ("a\\", 1), ("a *b*", 2), ("a **b** ", 8), ("ab", 2)]
        {
            assert_eq!(parse(text, Style::default(), false).1, certain, "{text}");
        }
    }
}
