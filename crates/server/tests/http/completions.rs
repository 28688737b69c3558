//! `/v1/completions`.

use serde_json::{Value, json};

use crate::world::World;

#[test]
fn text_and_its_tokens_are_continued_alike() {
    let world = World::new();
    let continued = |prompt: Value| {
        let asked = json!({"prompt": prompt, "temperature": 0, "max_tokens": 8});
        let answer = world.complete(asked).json();
        assert_eq!(answer["object"], "text_completion", "{answer}");
        let choices = answer["choices"].as_array().unwrap().clone();
        let usage = answer["usage"].clone();
        (choices.iter().map(|it| it["text"].clone()).collect::<Vec<_>>(), usage)
    };
    let (text, usage) = continued(json!("Hello"));
    assert_eq!(
        (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64()),
        (Some(5), Some(8))
    );
    assert_eq!(continued(json!([72, 101, 108, 108, 111])).0, text);
    let (both, usage) = continued(json!(["Hello", "World"]));
    assert_eq!((both.len(), &both[0]), (2, &text[0]));
    assert_eq!(usage["prompt_tokens"], 10);
    assert_eq!(continued(json!([[72, 101, 108, 108, 111], [87]])).0[0], text[0]);
}

#[test]
fn a_stream_has_the_same_text() {
    let world = World::new();
    let asked = json!({"prompt": ["Hello", "World"], "n": 2, "seed": 1, "max_tokens": 9});
    let whole = world.complete(asked.clone()).json();
    let mut asked = asked;
    asked["stream"] = true.into();
    let mut texts = vec![String::new(); 4];
    for event in world.complete(asked).events() {
        let choice = &event["choices"][0];
        texts[choice["index"].as_u64().unwrap() as usize] += choice["text"].as_str().unwrap();
    }
    for (index, text) in texts.iter().enumerate() {
        assert_eq!(whole["choices"][index]["text"], *text);
    }
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn an_echo_is_scored_as_the_answer_is() {
    let world = World::new();
    let asked = json!({"prompt": "Hello", "echo": true, "logprobs": 2, "temperature": 0,
        "max_tokens": 4});
    let answer = world.complete(asked).json();
    let choice = &answer["choices"][0];
    let text = choice["text"].as_str().unwrap();
    assert!(text.starts_with("Hello"), "{text}");
    let logprobs = &choice["logprobs"];
    let lists: Vec<usize> = ["tokens", "token_logprobs", "top_logprobs", "text_offset"]
        .iter()
        .map(|name| logprobs[name].as_array().unwrap().len())
        .collect();
    assert_eq!(lists, [9; 4]);
    assert_eq!(
        (&logprobs["token_logprobs"][0], &logprobs["text_offset"][5]),
        (&Value::Null, &json!(5))
    );
    // Generated tokens have the same probabilities when they are the prompt.
    let tokens = world.post("/tokenize", &json!({"model": "org/one", "content": "Hello"})).json();
    let mut ids = tokens["tokens"].as_array().unwrap().clone();
    let generated = json!({"prompt": "Hello", "logprobs": 1, "temperature": 0, "max_tokens": 4});
    let generated = world.complete(generated).json();
    let fresh = generated["choices"][0]["logprobs"]["token_logprobs"].clone();
    assert_eq!(fresh.as_array().unwrap()[..], logprobs["token_logprobs"].as_array().unwrap()[5..]);
    ids.truncate(2);
    let scored = json!({"prompt": ids, "echo": true, "logprobs": 0, "max_tokens": 0});
    let scored = world.complete(scored).json();
    assert_eq!(scored["choices"][0]["text"], "He");
    assert_eq!(scored["usage"]["total_tokens"], 2);
    let own = scored["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
    let whole = logprobs["token_logprobs"].as_array().unwrap();
    for (a, b) in own.iter().zip(whole).skip(1) {
        assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn errors_name_the_field() {
    let world = World::new();
    for (asked, param) in [
        (json!({"prompt": []}), "prompt"),
        (json!({}), "prompt"),
        (json!({"prompt": "x", "max_tokens": 0}), "max_tokens"),
        (json!({"prompt": "x", "suffix": "y"}), "suffix"),
        (json!({"prompt": "x", "messages": []}), "messages"),
        (json!({"prompt": {"a": 1}}), "prompt"),
    ] {
        let answer = world.complete(asked.clone());
        assert_eq!((answer.status, answer.error().1), (400, json!(param)), "{asked}");
    }
}

#[test]
fn a_gap_is_filled_for_clients_of_llama_server() {
    let world = World::new();
    let folder = crate::world::add(&world.home, "org/gaps", mlxk_testkit::Kind::Llama);
    let path = folder.join("tokenizer.json");
    let mut tokenizer: Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let marks =
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>"];
    for (id, mark) in (259..).zip(marks) {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.retain(|token| token["id"] != id);
        added.push(json!({"id": id, "content": mark, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}));
    }
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let asked = |stream: bool| {
        json!({"model": "org/gaps", "input_prefix": "a", "input_suffix": "b", "prompt": "c",
            "input_extra": [{"filename": "d.rs", "text": "e"}], "n_predict": 4, "temperature": 0,
            "samplers": ["top_k"], "stream": stream})
    };
    let whole = world.post("/infill", &asked(false)).json();
    assert_eq!((&whole["stop"], &whole["stop_type"]), (&json!(true), &json!("limit")), "{whole}");
    let prompt = "<|repo_name|>project\n<|file_sep|>d.rs\ne\n<|file_sep|>\n\
                  <|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c";
    let asked_tokens = json!({"model": "org/gaps", "content": prompt, "add_special": true});
    let tokens = world.post("/tokenize", &asked_tokens).json()["tokens"].as_array().unwrap().len();
    assert_eq!(whole["tokens_evaluated"], tokens);
    let stream = world.post("/infill", &asked(true)).text;
    let text: String = stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|event| {
            serde_json::from_str::<Value>(event).unwrap()["content"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(whole["content"], text.as_str());
    let none = world.post("/infill", &json!({"model": "org/one", "input_prefix": "a"}));
    assert_eq!(none.status, 400, "{none:?}");
    let props = world.get("/props").json();
    assert_eq!(props["modalities"]["vision"], false);
    assert!(props["default_generation_settings"]["n_ctx"].as_u64() > Some(0), "{props}");
    assert!(!world.get("/slots").json().as_array().unwrap().is_empty());
}
