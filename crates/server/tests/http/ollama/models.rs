//! Lists and descriptions of models.

use std::fs;

use serde_json::{Value, json};

use super::{refusal, whole};
use crate::world::{World, add};
use mlxk_testkit::Kind;

fn entry(list: &Value, name: &str) -> Value {
    let models = list["models"].as_array().unwrap();
    let found = models.iter().find(|model| model["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {list}")).clone()
}

#[test]
fn clients_find_what_they_look_for() {
    let world = World::new();
    let root = world.get("/");
    assert_eq!((root.status, root.text.as_str()), (200, "Ollama is running"));
    for path in ["/", "/api/version", "/api/tags"] {
        let head = world.send("HEAD", path, &[], "");
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
    let version = world.get("/api/version").json();
    let minor = version["version"].as_str().unwrap().split('.').nth(1).unwrap();
    assert!(minor.parse::<u32>().unwrap() >= 12, "{version}");
    let (status, message) = refusal(&world.post("/api/push", &json!({"model": "x"})));
    assert!(status == 501 && message.contains("mlxk push"), "{message}");
    let (status, message) = refusal(&world.get("/api/nosuch"));
    assert_eq!((status, message.as_str()), (404, "There is no `GET /api/nosuch`"));
    for path in ["/api", "/api/", "/api/blobs/a/b", "/api/chat/x"] {
        assert_eq!(refusal(&world.get(path)).0, 404, "{path}");
    }
    assert_eq!(refusal(&world.get("/api/chat")).0, 405);
}

#[test]
fn lists_have_what_clients_read() {
    let world = World::with(|config| {
        let lines = [("llama3.2:latest", "mlx-community/Llama-3.2-1B-Instruct-4bit")];
        for (ollama, repo) in lines {
            let Ok(mlxk_hub::Reference::Repo { id: repo, .. }) = repo.parse() else { panic!() };
            config.pairs.insert(mlxk_hub::Pair { ollama: ollama.into(), repo });
        }
    });
    add(&world.home, "mlx-community/Llama-3.2-1B-Instruct-4bit", Kind::Llama);
    let list = world.get("/api/tags").json();
    let one = entry(&list, "org/one:latest");
    assert_eq!((&one["model"], &one["capabilities"]), (&one["name"], &json!(["completion"])));
    let size: u64 = ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
        .iter()
        .map(|name| {
            let hash = "0123456789abcdef0123456789abcdef01234567";
            let repo = world.home.path().join("hub/models--org--one/snapshots").join(hash);
            fs::metadata(repo.join(name)).unwrap().len()
        })
        .sum();
    assert_eq!(one["size"], size);
    let details = &one["details"];
    assert_eq!(
        (&details["family"], &details["format"], &details["quantization_level"]),
        (&json!("llama"), &json!("safetensors"), &json!("int4"))
    );
    assert_eq!(details["context_length"], 512);
    assert!(details["parameter_size"].as_str().unwrap().ends_with('K'), "{details}");
    let digest = one["digest"].as_str().unwrap();
    assert!(digest.len() == 64 && digest != entry(&list, "org/two:latest")["digest"]);
    // A model with names in Ollama's library is listed under all of them.
    let pair = entry(&list, "llama3.2:1b");
    assert_eq!(entry(&list, "llama3.2:latest")["digest"], pair["digest"]);
    let own = entry(&list, "mlx-community/Llama-3.2-1B-Instruct-4bit:latest");
    assert_eq!(pair["digest"], own["digest"]);
    for name in [
        "llama3.2:1b",
        "llama3.2",
        "llama3.2:latest",
        "library/llama3.2",
        "registry.ollama.ai/library/llama3.2:1b",
        "LLAMA3.2:1B",
        "mlx-community/Llama-3.2-1B-Instruct-4bit:latest",
        "MLX-community/llama-3.2-1b-instruct-4bit",
        "Llama-3.2-1B-Instruct-4bit",
        "llama-3.2-1b-instruct-4bit:latest",
        "hf.co/mlx-community/Llama-3.2-1B-Instruct-4bit",
        "https://huggingface.co/mlx-community/Llama-3.2-1B-Instruct-4bit",
    ] {
        let answer = world.post("/api/show", &json!({"model": name}));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let body = json!({"model": name, "prompt": "x", "max_tokens": 1});
        let answer = world.post("/v1/completions", &body);
        assert_eq!((answer.status, &answer.json()["model"]), (200, &json!(name)));
        let body = json!({"model": name, "content": "x"});
        assert_eq!(world.post("/tokenize", &body).status, 200, "{name}");
    }
    assert_eq!(world.post("/api/show", &json!({"model": "llama3.2:3b"})).status, 404);
}

#[test]
fn loaded_models_are_listed_with_their_expiry() {
    let world = World::new();
    assert_eq!(world.get("/api/ps").json(), json!({"models": []}));
    whole(&world, "/api/generate", json!({"prompt": "x", "keep_alive": -1}));
    let list = world.get("/api/ps").json();
    let one = entry(&list, "org/one:latest");
    assert!(one["expires_at"].as_str().unwrap() > "2200", "{one}");
    assert!(one["size"].as_u64().unwrap() > 80_000 && one["size_vram"] == 0, "{one}");
    assert_eq!((&one["context_length"], &one["details"]["family"]), (&json!(512), &json!("llama")));
    // The name is the one that was asked for.
    world.post("/api/copy", &json!({"source": "org/one", "destination": "mine:v1"}));
    for name in ["mine:v1", "ORG/One", "hf.co/org/one:latest"] {
        whole(&world, "/api/generate", json!({"model": name, "prompt": "x"}));
        let list = world.get("/api/ps").json();
        let shown = if name.ends_with("One") { "ORG/One:latest" } else { name };
        assert_eq!(list["models"][0]["name"], shown, "{list}");
    }
    // A name with settings of its own has the digest that it has in the list of all models.
    let made = json!({"model": "brief", "from": "org/one", "system": "Be brief.", "stream": false});
    world.post("/api/create", &made);
    whole(&world, "/api/generate", json!({"model": "brief", "prompt": "x"}));
    let running = entry(&world.get("/api/ps").json(), "brief:latest");
    let listed = entry(&world.get("/api/tags").json(), "brief:latest");
    assert_eq!(running["digest"], listed["digest"]);
    // So is its context, if it is smaller than that of the engine.
    for (name, set, expected) in [("short", 300, 300), ("long", 4096, 512)] {
        let made = json!({"model": name, "from": "org/one", "parameters": {"num_ctx": set},
            "stream": false});
        world.post("/api/create", &made);
        whole(&world, "/api/generate", json!({"model": name, "prompt": "x"}));
        let running = entry(&world.get("/api/ps").json(), &format!("{name}:latest"));
        assert_eq!(running["context_length"], expected, "{running}");
        let listed = world.get(&format!("/v1/models/{name}")).json();
        assert_eq!(listed["context_length"], expected, "{listed}");
    }
    whole(&world, "/api/generate", json!({"prompt": "x", "keep_alive": "10m"}));
    // A request that is refused does not change how long the model stays.
    let refused = json!({"model": "org/one", "keep_alive": -1, "think": true,
        "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(world.post("/api/chat", &refused).status, 400);
    let one = entry(&world.get("/api/ps").json(), "org/one:latest");
    assert!(one["expires_at"].as_str().unwrap() < "2100", "{one}");
}

#[test]
fn show_describes_a_model() {
    let world = World::new();
    let created = world.post(
        "/api/create",
        &json!({"model": "terse", "from": "org/one",
        "system": "Be brief.", "license": "Ours", "parameters": {"num_ctx": 300, "stop": ["<x>"]},
        "messages": [{"role": "user", "content": "a"}], "stream": false}),
    );
    assert_eq!(created.status, 200, "{created:?}");
    let shown = world.post("/api/show", &json!({"model": "terse", "verbose": true})).json();
    assert_eq!((&shown["system"], &shown["license"]), (&json!("Be brief."), &json!("Ours")));
    let parameters = shown["parameters"].as_str().unwrap();
    assert!(parameters.contains("num_ctx                        300"), "{parameters}");
    assert!(parameters.contains("stop                           \"<x>\""), "{parameters}");
    let modelfile = shown["modelfile"].as_str().unwrap();
    assert!(modelfile.starts_with("FROM org/one\nSYSTEM Be brief."), "{modelfile}");
    assert!(shown["template"].as_str().unwrap().contains("<|turn|>"));
    assert_eq!(shown["messages"], json!([{"role": "user", "content": "a"}]));
    assert_eq!(shown["details"]["parent_model"], "org/one");
    assert_eq!(shown["capabilities"], json!(["completion"]));
    let info = &shown["model_info"];
    assert_eq!(info["general.architecture"], "llama");
    for (name, value) in [("context_length", 512), ("embedding_length", 64), ("block_count", 3)] {
        assert_eq!(info[format!("llama.{name}")], value, "{info}");
    }
    let count: u64 = info["general.parameter_count"].as_u64().unwrap();
    assert!((50_000..500_000).contains(&count), "{count}");
    assert!(shown["tensors"].as_array().unwrap().len() > 20);
    let plain = world.post("/api/show", &json!({"name": "org/one"})).json();
    assert!(plain.get("tensors").is_none() && plain["model_info"].is_object());
    let (status, message) = refusal(&world.post("/api/show", &json!({"model": "nosuch"})));
    assert_eq!(status, 404);
    assert!(message.starts_with("model 'nosuch' not found: "), "{message}");
}

/// Changes a JSON file of a model.
fn change(path: &std::path::Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn capabilities(world: &World, name: &str) -> Value {
    world.post("/api/show", &json!({"model": name})).json()["capabilities"].clone()
}

#[test]
fn thoughts_are_separate_and_can_be_turned_off() {
    let world = World::new();
    let folder = add(&world.home, "org/thinker", Kind::Llama);
    change(&folder.join("tokenizer_config.json"), |settings| {
        let template = settings["chat_template"].as_str().unwrap();
        let end = "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}";
        settings["chat_template"] = format!("{template}{end}{{# </think> #}}").into();
    });
    assert_eq!(capabilities(&world, "org/thinker"), json!(["completion", "thinking"]));
    let ask = |think: Value| {
        let asked = json!({"model": "org/thinker", "prompt": "x", "think": think});
        let generated = whole(&world, "/api/generate", asked);
        let asked = json!({"model": "org/thinker", "think": think,
            "messages": [{"role": "user", "content": "x"}]});
        let mut message = whole(&world, "/api/chat", asked)["message"].take();
        let mut take = |name: &str| message[name].take();
        assert_eq!(generated["response"], take("content"));
        let thinking = take("thinking");
        assert_eq!(generated.get("thinking").unwrap_or(&Value::Null), &thinking);
        (generated["response"].as_str().unwrap().to_owned(), thinking)
    };
    for think in [json!(true), json!("high"), Value::Null] {
        let (answer, thinking) = ask(think);
        assert!(answer.is_empty() && thinking.is_string(), "{answer}: {thinking}");
    }
    let (answer, thinking) = ask(json!(false));
    assert!(!answer.is_empty() && thinking.is_null(), "{answer}: {thinking}");
}

#[test]
fn a_gap_is_filled_with_the_models_own_marks() {
    let world = World::new();
    let folder = add(&world.home, "org/filler", Kind::Llama);
    change(&folder.join("tokenizer.json"), |tokenizer| {
        let tokens = tokenizer["added_tokens"].as_array_mut().unwrap();
        for (id, mark) in (258..).zip(["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]) {
            let mut token = tokens[0].clone();
            (token["id"], token["content"]) = (id.into(), mark.into());
            tokens.push(token);
        }
    });
    assert_eq!(capabilities(&world, "org/filler"), json!(["completion", "insert"]));
    assert_eq!(capabilities(&world, "org/one"), json!(["completion"]));
    let asked = json!({"model": "org/filler", "prompt": "def f(", "suffix": "return x"});
    let filled = whole(&world, "/api/generate", asked);
    let prompt = "<|fim_prefix|>def f(<|fim_suffix|>return x<|fim_middle|>";
    let asked = json!({"model": "org/filler", "prompt": prompt, "raw": true});
    assert_eq!(filled["response"], whole(&world, "/api/generate", asked)["response"]);
    assert_eq!(filled["prompt_eval_count"], 3 + 6 + 8);
}
