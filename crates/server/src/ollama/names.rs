//! Names as Ollama's clients write them: with the tag `:latest`, and with a host in front.

use mlxk_hub::{Alias, Reference, Resolved};

use crate::error::{ApiError, Kind};
use crate::state::State;

/// Tag of names that have no other.
const LATEST: &str = ":latest";

/// Hosts that may precede a name, and are ignored.
const HOSTS: [&str; 7] = [
    "registry.ollama.ai/library/",
    "https://ollama.com/library/",
    "ollama.com/library/",
    "https://huggingface.co/",
    "huggingface.co/",
    "https://hf.co/",
    "hf.co/",
];

/// Returns a name without its host and without `:latest`.
pub(super) fn plain(name: &str) -> &str {
    let name = name.trim();
    let name = HOSTS.iter().find_map(|host| name.strip_prefix(host)).unwrap_or(name);
    name.strip_suffix(LATEST).unwrap_or(name)
}

/// Returns a name with a tag, as clients expect it.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}{LATEST}") }
}

/// Returns the names of a model that clients see: its own, and the one in Ollama's library if it has one.
pub(super) fn shown(name: &str, is_derived: bool, state: &State) -> Vec<String> {
    let pair = match name.parse() {
        _ if is_derived => None,
        Ok(Reference::Repo { id, revision: None }) => state.config.pairs.ollama(&id),
        _ => Alias::find(name).map(|alias| alias.ollama),
    };
    std::iter::once(tagged(name)).chain(pair.map(str::to_owned)).collect()
}

/// Returns the model that a client names, or the server's own if it names none.
pub(super) async fn resolve(state: &State, name: Option<&str>) -> Result<Resolved, ApiError> {
    let Some(written) = name.map(str::trim).filter(|name| !name.is_empty()) else {
        return state.models.resolve(None).await;
    };
    let plain = plain(written);
    let found = state.models.resolve(Some(plain)).await;
    let missing = match found {
        Err(error) if error.kind == Kind::NoModel => error,
        found => return found,
    };
    let latest = format!("{plain}{LATEST}");
    if !plain.contains(':') && state.config.pairs.repo(&latest).is_some() {
        return state.models.resolve(Some(&latest)).await;
    }
    Err(not_found(written, &missing))
}

/// Returns the error in the words that clients look for.
fn not_found(name: &str, error: &ApiError) -> ApiError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let why = error.message.split_once("is not on this server: ");
    let why = why.map_or(error.message.as_str(), |(_, why)| why);
    ApiError { message: format!("model '{name}' not found: {why}"), ..error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_left_out() {
        for (name, expected) in [
            ("smollm2", "smollm2"),
            ("smollm2:latest", "smollm2"),
            ("smollm2:135m", "smollm2:135m"),
            ("hf.co/org/Name", "org/Name"),
            ("https://huggingface.co/org/Name:latest", "org/Name"),
            ("registry.ollama.ai/library/phi3:mini", "phi3:mini"),
            (" org/Name ", "org/Name"),
            (":latest", ""),
        ] {
            assert_eq!(plain(name), expected, "{name}");
        }
    }

    #[test]
    fn every_name_has_a_tag() {
        assert_eq!(tagged("org/Name"), "org/Name:latest");
        assert_eq!(tagged("phi3:mini"), "phi3:mini");
        assert_eq!(tagged("host:80/name"), "host:80/name:latest");
    }
}
