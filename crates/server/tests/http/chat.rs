//! `/v1/chat/completions`.

use mlxk_testkit::Kind;
use serde_json::{Value, json};

use crate::world::{Answer, World, add};

/// Joins the pieces of a stream. Returns the text and the finish reason.
fn joined(answer: &Answer) -> (String, Value) {
    let (mut text, mut reason) = (String::new(), Value::Null);
    for event in answer.events() {
        for choice in event["choices"].as_array().unwrap() {
            text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            if !choice["finish_reason"].is_null() {
                reason = choice["finish_reason"].clone();
            }
        }
    }
    (text, reason)
}

#[test]
fn an_answer_is_the_same_whole_and_in_pieces() {
    let world = World::new();
    for sampling in [json!({}), json!({"temperature": 1.2, "seed": -3, "top_k": 50})] {
        let mut asked = sampling;
        let whole = world.chat(asked.clone());
        assert_eq!(whole.status, 200, "{whole:?}");
        let whole = whole.json();
        asked["stream"] = true.into();
        asked["stream_options"] = json!({"include_usage": true});
        let stream = world.chat(asked);
        assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let (text, reason) = joined(&stream);
        let choice = &whole["choices"][0];
        assert_eq!(choice["message"]["content"], text);
        assert_eq!((&choice["finish_reason"], &reason), (&json!("length"), &json!("length")));
        let events = stream.events();
        assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        let (last, before) = events.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        for count in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(last["usage"][count], whole["usage"][count], "{count}");
        }
        assert!(before.iter().all(|event| event["usage"] == Value::Null));
        assert_eq!(whole["usage"]["completion_tokens"], 12);
        assert_eq!(whole["timings"]["predicted_n"], 12);
    }
}

#[test]
fn several_answers_use_consecutive_seeds() {
    let world = World::new();
    let contents = |asked| {
        let choices = world.chat(asked).json()["choices"].take();
        let one = |choice: &Value| choice["message"]["content"].as_str().unwrap().to_owned();
        choices.as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    let several = contents(json!({"n": 3, "seed": 5, "temperature": 1}));
    for (index, text) in several.iter().enumerate() {
        let alone = contents(json!({"seed": 5 + index, "temperature": 1}));
        assert_eq!(*text, alone[0], "{index}");
    }
    let streamed = world.chat(json!({"n": 3, "seed": 5, "temperature": 1, "stream": true}));
    let mut pieces = vec![String::new(); 3];
    for event in streamed.events() {
        let choice = &event["choices"][0];
        let text = choice["delta"]["content"].as_str().unwrap_or_default();
        pieces[choice["index"].as_u64().unwrap() as usize].push_str(text);
    }
    assert_eq!(pieces, several);
}

#[test]
fn answers_end_for_a_reason() {
    let world = World::new();
    let whole = world.chat(json!({"max_tokens": 40})).json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop: String = text.chars().skip(5).take(2).collect();
    let at = text.find(&stop).unwrap();
    for stop in [json!(stop), json!([stop, "never"])] {
        let stopped = world.chat(json!({"max_tokens": 40, "stop": stop})).json();
        assert_eq!(stopped["choices"][0]["message"]["content"], text[..at]);
        assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    }
    let limits = json!({"max_tokens": 40, "max_completion_tokens": 3});
    assert_eq!(world.chat(limits).json()["usage"]["completion_tokens"], 3);
}

#[test]
fn an_enforced_format_is_kept() {
    let world = World::new();
    let schema = json!({"type": "object", "required": ["color"], "additionalProperties": false,
        "properties": {"color": {"enum": ["red", "green"]}}});
    let named = json!({"type": "json_schema", "json_schema": {"name": "c", "schema": schema}});
    for stream in [false, true] {
        let asked = json!({"response_format": named, "max_tokens": 60, "temperature": 1.5,
            "stream": stream});
        let answer = world.chat(asked);
        let text = if stream {
            joined(&answer).0
        } else {
            answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(["red", "green"].contains(&value["color"].as_str().unwrap()), "{text}");
    }
    let any = world.chat(json!({"response_format": {"type": "json_object"}, "max_tokens": 80}));
    let any = any.json();
    let text = any["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(text).unwrap().is_object(), "{text}");
}

/// Every place where clients put a schema, in chats and in completions of a text.
#[test]
fn a_schema_is_enforced_wherever_it_stands() {
    let world = World::new();
    let schema = json!({"type": "object", "required": ["color"],
        "properties": {"color": {"enum": ["red", "green"]}}});
    for place in [
        json!({"response_format": {"type": "json_object", "schema": schema}}),
        json!({"response_format": {"type": "json_schema", "schema": schema}}),
        json!({"json_schema": schema}),
        json!({"guided_json": schema}),
        json!({"structured_outputs": {"json": schema}}),
        json!({"extra_body": {"structured_outputs": {"json": schema}}}),
    ] {
        let mut asked = place.clone();
        asked["max_tokens"] = 60.into();
        asked["temperature"] = 1.5.into();
        let chat = world.chat(asked.clone()).json();
        asked["model"] = "org/one".into();
        asked["prompt"] = "x".into();
        let completion = world.post("/v1/completions", &asked).json();
        let texts = [&chat["choices"][0]["message"]["content"], &completion["choices"][0]["text"]];
        for text in texts {
            let text = text.as_str().unwrap_or_else(|| panic!("{place}: {chat} {completion}"));
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(["red", "green"].contains(&value["color"].as_str().unwrap()), "{text}");
            assert_eq!(value.as_object().unwrap().len(), 1, "{text}");
        }
    }
    let refused = world.chat(json!({"grammar": "root ::= \"a\""}));
    assert_eq!((refused.status, refused.error().1), (400, json!("grammar")));
}

/// Schemas that once ended the server or kept it busy: the bound is named, and the next request is answered.
#[test]
fn hostile_schemas_are_refused_and_the_server_goes_on() {
    let world = World::new();
    let deep = (0..100).fold(json!({"type": "null"}), |inner, _| json!({"items": inner}));
    let defs: serde_json::Map<String, Value> = (0..6)
        .map(|i| {
            (
                format!("d{i}"),
                (0..90).fold(
                    json!({"$ref": format!("#/$defs/d{}", (i + 1) % 6)}),
                    |inner, _| json!({"items": inner}),
                ),
            )
        })
        .collect();
    assert_eq!(world.chat(json!({"json_schema": deep, "max_tokens": 8})).status, 200);
    for (schema, words) in [
        (json!({"$ref": "#/$defs/d0", "$defs": defs}), "256 levels"),
        (json!({"type": "integer", "multipleOf": 99_999_989}), "too many digits"),
        (json!({"const": vec![7; 100_000]}), "10000 parts"),
        (json!({"pattern": "(a{1000}){1000}"}), "repetitions"),
    ] {
        let answer = world.chat(json!({"json_schema": schema, "n": 4}));
        let (message, _) = answer.error();
        assert_eq!(answer.status, 400, "{message}");
        assert!(message.contains(words), "{message}");
        let ollama = world
            .post("/api/generate", &json!({"model": "org/one", "prompt": "x", "format": schema}));
        assert_eq!(ollama.status, 400, "{ollama:?}");
    }
    assert_eq!(world.chat(json!({"max_tokens": 2})).status, 200);
    assert_eq!(world.get("/health").status, 200);
}

#[test]
fn log_probabilities_belong_to_the_text() {
    let world = World::new();
    let asked = json!({"logprobs": true, "top_logprobs": 2});
    let whole = world.chat(asked.clone()).json();
    let choice = &whole["choices"][0];
    let tokens = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.len(), 12);
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token["bytes"].as_array().unwrap())
        .map(|byte| byte.as_u64().unwrap() as u8)
        .collect();
    assert_eq!(String::from_utf8_lossy(&bytes), choice["message"]["content"].as_str().unwrap());
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["logprob"]), (2, &token["logprob"]));
    }
    let mut asked = asked;
    asked["stream"] = true.into();
    let streamed: Vec<Value> = world
        .chat(asked)
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array().cloned())
        .flatten()
        .collect();
    assert_eq!(&streamed, tokens);
    let silent = world.chat(json!({})).json();
    assert_eq!(silent["choices"][0]["logprobs"], Value::Null);
}

#[test]
fn roles_and_parts_are_read_as_templates_know_them() {
    let world = World::new();
    let text = |messages: Value| {
        let answer = world.chat(json!({"messages": messages})).json();
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let plain =
        text(json!([{"role": "system", "content": "Be"}, {"role": "user", "content": "x"}]));
    let other = text(json!([{"role": "developer", "content": "Be"},
        {"role": "user", "content": [{"type": "text", "text": "x"}], "name": null}]));
    assert_eq!(plain, other);
}

/// Returns a request that forbids every token of the test model.
fn forbid_all() -> Value {
    let bias: serde_json::Map<String, Value> =
        (0..264).map(|id| (id.to_string(), json!(-100))).collect();
    json!({"logit_bias": bias})
}

#[test]
fn unsupported_and_invalid_fields_are_named() {
    let world = World::new();
    let message = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (asked, param, part) in [
        (json!({"tools": [{}]}), json!("tools[0].function"), "is missing"),
        (json!({"best_of": 3}), json!("best_of"), "not supported"),
        (json!({"temperature": "hot"}), json!("temperature"), "must be a number"),
        (json!({"temperature": -1}), json!("temperature"), "must be from 0 to 100"),
        (json!({"max_tokens": 0}), json!("max_tokens"), "at least one token"),
        (json!({"max_tokens": -3}), json!("max_tokens"), ""),
        (json!({"max_completion_tokens": 0}), json!("max_completion_tokens"), "at least one token"),
        (json!({"n_predict": 0}), json!("n_predict"), "at least one token"),
        (json!({"n": 0}), json!("n"), "from 1 to 128"),
        (json!({"top_logprobs": 2}), json!("top_logprobs"), "without `logprobs`"),
        (json!({"logprobs": true, "top_logprobs": 21}), json!("top_logprobs"), "0 to 20"),
        (json!({"logit_bias": {"a": 1}}), json!("logit_bias"), "token ids"),
        (json!({"logit_bias": {"9999": 1}}), Value::Null, "not one of the model's 264"),
        (forbid_all(), json!("logit_bias"), "forbids every token"),
        (json!({"xtc_threshold": 0.1}), json!("xtc_threshold"), "without `xtc_probability`"),
        (
            json!({"reasoning_effort": "high"}),
            json!("reasoning_effort"),
            "does not support thinking",
        ),
        (json!({"keep_alive": "soon"}), json!("keep_alive"), "neither a duration"),
        (json!({"messages": []}), json!("messages"), "missing or empty"),
        (
            json!({"messages": [{"role": "king", "content": "x"}]}),
            json!("messages[0].role"),
            "king",
        ),
        (message(Value::Null), json!("messages[0].content"), "missing"),
        (message(json!([{"type": "image_url"}])), Value::Null, "`image_url`"),
        (message(json!("x".repeat(600))), Value::Null, "maximum context length is 512"),
        (json!({"num_ctx": 513}), json!("num_ctx"), "a context of 512 tokens"),
        (json!({"num_ctx": 4}), Value::Null, "maximum context length is 4"),
        (json!({"response_format": {"type": "xml"}}), json!("response_format.type"), "xml"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            json!("response_format"),
            "schema",
        ),
        (
            json!({"response_format": {"type": "json_schema",
                "json_schema": {"schema": {"type": "nothing"}}}}),
            json!("response_format"),
            "cannot be enforced",
        ),
        (json!({"prompt": "x"}), json!("prompt"), "belongs to `/v1/completions`"),
        (
            json!({"stream_options": {"include_usage": 1}}),
            json!("stream_options.include_usage"),
            "must be true or false",
        ),
    ] {
        for stream in [false, true] {
            let mut asked = asked.clone();
            asked["stream"] = stream.into();
            let answer = world.chat(asked.clone());
            let (message, found) = answer.error();
            assert_eq!((answer.status, &found), (400, &param), "{asked}: {message}");
            assert!(message.contains(part), "{asked}: {message}");
        }
    }
}

#[test]
fn harmless_fields_are_accepted() {
    let world = World::new();
    let asked = json!({"user": "u", "metadata": {"a": "b"}, "store": false, "service_tier": "auto",
        "parallel_tool_calls": true, "tools": [], "tool_choice": "auto", "logit_bias": null,
        "stop": null, "seed": null, "modalities": ["text"], "reasoning_effort": "none"});
    let answer = world.chat(asked);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Starts a server with a model of this name, whose chat template ends with `end`.
fn with_template(name: &str, end: &str) -> World {
    let world = World::new();
    let path = add(&world.home, name, Kind::Llama).join("tokenizer_config.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let template = settings["chat_template"].as_str().unwrap();
    settings["chat_template"] = format!("{template}{end}").into();
    std::fs::write(&path, settings.to_string()).unwrap();
    world
}

#[test]
fn an_effort_is_honoured_as_far_as_the_model_can() {
    let always = with_template("org/always", "{# [THINK] #}");
    let switched =
        with_template("org/switched", "{# <think> #}{% if enable_thinking %}{% endif %}");
    let levels = with_template("org/levels", "{# <think> {{ reasoning_effort }} #}");
    for (world, model, effort, refusal) in [
        (&always, "org/always", "none", Some("always thinks")),
        (&always, "org/always", "low", None),
        (&switched, "org/switched", "none", None),
        (&switched, "org/switched", "low", None),
        (&levels, "org/levels", "low", None),
        (&levels, "org/levels", "none", Some("always thinks")),
    ] {
        let answer = world.chat(json!({"model": model, "reasoning_effort": effort}));
        let Some(part) = refusal else {
            assert_eq!(answer.status, 200, "{model} {effort}: {answer:?}");
            continue;
        };
        let (message, param) = answer.error();
        assert_eq!((answer.status, param), (400, json!("reasoning_effort")), "{model} {effort}");
        assert!(message.contains(part), "{model} {effort}: {message}");
    }
}

#[test]
fn an_unfinished_answer_is_continued() {
    let world = World::new();
    let tokens = |text: &str| {
        let answer = world.post("/tokenize", &json!({"model": "org/one", "content": text})).json();
        answer["tokens"].as_array().unwrap().len() as u64
    };
    for begun in ["Once upon", "Once upon a ", "s"] {
        let messages = json!([{"role": "user", "content": "Tell"},
            {"role": "assistant", "content": begun}]);
        let asked = json!({"model": "org/one", "messages": messages});
        let rendered = world.post("/apply-template", &asked).json();
        let prompt = rendered["prompt"].as_str().unwrap();
        assert!(prompt.ends_with(begun), "{prompt:?}");
        let chat = world.chat(json!({"messages": messages}));
        assert_eq!(chat.status, 200, "{chat:?}");
        assert_eq!(chat.json()["usage"]["prompt_tokens"], tokens(prompt), "{prompt:?}");
        let asked = json!({"model": "org/one", "messages": messages, "stream": false,
            "options": {"num_predict": 3}});
        let ollama = world.post("/api/chat", &asked);
        assert_eq!(ollama.json()["prompt_eval_count"], tokens(prompt), "{ollama:?}");
    }
}

#[test]
fn messages_are_taken_in_every_shape() {
    let call = json!({"id": "a", "type": "function",
        "function": {"name": "f", "arguments": "{\"x\": null}"}});
    let shapes = [
        json!({"role": "assistant", "content": null}),
        json!({"role": "assistant"}),
        json!({"role": "assistant", "content": []}),
        json!({"role": "assistant", "content": "x", "refusal": null, "annotations": [],
            "audio": null, "function_call": null, "tool_calls": []}),
        json!({"role": "assistant", "content": null, "refusal": "No"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}),
        json!({"role": "assistant", "content": [{"type": "output_text", "text": "x"}]}),
        json!({"role": "assistant", "content": "x", "reasoning_content": null, "name": null}),
        json!({"role": "user", "content": [{"type": "text", "text": "x"}], "name": ""}),
        json!({"role": "developer", "content": "x"}),
    ];
    // It prints what it finds, as many templates do.
    let world = with_template(
        "org/prints",
        "{% for m in messages %}{{ m.content + m.role }}{% if m.name is defined %}{{ m.name }}\
         {% endif %}{% if m.tool_calls is defined %}{{ m.tool_calls[0].type }}{% endif %}{% endfor %}",
    );
    let user = json!({"role": "user", "content": "x"});
    for shape in &shapes {
        let messages = json!([user, shape, user]);
        let asked = json!({"model": "org/prints", "messages": messages, "max_tokens": 2,
            "options": {"num_predict": 2}});
        let rendered = world.post("/apply-template", &asked);
        assert_eq!(rendered.status, 200, "{shape}: {rendered:?}");
        assert!(!rendered.json()["prompt"].as_str().unwrap().contains("None"), "{rendered:?}");
        assert_eq!(world.chat(asked.clone()).status, 200, "{shape}");
        assert_eq!(world.post("/api/chat", &asked).status, 200, "{shape}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_body() {
    let world = World::new();
    let asked = json!({"model": "org/one", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2});
    let answer = world.send("POST", "/v1/chat/completions", &[], &format!("\u{feff}{asked}"));
    assert_eq!(answer.status, 200, "{answer:?}");
}
