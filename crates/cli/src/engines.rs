//! Programs that could answer for a model, and the table of what is known about their speed.

use std::path::PathBuf;

use mlxk_bench::Machine;
use mlxk_bench::compare::Weights;
use mlxk_providers::{
    Client, Config, Connections, Dialect, Endpoint, Factory, Ollama, ollama_address,
};
use mlxk_router::{Backend, Candidate, Place};

use crate::models::names;
use crate::{Context, env};

/// Name of our own engine among the candidates.
pub(crate) const OURS: &str = "mlxk";
/// Name of the Ollama on this machine.
pub(crate) const OLLAMAS: &str = "ollama";

/// Returns the file of measurements.
pub(crate) fn table(context: &Context) -> PathBuf {
    context.settings.locations.data_dir.join("choices.json")
}

/// Returns the name of a machine in the table.
pub(crate) fn machine(machine: &Machine) -> String {
    format!("{}, {} cores", machine.processor, machine.usable_cores)
}

/// Returns our own engine as a candidate. The name of the device has the number of its threads, so that each number has
/// figures of its own.
pub(crate) fn ours(device: &str) -> Candidate {
    Candidate::new(OURS, Place::Here, env!("CARGO_PKG_VERSION")).with_settings(device)
}

/// Returns the Ollama of this machine as a candidate.
pub(crate) fn ollama(version: &str) -> Candidate {
    Candidate::new(OLLAMAS, Place::Machine, version)
}

/// The Ollama of this machine, which has a model.
pub(crate) struct FoundOllama {
    /// The way to ask it.
    pub backend: Backend,
    /// Name of the model there.
    pub model: String,
    /// Storage of the model there.
    pub weights: Weights,
}

/// Returns the Ollama of this machine, or why it can't be asked for this model.
pub(crate) fn find_ollama(model: &str, context: &Context) -> Result<FoundOllama, String> {
    let address = ollama_address(context.settings.ollama_host.as_deref());
    let server = Ollama::new(Endpoint::new(&Connections::default(), &address));
    let versions = server.versions().map_err(|error| error.to_string())?;
    if versions.mlxk.is_some() {
        // Our own server would only compete with itself.
        return Err(format!("The server at `{address}` is mlxk"));
    }
    let name = names::in_ollama(model, context)
        .ok_or_else(|| format!("No name in Ollama is known for `{model}`"))?;
    let Some(found) = server.find(&name).map_err(|error| error.to_string())? else {
        return Err(format!("It doesn't have `{name}`; get it with `ollama pull {name}`"));
    };
    let (parameters, quantization) = match server.show(&name) {
        Ok(details) => (details.parameters, details.quantization),
        Err(_) => (None, None),
    };
    let weights = Weights::new(found.size_bytes, parameters, quantization);
    let client = Client { provider: std::sync::Arc::new(server), model: name.clone() };
    Ok(FoundOllama { backend: Backend::of(ollama(&versions.ollama), client), model: name, weights })
}

/// Returns a server at an address as a candidate. Its version is asked for, because another version has figures of its
/// own; if it does not tell, the model alone counts.
pub(crate) fn server(client: Client) -> Backend {
    let version = client.provider.version().ok().flatten().unwrap_or_default();
    let label = client.provider.label();
    let candidate = Candidate::new(&*label, place(&label), version).with_settings(&*client.model);
    Backend::of(candidate, client)
}

fn place(label: &str) -> Place {
    let here = ["://127.", "://localhost", "://[::1]"];
    if here.iter().any(|it| label.contains(it)) { Place::Machine } else { Place::Elsewhere }
}

/// Returns a factory of clients with the settings of this program.
pub(crate) fn factory(context: &Context) -> Factory {
    // The settings have the variables and the configuration file; providers only know variables.
    let ollama = context.settings.ollama_host.clone();
    let key = context.settings.api_key.clone();
    Factory::new(move |name| match name {
        "OLLAMA_HOST" => ollama.clone(),
        "MLXK_API_KEY" => key.clone(),
        name => env::read_known(name),
    })
}

/// Returns the configuration of Ollama's own name for a model.
pub(crate) fn ollama_config(model: &str, context: &Context) -> Config {
    let name = names::in_ollama(model, context).unwrap_or_else(|| model.to_owned());
    Config::new(Dialect::Ollama, Some(name))
}
