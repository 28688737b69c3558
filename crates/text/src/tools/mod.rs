//! Tool calls in what models write.
//!
//! Each family writes calls in its own [`WireForm`]. A [`ToolParser`] turns text of one form into
//! [events](ToolEvent), piece by piece. It reads the text after reasoning, with special tokens visible. The
//! [shape](CallShape) of a form is plain data, from which a grammar can be made.

mod content;
mod detect;
mod elements;
mod envelope;
mod event;
mod form;
mod forms;
mod name;
mod parser;
mod schema;
mod shape;
mod tags;
mod text;
mod value;
mod write;

pub use self::detect::{ChosenBy, ToolHints, ToolSupport, detect};
pub use self::event::{Broken, ParsedAnswer, ToolCall, ToolEvent};
pub use self::form::WireForm;
pub use self::parser::ToolParser;
pub use self::shape::{
    Arguments, Attribute, Call, CallShape, Envelope, Holds, NameForm, Named, Place, Section,
    Tagged, Values,
};
pub use self::write::CallText;
