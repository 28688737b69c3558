//! Places in a schema, and the reasons to refuse what stands there.

use std::fmt::Write as _;

/// Most characters of a place in a message.
const MAX_SHOWN: usize = 160;

/// A place in a schema: the way to a keyword, and how deep it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    segment: Segment<'p>,
    /// Number of nested keywords and of references on the way here.
    pub(super) depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'p> {
    /// A JSON pointer from the root.
    Pointer(&'p str),
    Name(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// The place that a JSON pointer leads to.
    pub(super) fn at(pointer: &'p str, depth: usize) -> Self {
        Self { parent: None, segment: Segment::Pointer(pointer), depth }
    }

    /// The place of a key in the object here. A keyword with a schema is one level deeper, and so is a name in
    /// `properties`: both together count once.
    pub(super) fn key(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), segment: Segment::Name(name), depth: self.depth + 1 }
    }

    /// The place of an element in the list or object of schemas here.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), segment: Segment::Index(index), depth: self.depth }
    }

    /// The place of a named schema in the object here.
    pub(super) fn named(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), segment: Segment::Name(name), depth: self.depth }
    }

    /// The same place, counted one level deeper.
    pub(super) fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Returns the JSON pointer.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = self.parent.map(Self::pointer).unwrap_or_default();
        match self.segment {
            Segment::Pointer(text) => pointer.push_str(text),
            Segment::Name(name) => {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Index(index) => {
                let _ = write!(pointer, "/{index}");
            }
        }
        pointer
    }

    /// Returns the refusal of what stands here. `problem` follows the place in a sentence: "is not supported".
    pub(super) fn refuse<T>(&self, problem: impl AsRef<str>) -> Result<T, Problem> {
        Err(Problem::Refused(format!("{} {}", self.shown(), problem.as_ref())))
    }

    fn shown(&self) -> String {
        let pointer = self.pointer();
        if pointer.is_empty() {
            return "the schema".to_owned();
        }
        format!("`{}`", shown(&pointer, MAX_SHOWN))
    }
}

/// Returns a client's text for a message: without control characters, and with `most` characters.
pub(super) fn shown(text: &str, most: usize) -> String {
    let is_plain = |c: &char| !c.is_control() && !is_direction(*c) && *c != '`';
    let mut plain = text.chars().filter(is_plain);
    let mut short: String = plain.by_ref().take(most).collect();
    if plain.next().is_some() {
        short.push_str("...");
    }
    short
}

/// Returns `true` for characters that change the direction of the text around them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Reason why a schema has no grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The schema says something that cannot be enforced, or passes a bound. A sentence.
    Refused(String),
    /// The client has left, or the time is over.
    Interrupted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_json_pointers_with_a_depth() {
        let root = Place::at("", 0);
        let properties = root.key("properties");
        let name = properties.named("a/b~");
        assert_eq!(name.pointer(), "/properties/a~1b~0");
        assert_eq!((name.depth, name.key("items").depth), (1, 2));
        let refused = name.refuse::<()>("is bad").unwrap_err();
        assert_eq!(refused, Problem::Refused("`/properties/a~1b~0` is bad".to_owned()));
        let refused = root.refuse::<()>("is bad").unwrap_err();
        assert_eq!(refused, Problem::Refused("the schema is bad".to_owned()));
        assert_eq!(shown("a\u{1b}[2J\u{202e}b`c", 5), "a[2Jb...");
    }
}
