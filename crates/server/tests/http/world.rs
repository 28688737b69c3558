//! A server with tiny models, and a client for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mlxk_engine::{CpuOptions, DeviceChoice};
use mlxk_hub::{HubSettings, Locations, PairTable};
use mlxk_server::{Server, ServerConfig, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

use mlxk_testkit::{Kind, Stored, checkpoint};

/// A running server. Dropping it stops the server.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the message of an error, and the field that it names.
    pub(crate) fn error(&self) -> (String, Value) {
        let body = self.json();
        let error = &body["error"];
        (error["message"].as_str().unwrap_or_default().to_owned(), error["param"].clone())
    }

    /// Returns the events of a stream, without `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events: Vec<&str> =
            self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        assert_eq!(events.pop(), Some("[DONE]"), "{}", self.text);
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Starts a server with `org/one` and `org/two`, and the configuration that `change` makes.
    pub(crate) fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let lookup = |name: &str| {
            let path = match name {
                "HF_HUB_CACHE" => "hub",
                "XDG_DATA_HOME" => "data",
                "OLLAMA_MODELS" => "ollama",
                _ => return None,
            };
            Some(home.path().join(path).display().to_string())
        };
        let locations = Locations::from_values(lookup, home.path());
        let hub = HubSettings::from_values(lookup, home.path());
        let mut config = ServerConfig::new(locations, PairTable::default(), hub);
        config.port = 0;
        let cpu = CpuOptions { threads: Some(2), ..CpuOptions::default() };
        config.device = DeviceChoice::Cpu(cpu);
        add(&home, "org/one", Kind::Llama);
        add(&home, "org/two", Kind::Qwen2);
        change(&mut config);
        let server = Server::bind(config).unwrap();
        let (address, stop) = (server.address(), server.stop());
        let thread = std::thread::spawn(move || server.run());
        Self { home, address, stop, thread: Some(thread) }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string())
    }

    pub(crate) fn chat(&self, body: Value) -> Answer {
        self.post("/v1/chat/completions", &with_defaults(body))
    }

    pub(crate) fn complete(&self, mut body: Value) -> Answer {
        let fields = body.as_object_mut().unwrap();
        fields.entry("model").or_insert("org/one".into());
        self.post("/v1/completions", &body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let uri = format!("http://{}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = if body.is_empty() {
            agent.run(request.body(()).unwrap()).unwrap()
        } else {
            agent.run(request.body(body.to_owned()).unwrap()).unwrap()
        };
        let text = response.body_mut().read_to_string().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    /// Opens a connection without a client library.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends a request as JSON. The caller reads the response.
    pub(crate) fn begin(&self, path: &str, body: &Value) -> TcpStream {
        let mut stream = self.connect();
        let body = body.to_string();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    }

    /// Returns the names of the loaded models, and the number of requests that use each.
    pub(crate) fn in_memory(&self) -> Vec<(String, u64)> {
        let list = self.get("/models").json();
        let one = |model: &Value| {
            (model["id"].as_str().unwrap().to_owned(), model["requests"].as_u64().unwrap())
        };
        list["data"].as_array().unwrap().iter().map(one).collect()
    }

    /// Waits until `done` returns `true`.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            assert!(started.elapsed() < Duration::from_mins(1), "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server has stopped.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.stop();
        self.join();
    }
}

/// Returns a greedy chat request to the first model, with the fields of `body`.
fn with_defaults(mut body: Value) -> Value {
    let defaults = json!({
        "model": "org/one", "temperature": 0, "max_tokens": 12,
        "messages": [{"role": "user", "content": "Hello"}],
    });
    let fields = body.as_object_mut().unwrap();
    for (name, value) in defaults.as_object().unwrap() {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    body
}

/// Adds a model to the cache. Returns the folder of its snapshot.
pub(crate) fn add(home: &TempDir, name: &str, kind: Kind) -> std::path::PathBuf {
    let folder = checkpoint(kind, Stored::Bits(4));
    let snapshot = snapshot(home, name);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
    }
    snapshot
}

/// Makes the folder of a model's snapshot in the cache.
pub(crate) fn snapshot(home: &TempDir, name: &str) -> std::path::PathBuf {
    let repo = home.path().join("hub").join(format!("models--{}", name.replace('/', "--")));
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let snapshot = repo.join("snapshots").join(hash);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), hash).unwrap();
    snapshot
}

/// Returns everything up to the end of the stream.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends the stream, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
