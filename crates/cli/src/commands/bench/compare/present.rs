//! Checks in the first second whether the other engines are there and have the model, before
//! anything is downloaded or measured.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use mlxk_bench::compare::Failure;
use mlxk_providers::{
    Connections, Endpoint, Ollama, OpenAi, Provider, ProviderError, ollama_address,
};

use super::names::Names;
use super::{ollama, peers};
use crate::Context;
use crate::args::{CompareArgs, Peer};

/// Returns the failure of each engine, and prints them at once.
pub(super) fn check(
    args: &CompareArgs,
    names: &Names,
    http: &Connections,
    context: &Context,
) -> Vec<Option<Failure>> {
    let mut failures = Vec::new();
    for peer in &args.vs {
        let failure = match peer {
            Peer::Ollama => of_ollama(args, names, http, context),
            Peer::LlamaServer(program) => llama_server(program.as_deref(), args, names, context),
            Peer::MlxLm(python) => {
                let configured = context.settings.locations.python.as_deref();
                let python = python.as_deref().or(configured).unwrap_or(Path::new("python3"));
                peers::package_version(python, "mlx-lm").map(drop)
            }
            Peer::MlxKnife(python) => peers::package_version(python, "mlx-knife").map(drop),
            Peer::Mlxk(program) => peers::build_version(program).map(drop),
            Peer::Openai(address) => openai(address, http),
        };
        if let Err(failure) = &failure {
            tell(peer, failure, context);
        }
        failures.push(failure.err());
    }
    failures
}

/// Prints why an engine will be missing, unless the user cancelled it.
pub(super) fn tell(peer: &Peer, failure: &Failure, context: &Context) {
    if failure.cancelled {
        return;
    }
    let (title, why) = (peers::title(peer), sentences(failure));
    context.printer.note(format_args!("{title} will not be measured: {why}"));
}

/// Returns the reason of a failure, and what to do about it.
pub(super) fn sentences(failure: &Failure) -> String {
    match &failure.suggestion {
        Some(hint) => format!("{}. {hint}", failure.error),
        None => failure.error.clone(),
    }
}

fn of_ollama(
    args: &CompareArgs,
    names: &Names,
    http: &Connections,
    context: &Context,
) -> Result<(), Failure> {
    let named = context.settings.ollama_host.as_deref();
    let model = names.ollama.as_deref().unwrap_or_default();
    let client = Ollama::new(Endpoint::new(http, &ollama_address(named)));
    match client.find(model) {
        Ok(None) if args.skip_pull => Err(ollama::no_model(model)),
        // It is started for the comparison if it is installed.
        Err(ProviderError::Unreachable { .. }) if named.is_none() => {
            runs(Path::new("ollama")).map_err(|error| ollama::not_started(&error))
        }
        Err(error @ ProviderError::Unreachable { .. }) => Err(Failure::new(
            error.to_string(),
            "Start it with `ollama serve`; get it from https://ollama.com/download".to_owned(),
        )),
        // Everything else is told when the engine is prepared.
        _ => Ok(()),
    }
}

fn llama_server(
    program: Option<&Path>,
    args: &CompareArgs,
    names: &Names,
    context: &Context,
) -> Result<(), Failure> {
    if args.synthetic.is_none() {
        peers::gguf(args, names, context)?;
    }
    let program = program.unwrap_or(Path::new("llama-server"));
    runs(program).map_err(|error| {
        Failure::new(
            format!("Cannot start `{}`: {error}", program.display()),
            "Install llama.cpp, or pass its path: `--vs llama-server=PATH`".to_owned(),
        )
    })
}

fn openai(address: &str, http: &Connections) -> Result<(), Failure> {
    let client = OpenAi { endpoint: Endpoint::new(http, address) };
    // Servers without this route answer with an error, which shows that they are there.
    match client.models() {
        Err(error @ ProviderError::Unreachable { .. }) => Err(Failure::new(
            error.to_string(),
            "Start the server first, or check its address".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Returns an error if the program cannot be started.
fn runs(program: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop)
}
