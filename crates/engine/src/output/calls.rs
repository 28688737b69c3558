//! Separates tool calls from the text of the answer.

use mlxk_text::tools::{Broken, ToolEvent, ToolParser};

use super::text::Piece;
use crate::CallEvent;

/// The calls of an answer. Without tools, all text belongs to the answer itself.
pub(super) struct Calls(Option<ToolParser>);

impl Calls {
    pub(super) fn new(parser: Option<ToolParser>) -> Self {
        Self(parser)
    }

    /// Takes the next text of the answer. Returns what is certain by now.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        match &mut self.0 {
            Some(parser) => pieces(parser.push(text)),
            None if text.is_empty() => Vec::new(),
            None => vec![Piece::Answer(text.to_owned())],
        }
    }

    /// Returns all that was held back, at the end of the answer. A call that a limit cut off (`is_cut`) just ends.
    pub(super) fn finish(&mut self, is_cut: bool) -> Vec<Piece> {
        let mut events = self.0.as_mut().map(ToolParser::finish).unwrap_or_default();
        events.retain(|event| {
            !(is_cut && matches!(event, ToolEvent::Broken { cause: Broken::Cut, .. }))
        });
        pieces(events)
    }
}

fn pieces(events: Vec<ToolEvent>) -> Vec<Piece> {
    events.into_iter().map(piece).collect()
}

fn piece(event: ToolEvent) -> Piece {
    match event {
        // A call without a known tool is text, as the model wrote it.
        ToolEvent::Content(text) | ToolEvent::Broken { index: None, text, .. } => {
            Piece::Answer(text)
        }
        ToolEvent::CallBegin { index, name, id } => {
            Piece::Call(CallEvent::Begin { index, name, id })
        }
        ToolEvent::Arguments { index, piece } => {
            Piece::Call(CallEvent::Arguments { index, text: piece })
        }
        ToolEvent::CallEnd { index } => Piece::Call(CallEvent::End { index }),
        ToolEvent::Broken { index: Some(index), text, .. } => {
            Piece::Call(CallEvent::Broken { index, text })
        }
    }
}
