//! Names of a model in Ollama and here.

use mlxk_hub::{Alias, Origin, Reference, Store};

use crate::Context;
use crate::models::resolve;

/// Returns our name of a model that has this name in Ollama, if it is known.
pub(crate) fn of_ollama(name: &str, context: &Context) -> Option<String> {
    let alias = Alias::of_ollama(name).map(|alias| alias.name.to_owned());
    context.settings.pairs.repo(name).map(ToString::to_string).or(alias)
}

/// Returns the name in Ollama of a model that has this name here, if it is known. The name may be a part of the name of
/// a model on this machine.
pub(crate) fn in_ollama(name: &str, context: &Context) -> Option<String> {
    known_in_ollama(name, context)
        .or_else(|| known_in_ollama(&resolve::name_here(name, context)?, context))
}

fn known_in_ollama(name: &str, context: &Context) -> Option<String> {
    let pairs = &context.settings.pairs;
    let alias = Alias::find(name).map(|alias| alias.ollama.to_owned());
    let pair = match name.parse() {
        Ok(Reference::Repo { id, revision: None }) => pairs.ollama(&id).map(str::to_owned),
        Ok(Reference::Ollama(name)) => Some(name),
        Ok(Reference::Name { .. }) => imported_from(name, context),
        _ => None,
    };
    // Our name may be an Ollama name.
    let same = pairs.repo(name).map(|_| name.to_owned());
    pair.or(alias).or(same)
}

/// Returns the name in Ollama of a model that was imported from there.
fn imported_from(name: &str, context: &Context) -> Option<String> {
    let models = Store::new(&context.settings.locations).models().ok()?;
    let model = models.into_iter().find(|model| model.name == name)?;
    model.origin.as_ref().and_then(Origin::ollama).map(str::to_owned)
}
