//! The shape of calls in one wire form, as plain data. The parser reads it, and a grammar can be made of it.
//!
//! Marks are canonical texts, with the white space that models write. A grammar writes them unchanged. The
//! parser accepts any white space where a mark begins or ends with some, and none.

/// Shape of the calls in an answer.
///
/// With a section that [holds](Holds) one call, an answer contains `section.begin call section.end`, repeated
/// with the separator. Otherwise it contains `section.begin call (separator call)* section.end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallShape {
    /// Marks around the calls.
    pub section: Option<Section>,
    /// One call.
    pub call: Call,
    /// Text between two calls.
    pub separator: &'static str,
    /// Place of the calls in an answer.
    pub place: Place,
}

/// Place of calls in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Also after other text.
    Anywhere,
    /// Only at the beginning, because nothing marks them: any other text could look alike.
    Start,
}

/// Marks around one call or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Mark at the beginning. Empty if calls are in a list without marks.
    pub begin: &'static str,
    /// Mark at the end. Empty if the answer or the list ends the section.
    pub end: &'static str,
    /// Number and arrangement of the calls.
    pub holds: Holds,
    /// `true` if models sometimes leave out the marks. The parser then accepts a call without them.
    pub is_optional: bool,
}

/// Calls in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// One call. Each call has its own section.
    One,
    /// Calls with the separator between them.
    Many,
    /// A list: `[`, calls with the separator between them, `]`.
    List,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A JSON object with the name and the arguments.
    Envelope(Envelope),
    /// A name between marks, and arguments after it.
    Named(Named),
}

/// A JSON object around the name and the arguments, which are a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"name": NAME, "arguments": {..}}` with these keys in this order, after the id if there is one.
    Fields {
        /// Key of the name.
        name: &'static str,
        /// Key of the arguments.
        arguments: &'static str,
        /// Key of the call's id, whose value is the call's number in the answer as text.
        id: Option<&'static str>,
    },
    /// `{NAME: {..}}`.
    NameIsKey,
}

/// A call of the form `begin NAME after_name ARGUMENTS end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Mark before the name.
    pub begin: &'static str,
    /// Form of the name.
    pub name: NameForm,
    /// Mark after the name.
    pub after_name: &'static str,
    /// Form of the arguments.
    pub arguments: Arguments,
    /// Mark after the arguments.
    pub end: &'static str,
}

/// Form of a call's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// The name alone. The model may write an id after a mark, which a grammar leaves out.
    Plain {
        /// Mark between the name and an id.
        id_mark: Option<&'static str>,
    },
    /// `functions.NAME:NUMBER`. The number counts the calls of a conversation from 0, and all of it is the
    /// call's id.
    Numbered,
    /// `NAME" index="NUMBER"`. The number counts the calls of an answer from 1.
    Indexed,
    /// An id, the mark, and the name.
    AfterId(&'static str),
    /// A header of a message that names the recipient among other things.
    Header,
}

/// Form of a call's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// A JSON object.
    Json,
    /// A tagged text per argument.
    Tagged(Tagged),
    /// `key=value, ..` with Python's literals, up to the `)` of the call's end.
    Keywords,
    /// `{key:value,..}` with bare keys, numbers and so on as in JSON, and strings between quotes of their own.
    Braces {
        /// Mark at the beginning and the end of a string.
        quote: &'static str,
    },
    /// An element per argument, `prefix<KEY>VALUE prefix</KEY>`, in which objects are elements again, and
    /// lists are elements named `item`.
    Elements {
        /// Mark before every tag.
        prefix: &'static str,
        /// Mark before the name in a tag: the prefix and `<`.
        tag_begin: &'static str,
    },
}

/// One argument as text between tags: `begin KEY key_end value_begin VALUE end`, repeated with the separator.
/// With an attribute, it stands between `key_end` and `value_begin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Mark before the key.
    pub begin: &'static str,
    /// Mark after the key.
    pub key_end: &'static str,
    /// Type of the value, written into the tag.
    pub attribute: Attribute,
    /// Mark before the value.
    pub value_begin: &'static str,
    /// Mark after the value.
    pub end: &'static str,
    /// Text between two arguments.
    pub separator: &'static str,
    /// Meaning of the text between the marks.
    pub values: Values,
}

/// Type of a value, written into its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// There is none.
    None,
    /// ` string="true"` for text, ` string="false"` for JSON.
    IsString,
    /// ` type="TYPE"` with a type of JSON Schema: text for `string`, else JSON.
    Type,
}

/// Meaning of the text of a tagged value. If the schema only allows strings, it is the string itself.
/// Otherwise it is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Values {
    /// `true` if the text `null` is null even if the schema only allows strings.
    pub null_is_null: bool,
    /// `true` if a value without a type in the schema is JSON if it looks like it, and `false` if it is a
    /// string, or JSON if it is an object or a list.
    pub untyped_is_json: bool,
    /// `true` if text with special characters is written as `<![CDATA[..]]>`.
    pub cdata: bool,
}

impl CallShape {
    /// Returns the text from which on a call is certain, without white space around it. Empty never.
    pub fn trigger(&self) -> &'static str {
        let section = self.section.map_or("", |section| section.begin.trim());
        if !section.is_empty() {
            return section;
        }
        if self.section.is_some_and(|section| section.holds == Holds::List) {
            return "[";
        }
        self.call.trigger()
    }

    /// Returns the texts that begin a section of calls or a call, without white space around them.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        let section = self.section.map(|section| section.begin.trim());
        let call = match self.call {
            Call::Envelope(_) => None,
            Call::Named(named) => Some(named.begin.trim()),
        };
        section.into_iter().chain(call).filter(|mark| !mark.is_empty())
    }
}

impl Call {
    pub(super) fn trigger(&self) -> &'static str {
        match self {
            Self::Envelope(_) => "{",
            Self::Named(named) => named.begin.trim(),
        }
    }
}
