//! Text outside calls: white space next to calls is dropped.

use super::event::ToolEvent;

/// Text outside calls.
#[derive(Clone, Debug, Default)]
pub(super) struct ContentWriter {
    /// `true` once there was any text.
    has_begun: bool,
    /// White space that only matters if text follows.
    space: String,
    /// White space before the last call, which separates texts if there is none after the call.
    space_before: String,
    /// `true` once there was a call.
    has_calls: bool,
}

impl ContentWriter {
    pub(super) fn write(&mut self, text: &str, events: &mut Vec<ToolEvent>) {
        let trimmed = text.trim_ascii_end();
        if !trimmed.is_empty() {
            let before = std::mem::take(&mut self.space_before);
            let mut space = std::mem::take(&mut self.space);
            if space.is_empty() && text.trim_ascii_start().len() == text.len() {
                space = before;
            }
            let is_first_after_call = self.has_calls && !self.has_begun;
            let trimmed = if is_first_after_call { trimmed.trim_ascii_start() } else { trimmed };
            if is_first_after_call {
                space.clear();
            }
            self.has_begun = true;
            space.push_str(trimmed);
            add(space, events);
        }
        self.space.push_str(&text[trimmed.len()..]);
    }

    /// Notes that a call begins.
    pub(super) fn call(&mut self) {
        self.has_calls = true;
        let space = std::mem::take(&mut self.space);
        if !space.is_empty() {
            self.space_before = space;
        }
    }

    /// Writes the white space at the end of an answer without calls.
    pub(super) fn finish(&mut self, events: &mut Vec<ToolEvent>) {
        let space = std::mem::take(&mut self.space);
        if !self.has_calls && !space.is_empty() {
            add(space, events);
        }
    }
}

/// Adds text to the last event or as a new one.
fn add(text: String, events: &mut Vec<ToolEvent>) {
    match events.last_mut() {
        Some(ToolEvent::Content(last)) => last.push_str(&text),
        _ => events.push(ToolEvent::Content(text)),
    }
}
