//! Finds the other engines, or describes how to start them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::names::Names;
use super::ollama;
use super::ours::{self, Ours};
use super::preparing::Preparing;
use crate::Context;
use crate::args::{CompareArgs, Peer};
use mlxk_bench::compare::{
    Engine, EngineKind, Entry, Failure, ServerCommand, ServerWay, Weights, equal_file,
};

impl Preparing<'_> {
    /// Prepares an engine. Servers that must keep running are added to `started`.
    pub(super) fn prepare(
        &self,
        peer: &Peer,
        ours: &Ours,
        started: &mut Vec<ollama::Started>,
    ) -> Entry {
        let result = match peer {
            Peer::Ollama => ollama::prepare(self, started),
            Peer::LlamaServer(program) => self.llama_server(program.as_deref(), ours),
            Peer::MlxLm(python) => self.mlx_lm(python.as_deref(), ours),
            Peer::MlxKnife(python) => mlx_knife(python, ours),
            Peer::Mlxk(program) => self.other_build(program, ours),
            Peer::Openai(address) => Ok(self.openai(address)),
        };
        self.entry(peer, result)
    }

    /// Returns the entry of an engine, or of its failure.
    pub(super) fn entry(&self, peer: &Peer, result: Result<Engine, Failure>) -> Entry {
        match result {
            Ok(engine) => Entry::Ready(engine),
            Err(failure) => Entry::Failed {
                kind: kind(peer),
                title: title(peer).to_owned(),
                model: self.names.ollama.clone().unwrap_or_else(|| self.names.ours.clone()),
                failure,
            },
        }
    }

    fn llama_server(&self, program: Option<&Path>, ours: &Ours) -> Result<Engine, Failure> {
        let kind = EngineKind::LlamaServer;
        let program = program.unwrap_or(Path::new("llama-server")).to_owned();
        let file = self.gguf(ours)?;
        let contents = mlxk_format::gguf::contents(&file).map_err(|error| {
            Failure::new(error.to_string(), "Pass another file with `--gguf`".to_owned())
        })?;
        let bytes = std::fs::metadata(&file).map_or(0, |found| found.len());
        let quantization = contents.kind.map(str::to_owned);
        let weights = Weights::new(bytes, Some(contents.parameters), quantization);
        let version = version(&program, &["--version"]).and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("version:"));
            line.map(|line| line.trim().to_owned())
        });
        let path = file.display().to_string();
        let (settings, mut arguments) = (self.settings, vec!["-m".to_owned(), path.clone()]);
        arguments.extend(["--host", "127.0.0.1", "--port", "{port}"].map(str::to_owned));
        // llama-server divides its context among its slots.
        let slots = self.args.together();
        let context = settings.context * slots as usize;
        let numbers = ["-c".to_owned(), context.to_string(), "-np".to_owned(), slots.to_string()];
        arguments.extend(numbers);
        if let Some(threads) = settings.threads {
            let threads = threads.to_string();
            arguments.extend(["-t".to_owned(), threads.clone(), "-tb".to_owned(), threads]);
        }
        // Ollama's files are named by their hash.
        let shown = match (&self.args.gguf, &self.names.ollama) {
            (None, Some(name)) => name.clone(),
            _ => file.file_name().map_or(path.clone(), |name| name.display().to_string()),
        };
        let mut engine = started(kind, version, shown, Some(weights), program, arguments);
        engine.equal_file = match (&self.args.gguf, &self.names.ollama) {
            (Some(file), _) => Some(equal_file(&format!("--mlx-model {}", file.display()))),
            (None, Some(name)) => Some(ollama::equal_model(name, self.context)),
            (None, None) => None,
        };
        engine.model_in_requests = path;
        Ok(engine)
    }

    /// Returns the file for llama-server: made for this comparison, from the option, or Ollama's.
    fn gguf(&self, ours: &Ours) -> Result<PathBuf, Failure> {
        match ours.gguf.clone() {
            Some(file) => Ok(file),
            None => gguf(self.args, self.names, self.context),
        }
    }

    fn mlx_lm(&self, python: Option<&Path>, ours: &Ours) -> Result<Engine, Failure> {
        let kind = EngineKind::MlxLm;
        let configured = self.context.settings.locations.python.clone();
        let python = python.map(Path::to_owned).or(configured);
        let python = python.unwrap_or_else(|| PathBuf::from("python3"));
        let version = with_packages(package_version(&python, "mlx-lm")?, &python, &["mlx"]);
        let folder = ours.folder.display().to_string();
        let arguments = ["-m", "mlx_lm", "server", "--model", &folder];
        let address = ["--host", "127.0.0.1", "--port", "{port}", "--log-level", "ERROR"];
        let arguments = arguments.into_iter().chain(address).map(str::to_owned).collect();
        let weights = Some(ours.weights.clone());
        let mut engine =
            started(kind, Some(version), ours.name.clone(), weights, python, arguments);
        engine.model_in_requests = folder;
        Ok(engine)
    }

    fn other_build(&self, program: &Path, ours: &Ours) -> Result<Engine, Failure> {
        let told = build_version(program)?;
        let version = told.split_whitespace().last().map(str::to_owned);
        let title = title(&Peer::Mlxk(program.to_owned())).to_owned();
        let program = program.to_owned();
        Ok(ours::engine(title, version, program, ours, self.args, self.settings, self.context))
    }

    fn openai(&self, address: &str) -> Engine {
        let model = self.names.ollama.clone().unwrap_or_default();
        Engine {
            kind: EngineKind::Openai,
            title: EngineKind::Openai.title().to_owned(),
            version: None,
            model: model.clone(),
            model_in_requests: model,
            weights: None,
            server: ServerWay::Running { address: address.to_owned() },
            key: self.context.settings.openai_key.clone(),
            equal_file: None,
        }
    }
}

/// Describes MLX-Knife in the environment of a Python.
fn mlx_knife(python: &Path, ours: &Ours) -> Result<Engine, Failure> {
    let kind = EngineKind::MlxKnife;
    let version = package_version(python, "mlx-knife")?;
    let version = with_packages(version, python, &["mlx-lm", "mlx"]);
    // Its program is also called `mlxk`, so take the one next to the Python.
    let program = python.with_file_name(if cfg!(windows) { "mlxk.exe" } else { "mlxk" });
    let arguments = ["server", "--host", "127.0.0.1", "--port", "{port}"];
    let arguments = arguments.map(str::to_owned).to_vec();
    let weights = Some(ours.weights.clone());
    Ok(started(kind, Some(version), ours.name.clone(), weights, program, arguments))
}

/// Describes an engine whose server is started for every turn.
fn started(
    kind: EngineKind,
    version: Option<String>,
    model: String,
    weights: Option<Weights>,
    program: PathBuf,
    arguments: Vec<String>,
) -> Engine {
    let command = ServerCommand { program, arguments };
    Engine {
        kind,
        title: kind.title().to_owned(),
        version,
        model_in_requests: model.clone(),
        model,
        weights,
        server: ServerWay::Process(command),
        key: None,
        equal_file: None,
    }
}

/// Returns the file for llama-server from the option, or Ollama's.
pub(super) fn gguf(
    args: &CompareArgs,
    names: &Names,
    context: &Context,
) -> Result<PathBuf, Failure> {
    if let Some(file) = &args.gguf {
        return Ok(file.clone());
    }
    let suggestion = "Pass a GGUF file of the model with `--gguf FILE`".to_owned();
    let Some(name) = &names.ollama else {
        return Err(Failure::new("No GGUF file for llama-server", suggestion));
    };
    mlxk_hub::ollama_file(name, &context.settings.locations)
        .map_err(|error| Failure::new(error.to_string(), suggestion))
}

/// Returns the kind of an engine.
fn kind(peer: &Peer) -> EngineKind {
    match peer {
        Peer::Ollama => EngineKind::Ollama,
        Peer::LlamaServer(_) => EngineKind::LlamaServer,
        Peer::MlxLm(_) => EngineKind::MlxLm,
        Peer::MlxKnife(_) => EngineKind::MlxKnife,
        Peer::Mlxk(_) => EngineKind::Mlxk,
        Peer::Openai(_) => EngineKind::Openai,
    }
}

/// Returns the name of an engine in reports.
pub(super) fn title(peer: &Peer) -> &'static str {
    // Our own side is called mlxk, too.
    if matches!(peer, Peer::Mlxk(_)) { "other mlxk" } else { kind(peer).title() }
}

/// Returns the line with which another build of mlxk states its version.
pub(super) fn build_version(program: &Path) -> Result<String, Failure> {
    let suggestion = "Pass another build of mlxk, as in `--vs mlxk=../base/mlxk`".to_owned();
    let shown = program.display();
    match output(program, &["--version"]) {
        Ok(Some(version)) => Ok(version),
        Ok(None) => Err(Failure::new(format!("`{shown}` does not print its version"), suggestion)),
        Err(error) => Err(Failure::new(format!("Cannot start `{shown}`: {error}"), suggestion)),
    }
}

/// Returns the output of a program, from both streams. `None` if it fails or cannot be started.
fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    output(program, arguments).ok().flatten()
}

/// Returns the output of a program, from both streams, or `None` if it fails.
fn output(program: &Path, arguments: &[&str]) -> io::Result<Option<String>> {
    let output = Command::new(program).args(arguments).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(output.status.success().then(|| String::from_utf8_lossy(&text).into_owned()))
}

/// Adds the versions of the packages that compute: `2.0.8 (mlx-lm 0.28.3, mlx 0.29.2)`.
fn with_packages(version: String, python: &Path, packages: &[&str]) -> String {
    let found = packages.iter().filter_map(|package| {
        Some(format!("{package} {}", package_version(python, package).ok()?))
    });
    let found: Vec<String> = found.collect();
    if found.is_empty() { version } else { format!("{version} ({})", found.join(", ")) }
}

/// Returns the version of a package in the environment of a Python.
pub(super) fn package_version(python: &Path, package: &str) -> Result<String, Failure> {
    let code = format!("import importlib.metadata as m; print(m.version('{package}'))");
    match version(python, &["-c", &code]) {
        Some(text) => Ok(text.trim().to_owned()),
        None => Err(Failure::new(
            format!("`{}` has no {package}, or is not a Python", python.display()),
            format!(
                "Install it with `{} -m pip install {package}`, or pass another Python with `--vs {}=PYTHON`",
                python.display(),
                package
            ),
        )),
    }
}
