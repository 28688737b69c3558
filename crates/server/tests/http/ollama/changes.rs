//! Pulling, creating, copying and deleting models.

use std::io::Write as _;

use mlxk_hub::HubSettings;
use mlxk_server::ApiKey;
use mlxk_test_hub::{Hub, Repo, sha256};
use serde_json::{Value, json};

use super::{lines, refusal, whole};
use crate::world::{Answer, World};
use mlxk_testkit::{Kind, Stored, checkpoint};

fn names(world: &World) -> Vec<String> {
    let list = world.get("/api/tags").json();
    let name = |model: &Value| model["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = list["models"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

fn delete(world: &World, name: &str) -> Answer {
    let kind = [("content-type", "application/json")];
    world.send("DELETE", "/api/delete", &kind, &json!({"model": name}).to_string())
}

/// Starts a server and a hub that has `mlx-community/Tiny`.
fn online() -> (Hub, World) {
    let hub = Hub::start();
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    hub.add(Repo::new("mlx-community/Tiny").folder(folder.path()));
    let endpoint = hub.endpoint().to_owned();
    let world = World::with(|config| {
        let lookup = |name: &str| (name == "HF_ENDPOINT").then(|| endpoint.clone());
        config.hub = HubSettings::from_values(lookup, std::path::Path::new("/"));
    });
    (hub, world)
}

#[test]
fn a_pull_reports_its_progress() {
    let (_hub, world) = online();
    let lines = lines(&world.post("/api/pull", &json!({"model": "Tiny"})));
    let statuses: Vec<&str> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(statuses[0], "pulling manifest");
    let end = ["verifying sha256 digest", "writing manifest", "success"];
    assert_eq!(statuses[statuses.len() - 3..], end);
    let layers: Vec<&Value> = lines.iter().filter(|line| line["digest"].is_string()).collect();
    let digest = layers[0]["digest"].as_str().unwrap();
    assert!(
        layers.iter().all(|line| line["digest"] == digest && line["total"] == layers[0]["total"])
    );
    assert_eq!(layers[0]["status"], format!("pulling {}", &digest[7..19]));
    let last = layers.last().unwrap();
    assert_eq!(last["completed"], last["total"]);
    whole(&world, "/api/generate", json!({"model": "org/one", "prompt": "x"}));
    let again = world.post("/api/pull", &json!({"name": "mlx-community/Tiny", "stream": false}));
    assert_eq!((again.status, again.json()), (200, json!({"status": "success"})));
    let answer = world.post(
        "/api/chat",
        &json!({"model": "Tiny", "stream": false,
        "messages": [{"role": "user", "content": "x"}], "options": {"num_predict": 3}}),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_pull_that_fails_says_why() {
    let (hub, world) = online();
    hub.add(Repo::new("org/Gated").file("config.json", b"{}").gated("hf_x"));
    hub.add(Repo::new("org/Gguf").file("model.gguf", b"GGUF"));
    let pull = |name: &str| world.post("/api/pull", &json!({"model": name, "stream": false}));
    assert_eq!(refusal(&pull("org/Nosuch")).0, 404);
    assert_eq!(refusal(&pull("org/Gated")).0, 403);
    let (status, message) = refusal(&pull("org/Gguf"));
    assert!(status == 400 && message.contains("org/Gguf"), "{status}: {message}");
    for name in ["./folder", "pypi:x", "a/b/c", "", "x.gguf"] {
        assert_eq!(refusal(&pull(name)).0, 400, "{name}");
    }
    // A stream has the error in its last line.
    let lines = lines(&world.post("/api/pull", &json!({"model": "org/Nosuch"})));
    let last = lines.last().unwrap();
    assert!(last["error"].as_str().unwrap().contains("org/Nosuch"), "{last}");
}

#[test]
fn a_complete_model_counts_as_pulled_if_the_hub_is_out_of_reach() {
    // Nothing listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::with(|config| {
        let hub = format!("http://127.0.0.1:{port}");
        let lookup = |name: &str| (name == "HF_ENDPOINT").then(|| hub.clone());
        config.hub = HubSettings::from_values(lookup, std::path::Path::new("/"));
    });
    let statuses: Vec<Value> = lines(&world.post("/api/pull", &json!({"model": "org/one"})))
        .into_iter()
        .map(|mut line| line["status"].take())
        .collect();
    assert_eq!(statuses.first(), Some(&json!("pulling manifest")));
    assert!(statuses.contains(&json!("the hub cannot be reached, but the model is complete")));
    assert_eq!(statuses.last(), Some(&json!("success")));
    let absent = world.post("/api/pull", &json!({"model": "org/Nosuch", "stream": false}));
    let (status, message) = refusal(&absent);
    assert!(status == 500 && message.contains("Could not reach"), "{status}: {message}");
}

#[test]
fn a_model_is_made_from_another() {
    let (_hub, world) = online();
    let create = |body: Value| world.post("/api/create", &body);
    let made = create(json!({"model": "coder:latest", "from": "org/one:latest",
        "system": "Code.", "parameters": {"temperature": 0, "num_predict": 4}, "template": "{{ . }}",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}));
    let lines = lines(&made);
    let statuses: Vec<&str> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["without effect here: template", "writing manifest", "success"]);
    let asked = json!({"model": "coder", "prompt": "x", "stream": false});
    let answer = world.post("/api/generate", &asked).json();
    assert_eq!(answer["eval_count"], 4, "{answer}");
    let spelled = world.post(
        "/api/generate",
        &json!({"model": "org/one", "stream": false,
        "raw": true, "options": {"temperature": 0, "num_predict": 4},
        "prompt": "<|turn|>system\nCode.<|turn|>user\na<|turn|>assistant\nb<|turn|>user\nx\
                   <|turn|>assistant\n"}),
    );
    assert_eq!(answer["response"], spelled.json()["response"]);
    // A missing base is downloaded, and an older model of the same name is replaced.
    let file = "FROM Tiny\nPARAMETER num_ctx 128\nSYSTEM Other.";
    let again = create(json!({"name": "coder", "modelfile": file, "stream": false}));
    assert_eq!(again.status, 200, "{again:?}");
    let shown = world.post("/api/show", &json!({"model": "coder"})).json();
    assert_eq!(shown["details"]["parent_model"], "mlx-community/Tiny");
    assert!(names(&world).contains(&"coder:latest".to_owned()));
}

#[test]
fn a_model_that_cannot_be_made_is_refused_by_name() {
    let world = World::new();
    let digest = format!("sha256:{}", sha256(b"x"));
    for (body, status, part) in [
        (json!({"from": "org/one"}), 400, "`model`"),
        (json!({"model": "x"}), 400, "`from`"),
        (json!({"model": "org/two", "from": "org/one"}), 400, "`org/two`"),
        (json!({"model": "a/b/c", "from": "org/one"}), 400, "`a/b/c`"),
        (json!({"model": "./x", "from": "org/one"}), 400, "`./x`"),
        (json!({"model": "two", "from": "org/one"}), 400, "`org/two`"),
        (json!({"model": "x", "from": "./folder"}), 400, "name"),
        (json!({"model": "x", "from": "/etc"}), 400, "name"),
        (json!({"model": "x", "from": "nosuch:tag"}), 404, "nosuch:tag"),
        (json!({"model": "x", "from": "org/one", "quantize": "q4_0"}), 400, "`quantize`"),
        (json!({"model": "x", "from": "org/one", "adapters": {"a": "b"}}), 400, "`adapters`"),
        (json!({"model": "x", "from": "org/one", "parameters": {"new_one": 1}}), 400, "new_one"),
        (
            json!({"model": "x", "from": "org/one", "parameters": {"temperature": "hot"}}),
            400,
            "temperature",
        ),
        (
            json!({"model": "x", "from": "org/one", "messages": [{"role": "x", "content": ""}]}),
            400,
            "messages[0].role",
        ),
        (json!({"model": "x", "modelfile": "FROM a\nADAPTER b"}), 400, "line 2"),
        (json!({"model": "x", "files": {"a.gguf": digest}}), 400, "was not uploaded"),
        (json!({"model": "x", "files": {"a.safetensors": digest}}), 400, "one GGUF file"),
        (json!({"model": "x", "from": "org/one", "files": {"a.gguf": digest}}), 400, "not on both"),
    ] {
        let mut body = body;
        body["stream"] = false.into();
        let (found, message) = refusal(&world.post("/api/create", &body));
        assert_eq!(found, status, "{body}: {message}");
        assert!(message.contains(part), "{body}: {message}");
    }
    assert_eq!(names(&world), ["org/one:latest", "org/two:latest"]);
}

#[test]
fn copies_and_removals() {
    let world = World::new();
    let copy =
        |from: &str, to: &str| world.post("/api/copy", &json!({"source": from, "destination": to}));
    let copied = copy("org/one", "mine:latest");
    assert_eq!((copied.status, copied.text.as_str()), (200, ""));
    assert_eq!(names(&world), ["mine:latest", "org/one:latest", "org/two:latest"]);
    assert_eq!(refusal(&copy("nosuch", "other")).0, 404);
    assert_eq!(refusal(&copy("org/one", "mine")).0, 400);
    assert_eq!(refusal(&copy("org/one", "")).0, 400);
    whole(&world, "/api/generate", json!({"model": "org/one", "prompt": "x"}));
    // The copy uses the files of the model.
    let (status, message) = refusal(&delete(&world, "org/one"));
    assert!(status == 400 && message.contains("`mine`"), "{status}: {message}");
    // Only the copied name is removed, not the model.
    assert_eq!(delete(&world, "mine").status, 200);
    assert_eq!(world.in_memory().len(), 1);
    let gone = delete(&world, "org/one:latest");
    assert_eq!((gone.status, gone.text.as_str()), (200, ""));
    assert!(world.in_memory().is_empty());
    assert_eq!(names(&world), ["org/two:latest"]);
    let (status, message) = refusal(&delete(&world, "org/one"));
    assert!(status == 404 && message.starts_with("model 'org/one' not found"), "{message}");
    // A part of a name does not match.
    assert_eq!(refusal(&delete(&world, "tw")).0, 404);
    assert_eq!(refusal(&delete(&world, "./x")).0, 400);
}

#[test]
fn names_have_namespaces_and_tags() {
    let world = World::new();
    let ask = |name: &str| {
        let asked = json!({"model": name, "prompt": "x", "stream": false});
        world.post("/api/generate", &asked)
    };
    for name in ["coder:v1.5", "me/coder", "me/coder:v2"] {
        let body = json!({"model": name, "from": "org/one", "stream": false,
            "parameters": {"num_predict": 3, "num_gpu": 1}});
        assert_eq!(world.post("/api/create", &body).status, 200, "{name}");
        assert_eq!(ask(name).json()["eval_count"], 3, "{name}");
        let shown = world.post("/api/show", &json!({"model": name})).json();
        assert_eq!(shown["details"]["parent_model"], "org/one", "{name}");
    }
    let copied = world.post("/api/copy", &json!({"source": "me/coder", "destination": "other:1b"}));
    assert_eq!(copied.status, 200, "{copied:?}");
    let expected = [
        "coder:v1.5",
        "me/coder:latest",
        "me/coder:v2",
        "org/one:latest",
        "org/two:latest",
        "other:1b",
    ];
    assert_eq!(names(&world), expected);
    for name in expected {
        assert_eq!(ask(name).status, 200, "{name}");
        assert_eq!(world.get(&format!("/v1/models/{name}")).status, 200, "{name}");
    }
    // Another case means the same name, and another tag does not.
    assert_eq!(ask("ME/Coder:latest").status, 200);
    assert_eq!(ask("other:2b").status, 404);
    for name in ["coder:v1.5", "me/coder", "me/coder:v2", "other:1b"] {
        assert_eq!(delete(&world, name).status, 200, "{name}");
    }
    assert_eq!(names(&world), ["org/one:latest", "org/two:latest"]);
}

#[test]
fn offline_mode_is_named_instead_of_a_pull_that_must_fail() {
    let world = World::with(|config| (config.locations.offline, config.hub.offline) = (true, true));
    let said = |path: &str, body: &Value| {
        let answer = world.post(path, body);
        let (status, json) = (answer.status, answer.json());
        let message = json["error"]["message"].as_str().or(json["error"].as_str()).unwrap();
        let expected = "offline mode is on. To allow downloads, unset `HF_HUB_OFFLINE`";
        assert!(message.contains(expected), "{path}: {message}");
        assert!(!message.contains("mlxk pull"), "{path}: {message}");
        status
    };
    for name in ["llama3.2", "org/nosuch", "smollm2"] {
        assert_eq!(said("/api/copy", &json!({"source": name, "destination": "mine"})), 404);
        let create = json!({"model": "mine", "from": name, "stream": false});
        said("/api/create", &create);
        said("/api/show", &json!({"model": name}));
        said("/v1/completions", &json!({"model": name, "prompt": "x"}));
    }
    let body = json!({"model": "mine", "from": "llama3.2", "stream": false});
    let (_, message) = refusal(&world.post("/api/create", &body));
    assert!(message.contains("is not on this machine: offline mode is on"), "{message}");
}

#[test]
fn a_copy_has_the_digest_of_its_model() {
    let world = World::new();
    let digest = |name: &str| {
        let list = world.get("/api/tags").json();
        let models = list["models"].as_array().unwrap().clone();
        models.into_iter().find(|model| model["name"] == name).unwrap()["digest"].take()
    };
    world.post("/api/copy", &json!({"source": "org/one", "destination": "mine"}));
    world.post("/api/create", &json!({"model": "terse", "from": "org/one", "system": "Be"}));
    assert_eq!(digest("mine:latest"), digest("org/one:latest"));
    assert_ne!(digest("terse:latest"), digest("org/one:latest"));
}

#[test]
fn an_upload_that_is_here_is_read_to_its_end() {
    let world = World::new();
    let content = "x".repeat(3 << 20);
    let path = format!("/api/blobs/sha256:{}", sha256(content.as_bytes()));
    let upload = || {
        let mut stream = world.connect();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{content}",
            content.len()
        )
        .unwrap();
        crate::world::rest(&mut stream)
    };
    for status in ["HTTP/1.1 201", "HTTP/1.1 200", "HTTP/1.1 200"] {
        let answer = upload();
        assert!(answer.starts_with(status), "{status}: {answer}");
    }
}

#[test]
fn uploads_have_to_match_their_digest() {
    let world = World::with(|config| config.limits.body_bytes = 10_000);
    let content = "not quite a model ".repeat(5000);
    let path = format!("/api/blobs/sha256:{}", sha256(content.as_bytes()));
    let head = |path: &str| world.send("HEAD", path, &[], "").status;
    let post = |body: &str| world.send("POST", &path, &[], body);
    assert_eq!((head(&path), head("/api/blobs/sha256:12")), (404, 400));
    let (status, message) = refusal(&post("something else"));
    assert!(status == 400 && message.contains("has the digest"), "{message}");
    assert_eq!(head(&path), 404);
    // The limit of JSON bodies does not apply to uploads.
    assert_eq!((post(&content).status, post(&content).status), (201, 200));
    assert_eq!(head(&path), 200);
    let files = json!({"x.gguf": path.trim_start_matches("/api/blobs/")});
    let body = json!({"model": "x", "files": files, "stream": false});
    let (status, message) = refusal(&world.post("/api/create", &body));
    assert!(status >= 400 && message.contains("GGUF"), "{status}: {message}");
    let left = std::fs::read_dir(world.home.path().join("data/mlxk/blobs")).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn uploads_have_a_bound() {
    let world = World::with(|config| config.limits.upload_bytes = 1000);
    let content = "x".repeat(1001);
    let path = format!("/api/blobs/sha256:{}", sha256(content.as_bytes()));
    let (status, message) = refusal(&world.send("POST", &path, &[], &content));
    assert!(status == 413 && message.contains("larger than 1000 bytes"), "{message}");
    // A client that does not say the size is stopped as well.
    let mut stream = world.connect();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n");
    write!(stream, "{head}connection: close\r\n\r\n3e9\r\n{content}\r\n0\r\n\r\n").unwrap();
    let answer = crate::world::rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let left = std::fs::read_dir(world.home.path().join("data/mlxk/blobs"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
}

#[test]
fn settings_that_could_not_be_read_again_are_refused() {
    let world = World::new();
    let system = "x".repeat(5 << 20);
    let body = json!({"model": "long", "from": "org/one", "system": system, "stream": false});
    let (status, message) = refusal(&world.post("/api/create", &body));
    assert!(status >= 400 && message.contains("the settings would have more than"), "{message}");
    assert!(!names(&world).contains(&"long:latest".to_owned()));
}

#[test]
fn an_upload_becomes_a_model() {
    let world = World::new();
    let gguf = include_bytes!("../../../../format/tests/golden/tiny-llama.gguf");
    let digest = format!("sha256:{}", sha256(gguf));
    let agent = ureq::Agent::new_with_defaults();
    let uri = format!("http://{}/api/blobs/{digest}", world.address);
    assert_eq!(agent.post(&uri).send(&gguf[..]).unwrap().status(), 201);
    let made = world.post(
        "/api/create",
        &json!({"model": "tiny", "files": {"t.gguf": digest},
        "parameters": {"num_predict": 3}, "system": "Be"}),
    );
    assert_eq!(lines(&made).last().unwrap(), &json!({"status": "success"}));
    assert_eq!(agent.head(&uri).call().unwrap_err().to_string(), "http status: 404");
    let shown = world.post("/api/show", &json!({"model": "tiny"})).json();
    assert_eq!(shown["system"], "Be");
    let asked = json!({"model": "tiny:latest", "prompt": "abc", "raw": true, "stream": false});
    let answer = world.post("/api/generate", &asked);
    assert!(answer.json()["eval_count"].as_u64().is_some_and(|count| count <= 3), "{answer:?}");
    assert_eq!(delete(&world, "tiny").status, 200);
}

#[test]
fn an_upload_is_created_again_and_leaves_with_its_name() {
    let world = World::new();
    let gguf = include_bytes!("../../../../format/tests/golden/tiny-llama.gguf");
    let digest = format!("sha256:{}", sha256(gguf));
    let agent = ureq::Agent::new_with_defaults();
    let uri = format!("http://{}/api/blobs/{digest}", world.address);
    let create = |name: &str, system: &str| {
        assert_eq!(agent.post(&uri).send(&gguf[..]).unwrap().status(), 201);
        // The client names the file as it is called in Ollama's store.
        let body = json!({"model": name, "files": {"sha256-0a": digest}, "system": system});
        let made = world.post("/api/create", &body);
        assert_eq!(lines(&made).last().unwrap(), &json!({"status": "success"}), "{made:?}");
        world.post("/api/show", &json!({"model": name})).json()["system"].take()
    };
    // A corrected Modelfile replaces the settings.
    assert_eq!(create("me/tiny:v1", "one"), "one");
    let imported = names(&world);
    assert!(imported.contains(&"me-tiny-v1:latest".to_owned()), "{imported:?}");
    assert_eq!(delete(&world, "me/tiny:v1").status, 200);
    assert!(!names(&world).iter().any(|name| name.contains("tiny")), "{:?}", names(&world));
    for system in ["one", "two"] {
        assert_eq!(create("tiny", system), system);
    }
    // The same upload under another name shares the weights, and stays if that name goes.
    assert_eq!(create("me/other", "three"), "three");
    assert_eq!(delete(&world, "me/other").status, 200);
    assert_eq!(world.post("/api/show", &json!({"model": "tiny"})).json()["system"], "two");
}

#[test]
fn an_open_server_without_a_key_changes_nothing() {
    let open = |key| {
        World::with(|config| {
            config.host = "0.0.0.0".into();
            config.api_key = key;
        })
    };
    let blob = format!("/api/blobs/sha256:{}", sha256(b"x"));
    let changes = |world: &World| {
        let bearer = [("authorization", "Bearer key"), ("content-type", "application/json")];
        let ask = |method, path: &str, body: Value| {
            world.send(method, path, &bearer, &body.to_string()).status
        };
        [
            ask("POST", "/api/pull", json!({"model": "./x"})),
            ask("POST", "/api/create", json!({"model": "x"})),
            ask("POST", "/api/copy", json!({"source": "x"})),
            ask("DELETE", "/api/delete", json!({"model": "./x"})),
            ask("POST", &blob, json!({"a": 1})),
        ]
    };
    let world = open(None);
    assert_eq!(changes(&world), [403; 5]);
    assert_eq!(world.get("/api/tags").status, 200);
    let world = open(ApiKey::new("key"));
    assert_eq!(changes(&world), [400; 5]);
    assert_eq!(refusal(&world.get("/api/tags")).0, 401);
}
