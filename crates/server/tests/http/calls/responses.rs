//! `/v1/responses`.

use serde_json::{Value, json};

use super::{check, named_events, parameters, world};

fn asked(changes: &Value) -> Value {
    let mut body = json!({
        "model": "org/tools", "temperature": 0, "max_output_tokens": 120, "input": "Hi",
        "tools": [
            {"type": "function", "name": "paint", "parameters": parameters(), "strict": true},
            {"type": "web_search"},
        ],
        "tool_choice": "required", "parallel_tool_calls": false,
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_call_is_an_item() {
    let world = world();
    let answer = world.post("/v1/responses", &asked(&json!({})));
    assert_eq!(answer.header("x-mlxk-ignored"), Some("tools[1]"), "{answer:?}");
    let whole = answer.json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    let [item] = whole["output"].as_array().unwrap().as_slice() else { panic!("{whole}") };
    assert_eq!((&item["type"], &item["name"]), (&json!("function_call"), &json!("paint")));
    check(&serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap());

    let stream = world.post("/v1/responses", &asked(&json!({"stream": true})));
    let events = named_events(&stream.text);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let arguments: String = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(item["arguments"], arguments.as_str());
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let done = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
    assert_eq!(done["item"], last["response"]["output"][0]);
}

#[test]
fn a_response_is_kept_and_continued() {
    let world = world();
    let first = world.post("/v1/responses", &asked(&json!({}))).json();
    let id = first["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/v1/responses/{id}")).json(), first);
    let output = json!({
        "type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "done"});
    let next = asked(&json!({"input": [output], "previous_response_id": id, "tool_choice": "auto",
        "max_output_tokens": 4}));
    let answer = world.post("/v1/responses", &next).json();
    assert_eq!(answer["status"], "incomplete", "{answer}");
    assert_eq!(answer["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(answer["output"][0]["status"], "incomplete");
    assert!(answer["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64());
    let counted = world.post("/v1/responses/input_tokens", &next).json();
    assert_eq!(counted["input_tokens"], answer["usage"]["input_tokens"]);
    assert_eq!(world.send("DELETE", &format!("/v1/responses/{id}"), &[], "").status, 200);
    assert_eq!(world.get(&format!("/v1/responses/{id}")).status, 404);
    assert_eq!(world.post("/v1/responses", &next).status, 400);
}

#[test]
fn tools_that_take_a_text_and_groups_come_back_as_they_were() {
    let world = world();
    let tools = json!([{"type": "namespace", "name": "mcp", "tools": [
        {"type": "function", "name": "mix", "parameters": parameters()}]}]);
    let answer = world.post("/v1/responses", &asked(&json!({"tools": tools}))).json();
    let item = &answer["output"][0];
    assert_eq!((&item["name"], &item["namespace"]), (&json!("mix"), &json!("mcp")), "{answer}");
}

#[test]
fn an_incomplete_call_is_not_an_item() {
    let world = world();
    let answer = world.post("/v1/responses", &asked(&json!({"max_output_tokens": 50}))).json();
    assert_eq!(
        (&answer["status"], &answer["output"]),
        (&json!("incomplete"), &json!([])),
        "{answer}"
    );
}
