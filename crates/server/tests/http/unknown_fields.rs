//! Fields that the server does not know: ignored and reported, or refused by a strict server.

use serde_json::{Value, json};

use crate::world::{Answer, World};

const HEADER: &str = "x-mlxk-ignored";

/// One request for each kind of body, with the paths of its unknown fields.
fn requests() -> Vec<(&'static str, Value, &'static str)> {
    let turn = json!({"role": "user", "content": "x", "frobnicate": 1});
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "org/one", "messages": [{"role": "user", "content": "x"}],
                "max_tokens": 2, "frobnicate": 1, "user": "u", "seed": null, "other": null,
                "stream_options": {"x": 1, "include_usage": true},
                "response_format": {"type": "text", "y": 1, "json_schema": {"name": "n", "extra": 1}},
                "structured_outputs": {"backend": "x"}}),
            "response_format.json_schema.extra, response_format.y, structured_outputs.backend, \
             stream_options.x, frobnicate",
        ),
        (
            "/v1/completions",
            json!({"model": "org/one", "prompt": "x", "max_tokens": 2, "min_tokens": 1}),
            "min_tokens",
        ),
        (
            "/api/chat",
            json!({"model": "org/one", "messages": [{"role": "user", "content": "x"}],
                "options": {"num_predict": 2, "num_gpu": 1, "new_one": 1}, "frobnicate": {"a": 1}}),
            "frobnicate, options.new_one",
        ),
        (
            "/api/generate",
            json!({"model": "org/one", "prompt": "x", "options": {"num_predict": 2}, "é\r\nx": 1}),
            "???x",
        ),
        ("/api/show", json!({"model": "org/one", "frobnicate": 1}), "frobnicate"),
        (
            "/api/create",
            json!({"model": "mine", "from": "org/one", "frobnicate": 1, "messages": [turn]}),
            "messages[0].frobnicate, frobnicate",
        ),
        ("/tokenize", json!({"model": "org/one", "content": "x", "frobnicate": 1}), "frobnicate"),
        ("/models/load", json!({"model": "org/one", "frobnicate": 1}), "frobnicate"),
    ]
}

fn sorted(names: &str) -> Vec<String> {
    let mut names: Vec<String> = names.split(", ").map(str::to_owned).collect();
    names.sort();
    names
}

/// The message of an error, whatever its shape.
fn message(answer: &Answer) -> String {
    let error = answer.json()["error"].take();
    error.as_str().or(error["message"].as_str()).unwrap().to_owned()
}

#[test]
fn they_are_ignored_and_reported() {
    let world = World::new();
    for (path, body, names) in requests() {
        for stream in [true, false] {
            let mut body = body.clone();
            if body.get("from").is_some() || body.get("messages").is_some() {
                body["stream"] = stream.into();
            }
            let answer = world.post(path, &body);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let header = answer.header(HEADER).unwrap_or_else(|| panic!("{path}: {answer:?}"));
            assert_eq!(sorted(header), sorted(names), "{path}");
        }
    }
    // Nothing is reported if all fields are known, harmless or null.
    let known = world.chat(json!({"store": true, "metadata": {}, "frobnicate": null}));
    assert_eq!((known.status, known.header(HEADER)), (200, None));
    // An error may have its cause in a field that was misspelled.
    let failed = world.chat(json!({"model": "nowhere", "frobnicate": 1}));
    assert_eq!((failed.status, failed.header(HEADER)), (404, Some("frobnicate")));
}

#[test]
fn the_answer_is_the_one_without_them() {
    let world = World::new();
    let text = |body: Value| {
        let answer = world.chat(body).json();
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(text(json!({"frobnicate": 1})), text(json!({})));
}

#[test]
fn a_strict_server_refuses_them_by_name() {
    let world = World::with(|config| config.strict = true);
    for (path, body, names) in requests() {
        let answer = world.post(path, &body);
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let message = message(&answer);
        assert!(
            names.split(", ").any(|name| message == format!("Unknown field `{name}`")),
            "{path}: {message}"
        );
        assert_eq!(answer.header(HEADER), None, "{path}");
    }
    let refused = world.chat(json!({"frobnicate": 1}));
    assert_eq!(refused.error().1, json!("frobnicate"));
    let known = world.chat(json!({"store": true, "metadata": {}, "frobnicate": null}));
    assert_eq!(known.status, 200, "{known:?}");
}

#[test]
fn the_report_is_bounded() {
    let world = World::new();
    let mut body = json!({});
    for index in 0..1000 {
        body[format!("{index}{}", "x".repeat(200))] = 1.into();
    }
    let answer = world.chat(body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let header = answer.header(HEADER).unwrap();
    assert!(header.len() <= 512 && header.ends_with(", ..."), "{header}");
}
