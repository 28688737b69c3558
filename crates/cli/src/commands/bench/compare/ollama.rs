//! Finds or starts Ollama and pulls its model.

use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mlxk_bench::compare::{Engine, EngineKind, Failure, ServerWay, Weights, equal_file, free_port};
use mlxk_providers::{Endpoint, Ollama, ProviderError, PullStep, ollama_address};

use super::preparing::Preparing;
use crate::printer::Unit;
use crate::{Context, interrupt};

/// Timeout for the server to start.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// A server that was started for the comparison, and ends when this is dropped.
pub(super) struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Finds or starts the server and pulls the model.
pub(super) fn prepare(
    preparing: &Preparing<'_>,
    started: &mut Vec<Started>,
) -> Result<Engine, Failure> {
    let kind = EngineKind::Ollama;
    let model = preparing.names.ollama.clone().unwrap_or_default();
    let named = preparing.context.settings.ollama_host.as_deref();
    let address = ollama_address(named);
    let mut engine = Engine {
        kind,
        title: kind.title().to_owned(),
        version: None,
        model: model.clone(),
        model_in_requests: model.clone(),
        weights: None,
        server: ServerWay::Ollama { address: address.clone() },
        key: None,
        equal_file: Some(equal_model(&model, preparing.context)),
    };
    let mut client = Ollama::new(Endpoint::new(preparing.http, &address));
    match client.version() {
        Ok(version) => engine.version = Some(version),
        Err(error @ ProviderError::Unreachable { .. }) => {
            if named.is_some() {
                return Err(Failure::of(&error, &engine));
            }
            let address = start(preparing, started)?;
            client.endpoint = Endpoint::new(preparing.http, &address);
            engine.server = ServerWay::Ollama { address };
            engine.version = Some(wait(&client, started, &engine)?);
        }
        Err(error) => return Err(Failure::of(&error, &engine)),
    }
    let told = |error: ProviderError| Failure::of(&error, &engine);
    let found = match client.find(&model).map_err(told)? {
        Some(found) => found,
        None if preparing.args.skip_pull => {
            return Err(no_model(&model));
        }
        None => {
            pull(preparing, &client, &model).map_err(told)?;
            client.find(&model).map_err(told)?.ok_or_else(|| {
                Failure::new(format!("Ollama pulled `{model}` but does not list it"), None)
            })?
        }
    };
    let details = client.show(&model).map_err(told)?;
    engine.weights = Some(Weights::new(found.size_bytes, details.parameters, details.quantization));
    Ok(engine)
}

/// Returns a sentence that says how mlxk runs a model of Ollama.
pub(super) fn equal_model(model: &str, context: &Context) -> String {
    let sentence = equal_file(&format!("--model {model} --mlx-model ollama:{model}"));
    if mlxk_hub::ollama_file(model, &context.settings.locations).is_ok() {
        return sentence;
    }
    // The server may run elsewhere, or as a user of its own.
    format!("{sentence} and `OLLAMA_MODELS` set to a folder with Ollama's models that you can read")
}

/// The server has no model of this name.
pub(super) fn no_model(model: &str) -> Failure {
    Failure::new(
        format!("Ollama has no model `{model}`"),
        format!("Get it with `ollama pull {model}`, or leave out `--skip-pull`"),
    )
}

/// The program cannot be started.
pub(super) fn not_started(error: &std::io::Error) -> Failure {
    let told = match error.kind() {
        std::io::ErrorKind::NotFound => "Ollama is not installed".to_owned(),
        _ => format!("Ollama cannot be started: {error}"),
    };
    let suggestion = "Install it from https://ollama.com/download, start it with `ollama serve`, or \
                      pass another engine with `--vs`";
    Failure::new(told, suggestion.to_owned())
}

/// Starts the program on a free port, so that it doesn't take the port of the user's own Ollama.
fn start(preparing: &Preparing<'_>, started: &mut Vec<Started>) -> Result<String, Failure> {
    let address = format!("127.0.0.1:{}", free_port().map_err(|error| not_started(&error))?);
    let child = Command::new("ollama")
        .arg("serve")
        .env("OLLAMA_HOST", &address)
        .env("OLLAMA_NUM_PARALLEL", preparing.args.together().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| not_started(&error))?;
    started.push(Started(child));
    Ok(format!("http://{address}"))
}

/// Waits for the started server. Returns its version.
fn wait(client: &Ollama, started: &mut [Started], engine: &Engine) -> Result<String, Failure> {
    let begun = Instant::now();
    loop {
        match client.version() {
            Ok(version) => return Ok(version),
            Err(error) if begun.elapsed() > PATIENCE => return Err(Failure::of(&error, engine)),
            Err(_) => std::thread::sleep(POLL),
        }
        if let Some(Started(child)) = started.last_mut()
            && let Ok(Some(status)) = child.try_wait()
        {
            return Err(Failure::new(
                format!("`ollama serve` exited right after its start ({status})"),
                "Run `ollama serve` yourself to see why".to_owned(),
            ));
        }
    }
}

/// Lets the server pull the model, and shows the progress.
fn pull(preparing: &Preparing<'_>, client: &Ollama, model: &str) -> Result<(), ProviderError> {
    let context = preparing.context;
    context.printer.note(format_args!("Ollama is pulling {model}"));
    let progress = context.printer.progress();
    progress.begin("Pulling");
    let mut on_step = |step: &PullStep| {
        progress.label(step.status.clone());
        progress.update(step.completed, step.total, Unit::Transfer);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    client.pull(model, Duration::from_secs(preparing.args.pull_timeout), &mut on_step)
}
