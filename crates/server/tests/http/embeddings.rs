//! Vectors and rankings in the shapes of OpenAI, Ollama, Jina, Cohere and Text Embeddings Inference.

use mlxk_testkit::{CLS, ENCODER_POSITIONS, SEP};
use serde_json::{Value, json};

use crate::world::{World, snapshot};

/// Starts a server with an encoder and a reranker.
fn world() -> World {
    let world = World::new();
    mlxk_testkit::write_encoder(&snapshot(&world.home, "org/embed"), false);
    mlxk_testkit::write_encoder(&snapshot(&world.home, "org/ranks"), true);
    world
}

fn embed(world: &World, mut body: Value) -> crate::world::Answer {
    body.as_object_mut().unwrap().entry("model").or_insert("org/embed".into());
    world.post("/v1/embeddings", &body)
}

fn vectors(answer: &Value) -> Vec<Vec<f64>> {
    let rows = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    for (index, row) in rows.iter().enumerate() {
        assert_eq!((&row["object"], &row["index"]), (&json!("embedding"), &json!(index)));
    }
    rows.iter().map(|row| floats(&row["embedding"])).collect()
}

fn floats(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn texts_tokens_and_lists_have_the_same_vectors() {
    let world = world();
    let answer = embed(&world, json!({"input": ["Hello", "a longer text"]})).json();
    assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("org/embed")));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 22, "total_tokens": 22}));
    let both = vectors(&answer);
    assert_eq!((both.len(), both[0].len()), (2, 64));
    assert!((length(&both[0]) - 1.0).abs() < 1e-6);
    assert_ne!(both[0], both[1]);
    assert_eq!(vectors(&embed(&world, json!({"input": "Hello"})).json()), [both[0].clone()]);
    // Token ids are used as they are, special tokens included.
    let ids = json!([CLS, 72, 101, 108, 108, 111, SEP]);
    let found = vectors(&embed(&world, json!({"input": [ids, [CLS, SEP]]})).json());
    assert_eq!((found.len(), &found[0]), (2, &both[0]));
    assert_eq!(vectors(&embed(&world, json!({"input": ids})).json()), [both[0].clone()]);
}

#[test]
fn base64_has_the_same_values_and_dimensions_cut() {
    let world = world();
    let plain = vectors(&embed(&world, json!({"input": "Hello"})).json())[0].clone();
    let answer = embed(&world, json!({"input": "Hello", "encoding_format": "base64"})).json();
    let text = answer["data"][0]["embedding"].as_str().unwrap();
    assert_eq!(text.len(), (64 * 4_usize).div_ceil(3) * 4);
    let cut = vectors(&embed(&world, json!({"input": "Hello", "dimensions": 8})).json());
    assert!((length(&cut[0]) - 1.0).abs() < 1e-6);
    let ratio = cut[0][0] / plain[0];
    assert!(cut[0].iter().zip(&plain).all(|(a, b)| (a - ratio * b).abs() < 1e-6));
    for dimensions in [0, 65] {
        let answer = embed(&world, json!({"input": "Hello", "dimensions": dimensions}));
        assert_eq!((answer.status, answer.error().1), (400, json!("dimensions")));
    }
}

#[test]
fn invalid_inputs_are_refused_by_name() {
    let world = world();
    let long = "x".repeat(ENCODER_POSITIONS);
    for (body, param, words) in [
        (json!({}), "input", "missing"),
        (json!({"input": []}), "input", "empty"),
        (json!({"input": ""}), "input", "index 0"),
        (json!({"input": ["a", ""]}), "input", "index 1"),
        (json!({"input": {"text": "a"}}), "input", "must be"),
        (json!({"input": [[72], [9999]]}), "input", "check_embedding_ctx_length"),
        (json!({"input": ["a", long]}), "input", "66 tokens"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format", "base64"),
        (json!({"input": "a", "input_type": "image"}), "input_type", "query"),
        (json!({"input": "a", "prompt_name": "none"}), "prompt_name", "no prompt"),
        (json!({"input": "a", "model": "org/ranks"}), "model", "/v1/rerank"),
    ] {
        let answer = embed(&world, body.clone());
        let (message, found) = answer.error();
        assert_eq!((answer.status, found), (400, json!(param)), "{body}: {message}");
        assert!(message.contains(words), "{body}: {message}");
    }
    let cut = embed(&world, json!({"input": "x".repeat(1000), "truncate": true})).json();
    assert_eq!(cut["usage"]["prompt_tokens"], ENCODER_POSITIONS);
}

#[test]
fn a_model_that_writes_has_vectors_and_an_encoder_writes_nothing() {
    let world = world();
    let found = vectors(&embed(&world, json!({"input": "Hello", "model": "org/one"})).json());
    assert_eq!(found[0].len(), 64);
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"] {
        let body = json!({"model": "org/embed", "prompt": "Hello", "input": "Hello",
            "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4});
        let mut body = body;
        let kept = match path {
            "/v1/completions" => "prompt",
            "/v1/responses" => "input",
            _ => "messages",
        };
        for field in ["prompt", "input", "messages"] {
            if field != kept {
                body.as_object_mut().unwrap().remove(field);
            }
        }
        let answer = world.post(path, &body);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert!(answer.text.contains("does not write text"), "{path}: {}", answer.text);
    }
    let list = world.get("/v1/models").json();
    let of = |name: &str| {
        let models = list["data"].as_array().unwrap();
        let found = models.iter().find(|model| model["id"] == name).unwrap();
        found["capabilities"].clone()
    };
    assert_eq!(of("org/embed"), json!(["embeddings"]));
    assert_eq!(of("org/ranks"), json!(["rerank"]));
    let shown = world.post("/api/show", &json!({"model": "org/embed"})).json();
    assert_eq!(shown["capabilities"], json!(["embedding"]));
}

#[test]
fn ollama_has_two_endpoints() {
    let world = world();
    let plain = vectors(&embed(&world, json!({"input": "Hello"})).json())[0].clone();
    let body = json!({"model": "org/embed", "input": ["Hello", "World"], "keep_alive": "1m",
        "options": {"num_ctx": 64}});
    let answer = world.post("/api/embed", &body).json();
    let rows = answer["embeddings"].as_array().unwrap();
    assert_eq!((rows.len(), floats(&rows[0])), (2, plain.clone()));
    assert_eq!(answer["prompt_eval_count"], 14);
    assert!(answer["total_duration"].as_u64() >= answer["load_duration"].as_u64());
    let of =
        |input: Value| world.post("/api/embed", &json!({"model": "org/embed", "input": input}));
    assert_eq!(floats(&of(json!("Hello")).json()["embeddings"][0]), plain);
    assert_eq!(of(json!("")).json()["embeddings"], json!([]));
    // Long texts are cut, unless the client minds.
    let long = json!({"model": "org/embed", "input": "x".repeat(100)});
    assert_eq!(world.post("/api/embed", &long).json()["prompt_eval_count"], ENCODER_POSITIONS);
    let mut long = long;
    long["truncate"] = false.into();
    assert_eq!(world.post("/api/embed", &long).status, 400);
    // `num_ctx` cuts, too. The error has the words that programs look for.
    let limited = |num_ctx: usize, truncate: bool| {
        let options = json!({"num_ctx": num_ctx});
        let body = json!({"model": "org/embed", "input": "Hello", "truncate": truncate, "options": options});
        world.post("/api/embed", &body)
    };
    assert_eq!(limited(3, true).json()["prompt_eval_count"], 3);
    for (num_ctx, truncate, words) in [
        (3, false, "the input length exceeds the context length"),
        (1, true, "the input after truncation exceeds maximum context length"),
    ] {
        let refused = limited(num_ctx, truncate);
        assert_eq!(refused.status, 400);
        let message = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with(words), "{message}");
    }
    let body = json!({"model": "org/embed", "prompt": "Hello"});
    let raw = floats(&world.post("/api/embeddings", &body).json()["embedding"]);
    let size = length(&raw);
    assert!((size - 1.0).abs() > 0.1, "vectors of the older endpoint have their own length");
    assert!(raw.iter().zip(&plain).all(|(a, b)| (a / size - b).abs() < 1e-6));
    let none = world.post("/api/embeddings", &json!({"model": "org/embed", "prompt": ""})).json();
    assert_eq!(none["embedding"], json!([]));
}

#[test]
fn documents_are_ranked_best_first() {
    let world = world();
    let documents = json!(["one", {"text": "two"}, "three", "four"]);
    let body = json!({"model": "org/ranks", "query": "a query", "documents": documents,
        "return_documents": true});
    let answer = world.post("/v1/rerank", &body).json();
    let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let scores: Vec<f64> =
        results.iter().map(|one| one["relevance_score"].as_f64().unwrap()).collect();
    assert_eq!(scores.len(), 4);
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|it| (0.0..=1.0).contains(it)));
    let best = results[0]["index"].as_u64().unwrap() as usize;
    let text = ["one", "two", "three", "four"][best];
    assert_eq!(results[0]["document"], json!({"text": text}));
    assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 40);
    assert_eq!(answer["meta"]["billed_units"]["search_units"], 1);
    for path in ["/rerank", "/v2/rerank", "/v1/reranking", "/reranking"] {
        let mut body = body.clone();
        body["top_n"] = 2.into();
        body["return_documents"] = false.into();
        let found = world.post(path, &body).json();
        assert_eq!(found["results"].as_array().unwrap().len(), 2, "{path}");
        assert_eq!(found["results"][0]["index"], best, "{path}");
        assert!(found["results"][0].get("document").is_none());
    }
    // The shape of Text Embeddings Inference.
    let body = json!({"model": "org/ranks", "query": "a query", "texts": ["one", "two"],
        "raw_scores": true, "return_text": true});
    let found = world.post("/rerank", &body).json();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert!(found[0]["score"].as_f64() >= found[1]["score"].as_f64());
    for (change, param) in [
        (json!({"query": ""}), "query"),
        (json!({"documents": []}), "documents"),
        (json!({"documents": null}), "documents"),
        (json!({"top_n": 0}), "top_n"),
        (json!({"model": "org/one"}), "model"),
    ] {
        let mut body = json!({"model": "org/ranks", "query": "q", "documents": ["a"]});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = world.post("/v1/rerank", &body);
        assert_eq!((answer.status, answer.error().1), (400, json!(param)), "{change}");
    }
}

#[test]
fn text_embeddings_inference_gets_plain_lists() {
    let world = world();
    let plain = vectors(&embed(&world, json!({"input": "Hello"})).json())[0].clone();
    let body = json!({"model": "org/embed", "inputs": ["Hello", "World"]});
    let found = world.post("/embed", &body).json();
    assert_eq!((found.as_array().unwrap().len(), floats(&found[0])), (2, plain));
}

#[test]
fn a_decoder_is_asked_for_yes_or_no() {
    let world = world();
    let folder = crate::world::add(&world.home, "org/asks-reranker", mlxk_testkit::Kind::Llama);
    let path = folder.join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (id, content) in [(260, "yes"), (261, "no")] {
        tokenizer["added_tokens"].as_array_mut().unwrap().push(json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": false
        }));
    }
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let body = json!({"model": "org/asks-reranker", "query": "q", "texts": ["one", "two"],
        "raw_scores": true, "instruction": "i"});
    let answer = world.post("/rerank", &body).json();
    let found = answer.as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(found.len(), 2);
    for one in found {
        let text = ["one", "two"][one["index"].as_u64().unwrap() as usize];
        let prompt = format!(
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the \
             Query and the Instruct provided. Note that the answer can only be \"yes\" or \
             \"no\".<|im_end|>\n<|im_start|>user\n<Instruct>: i\n<Query>: q\n<Document>: {text}\
             <|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        );
        // The words are scored as the ends of a prompt.
        let score = |word: &str| {
            let asked = json!({"model": "org/asks-reranker", "prompt": format!("{prompt}{word}"),
                "echo": true, "logprobs": 1, "max_tokens": 1});
            let answer = world.complete(asked).json();
            let last = answer["usage"]["prompt_tokens"].as_u64().unwrap() as usize - 1;
            let logprobs = &answer["choices"][0]["logprobs"]["token_logprobs"];
            logprobs[last].as_f64().unwrap_or_else(|| panic!("{answer}"))
        };
        let expected = score("yes") - score("no");
        assert!((one["score"].as_f64().unwrap() - expected).abs() < 1e-3, "{one}: {expected}");
    }
}
