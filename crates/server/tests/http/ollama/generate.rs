//! `/api/generate`.

use serde_json::{Value, json};

use super::{ask, is_complete, lines, refusal, whole};
use crate::world::World;

const PATH: &str = "/api/generate";

#[test]
fn an_answer_is_the_same_whole_and_in_lines() {
    let world = World::new();
    for options in [json!({}), json!({"temperature": 1.2, "seed": 3, "top_k": 50})] {
        let asked = json!({"prompt": "Hello", "options": options});
        let reply = whole(&world, PATH, asked.clone());
        is_complete(&reply);
        // Streaming is the default.
        let lines = lines(&ask(&world, PATH, asked));
        let (last, before) = lines.split_last().unwrap();
        is_complete(last);
        assert!(before.iter().all(|line| line["done"] == json!(false)));
        let text: String = lines.iter().map(|line| line["response"].as_str().unwrap()).collect();
        assert_eq!(reply["response"], text);
        assert_eq!(reply["context"], last["context"]);
    }
}

#[test]
fn a_prompt_is_a_conversation_unless_it_is_raw() {
    let world = World::new();
    let chat = whole(
        &world,
        "/api/chat",
        json!({"messages": [{"role": "system", "content": "Be"},
        {"role": "user", "content": "x"}]}),
    );
    let asked = whole(&world, PATH, json!({"prompt": "x", "system": "Be"}));
    assert_eq!(asked["response"], chat["message"]["content"]);
    let rendered = "<|turn|>system\nBe<|turn|>user\nx<|turn|>assistant\n";
    let raw = whole(&world, PATH, json!({"prompt": rendered, "raw": true}));
    assert_eq!((&raw["response"], &raw["context"]), (&asked["response"], &Value::Null));
    for field in [json!({"system": "x"}), json!({"context": [1]}), json!({"suffix": "x"})] {
        let mut asked = json!({"prompt": "x", "raw": true});
        asked.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        let (status, message) = refusal(&ask(&world, PATH, asked));
        assert!(status == 400 && message.contains("`raw`"), "{message}");
    }
}

#[test]
fn a_context_continues_a_conversation() {
    let world = World::new();
    let first = whole(&world, PATH, json!({"prompt": "Hello"}));
    let context = first["context"].as_array().unwrap();
    let prompt = "<|turn|>user\nHello<|turn|>assistant\n";
    let said = format!("{prompt}{}", first["response"].as_str().unwrap());
    let tokens = world.post("/tokenize", &json!({"model": "org/one", "content": said})).json();
    assert_eq!(tokens["tokens"].as_array().unwrap(), context);
    let second = whole(&world, PATH, json!({"prompt": "And?", "context": context}));
    let next = format!("{said}<|turn|>user\nAnd?<|turn|>assistant\n");
    let raw = whole(&world, PATH, json!({"prompt": next, "raw": true}));
    assert_eq!(second["response"], raw["response"]);
    assert_eq!(second["prompt_eval_count"], raw["prompt_eval_count"]);
    let (status, message) =
        refusal(&ask(&world, PATH, json!({"prompt": "x", "context": [99_999]})));
    assert!(status == 400 && message.contains("99999"), "{message}");
}

#[test]
fn requests_without_a_prompt_load_and_unload() {
    let world = World::new();
    let load = |body: Value| world.post(PATH, &body);
    let loaded = load(json!({"model": "org/one"}));
    let reply = loaded.json();
    assert_eq!(
        (&reply["done_reason"], &reply["response"], &reply["done"]),
        (&json!("load"), &json!(""), &json!(true))
    );
    assert_eq!(world.in_memory(), [("org/one".to_owned(), 0)]);
    let chat = world.post("/api/chat", &json!({"model": "org/two:latest", "keep_alive": "1h"}));
    let reply = chat.json();
    assert_eq!(
        (&reply["done_reason"], &reply["message"]),
        (&json!("load"), &json!({"role": "assistant", "content": ""}))
    );
    let gone = load(json!({"model": "org/one", "keep_alive": 0})).json();
    assert_eq!(gone["done_reason"], "unload");
    assert_eq!(world.in_memory(), [("org/two".to_owned(), 0)]);
    let gone = world.post("/api/chat", &json!({"model": "two", "messages": [], "keep_alive": "0"}));
    assert_eq!(gone.json()["done_reason"], "unload");
    assert!(world.in_memory().is_empty());
    assert_eq!(refusal(&load(json!({"model": "nosuch"}))).0, 404);
}

#[test]
fn a_negative_keep_alive_does_not_pin() {
    let world = World::with(|config| config.max_models = 1);
    whole(&world, PATH, json!({"prompt": "x", "keep_alive": -1}));
    let answer = ask(&world, PATH, json!({"model": "org/two", "prompt": "x", "keep_alive": "0s"}));
    assert_eq!(answer.status, 200);
    world.until("the model goes", |world| world.in_memory().is_empty());
}

#[test]
fn answers_end_for_a_reason_and_keep_their_format() {
    let world = World::new();
    let long = whole(&world, PATH, json!({"prompt": "Hello", "options": {"num_predict": 40}}));
    let text = long["response"].as_str().unwrap();
    let stop: String = text.chars().skip(5).take(2).collect();
    let asked = json!({"prompt": "Hello", "options": {"num_predict": 40, "stop": [stop]}});
    let stopped = whole(&world, PATH, asked);
    assert_eq!(stopped["response"], text[..text.find(&stop).unwrap()]);
    assert_eq!(stopped["done_reason"], "stop");
    let schema = json!({"type": "object", "required": ["color"], "additionalProperties": false,
        "properties": {"color": {"enum": ["red", "green"]}}});
    for (format, is_free) in [(schema, false), (json!("json"), true)] {
        let asked = json!({"prompt": "x", "format": format,
            "options": {"num_predict": 90, "temperature": 1.5}});
        let reply = whole(&world, PATH, asked);
        let value: Value = serde_json::from_str(reply["response"].as_str().unwrap()).unwrap();
        // Noise does not end an object by itself, so that it may have been closed.
        let reasons: &[&str] = if is_free { &["stop", "length"] } else { &["stop"] };
        let reason = reply["done_reason"].as_str().unwrap();
        assert!(value.is_object() && reasons.contains(&reason), "{reply}");
    }
}

#[test]
fn log_probabilities_belong_to_the_text() {
    let world = World::new();
    let asked = json!({"prompt": "Hello", "logprobs": true, "top_logprobs": 2});
    let reply = whole(&world, PATH, asked.clone());
    let tokens = reply["logprobs"].as_array().unwrap();
    assert_eq!(tokens.len(), 12);
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["logprob"]), (2, &token["logprob"]));
        assert!(token["token"].is_string() && token["bytes"].is_array());
    }
    let streamed = lines(&ask(&world, PATH, asked));
    let all = streamed.iter().filter_map(|line| line["logprobs"].as_array()).flatten();
    assert_eq!(all.collect::<Vec<_>>(), tokens.iter().collect::<Vec<_>>());
    assert!(whole(&world, PATH, json!({"prompt": "x"})).get("logprobs").is_none());
}

#[test]
fn long_prompts_are_truncated_only_on_request() {
    let world = World::new();
    let long = "word ".repeat(200);
    let (status, message) = refusal(&ask(&world, PATH, json!({"prompt": long})));
    assert!(status == 400 && message.contains("maximum context length is 512"), "{message}");
    for raw in [false, true] {
        let reply = whole(&world, PATH, json!({"prompt": long, "truncate": true, "raw": raw}));
        let tokens = reply["prompt_eval_count"].as_u64().unwrap();
        assert!((400..=500).contains(&tokens), "{tokens}");
    }
    let options = json!({"num_ctx": 60});
    let (status, message) =
        refusal(&ask(&world, PATH, json!({"prompt": "x".repeat(60), "options": options})));
    assert!(status == 400 && message.contains("maximum context length is 60"), "{message}");
}

#[test]
fn unsupported_and_invalid_fields_are_named() {
    let world = World::new();
    for (asked, part) in [
        (json!({"images": ["eA=="]}), "`images`"),
        (json!({"template": "{{ .Prompt }}"}), "`template`"),
        (json!({"suffix": "x"}), "does not support insert"),
        (json!({"think": true}), "does not support thinking"),
        (json!({"think": "high"}), "does not support thinking"),
        (json!({"think": "hard"}), "`think`"),
        (json!({"format": "xml"}), "`format`"),
        (json!({"format": {"type": "nothing"}}), "cannot be enforced"),
        (json!({"keep_alive": "soon"}), "`keep_alive`"),
        (json!({"top_logprobs": 2}), "`top_logprobs`"),
        (json!({"logprobs": true, "top_logprobs": 21}), "0 to 20"),
        (json!({"options": {"temperature": "hot"}}), "`options.temperature`"),
        (json!({"options": {"top_p": 2}}), "`options.top_p` is `2`"),
        (json!({"options": {"stop": [1]}}), "`options.stop`"),
        (json!({"prompt": 1}), "`prompt`"),
        (json!({"width": 1}), "`width`"),
    ] {
        for stream in [false, true] {
            let mut asked = asked.clone();
            asked["stream"] = stream.into();
            asked.as_object_mut().unwrap().entry("prompt").or_insert("x".into());
            let (status, message) = refusal(&ask(&world, PATH, asked.clone()));
            assert_eq!(status, 400, "{asked}: {message}");
            assert!(message.contains(part), "{asked}: {message}");
        }
    }
}

#[test]
fn harmless_fields_are_accepted() {
    let world = World::new();
    let asked = json!({"prompt": "x", "suffix": "", "system": "", "template": "", "images": [],
        "context": [], "raw": false, "format": "", "think": false, "truncate": false,
        "shift": false, "logprobs": false, "top_logprobs": 0, "user": "u", "keep_alive": "",
        "options": {"num_gpu": 99, "num_thread": 8, "use_mmap": null, "mirostat": 0, "num_keep": 4,
            "new_one": [1], "stop": [""], "seed": -1, "min_p": 0.0, "num_batch": 512}});
    assert_eq!(ask(&world, PATH, asked).status, 200);
    // A script may send any content type. A page may not, because it could do so without a preflight request.
    let body = json!({"model": "org/one"}).to_string();
    let plain = ("content-type", "text/plain;charset=UTF-8");
    assert_eq!(world.send("POST", PATH, &[plain], &body).status, 200);
    let page = [plain, ("origin", "http://localhost:3000")];
    assert_eq!(world.send("POST", PATH, &page, &body).status, 415);
}
