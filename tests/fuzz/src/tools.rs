//! Text with tool calls.

use mlxk_text::tools::{ToolEvent, ToolParser, WireForm};
use serde_json::{Value, json};

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "f", "parameters": {"properties": {
            "a": {"type": "string"}, "n": {"type": "integer"}, "o": {"type": "object"},
        }}}},
        {"type": "function", "function": {"name": "g", "parameters": {}}},
    ])
}

/// Takes the form and the size of the pieces from the first two bytes. The events of the rest must be the
/// same at once and in pieces, and the arguments of complete calls must be JSON objects.
pub fn tools_text(data: &[u8]) {
    let Some((&[form, size], text)) = data.split_first_chunk() else { return };
    let form = WireForm::ALL[usize::from(form) % WireForm::ALL.len()];
    let text = String::from_utf8_lossy(text);
    let whole = events(form, &[&text]);
    let chars: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        chars.chunks(1 + usize::from(size) % 8).map(|chars| chars.iter().collect()).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    assert_eq!(events(form, &pieces), whole, "{form:?}");
    let mut arguments = String::new();
    for event in whole {
        match event {
            ToolEvent::CallBegin { .. } => arguments.clear(),
            ToolEvent::Arguments { piece, .. } => arguments.push_str(&piece),
            ToolEvent::CallEnd { .. } => {
                assert!(arguments.starts_with('{'), "{form:?}: {arguments}");
                // JSON has no largest number, but `Value` has.
                let json = serde_json::from_str::<Value>(&arguments);
                let is_json =
                    json.map_or_else(|error| error.to_string().contains("range"), |_| true);
                assert!(is_json, "{form:?}: {arguments}");
            }
            ToolEvent::Content(_) | ToolEvent::Broken { .. } => {}
        }
    }
}

/// Returns the events of pieces, with neighbouring ones joined.
fn events(form: WireForm, pieces: &[&str]) -> Vec<ToolEvent> {
    let mut parser = ToolParser::new(form, &tools());
    let mut all: Vec<ToolEvent> = Vec::new();
    let mut add = |events: Vec<ToolEvent>| {
        for event in events {
            match (all.last_mut(), event) {
                (Some(ToolEvent::Content(all)), ToolEvent::Content(text)) => all.push_str(&text),
                (
                    Some(ToolEvent::Arguments { piece: all, .. }),
                    ToolEvent::Arguments { piece, .. },
                ) => all.push_str(&piece),
                (_, event) => all.push(event),
            }
        }
    };
    for piece in pieces {
        add(parser.push(piece));
    }
    add(parser.finish());
    all
}
