//! Names as Ollama's clients expect them: with a tag.

use mlxk_hub::{Alias, Matching, Origin, Reference, Resolved};

use crate::error::{ApiError, Kind, cleaned};
use crate::state::State;

/// Tag of names that have no other.
const LATEST: &str = ":latest";

/// Returns a name with a tag, as clients expect it.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}{LATEST}") }
}

/// Returns the names of a model that clients see: its own, and those in Ollama's library. `origin` is that of an
/// imported model.
pub(super) fn shown(
    name: &str,
    is_derived: bool,
    origin: Option<&Origin>,
    state: &State,
) -> Vec<String> {
    let mut names = vec![tagged(name)];
    if is_derived {
        return names;
    }
    if let Some(known) = origin.and_then(Origin::ollama) {
        // A checkpoint of that name comes first if it is here.
        let is_meant = known != names[0] && is_at(known, name, state);
        names.extend(is_meant.then(|| known.to_owned()));
        return names;
    }
    match name.parse() {
        Ok(Reference::Repo { id, revision: None }) => {
            // An import of the same model comes before the checkpoint.
            let means_it =
                |known: &&str| Alias::of_ollama(known).is_none() || is_at(known, name, state);
            let known = state.config.pairs.names(&id).into_iter().filter(means_it);
            names.extend(known.map(str::to_owned));
        }
        _ => names.extend(Alias::find(name).map(|alias| alias.ollama.to_owned())),
    }
    names
}

/// Returns `true` if `written` means the model called `name`.
fn is_at(written: &str, name: &str, state: &State) -> bool {
    let config = &state.config;
    let found = written.parse().and_then(|wanted| {
        mlxk_hub::resolve(&wanted, Matching::Exact, &config.pairs, &config.locations)?.local()
    });
    found.is_ok_and(|found| found.name == name)
}

/// Returns the first of two names in a request: older clients send `name` instead of `model`.
pub(super) fn written(model: Option<String>, name: Option<String>) -> String {
    let is_given = |name: &String| !name.trim().is_empty();
    let found = model.filter(is_given).or(name.filter(is_given)).unwrap_or_default();
    found.trim().to_owned()
}

/// Returns the model that a client names, or the server's own if it names none.
pub(super) async fn resolve(state: &State, name: Option<&str>) -> Result<Resolved, ApiError> {
    let Some(written) = name.map(str::trim).filter(|name| !name.is_empty()) else {
        return state.models.resolve(None).await;
    };
    match state.models.resolve(Some(written)).await {
        Err(error) if error.kind == Kind::NoModel => Err(not_found(written, &error)),
        found => found,
    }
}

/// Returns the error in the words that clients look for.
fn not_found(name: &str, error: &ApiError) -> ApiError {
    let name = cleaned(name, 200);
    let why = error.message.split_once("is not on this server: ");
    let why = why.map_or(error.message.as_str(), |(_, why)| why);
    ApiError { message: format!("model '{name}' not found: {why}"), ..error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_tag() {
        assert_eq!(tagged("org/Name"), "org/Name:latest");
        assert_eq!(tagged("phi3:mini"), "phi3:mini");
        assert_eq!(tagged("host:80/name"), "host:80/name:latest");
    }
}
