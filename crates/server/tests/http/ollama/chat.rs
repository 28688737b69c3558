//! `/api/chat`.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::{ask, is_complete, lines, refusal, whole};
use crate::world::World;

const PATH: &str = "/api/chat";

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn an_answer_is_the_same_whole_and_in_lines() {
    let world = World::new();
    let asked = json!({"messages": user("Hello")});
    let reply = whole(&world, PATH, asked.clone());
    is_complete(&reply);
    assert_eq!(reply["message"]["role"], "assistant");
    assert!(reply.get("context").is_none() && reply.get("response").is_none());
    let lines = lines(&ask(&world, PATH, asked));
    let (last, before) = lines.split_last().unwrap();
    is_complete(last);
    assert_eq!(last["message"], json!({"role": "assistant", "content": ""}));
    let text: String =
        before.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(reply["message"]["content"], text);
    // OpenAI's dialect has the same answer.
    let other = world.chat(json!({})).json();
    assert_eq!(other["choices"][0]["message"]["content"], text);
}

#[test]
fn every_line_is_one_write() {
    let world = World::new();
    let stream = world.begin(
        PATH,
        &json!({"model": "org/one", "messages": user("Hello"), "options": {"num_predict": 30}}),
    );
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !matches!(line.as_str(), "\r\n") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    // Every chunk of the transfer encoding is a length, one line of JSON, and an empty line.
    let mut count = 0;
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        let mut chunk = String::new();
        reader.read_line(&mut chunk).unwrap();
        assert_eq!(chunk.len(), size);
        serde_json::from_str::<Value>(&chunk).unwrap();
        reader.read_line(&mut String::new()).unwrap();
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn truncation_drops_the_oldest_messages() {
    let world = World::new();
    let mut messages = vec![json!({"role": "system", "content": "Be"})];
    for index in 0..8 {
        let text = format!("{index}{}", "x".repeat(90));
        messages.push(json!({"role": "user", "content": text}));
        messages.push(json!({"role": "assistant", "content": "y"}));
    }
    messages.push(json!({"role": "user", "content": "last"}));
    let refused = json!({"messages": messages, "truncate": false});
    let (status, message) = refusal(&ask(&world, PATH, refused));
    assert_eq!(status, 400, "{message}");
    // Ollama's test, litellm and Claude look for these words.
    let lower = message.to_lowercase();
    for words in
        ["context", "exceed", "this model's maximum context length is", "prompt is too long"]
    {
        assert!(lower.contains(words), "{message}");
    }
    let answer = ask(&world, PATH, json!({"messages": messages, "stream": false}));
    let header = answer.header("x-mlxk-truncated").unwrap().to_owned();
    assert!(header.starts_with("messages=8, tokens="), "{header}");
    assert!(world.get("/metrics").text.contains("mlxk_truncated_total 1\n"));
    let cut = answer.json();
    let told = whole(&world, PATH, json!({"messages": messages, "truncate": true}));
    assert_eq!(told["message"], cut["message"]);
    // The system prompt and the last turns fit. The first of them is the user's.
    let kept: Vec<Value> =
        messages[..1].iter().chain(&messages[messages.len() - 9..]).cloned().collect();
    assert_eq!(kept[1]["role"], "user");
    let expected = whole(&world, PATH, json!({"messages": kept}));
    assert_eq!(cut["message"], expected["message"]);
    assert_eq!(cut["prompt_eval_count"], expected["prompt_eval_count"]);
    // A single message that is too long loses its beginning, but only on request.
    let long = json!({"messages": user(&"x".repeat(600))});
    assert_eq!(refusal(&ask(&world, PATH, long.clone())).0, 400);
    let mut cut = long;
    cut["truncate"] = true.into();
    let reply = whole(&world, PATH, cut);
    assert!(reply["prompt_eval_count"].as_u64().unwrap() < 512);
    // A strict server shortens nothing on its own.
    let strict = World::with(|config| config.strict = true);
    assert_eq!(refusal(&ask(&strict, PATH, json!({"messages": messages}))).0, 400);
    assert_eq!(ask(&strict, PATH, json!({"messages": messages, "truncate": true})).status, 200);
    // What fits is not shortened.
    assert_eq!(ask(&world, PATH, json!({"messages": kept})).header("x-mlxk-truncated"), None);
}

#[test]
fn an_answer_that_is_begun_is_continued() {
    let world = World::new();
    let begun =
        json!([{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Well,"}]);
    let expected = json!({"raw": true, "prompt": "<|turn|>user\nHello<|turn|>assistant\nWell,"});
    let expected = whole(&world, "/api/generate", expected);
    let reply = whole(&world, PATH, json!({"messages": begun}));
    assert_eq!(reply["message"]["content"], expected["response"]);
    assert_eq!(reply["prompt_eval_count"], expected["prompt_eval_count"]);
    let asked =
        json!({"messages": begun, "continue_final_message": true, "add_generation_prompt": false});
    let answer = world.chat(asked).json();
    assert_eq!(answer["choices"][0]["message"]["content"], expected["response"]);
}

#[test]
fn unsupported_and_invalid_fields_are_named() {
    let world = World::new();
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    for (asked, part) in [
        (json!({"tools": [tool]}), "the model `org/one` does not support tools"),
        (json!({"prompt": "x"}), "`prompt`"),
        (json!({"messages": [{"role": "king", "content": "x"}]}), "king"),
        (json!({"messages": [{"role": "user", "content": "x", "images": ["eA=="]}]}), "images"),
        (json!({"messages": "x"}), "`messages`"),
        (json!({"think": true}), "the model `org/one` does not support thinking"),
        (json!({"think": "low"}), "the model `org/one` does not support thinking"),
    ] {
        let mut asked = asked;
        asked.as_object_mut().unwrap().entry("messages").or_insert(user("x"));
        let (status, message) = refusal(&ask(&world, PATH, asked.clone()));
        assert_eq!(status, 400, "{asked}: {message}");
        assert!(message.contains(part), "{asked}: {message}");
    }
}

#[test]
fn harmless_fields_are_accepted() {
    let world = World::new();
    let messages = json!([
        {"role": "user", "content": "x", "images": null, "tool_calls": null},
        {"role": "assistant", "content": "", "thinking": "", "tool_calls": []},
        {"role": "user", "content": "y"},
    ]);
    let asked = json!({"messages": messages, "tools": [], "format": null, "think": false,
        "keep_alive": "-1", "metadata": {}, "options": {"num_ctx": 131_072}});
    assert_eq!(ask(&world, PATH, asked).status, 200);
}
