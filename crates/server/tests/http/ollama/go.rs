//! Requests as Ollama's own client sends them. It is written in Go and sends every field of a request that is not
//! marked to be left out, most of them empty.

use serde_json::{Value, json};

use super::refusal;
use crate::world::World;

fn send(world: &World, method: &str, path: &str, body: &Value) -> (u16, String) {
    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let answer = world.send(method, path, &headers, &body.to_string());
    (answer.status, answer.text)
}

#[test]
fn empty_fields_ask_for_nothing() {
    let world = World::new();
    let empty = json!({"model": "org/one", "prompt": "x", "suffix": "", "system": "", "template": "",
        "options": null, "stream": false});
    let bare = json!({"model": "org/one", "messages": [{"role": "user", "content": "x"}],
        "options": {}, "stream": false});
    for (method, path, body) in [
        ("POST", "/api/generate", empty),
        ("POST", "/api/chat", bare),
        (
            "POST",
            "/api/show",
            json!({"model": "", "system": "", "template": "", "verbose": false,
            "options": null, "name": "org/one"}),
        ),
        (
            "POST",
            "/api/show",
            json!({"model": "org/one", "system": "", "template": "",
            "verbose": false, "options": null, "name": ""}),
        ),
        (
            "POST",
            "/api/create",
            json!({"model": "", "from": "org/one", "name": "mine",
            "stream": false}),
        ),
        (
            "POST",
            "/api/create",
            json!({"model": "mine", "from": "org/one", "name": "",
            "parameters": {}, "files": {}, "adapters": {}, "template": "", "license": null,
            "system": "", "messages": null, "quantize": "", "renderer": "", "parser": "",
            "stream": false}),
        ),
        ("POST", "/api/copy", json!({"source": "mine", "destination": "mine2"})),
        ("DELETE", "/api/delete", json!({"model": "mine", "name": ""})),
        ("DELETE", "/api/delete", json!({"model": "", "name": "mine2"})),
        (
            "POST",
            "/api/generate",
            json!({"model": "org/one", "prompt": "", "suffix": "",
            "system": "", "template": "", "options": null, "keep_alive": 0}),
        ),
    ] {
        let (status, text) = send(&world, method, path, &body);
        assert_eq!(status, 200, "{path} {body}: {text}");
    }
    for path in ["/api/tags", "/api/ps", "/api/version", "/api/status"] {
        assert_eq!(world.get(path).status, 200, "{path}");
    }
    let debug = json!({"model": "org/one", "prompt": "x", "_debug_render_only": false});
    assert_eq!(world.post("/api/generate", &debug).status, 200);
    let debug = json!({"model": "org/one", "prompt": "x", "_debug_render_only": true});
    assert_eq!(refusal(&world.post("/api/generate", &debug)).0, 400);
    // A name that is given is still checked.
    assert_eq!(refusal(&world.post("/api/show", &json!({"model": "", "name": "nosuch"}))).0, 404);
    let (status, message) = refusal(&world.post("/api/show", &json!({"model": "", "name": ""})));
    assert!(status == 400 && message.contains("`model` is missing"), "{message}");
}
