//! Everything but answers: lists of models, tokenization, metrics, the description of routes.

use serde_json::json;

use mlxk_testkit::{Kind, Stored, checkpoint};

use crate::world::{World, add};

#[test]
fn models_are_listed_by_name_and_found_by_their_short_one() {
    let world = World::new();
    let list = world.get("/v1/models").json();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, ["org/one", "org/two"]);
    assert_eq!(list["data"][0]["context_length"], 512);
    assert_eq!(world.get("/v1/models/org/two").json()["id"], "org/two");
    assert_eq!(world.get("/v1/models/two").json()["object"], "model");
    let missing = world.get("/v1/models/three");
    assert_eq!(
        (missing.status, missing.json()["error"]["code"].clone()),
        (404, json!("model_not_found"))
    );
    for name in ["./hub", "/etc", "org/on", "pypi:x", "a b"] {
        let answer = world.chat(json!({"model": name}));
        assert_eq!(answer.status, 404, "{name}: {answer:?}");
    }
}

#[test]
fn similar_names_that_the_server_has_are_told_in_every_dialect() {
    let world = World::new();
    add(&world.home, "org/SmolLM2-360M-4bit", Kind::Llama);
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let said = |path: &str, model: &str| {
        let body = if path.ends_with("responses") {
            json!({"model": model, "input": "Hi"})
        } else {
            json!({"model": model, "messages": messages, "max_tokens": 1})
        };
        let answer = world.post(path, &body);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        let body = answer.json();
        let message = body["error"]["message"].as_str().or(body["error"].as_str());
        message.unwrap_or_else(|| panic!("{path}: {body}")).to_owned()
    };
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"] {
        for model in ["smollm2", "smollm2:7b", "SmolLM2-360M"] {
            let message = said(path, model);
            let expected = "similar names are `org/SmolLM2-360M-4bit`";
            assert!(message.ends_with(expected), "{path}, {model}: {message}");
        }
    }
    assert!(said("/v1/chat/completions", "thing").ends_with("use a name that `mlxk list` shows"));
    // The starter model is found in another form.
    add(&world.home, "mlx-community/SmolLM2-135M-Instruct-4bit", Kind::Llama);
    for name in ["smollm2", "smollm2:135m"] {
        assert_eq!(world.chat(json!({"model": name})).status, 200, "{name}");
    }
    let tags = world.get("/api/tags").text;
    assert!(tags.contains("\"smollm2:135m\""), "{tags}");
}

#[test]
fn a_workspace_is_found_by_its_path_and_other_folders_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let copy = |to: &std::path::Path| {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(model.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    let home = folder.path().join("workspaces");
    let (mine, outside) = (home.join("my own"), folder.path().join("outside"));
    copy(&mine);
    copy(&outside);
    let world = World::with(|config| config.locations.workspace_home = Some(home.clone()));
    let ask = |path: &std::path::Path| world.chat(json!({"model": path, "max_tokens": 1})).status;
    assert_eq!(ask(&mine), 200);
    assert_eq!(world.chat(json!({"model": "my own", "max_tokens": 1})).status, 200);
    for path in [&outside, &home, &home.join("../outside"), &home.join("nosuch")] {
        assert_eq!(ask(path), 404, "{}", path.display());
    }
}

#[test]
fn text_and_tokens() {
    let world = World::new();
    let ask = |path, body: serde_json::Value| {
        let mut body = body;
        body["model"] = "org/one".into();
        world.post(path, &body).json()
    };
    assert_eq!(ask("/tokenize", json!({"content": "Hi"}))["tokens"], json!([72, 105]));
    let pieces = ask("/tokenize", json!({"content": "é", "with_pieces": true}));
    assert_eq!(pieces["tokens"][0]["piece"], json!([195]));
    assert_eq!(ask("/detokenize", json!({"tokens": [72, 105, 256]}))["content"], "Hi<|end|>");
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let prompt = ask("/apply-template", json!({"messages": messages}));
    assert_eq!(prompt["prompt"], "<|turn|>user\nHi<|turn|>assistant\n");
    let bad = ask("/detokenize", json!({"tokens": [9999]}));
    assert!(bad["error"]["message"].as_str().unwrap().contains("9999"), "{bad}");
}

#[test]
fn metrics_count_what_happened() {
    let world = World::new();
    assert_eq!(world.chat(json!({"max_tokens": 5})).status, 200);
    assert_eq!(world.chat(json!({"n": 0})).status, 400);
    let page = world.get("/metrics");
    assert!(page.header("content-type").unwrap().starts_with("text/plain"));
    for line in [
        "mlxk_answers_total 1",
        "mlxk_completion_tokens_total 5",
        "mlxk_responses_total{class=\"4xx\"} 1",
        "mlxk_model_context_tokens{model=\"org/one\"} 512",
        "mlxk_time_to_first_token_seconds_count 1",
    ] {
        assert!(page.text.lines().any(|it| it == line), "{line} is not in\n{}", page.text);
    }
}

#[test]
fn everything_is_described() {
    let world = World::new();
    let described = world.get("/openapi.json").json();
    let fields = &described["components"]["schemas"]["ChatRequest"]["properties"];
    assert!(fields["repeat_penalty"].is_object() && fields["messages"].is_object());
    assert!(described["paths"]["/health"]["get"].is_object());
}

#[test]
fn unknown_paths_and_methods() {
    let world = World::new();
    let answer = world.get("/v2/chat");
    assert_eq!((answer.status, answer.error().0.as_str()), (404, "There is no `GET /v2/chat`"));
    for path in ["/nowhere", "/v1", "/apis", "/v1/chat"] {
        let answer = world.get(path);
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (404, format!("There is no `GET {path}`").as_str())
        );
    }
    let answer = world.get("/v1/completions");
    assert_eq!(answer.status, 405);
    assert!(answer.error().0.contains("does not take GET"), "{answer:?}");
    assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
    let named = world.send("GET", "/health", &[("x-request-id", "mine-1")], "");
    assert_eq!(named.header("x-request-id"), Some("mine-1"));
}
