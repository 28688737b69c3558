//! Tools, events and marks for the tests.

use mlxk_text::tools::{ParsedAnswer, ToolEvent, ToolParser, WireForm};
use serde_json::{Map, Value, json};

/// A tool definition in OpenAI's form. `properties` are schemas by key.
pub(crate) fn tool(name: &str, properties: &Value) -> Value {
    json!({"type": "function", "function": {
        "name": name,
        "parameters": {"type": "object", "properties": properties},
    }})
}

/// Returns the events of `text` in pieces of `size` characters, with neighbouring pieces joined.
pub(crate) fn events(form: WireForm, tools: &Value, text: &str, size: usize) -> Vec<ToolEvent> {
    let mut parser = ToolParser::new(form, tools);
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.chunks(size.max(1)).map(|chars| chars.iter().collect::<String>());
    let mut events: Vec<ToolEvent> = pieces.flat_map(|piece| parser.push(&piece)).collect();
    events.extend(parser.finish());
    joined(events)
}

/// Returns the sum of the events of `text`, and checks that pieces do not change it.
pub(crate) fn parsed(form: WireForm, tools: &Value, text: &str) -> ParsedAnswer {
    let all = events(form, tools, text, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(events(form, tools, text, size), all, "{form:?} in pieces of {size}: {text}");
    }
    check(&all);
    ParsedAnswer::of(all)
}

/// Returns the names and arguments of the calls, which must be complete.
pub(crate) fn calls(answer: &ParsedAnswer) -> Vec<(String, Value)> {
    let calls = answer.calls.iter().map(|call| {
        assert!(call.is_complete, "{call:?}");
        (call.name.clone(), serde_json::from_str(&call.arguments).unwrap())
    });
    calls.collect()
}

fn joined(events: Vec<ToolEvent>) -> Vec<ToolEvent> {
    let mut all: Vec<ToolEvent> = Vec::new();
    for event in events {
        match (all.last_mut(), event) {
            (Some(ToolEvent::Content(all)), ToolEvent::Content(text)) => all.push_str(&text),
            (
                Some(ToolEvent::Arguments { piece: all, index }),
                ToolEvent::Arguments { piece, index: next },
            ) if *index == next => all.push_str(&piece),
            (_, event) => all.push(event),
        }
    }
    all
}

/// Checks the order of events: a call begins, has arguments, and ends before anything else.
pub(crate) fn check(events: &[ToolEvent]) {
    let (mut open, mut next) = (None, 0);
    for event in events {
        match event {
            ToolEvent::Content(text) => assert!(open.is_none() && !text.is_empty()),
            ToolEvent::CallBegin { index, .. } => {
                assert!(open.is_none() && *index == next, "{events:?}");
                (open, next) = (Some(*index), next + 1);
            }
            ToolEvent::Arguments { index, piece } => {
                assert!(open == Some(*index) && !piece.is_empty(), "{events:?}");
            }
            ToolEvent::CallEnd { index } => assert_eq!(open.take(), Some(*index)),
            ToolEvent::Broken { index, .. } => assert_eq!(open.take(), *index),
        }
    }
    assert_eq!(open, None, "{events:?}");
}

/// Returns an object of pairs.
pub(crate) fn object(pairs: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    pairs.into_iter().collect()
}
