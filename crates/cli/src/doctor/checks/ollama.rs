//! Checks Ollama, whose models can be imported: program, server and store.

use mlxk_hub::{HubError, OllamaError};
use mlxk_providers::{Connections, Endpoint, Ollama, ollama_address};
use serde_json::json;

use crate::doctor::{Check, Environment, Line, programs};
use crate::format::count;

pub(super) const CHECK: Check =
    Check { id: "ollama", about: "Ollama: program, server and models", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let program = programs::find("ollama", &environment.around.search_path).into_iter().next();
    let address = ollama_address(environment.settings.ollama_host.as_deref());
    let may_ask = environment.online || is_here(&address);
    let server = Ollama::new(Endpoint::new(&Connections::default(), &address));
    let versions = may_ask.then(|| server.versions().ok()).flatten();
    let (version, ours) = versions.map(|it| (it.ollama, it.mlxk)).unzip();
    let ours = ours.flatten();
    let models = mlxk_hub::ollama_models(&environment.settings.locations);
    let data = json!({
        "program": program, "address": address, "version": version, "models": models.len(),
    });
    let installed = match &program {
        Some(path) => format!("Program `{}`", path.display()),
        None => "Program not on the search path".to_owned(),
    };
    let runs = match &version {
        Some(_) if let Some(ours) = &ours => {
            format!("the server at {address} is mlxk {ours}, not Ollama")
        }
        Some(version) => format!("server {version} at {address}"),
        None if may_ask => format!("no server at {address}"),
        None => format!("server at {address} not contacted without --online"),
    };
    // The server of a service has a store of its own.
    let served = version.as_ref().filter(|_| ours.is_none()).and_then(|_| server.tags().ok());
    let elsewhere = match served.map_or(0, |served| served.len()) {
        more if more > models.len() => format!(
            ", but the server has {more}: set `OLLAMA_MODELS` to its store, such as \
             `/usr/share/ollama/.ollama/models`"
        ),
        _ => String::new(),
    };
    let text = match (&program, &version, models.is_empty()) {
        (None, None, true) => "Not installed; mlxk doesn't need it".to_owned(),
        _ => {
            format!("{installed}; {runs}; {} in its store{elsewhere}", count(models.len(), "model"))
        }
    };
    let mut lines = vec![Line::ok(text).data(data)];
    // Other errors are about models that cannot be imported, which is not a defect.
    let errors = models.into_iter().filter_map(|(_, model)| model.err());
    let damaged =
        errors.filter(|error| matches!(error, HubError::Ollama(OllamaError::Damaged { .. })));
    lines.extend(damaged.map(|error| Line::hub(&error)));
    lines
}

/// Returns `true` if the address is on this machine.
fn is_here(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    ["127.", "localhost:", "[::1]:"].iter().any(|start| host.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_another_machine_is_told_apart() {
        assert!(is_here("http://127.0.0.1:1") && is_here("http://localhost:1"));
        assert!(!is_here("http://gpu.example:11434") && !is_here("http://localhost.example:1"));
    }
}
