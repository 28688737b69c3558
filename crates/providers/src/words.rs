//! Parts of requests that several dialects write alike.

use mlxk_chat::{
    AnswerFormat, Call, Content, Message, PromptInput, Request, ThinkingMode, calls_of,
};
use serde_json::{Map, Value, json};

/// Fields of a JSON object in the making.
pub(crate) type Fields = Map<String, Value>;

/// Adds a field, if there is a value.
pub(crate) fn put(fields: &mut Fields, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Returns a number with the digits that were written: 0.7, and not 0.699999988079071.
pub(crate) fn number(value: Option<f32>) -> Option<Value> {
    let value = value?;
    Some(value.to_string().parse::<f64>().map_or(Value::Null, Value::from))
}

/// Returns the conversation, the system prompt first. Returns `None` for other prompts.
pub(crate) fn conversation(request: &Request) -> Option<Vec<Message>> {
    let PromptInput::Messages { system, messages } = &request.prompt else { return None };
    let system = system.iter().map(|text| Message::new("system", text.as_str()));
    Some(system.chain(messages.iter().cloned()).collect())
}

/// Returns the level of thinking as the word that OpenAI uses.
pub(crate) fn effort(mode: ThinkingMode<'_>) -> &str {
    match mode {
        ThinkingMode::Off => "none",
        ThinkingMode::On => "medium",
        ThinkingMode::Level(level) => level,
    }
}

/// Returns the JSON Schema of a format. Any object is a schema, too.
pub(crate) fn schema(format: &AnswerFormat) -> Value {
    match format {
        AnswerFormat::Schema(schema) => schema.clone(),
        AnswerFormat::Json => json!({"type": "object"}),
    }
}

/// Returns the parts of a message's content.
pub(crate) fn parts(message: &Message) -> Vec<Value> {
    match &message.content {
        Content::None => Vec::new(),
        Content::Text(text) if text.is_empty() => Vec::new(),
        Content::Text(text) => vec![json!({"type": "text", "text": text})],
        Content::Parts(parts) => parts.clone(),
    }
}

/// A part of a message, as far as we understand it.
pub(crate) enum Part<'a> {
    /// Text.
    Text(&'a str),
    /// An image with its type and its bytes in base64.
    Image(&'a str, &'a str),
    /// The address of an image.
    ImageAt(&'a str),
    /// Something else: its type.
    Other(&'a str),
}

/// Reads a part.
pub(crate) fn part(part: &Value) -> Part<'_> {
    if let Some(text) = part.as_str() {
        return Part::Text(text);
    }
    let kind = part["type"].as_str().unwrap_or("text");
    match kind {
        "text" | "input_text" | "output_text" => {
            Part::Text(part["text"].as_str().unwrap_or_default())
        }
        "image_url" | "input_image" => {
            let address = part["image_url"]["url"].as_str().or_else(|| part["image_url"].as_str());
            let address = address.unwrap_or_default();
            let data = address.strip_prefix("data:").and_then(|it| it.split_once(";base64,"));
            data.map_or(Part::ImageAt(address), |(kind, data)| Part::Image(kind, data))
        }
        other => Part::Other(other),
    }
}

/// Returns the id of the call that a message answers.
pub(crate) fn answered_call(message: &Message) -> &str {
    message.fields.get("tool_call_id").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the reasoning in a message.
pub(crate) fn reasoning(message: &Message) -> Option<&str> {
    let field = |name: &str| message.fields.get(name).and_then(Value::as_str);
    field("reasoning_content").or_else(|| field("reasoning")).filter(|text| !text.is_empty())
}

/// Returns the calls in a message.
pub(crate) fn calls(message: &Message) -> Vec<Call> {
    calls_of(message)
}

/// Returns the function of every tool: `name`, `description`, `parameters`.
pub(crate) fn functions(list: &Value) -> impl Iterator<Item = &Value> {
    let tools = list.as_array().map(Vec::as_slice).unwrap_or_default();
    tools.iter().map(|tool| tool.get("function").unwrap_or(tool))
}

/// Returns a count.
pub(crate) fn count(value: &Value) -> Option<usize> {
    value.as_u64().map(|count| count as usize)
}

/// Returns the vectors of an answer in OpenAI's form, in the order of the texts.
pub(crate) fn vectors(values: Option<&Vec<Value>>, texts: usize) -> Option<Vec<Vec<f32>>> {
    let vector = |value: &Value| {
        let numbers = value.get("embedding").unwrap_or(value).as_array()?;
        numbers.iter().map(|it| it.as_f64().map(|it| it as f32)).collect::<Option<Vec<_>>>()
    };
    let found: Vec<_> = values?.iter().map(vector).collect::<Option<_>>()?;
    (found.len() == texts).then_some(found)
}
