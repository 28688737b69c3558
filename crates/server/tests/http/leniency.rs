//! Fields and forms that other servers take, in bodies and in paths.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::world::World;

const HEADER: &str = "x-mlxk-ignored";

#[test]
fn values_that_ask_for_nothing_are_taken_without_a_word() {
    let world = World::new();
    for extra in [
        json!({"cache_prompt": true, "id_slot": -1, "provider": {"order": []}, "usage": {"include": true}}),
        json!({"skip_special_tokens": true, "add_generation_prompt": true, "ignore_eos": false}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"}),
        json!({"tools": [], "tool_choice": "auto", "functions": [], "function_call": "none"}),
        json!({"tool_choice": "required"}),
        json!({"think": false, "enable_thinking": false, "thinking": {"type": "disabled"}}),
        json!({"max_tokens": 12.0, "top_k": 40.0, "n": 1.0, "seed": 7.0, "top_logprobs": 0.0}),
        json!({"max_tokens": -1, "stop": [], "max_completion_tokens": 12}),
        json!({"max_tokens": null, "n_predict": 12, "stop": ["", ""], "seed": -1}),
        json!({"seed": u64::MAX, "logprobs": false, "top_logprobs": 0, "best_of": 1}),
        json!({"min_tokens": 0, "mirostat": 0, "stop_token_ids": [], "continue_final_message": false}),
        json!({"audio": {}, "prediction": null, "web_search_options": {}, "modalities": ["text"]}),
        json!({"options": {"num_gpu": 1, "num_ctx": 512}}),
    ] {
        let answer = world.chat(extra.clone());
        assert_eq!(answer.status, 200, "{extra}: {answer:?}");
        assert_eq!(answer.header(HEADER), None, "{extra}");
        assert_eq!(answer.json()["usage"]["completion_tokens"], 12, "{extra}");
    }
}

#[test]
fn values_that_ask_for_something_are_not() {
    let world = World::new();
    // Reported, because the model cannot think, and the values are those of other servers.
    for (extra, ignored) in [
        (json!({"think": true}), "think"),
        (json!({"enable_thinking": true}), "enable_thinking"),
        (json!({"reasoning": {"effort": "low"}}), "reasoning"),
        (json!({"thinking": 3}), "thinking"),
        (json!({"min_tokens": 5}), "min_tokens"),
        (json!({"options": {"frobnicate": 1}}), "options.frobnicate"),
    ] {
        let answer = world.chat(extra.clone());
        assert_eq!((answer.status, answer.header(HEADER)), (200, Some(ignored)), "{extra}");
    }
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    for (extra, param) in [
        (json!({"tools": tool}), "tools"),
        (json!({"tools": tool, "tool_choice": "auto"}), "tools"),
        (json!({"tools": tool, "tool_choice": "required"}), "tools"),
        (json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}), "tool_choice"),
        (json!({"add_generation_prompt": false}), "add_generation_prompt"),
        (json!({"continue_final_message": true}), "continue_final_message"),
        (json!({"max_tokens": -3}), "max_tokens"),
        (json!({"max_tokens": 4.5}), "max_tokens"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"reasoning_effort": "low"}), "reasoning_effort"),
        (json!({"options": {"temperature": "hot"}}), "options.temperature"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
    ] {
        let answer = world.chat(extra.clone());
        assert_eq!(answer.status, 400, "{extra}: {answer:?}");
        assert_eq!(answer.error().1, param, "{extra}: {answer:?}");
    }
}

#[test]
fn ollamas_options_count_where_openais_fields_are_silent() {
    let world = World::new();
    let text = |body: Value| world.chat(body).json()["choices"][0]["message"]["content"].take();
    let few = world.complete(json!({"prompt": "x", "options": {"num_predict": 3}}));
    assert_eq!(few.json()["usage"]["completion_tokens"], 3);
    let own = json!({"max_tokens": 5, "options": {"num_predict": 3}});
    assert_eq!(world.chat(own).json()["usage"]["completion_tokens"], 5);
    let drawn = json!({"temperature": null, "options": {"temperature": 1.5, "seed": 3}});
    let same = json!({"temperature": 1.5, "seed": 3});
    assert_eq!(text(drawn), text(same));
}

#[test]
fn errors_are_in_the_words_of_json() {
    let world = World::new();
    for extra in [
        json!({"max_tokens": "x"}),
        json!({"max_tokens": [1]}),
        json!({"temperature": "hot"}),
        json!({"temperature": {}}),
        json!({"stop": 7}),
        json!({"stop": [7]}),
        json!({"keep_alive": []}),
        json!({"stream": "yes"}),
        json!({"stream_options": 7}),
        json!({"messages": "x"}),
        json!({"messages": [7]}),
        json!({"messages": [{"content": "x"}]}),
        json!({"messages": [{"role": 7, "content": "x"}]}),
        json!({"n": -1}),
        json!({"logit_bias": [1]}),
        json!({"response_format": "json"}),
        json!({"response_format": {"type": "xml"}}),
        json!({"chat_template_kwargs": 1}),
    ] {
        let answer = world.chat(extra.clone());
        assert_eq!(answer.status, 400, "{extra}: {answer:?}");
        let message = answer.error().0;
        for word in
            ["usize", "i64", "u32", "f32", "untagged", "enum", "struct", "sequence", "a map"]
        {
            assert!(!message.contains(word), "{extra}: {message}");
        }
        let field = extra.as_object().unwrap().keys().next().unwrap();
        assert_eq!(message.matches(&format!("`{field}")).count(), 1, "{extra}: {message}");
    }
    let answer = world.complete(json!({"prompt": {"a": 1}}));
    assert!(answer.error().0.contains("expected a text, a list of texts"), "{answer:?}");
}

#[test]
fn bodies_may_be_compressed() {
    let world = World::with(|config| config.limits.body_bytes = 20_000);
    let send = |body: &[u8], encoding: &str| {
        let mut stream = world.connect();
        let head = format!(
            "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        crate::world::rest(&mut stream)
    };
    let zip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let body = json!({"model": "org/one", "prompt": "x", "max_tokens": 1}).to_string();
    for (body, encoding, status) in [
        (zip(body.as_bytes()), "gzip", 200),
        (zip(body.as_bytes()), "GZIP", 200),
        (body.as_bytes().to_vec(), "identity", 200),
        (body.as_bytes().to_vec(), "gzip", 400),
        (zip(body.as_bytes())[..20].to_vec(), "gzip", 400),
        (zip(&vec![b' '; 20_001]), "gzip", 413),
        (zip(&vec![b' '; 10_000_000]), "gzip", 413),
        (body.as_bytes().to_vec(), "br", 415),
        (body.as_bytes().to_vec(), "gzip, gzip", 415),
    ] {
        let answer = send(&body, encoding);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{encoding} {status}: {answer}");
    }
}

#[test]
fn halves_of_characters_become_u_fffd() {
    let world = World::new();
    let send = |content: &str| {
        let body = format!(r#"{{"model": "org/one", "content": "{content}"}}"#);
        let kind = [("content-type", "application/json")];
        world.send("POST", "/tokenize", &kind, &body)
    };
    let broken = send(r"a\ud83d");
    assert_eq!(broken.status, 200, "{broken:?}");
    assert_eq!(broken.text, send("a\u{fffd}").text);
    assert_eq!(send(r"\ud83d\ude00").text, send("\u{1f600}").text);
    let marked = format!("\u{feff}{}", json!({"model": "org/one", "content": "a"}));
    let kind = [("content-type", "application/json")];
    assert_eq!(world.send("POST", "/tokenize", &kind, &marked).text, send("a").text);
}

#[test]
fn addresses_are_put_together_in_many_ways() {
    let world = World::new();
    let body = json!({"model": "org/one", "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 1});
    for path in [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/chat/completions",
        "/chat/completions/",
    ] {
        assert_eq!(world.post(path, &body).status, 200, "{path}");
    }
    let body = json!({"model": "org/one", "prompt": "x", "max_tokens": 1});
    assert_eq!(world.post("/completions", &body).status, 200);
    for path in ["/v1/models/", "/api/tags/", "/health/", "//", "/v1/models/org/one/"] {
        assert_eq!(world.get(path).status, 200, "{path}");
    }
    // The key is required whatever the spelling.
    let locked = World::with(|config| config.api_key = mlxk_server::ApiKey::new("key"));
    for path in ["/v1/models/", "//v1/models", "/chat/completions/"] {
        assert_eq!(locked.get(path).status, 401, "{path}");
    }
}

#[test]
fn what_other_servers_offer_is_named() {
    let world = World::new();
    let body = json!({"model": "org/one", "input": "x"});
    for path in ["/v1/score", "/v1/audio/speech", "/embedding"] {
        let answer = world.post(path, &body);
        assert_eq!(answer.status, 501, "{path}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "not_implemented");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{path}");
    }
    assert_eq!(world.post("/api/me", &json!({})).status, 501);
    assert_eq!(world.post("/v1/frobnicate", &body).status, 404);
}

#[test]
fn the_only_model_has_names_of_other_servers() {
    let world = World::with(|config| {
        let name = "org/one".parse().unwrap();
        let (pairs, locations) = (&config.pairs, &config.locations);
        let found = mlxk_hub::resolve(&name, mlxk_hub::Matching::Exact, pairs, locations);
        let resolved = found.unwrap().local().unwrap();
        config.model = Some(mlxk_server::DefaultModel { written: "./one".into(), resolved });
    });
    let status = |name: &str| {
        let body = json!({"model": name, "prompt": "x", "max_tokens": 1});
        world.post("/v1/completions", &body).status
    };
    for name in ["", "default_model", "local-model", "./one", "./one:latest", "org/one:latest"] {
        assert_eq!(status(name), 200, "{name}");
    }
    assert_eq!(status("gpt-4"), 404);
    let world = World::new();
    let body = json!({"model": "local-model", "prompt": "x"});
    assert_eq!(world.post("/v1/completions", &body).status, 404);
}
