//! Events of the parser, and their sum.

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolEvent {
    /// Text that is not part of a call. Never empty.
    Content(String),
    /// A call of a known tool begins.
    CallBegin {
        /// Number of the call, from 0.
        index: usize,
        /// Name of the tool.
        name: String,
        /// Id of the call, if the form has one before the arguments.
        id: Option<String>,
    },
    /// The next piece of a call's arguments. All pieces of a complete call are one JSON object.
    Arguments {
        /// Number of the call.
        index: usize,
        /// The piece, never empty.
        piece: String,
    },
    /// The call is complete.
    CallEnd {
        /// Number of the call.
        index: usize,
    },
    /// The call ends without being complete.
    Broken {
        /// Number of the call, or `None` if its name is not known, so that it never began.
        index: Option<usize>,
        /// Reason.
        cause: Broken,
        /// The call as the model wrote it, with its marks. It is not sent as content as well.
        text: String,
    },
}

/// Reason why a call is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The text ended inside the call. Its pieces are the beginning of a JSON object.
    Cut,
    /// The arguments turned out to be malformed after the call had begun.
    Malformed,
}

/// A call, as the sum of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Name of the tool.
    pub name: String,
    /// Id of the call, if the model wrote one.
    pub id: Option<String>,
    /// JSON object, or the beginning of one if the call is not complete.
    pub arguments: String,
    /// `true` if the arguments are complete.
    pub is_complete: bool,
}

/// A complete answer, as the sum of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedAnswer {
    /// Text outside calls, and the text of malformed calls.
    pub content: String,
    /// Calls. Only the last one can be incomplete, if the text was cut inside it.
    pub calls: Vec<ToolCall>,
}

impl ParsedAnswer {
    /// Adds up events.
    pub fn of(events: impl IntoIterator<Item = ToolEvent>) -> Self {
        let mut sum = Self::default();
        events.into_iter().for_each(|event| sum.add(event));
        sum
    }

    /// Adds an event. A malformed call becomes content.
    pub fn add(&mut self, event: ToolEvent) {
        match event {
            ToolEvent::Content(text) => self.content.push_str(&text),
            ToolEvent::CallBegin { name, id, .. } => {
                self.calls.push(ToolCall { name, id, ..ToolCall::default() });
            }
            ToolEvent::Arguments { piece, .. } => {
                if let Some(call) = self.calls.last_mut() {
                    call.arguments.push_str(&piece);
                }
            }
            ToolEvent::CallEnd { .. } => {
                if let Some(call) = self.calls.last_mut() {
                    call.is_complete = true;
                }
            }
            ToolEvent::Broken { index, cause, text } => {
                if index.is_some() && cause == Broken::Malformed {
                    self.calls.pop();
                }
                if index.is_none() || cause == Broken::Malformed {
                    self.content.push_str(&text);
                }
            }
        }
    }
}
