//! Tool calls in every dialect, from a tiny model whose calls are enforced.

mod anthropic;
mod openai;
mod responses;

use mlxk_testkit::Kind;
use serde_json::{Value, json};

use crate::world::{World, add};

/// A template in the form of Hermes, with little text: the context is small.
const TEMPLATE: &str = r#"{% for tool in tools or [] %}[{{ tool.function.name }}]{% endfor -%}
{% for message in messages %}{{ message.role }}:{{ message.content }}{% for call in message.tool_calls or [] %}<tool_call>
{{ {"name": call.function.name, "arguments": call.function.arguments} | tojson }}
</tool_call>{% endfor %}
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"#;

/// A server with `org/tools`, whose template knows tools, next to the others.
pub(crate) fn world() -> World {
    let world = World::new();
    let folder = add(&world.home, "org/tools", Kind::Llama);
    std::fs::write(folder.join("chat_template.jinja"), TEMPLATE).unwrap();
    world
}

/// Schema of the parameters. All values are short, so that calls of noise end.
pub(crate) fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"color": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["color", "count"],
        "additionalProperties": false,
    })
}

pub(crate) fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": parameters()}})
}

/// Checks the arguments of a call.
pub(crate) fn check(arguments: &Value) {
    let count = arguments["count"].as_i64().unwrap();
    assert!((1..=9).contains(&count), "{arguments}");
    assert!(["red", "green"].contains(&arguments["color"].as_str().unwrap()), "{arguments}");
    assert_eq!(arguments.as_object().unwrap().len(), 2);
}

/// Returns the events of a stream with names.
pub(crate) fn named_events(text: &str) -> Vec<Value> {
    let event = |event: &str| {
        let (name, data) = event.strip_prefix("event: ")?.split_once("\ndata: ")?;
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        Some(data)
    };
    text.split("\n\n").filter_map(event).collect()
}
