//! Reads a JSON object with the name and the arguments of a call, character by character.

use super::shape::Envelope;
use super::value::{Notation, Progress, ValueReader, converted};

#[derive(Clone, Debug)]
enum State {
    /// Before the object.
    Open,
    /// Before a key.
    Key,
    Colon,
    /// Before the value of a key.
    Value(Field),
    /// Inside a value.
    Inside(Field, ValueReader),
    /// After a value.
    Comma,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Key,
    Name,
    Id,
    Arguments,
    /// Arguments as the text of a JSON object.
    ArgumentsText,
    Other,
}

/// A JSON object with a name and arguments that is being read.
#[derive(Clone, Debug)]
pub(super) struct EnvelopeReader {
    envelope: Envelope,
    /// `true` if other fields may come before the name.
    is_marked: bool,
    state: State,
    field: Field,
    text: String,
    /// The name, once it is known.
    pub(super) name: Option<String>,
    /// The id, once it is known.
    pub(super) id: Option<String>,
    /// Arguments that were read since the caller took some.
    pub(super) arguments: String,
    has_arguments: bool,
}

impl EnvelopeReader {
    pub(super) fn new(envelope: Envelope, is_marked: bool) -> Self {
        Self {
            envelope,
            is_marked,
            state: State::Open,
            field: Field::Other,
            text: String::new(),
            name: None,
            id: None,
            arguments: String::new(),
            has_arguments: false,
        }
    }

    /// Returns `true` if the name and the arguments are complete, and only the end of the object is missing.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.state, State::Comma) && self.has_arguments && self.name.is_some()
    }

    pub(super) fn push(&mut self, char: char) -> Progress {
        if let State::Inside(field, reader) = &mut self.state {
            let field = *field;
            let out = if field == Field::Arguments { &mut self.arguments } else { &mut self.text };
            return match reader.push(char, out) {
                Progress::More => Progress::More,
                Progress::Malformed => Progress::Malformed,
                Progress::Done => self.complete(field),
                Progress::DoneBefore => match self.complete(field) {
                    Progress::Malformed => Progress::Malformed,
                    _ => self.push(char),
                },
            };
        }
        if char.is_whitespace() {
            return Progress::More;
        }
        match (&self.state, char) {
            (State::Open, '{') | (State::Comma, ',') => self.state = State::Key,
            (State::Key, '"') => return self.inside(Field::Key, char),
            (State::Colon, ':') => self.state = State::Value(self.field),
            (State::Comma, '}') => {
                if !self.has_arguments {
                    self.arguments.push_str("{}");
                }
                self.state = State::Done;
                return if self.name.is_some() { Progress::Done } else { Progress::Malformed };
            }
            (State::Value(field), _) => {
                let field = *field;
                return match (field, char) {
                    (Field::Name | Field::Id, '"') | (Field::Other, _) => self.inside(field, char),
                    (Field::Arguments, '{') if !self.has_arguments => self.inside(field, char),
                    (Field::Arguments, '"') if !self.has_arguments => {
                        self.inside(Field::ArgumentsText, char)
                    }
                    // There may be no arguments, and an id may be a number.
                    (Field::Arguments, 'n' | 'N') | (Field::Id, _) => {
                        self.inside(Field::Other, char)
                    }
                    _ => Progress::Malformed,
                };
            }
            _ => return Progress::Malformed,
        }
        Progress::More
    }

    fn inside(&mut self, field: Field, char: char) -> Progress {
        self.text.clear();
        let mut reader = ValueReader::new(Notation::Json);
        let out = if field == Field::Arguments { &mut self.arguments } else { &mut self.text };
        let progress = reader.push(char, out);
        self.state = State::Inside(field, reader);
        progress
    }

    /// Takes a complete key or value.
    fn complete(&mut self, field: Field) -> Progress {
        let text = serde_json::from_str::<String>(&self.text).ok();
        self.state = State::Comma;
        match field {
            Field::Key => {
                let Some(key) = text else { return Progress::Malformed };
                self.field = self.field_of(&key);
                let is_type = key == "type";
                if self.envelope == Envelope::NameIsKey {
                    if self.name.is_some() {
                        return Progress::Malformed;
                    }
                    self.name = Some(key);
                }
                // Without marks around it, an object is only a call if it begins like one.
                let is_known = self.field != Field::Other || is_type;
                if !is_known && !self.is_marked && self.name.is_none() {
                    return Progress::Malformed;
                }
                self.state = State::Colon;
            }
            Field::Name => self.name = text,
            Field::Id => self.id = text,
            Field::Arguments => self.has_arguments = true,
            Field::ArgumentsText => {
                let Some(text) = text else { return Progress::Malformed };
                match converted(&text, Notation::Json) {
                    Some(object) if object.starts_with('{') => self.arguments.push_str(&object),
                    None if text.trim().is_empty() => self.arguments.push_str("{}"),
                    _ => return Progress::Malformed,
                }
                self.has_arguments = true;
            }
            Field::Other => {}
        }
        Progress::More
    }

    fn field_of(&self, key: &str) -> Field {
        match self.envelope {
            Envelope::NameIsKey => Field::Arguments,
            Envelope::Fields { name, .. } if key == name || key == "name" => Field::Name,
            Envelope::Fields { arguments, .. }
                if [arguments, "arguments", "parameters"].contains(&key) =>
            {
                Field::Arguments
            }
            Envelope::Fields { id, .. } if Some(key) == id || key == "id" => Field::Id,
            Envelope::Fields { .. } => Field::Other,
        }
    }
}
