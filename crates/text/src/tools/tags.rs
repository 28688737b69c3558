//! Reads arguments that are texts between tags.

use super::elements;
use super::parser::Reading;
use super::schema::{Tools, Types, convert};
use super::shape::{Arguments, Attribute, Named, Tagged, Values};
use super::text::{Found, begins_with, find, partial, skip_space};
use super::value::{write_char, write_string};

/// Length limit of a key, in bytes.
const MAX_KEY_BYTES: usize = 1024;
const CDATA: &str = "<![CDATA[";
const CDATA_END: &str = "]]>";

/// Arguments between tags that are being read.
#[derive(Clone, Debug)]
pub(super) struct TagReader {
    tags: Tagged,
    /// Prefix of tags that are named after the arguments.
    element_prefix: Option<&'static str>,
    /// Marks that may follow an argument.
    followers: [&'static str; 3],
    tool: String,
    phase: Phase,
    is_first: bool,
    types: Types,
    values: Values,
    /// Mark at the end of the value.
    end: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before an argument, or the end of the call.
    Between,
    /// After the mark before a key.
    Key,
    /// Before the mark before a value.
    ValueBegin,
    /// After that mark, where a line break may follow.
    ValueFirst,
    /// Inside a value. `scanned` is the length of its part without an end.
    Value { scanned: usize, has_begun: bool },
}

impl TagReader {
    /// A reader of the arguments of `named`, a call of `tool` in a section that ends with `section_end`.
    pub(super) fn new(named: &Named, section_end: &'static str, tool: &str) -> Option<Self> {
        let (tags, element_prefix) = match named.arguments {
            Arguments::Tagged(tags) => (tags, None),
            Arguments::Elements { prefix, tag_begin } => (elements(tag_begin), Some(prefix)),
            _ => return None,
        };
        Some(Self {
            tags,
            element_prefix,
            followers: [named.end.trim(), tags.begin.trim(), section_end.trim()],
            tool: tool.to_owned(),
            phase: Phase::Between,
            is_first: true,
            types: Types::default(),
            values: tags.values,
            end: String::new(),
        })
    }

    /// Reads on at the beginning of `text`. Returns the length of what it read.
    pub(super) fn step(&mut self, text: &str, tools: &Tools, out: &mut String) -> (usize, Reading) {
        match self.phase {
            Phase::Between => self.between(text, out),
            Phase::Key => self.key(text, tools, out),
            Phase::ValueBegin => {
                let mark = self.tags.value_begin.trim();
                // White space belongs to the value if no mark follows it.
                let spaces = if mark.is_empty() { 0 } else { skip_space(text) };
                match begins_with(&text[spaces..], mark) {
                    Found::Yes => {
                        self.phase = Phase::ValueFirst;
                        (spaces + mark.len(), Reading::Goes)
                    }
                    Found::Perhaps => (0, Reading::NeedsMore),
                    Found::No => (0, Reading::Malformed),
                }
            }
            Phase::ValueFirst => self.value_first(text),
            Phase::Value { scanned, has_begun } => self.value(text, scanned, has_begun, out),
        }
    }

    /// Writes what is left of a string that was cut.
    pub(super) fn cut(&mut self, text: &str, out: &mut String) {
        let Phase::Value { has_begun, .. } = self.phase else { return };
        if self.types.is_text() {
            let end = find(text, &self.end).unwrap_or(text.len() - partial(text, &[&self.end]));
            out.push_str(if has_begun { "" } else { "\"" });
            text[..end].chars().for_each(|char| write_char(char, out));
        }
    }

    fn between(&mut self, text: &str, out: &mut String) -> (usize, Reading) {
        let spaces = skip_space(text);
        let rest = &text[spaces..];
        let [end, begin, section_end] = self.followers;
        let mut perhaps = false;
        for mark in [end, section_end, begin] {
            match begins_with(rest, mark) {
                _ if mark.is_empty() => {}
                Found::No => {}
                Found::Perhaps => perhaps = true,
                // A longer mark may begin alike.
                Found::Yes if perhaps => {}
                Found::Yes if mark == begin => {
                    self.phase = Phase::Key;
                    return (spaces + mark.len(), Reading::Goes);
                }
                Found::Yes => {
                    out.push_str(if self.is_first { "{}" } else { "}" });
                    return (spaces, Reading::Ends);
                }
            }
        }
        (0, if perhaps { Reading::NeedsMore } else { Reading::Malformed })
    }

    fn key(&mut self, text: &str, tools: &Tools, out: &mut String) -> (usize, Reading) {
        let has_attribute = self.tags.attribute != Attribute::None;
        let mark = if has_attribute { self.tags.value_begin } else { self.tags.key_end }.trim();
        let Some(at) = text.find(mark) else {
            let is_too_long = text.len() > MAX_KEY_BYTES;
            return (0, if is_too_long { Reading::Malformed } else { Reading::NeedsMore });
        };
        let head = &text[..at];
        let (key, attribute) = if has_attribute {
            head.split_once(self.tags.key_end.trim()).unwrap_or((head, ""))
        } else {
            (head, "")
        };
        let key = match self.tags.attribute {
            Attribute::Type => unescaped(key.trim()),
            _ => key.trim().to_owned(),
        };
        self.types = tools.types(&self.tool, &key);
        self.values = self.tags.values;
        self.read_attribute(attribute);
        self.end = match self.element_prefix {
            Some(prefix) => format!("{prefix}</{key}>"),
            None => self.tags.end.trim().to_owned(),
        };
        out.push(if std::mem::take(&mut self.is_first) { '{' } else { ',' });
        write_string(&key, out);
        out.push(':');
        self.phase = if has_attribute { Phase::ValueFirst } else { Phase::ValueBegin };
        (at + mark.len(), Reading::Goes)
    }

    fn read_attribute(&mut self, text: &str) {
        let Some(value) = text.split('"').nth(1) else { return };
        match self.tags.attribute {
            Attribute::None => {}
            Attribute::IsString if value == "true" => self.types = Types::named("string"),
            Attribute::Type if value == "string" => self.types = Types::named("string"),
            Attribute::IsString | Attribute::Type => self.types = Types::default(),
        }
    }

    fn value_first(&mut self, text: &str) -> (usize, Reading) {
        let mut length = 0;
        if self.values.cdata {
            let spaces = skip_space(text);
            match begins_with(&text[spaces..], CDATA) {
                Found::Perhaps => return (0, Reading::NeedsMore),
                Found::Yes => {
                    length = spaces + CDATA.len();
                    self.end = format!("{CDATA_END}{}", self.tags.end.trim());
                }
                Found::No => {}
            }
        } else if self.tags.value_begin.ends_with('\n') {
            match text.chars().next() {
                None => return (0, Reading::NeedsMore),
                Some('\n') => length = 1,
                Some(_) => {}
            }
        }
        self.phase = Phase::Value { scanned: 0, has_begun: false };
        (length, Reading::Goes)
    }

    fn value(
        &mut self,
        text: &str,
        scanned: usize,
        has_begun: bool,
        out: &mut String,
    ) -> (usize, Reading) {
        let end = std::mem::take(&mut self.end);
        let result = self.value_until(&end, text, scanned, has_begun, out);
        self.end = end;
        result
    }

    fn value_until(
        &mut self,
        end: &str,
        text: &str,
        scanned: usize,
        has_begun: bool,
        out: &mut String,
    ) -> (usize, Reading) {
        let is_text = self.types.is_text();
        // The part of the value that is certain.
        let is_element = self.element_prefix.is_some() && !is_text;
        let found = if is_element {
            // Elements of the same name may be nested.
            elements::length_until(text, &end.replacen("</", "<", 1), end)
        } else {
            find(&text[scanned..], end).map(|at| scanned + at)
        };
        let (certain, scanned, reading) = if let Some(at) = found {
            let followed = self.is_followed(&text[at + end.len()..]);
            match if is_element { Found::Yes } else { followed } {
                Found::Yes => {
                    let value = &text[..self.without_line_break(text, at)];
                    self.write_value(value, is_text, has_begun, out);
                    self.phase = Phase::Between;
                    return (at + end.len(), Reading::Goes);
                }
                Found::Perhaps => (at, at, Reading::NeedsMore),
                // This mark belongs to the value.
                Found::No => (at + end.len(), at + end.len(), Reading::Goes),
            }
        } else {
            let at = text.len() - partial(text, &[end]);
            (at, at, Reading::NeedsMore)
        };
        let certain =
            if reading == Reading::Goes { certain } else { self.without_line_break(text, certain) };
        let may_be_null = self.values.null_is_null
            && !has_begun
            && text.get(..certain).is_some_and(|text| {
                text.len() <= 4 && "null".starts_with(&text.to_ascii_lowercase())
            });
        if !is_text || may_be_null {
            self.phase = Phase::Value { scanned, has_begun };
            return (0, reading);
        }
        if !has_begun {
            out.push('"');
        }
        text[..certain].chars().for_each(|char| write_char(char, out));
        self.phase = Phase::Value { scanned: scanned - certain, has_begun: true };
        (certain, reading)
    }

    /// Writes a complete value, or the rest of one that has begun.
    fn write_value(&self, value: &str, is_text: bool, has_begun: bool, out: &mut String) {
        let is_null = self.values.null_is_null && !has_begun && value.eq_ignore_ascii_case("null");
        match self.element_prefix {
            _ if is_text && !is_null => {
                if !has_begun {
                    out.push('"');
                }
                value.chars().for_each(|char| write_char(char, out));
                out.push('"');
            }
            Some(prefix) if value.contains(prefix) => {
                out.push_str(&elements::converted(value, prefix, self.values));
            }
            _ => out.push_str(&convert(value, self.types, self.values)),
        }
    }

    /// Returns `end` without the line break before it, if the mark after it begins with one.
    fn without_line_break(&self, text: &str, end: usize) -> usize {
        let is_removed = self.tags.end.starts_with('\n') && text[..end].ends_with('\n');
        end - usize::from(is_removed)
    }

    /// Compares `text` with the marks that may follow a value. If none does, the mark at the end of the
    /// value was a part of it.
    fn is_followed(&self, text: &str) -> Found {
        let rest = &text[skip_space(text)..];
        let marks = self.followers.iter().filter(|mark| !mark.is_empty());
        let found = marks.map(|mark| begins_with(rest, mark));
        found.max().unwrap_or(Found::Yes)
    }
}

/// Tags that are named after the arguments, as if the name were the key of a tag.
fn elements(begin: &'static str) -> Tagged {
    Tagged {
        begin,
        key_end: ">",
        attribute: Attribute::None,
        value_begin: "",
        end: "",
        separator: "",
        values: Values { null_is_null: true, untyped_is_json: true, cdata: false },
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&amp;", "&")
}
