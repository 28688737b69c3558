//! Tools in `/v1/chat/completions` and `/api/chat`.

use serde_json::{Value, json};

use super::{check, function, world};

fn asked(changes: &Value) -> Value {
    let mut body = json!({
        "model": "org/tools", "temperature": 0, "max_tokens": 120, "tools": [function("paint")],
        "tool_choice": "required", "parallel_tool_calls": false,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_required_call_is_valid_whole_and_in_pieces() {
    let world = world();
    let whole = world.post("/v1/chat/completions", &asked(&json!({}))).json();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{whole}");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("paint")));
    let text = call["function"]["arguments"].as_str().unwrap();
    check(&serde_json::from_str(text).unwrap());

    let events = world.post("/v1/chat/completions", &asked(&json!({"stream": true}))).events();
    let deltas: Vec<&Value> =
        events.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]).collect();
    let first: Vec<&&Value> = deltas.iter().filter(|call| call["id"].is_string()).collect();
    assert_eq!(first.len(), 1, "only the first piece has an id");
    assert_eq!(first[0]["function"]["name"], "paint");
    let pieces: String =
        deltas.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(pieces, text);
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn tools_that_may_not_be_called_stay_in_the_prompt() {
    let world = world();
    let tokens = |choice: &str, tools: Value| {
        let body = asked(&json!({"tool_choice": choice, "tools": tools, "max_tokens": 5}));
        let answer = world.post("/v1/chat/completions", &body).json();
        if choice == "none" {
            assert!(answer["choices"][0]["message"].get("tool_calls").is_none(), "{answer}");
        }
        answer["usage"]["prompt_tokens"].as_u64().unwrap()
    };
    let tools = json!([function("paint")]);
    assert_eq!(tokens("none", tools.clone()), tokens("auto", tools.clone()));
    assert!(tokens("none", json!([])) < tokens("none", tools));
}

#[test]
fn the_named_tool_is_called() {
    let world = world();
    let choice = json!({"type": "function", "function": {"name": "mix"}});
    let tools = json!([function("paint"), function("mix")]);
    let body = asked(&json!({"tools": tools.clone(), "tool_choice": choice}));
    let answer = world.post("/v1/chat/completions", &body).json();
    let calls = &answer["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["name"], "mix", "{answer}");
    assert_eq!(calls.as_array().unwrap().len(), 1);
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "mix"}}]}});
    let body = asked(&json!({"tools": tools, "tool_choice": allowed}));
    let answer = world.post("/v1/chat/completions", &body).json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "mix");
}

#[test]
fn an_incomplete_call_ends_with_length() {
    let world = world();
    let answer = world.post("/v1/chat/completions", &asked(&json!({"max_tokens": 50}))).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "length", "{answer}");
    assert!(choice["message"].get("tool_calls").is_none(), "{answer}");
    let body = json!({"model": "org/tools", "stream": false, "tools": [function("paint")],
        "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 5, "temperature": 0}});
    let answer = world.post("/api/chat", &body).json();
    assert_eq!(answer["done_reason"], "length", "{answer}");
}

#[test]
fn a_conversation_with_calls_continues() {
    let world = world();
    let call = json!({"id": "c1", "type": "function", "function": {"name": "paint", "arguments": "{\"color\": \"red\"}"}});
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]);
    let rendered = world.post(
        "/apply-template",
        &json!({"model": "org/tools", "messages": messages,
        "tools": [function("paint")]}),
    );
    let expected = "[paint]user:Hiassistant:<tool_call>\n{\"name\": \"paint\", \"arguments\": {\"color\": \"red\"}}\n\
                    </tool_call>tool:doneassistant:";
    assert_eq!(rendered.json()["prompt"], expected);
    let answer = world.post("/v1/chat/completions", &asked(&json!({"messages": messages})));
    assert_eq!(answer.status, 200, "{answer:?}");
    let ollamas = json!({"function": {"name": "paint", "arguments": {"color": "red"}}});
    let body = json!({"model": "org/tools", "stream": false, "tools": [function("paint")],
        "options": {"num_predict": 4}, "messages": [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [ollamas]},
            {"role": "tool", "tool_name": "paint", "content": "done"}]});
    assert_eq!(world.post("/api/chat", &body).status, 200);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let world = world();
    let call = |arguments: &str| {
        json!({"role": "assistant", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "paint", "arguments": arguments}}]})
    };
    let user = json!({"role": "user", "content": "Hi"});
    let broken = json!({"type": "function", "function": {"name": "paint", "parameters": {
        "type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=a)b"}}}}});
    for (changes, field, words) in [
        (json!({"tools": [function("a"), function("a")]}), "tools[1].function.name", "two tools"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function", "is missing"),
        (json!({"tools": [broken]}), "tools", "tools[0].function.parameters"),
        (json!({"tool_choice": "some"}), "tool_choice", "`required`"),
        (json!({"tools": []}), "tool_choice", "no `tools`"),
        (
            json!({"messages": [user, call("{")]}),
            "messages[1].tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            json!({"messages": [user, {"role": "tool", "content": "x"}]}),
            "messages[1]",
            "no message before it",
        ),
        (json!({"model": "org/one"}), "tools", "does not support tools"),
    ] {
        // LlamaIndex requires a call of no tools, so the word alone is accepted.
        let mut body = asked(&changes);
        if body["tools"] == json!([]) {
            body["tool_choice"] = json!({"type": "function", "function": {"name": "paint"}});
        }
        let answer = world.post("/v1/chat/completions", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        let (message, param) = answer.error();
        assert!(message.contains(words), "{message}");
        assert_eq!(param, field);
    }
}

#[test]
fn a_format_and_tools_allow_either() {
    let world = world();
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": ["yes", "no"]}}});
    let body = asked(&json!({"tool_choice": "auto", "response_format": format}));
    let answer = world.post("/v1/chat/completions", &body).json();
    let message = &answer["choices"][0]["message"];
    let is_call = message["tool_calls"].is_array();
    assert!(
        is_call || ["\"yes\"", "\"no\""].contains(&message["content"].as_str().unwrap()),
        "{answer}"
    );
}

#[test]
fn ollama_tells_which_models_call_tools() {
    let world = world();
    let capabilities = world.post("/api/show", &json!({"model": "org/tools"})).json();
    assert!(capabilities["capabilities"].as_array().unwrap().contains(&json!("tools")));
    let without = world.post("/api/show", &json!({"model": "org/one"})).json();
    assert!(!without["capabilities"].as_array().unwrap().contains(&json!("tools")));
}
