//! Servers of the engines: starts them, loads models, sends requests, and ends them.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::ControlFlow;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlxk_chat::{Message, PromptInput, Request, Sampling};
use mlxk_providers::{
    Answer, Connections, Endpoint, Key, Limits, Ollama, OpenAi, Provider, ProviderError,
};

use super::engine::{Engine, ServerCommand, ServerWay, Settings};
use super::failure::Failure;
use super::processes::{Family, Root, Taken, Watch, listener};
use super::workload::Prompt;

/// Time between two checks of a starting server.
const POLL: Duration = Duration::from_millis(5);
/// Time for an unloaded model to leave the memory.
const LEAVING: Duration = Duration::from_secs(20);
/// Number of last lines to keep from a process.
const KEPT_LINES: usize = 12;
/// Prompt that makes an engine load its model.
const HELLO: &str = "One";

/// Client for the server's API.
enum Client {
    OpenAi(OpenAi),
    Ollama(Ollama),
}

/// A server with the model in memory. Dropping it ends the server, or unloads the model.
pub(super) struct Server<'a> {
    engine: &'a Engine,
    settings: &'a Settings,
    client: Client,
    process: Option<Process>,
    family: Option<Family>,
    /// Time from an empty memory until the server takes requests.
    pub(super) load_seconds: Option<f64>,
    /// Start of loading.
    pub(super) begun: Instant,
    /// Resources of the serving processes before loading.
    pub(super) before: Option<Taken>,
    watch: Option<Watch>,
}

impl<'a> Server<'a> {
    /// Loads the model, within the time limit.
    pub(super) fn load(
        engine: &'a Engine,
        settings: &'a Settings,
        http: &Connections,
        within: Duration,
    ) -> Result<Self, Failure> {
        let endpoint = |address: &str| {
            let mut endpoint = Endpoint::new(http, address);
            endpoint.key = engine.key.clone().map(Key::from);
            endpoint
        };
        let mut server = match &engine.server {
            ServerWay::Process(command) => {
                let port = free_port().map_err(|error| Failure::not_started(engine, &error))?;
                let begun = Instant::now();
                let process = Process::start(engine, command, port)?;
                let family = Family::of(Root::Pid(process.child.id()));
                let address = format!("http://127.0.0.1:{port}");
                let client = Client::OpenAi(OpenAi { endpoint: endpoint(&address) });
                let before = family.as_ref().map(|_| Taken::default());
                let mut server = Self::new(engine, settings, client, family, begun, before);
                server.process = Some(process);
                server.wait_until_ready(within)?;
                server
            }
            ServerWay::Ollama { address } => {
                let mut ollama = Ollama::new(endpoint(address));
                ollama.keep_loaded = true;
                let mut family = family_at(address, "ollama");
                leave(&ollama, engine)?;
                let before = family.as_mut().map(Family::look);
                let begun = Instant::now();
                let client = Client::Ollama(ollama);
                let mut server = Self::new(engine, settings, client, family, begun, before);
                server.load_into_ollama(within)?;
                server
            }
            ServerWay::Running { address } => {
                let mut family = family_at(address, "");
                let before = family.as_mut().map(Family::look);
                let client = Client::OpenAi(OpenAi { endpoint: endpoint(address) });
                Self::new(engine, settings, client, family, Instant::now(), before)
            }
        };
        if let Some(family) = &mut server.family {
            // Processes started by loading are members from here on.
            family.look();
            server.watch = Some(family.watch());
        }
        Ok(server)
    }

    fn new(
        engine: &'a Engine,
        settings: &'a Settings,
        client: Client,
        family: Option<Family>,
        begun: Instant,
        before: Option<Taken>,
    ) -> Self {
        Self {
            engine,
            settings,
            client,
            process: None,
            family,
            load_seconds: None,
            begun,
            before,
            watch: None,
        }
    }

    fn wait_until_ready(&mut self, within: Duration) -> Result<(), Failure> {
        let Client::OpenAi(client) = &self.client else { return Ok(()) };
        loop {
            if client.is_ready().map_err(|error| Failure::of(&error, self.engine))? {
                break;
            }
            if let Some(process) = &mut self.process {
                process.check(self.engine)?;
            }
            if self.begun.elapsed() > within {
                return Err(Failure::not_ready(self.engine, within));
            }
            std::thread::sleep(POLL);
        }
        if self.engine.kind.loads_late() {
            self.ask(&Prompt::Raw(HELLO.to_owned()), 1, within)?;
        }
        self.load_seconds = Some(self.begun.elapsed().as_secs_f64());
        Ok(())
    }

    fn load_into_ollama(&mut self, within: Duration) -> Result<(), Failure> {
        let Client::Ollama(client) = &self.client else { return Ok(()) };
        let options = self.engine.kind.greedy(self.settings);
        client
            .load(&self.engine.model_in_requests, &options, within)
            .map_err(|error| Failure::of(&error, self.engine))?;
        self.load_seconds = Some(self.begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Returns `true` if the server forgets previous prompts from turn to turn.
    pub(super) fn forgets(&self) -> bool {
        self.load_seconds.is_some()
    }

    /// Requests an answer of at most `max_tokens`, within the time limit.
    pub(super) fn ask(
        &self,
        prompt: &Prompt,
        max_tokens: usize,
        within: Duration,
    ) -> Result<Answer, Failure> {
        let prompt = match prompt {
            Prompt::Chat(text) => {
                let messages = vec![Message::new("user", text.as_str())];
                PromptInput::Messages { system: None, messages }
            }
            Prompt::Raw(text) => PromptInput::Text(text.clone()),
        };
        let temperature = Some(0.0);
        let seed = Some(self.settings.seed);
        let request = Request {
            sampling: Sampling { temperature, seed, ..Sampling::default() },
            max_tokens: Some(max_tokens),
            extra: self.engine.kind.greedy(self.settings),
            ..Request::new(&self.engine.model_in_requests, prompt)
        };
        // A repeated request would be measured with the pause before it.
        let limits = Limits::once(within);
        let client: &dyn Provider = match &self.client {
            Client::OpenAi(client) => client,
            Client::Ollama(client) => client,
        };
        let answer = client.answer(&request, &limits, &mut |_| ControlFlow::Continue(()));
        answer.map_err(|error| {
            let mut failure = Failure::of(&error, self.engine);
            let died =
                matches!(error, ProviderError::BrokeOff { .. } | ProviderError::Unreachable { .. });
            if let Some(process) = self.process.as_ref().filter(|_| died) {
                failure.add_last_words(&process.last_words());
            }
            failure
        })
    }

    /// Returns the current resources of the serving processes.
    pub(super) fn taken(&mut self) -> Option<Taken> {
        self.family.as_mut().map(Family::look)
    }

    /// Returns the highest memory seen since the model was loaded, in bytes.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        self.watch.as_ref().map(Watch::peak_bytes)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.watch = None;
        if let Client::Ollama(client) = &self.client {
            // A separate client, because ours may have been cancelled.
            let mut client = client.clone();
            client.endpoint.connections = Connections::default();
            // If the server is gone, there is no model in memory either.
            let _ = client.unload(&self.engine.model_in_requests);
        }
        if let Some(process) = &mut self.process {
            if let Some(family) = &mut self.family {
                family.look();
            }
            process.end();
            if let Some(family) = &mut self.family {
                family.end();
            }
        }
    }
}

/// Unloads a model from Ollama, and waits until it is out of memory.
fn leave(ollama: &Ollama, engine: &Engine) -> Result<(), Failure> {
    let told = |error| Failure::of(&error, engine);
    let model = &engine.model_in_requests;
    let begun = Instant::now();
    let mut asked = false;
    loop {
        let loaded = ollama.ps().map_err(told)?;
        let same =
            |name: &str| name.trim_end_matches(":latest") == model.trim_end_matches(":latest");
        if !loaded.iter().any(|found| same(&found.name)) {
            return Ok(());
        }
        if !asked {
            ollama.unload(model).map_err(told)?;
            asked = true;
        }
        if begun.elapsed() > LEAVING {
            return Err(Failure::stays(engine));
        }
        std::thread::sleep(10 * POLL);
    }
}

/// Returns the processes of the server at a local address.
fn family_at(address: &str, name: &'static str) -> Option<Family> {
    let rest = address.split("://").last()?.split('/').next()?;
    let (host, port) = rest.rsplit_once(':')?;
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]" | "0.0.0.0") {
        return None;
    }
    match listener(port.parse().ok()?) {
        Some(pid) => Family::of(Root::Pid(pid)),
        None if name.is_empty() => None,
        None => Family::of(Root::Named(name)),
    }
}

/// Returns a free local port.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A serving process.
struct Process {
    child: Child,
    /// The last lines of its standard error.
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn start(engine: &Engine, command: &ServerCommand, port: u16) -> Result<Self, Failure> {
        let with_port = |text: &String| text.replace("{port}", &port.to_string());
        let mut child = Command::new(&command.program)
            .args(command.arguments.iter().map(with_port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::not_started(engine, &error))?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            let kept = Arc::clone(&lines);
            std::thread::spawn(move || keep(stderr, &kept));
        }
        Ok(Self { child, lines })
    }

    /// Returns an error if the process has ended.
    fn check(&mut self, engine: &Engine) -> Result<(), Failure> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(()) };
        // Its last output may not have arrived yet.
        std::thread::sleep(20 * POLL);
        Err(Failure::ended(engine, status, &self.last_words()))
    }

    fn last_words(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the last lines of a stream until its end.
fn keep(stream: ChildStderr, kept: &Mutex<Vec<String>>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.remove(0);
        }
        kept.push(line);
    }
}
