//! Ollama, whose models can be imported: the program, its server, its store.

use std::time::Duration;

use mlxk_hub::HubError;
use serde_json::{Value, json};

use crate::doctor::{Check, Environment, Line, programs};

/// A server on this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(2);
const PORT: u16 = 11434;

pub(super) const CHECK: Check =
    Check { id: "ollama", about: "Ollama: its program, its server, its models", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let program = programs::find("ollama", &environment.around.search_path).into_iter().next();
    let address = address(environment.around.ollama_host.as_deref());
    let may_ask = environment.online || is_here(&address);
    let version = may_ask.then(|| version(&address)).flatten();
    let models = mlxk_hub::ollama_models(&environment.settings.locations);
    let data = json!({
        "program": program, "address": address, "version": version, "models": models.len(),
    });
    let installed = match &program {
        Some(path) => format!("The program is `{}`", path.display()),
        None => "The program is not on the search path".to_owned(),
    };
    let runs = match &version {
        Some(version) => format!("its server at {address} is version {version}"),
        None if may_ask => format!("no server answers at {address}"),
        None => format!("the server at {address} is not asked without --online"),
    };
    let text = match (&program, &version, models.is_empty()) {
        (None, None, true) => "Not on this machine; nothing here needs it".to_owned(),
        _ => format!("{installed}, {runs}, and it has {} models", models.len()),
    };
    let mut lines = vec![Line::ok(text).data(data)];
    // Other errors are of models of a kind that is not imported, which is no fault of theirs.
    let errors = models.into_iter().filter_map(|(_, model)| model.err());
    let damaged = errors.filter(|error| matches!(error, HubError::OllamaDamaged { .. }));
    lines.extend(damaged.map(|error| Line::hub(&error)));
    lines
}

/// Where the server is, from what `OLLAMA_HOST` may hold: a host, a port, both, or an address.
fn address(host: Option<&str>) -> String {
    let text = host.map_or("127.0.0.1", str::trim).trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = match rest.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => rest.to_owned(),
    };
    let has_port = match rest.rsplit_once(':') {
        // The colons of a bare IPv6 address are none of a port.
        Some((host, port)) => {
            port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
        }
        None => false,
    };
    let rest = if has_port { rest } else { format!("{rest}:{PORT}") };
    // A server that listens everywhere listens here too.
    format!("{scheme}://{}", rest.replacen("0.0.0.0", "127.0.0.1", 1))
}

/// Whether asking stays on this machine.
fn is_here(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    ["127.", "localhost:", "[::1]:"].iter().any(|start| host.starts_with(start))
}

fn version(address: &str) -> Option<String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build().into();
    let mut response = agent.get(format!("{address}/api/version")).call().ok()?;
    let text = response.body_mut().read_to_string().ok()?;
    let answer: Value = serde_json::from_str(&text).ok()?;
    Some(answer["version"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_ollama_reads_them() {
        for (host, expected) in [
            (None, "http://127.0.0.1:11434"),
            (Some("0.0.0.0"), "http://127.0.0.1:11434"),
            (Some("0.0.0.0:9000"), "http://127.0.0.1:9000"),
            (Some(":9000"), "http://127.0.0.1:9000"),
            (Some("http://localhost:9000/"), "http://localhost:9000"),
            (Some("[::1]:9000"), "http://[::1]:9000"),
            (Some("gpu.example"), "http://gpu.example:11434"),
        ] {
            assert_eq!(address(host), expected);
        }
        assert!(is_here("http://127.0.0.1:1") && is_here("http://localhost:1"));
        assert!(!is_here("http://gpu.example:11434") && !is_here("http://localhost.example:1"));
    }
}
