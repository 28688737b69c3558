//! `POST /api/create`: a model made from another one, or from an upload.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::response::Response;
use mlxk_hub::{
    DerivedError, HttpError, HubError, ImportPlan, ImportSource, Matching, Modelfile, Overrides,
    Reference, Resolution, Taken, Turn,
};
use serde_json::{Map, Value};

use super::digest::digits;
use super::dto::models::{CreateRequest, Texts, Turn as GivenTurn};
use super::progress::{self, Watch};
use super::pull::{failed, fetch, reference};
use super::{blobs, names, pull, uploads};
use crate::body::{Extras, Fields};
use crate::error::{ApiError, Kind};
use crate::state::{Shared, State as ServerState};

const EXTRAS: Extras = Extras {
    harmless: &["username", "password"],
    unsupported: &[
        ("adapters", "adapters are not supported"),
        ("draft_files", "use `mlxk server --draft-model`"),
        ("draft_quantize", "use `mlxk server --draft-model`"),
        ("quantize", "quantize the model with `mlxk convert`"),
        ("quantization", "quantize the model with `mlxk convert`"),
        ("path", "send the text of the Modelfile as `modelfile`, or its parts as fields"),
    ],
};

/// Roles in `messages`.
const ROLES: [&str; 3] = ["system", "user", "assistant"];

/// Base of a new model.
enum Base {
    /// Another model.
    Model(Reference),
    /// An upload, by the digits of its digest.
    Upload(String),
}

/// Creates a model.
pub(super) async fn create(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    state.may_change_models()?;
    let mut asked: CreateRequest = fields.parse(EXTRAS)?;
    let name = names::written(asked.model.take(), asked.name.take());
    if name.is_empty() {
        return Err(ApiError::field("model", "`model` is missing: the name of the new model"));
    }
    let streamed = asked.stream.unwrap_or(true);
    let draft = read(asked, &state)?;
    let name = new_name(&name, &draft.base, &state)?;
    let creating = state.clone();
    let work = move |watch: &Watch| make(&name, draft, &creating, watch);
    progress::respond(&state, streamed, work).await
}

/// A model to create.
struct Draft {
    base: Base,
    overrides: Overrides,
    /// Instructions that have no effect on this server.
    ignored: Vec<String>,
}

/// Returns the name of the new model. It may be taken by a model that was made from the same upload: its settings
/// are replaced.
fn new_name(name: &str, base: &Base, state: &ServerState) -> Result<String, ApiError> {
    let config = &state.config;
    let checked = mlxk_hub::check_new_name(name, &config.pairs, &config.locations);
    let Base::Upload(digits) = base else { return checked.map_err(failed) };
    let plain = name.trim().trim_end_matches(":latest");
    match (checked, uploads::model(digits, state)?) {
        (Err(_), Some(model)) if model.name.eq_ignore_ascii_case(plain) => Ok(model.name),
        (checked, _) => checked.map_err(failed),
    }
}

/// Reads the description of the new model, from the Modelfile and from the other fields.
fn read(mut asked: CreateRequest, state: &ServerState) -> Result<Draft, ApiError> {
    let Modelfile { from, mut overrides, ignored } = modelfile(&asked)?;
    let from = if asked.from.is_empty() { from } else { std::mem::take(&mut asked.from) };
    let base = base(&from, &asked.files, state)?;
    let mut ignored: Vec<String> = ignored.into_iter().map(|(_, name)| name).collect();
    for (name, value) in [
        ("TEMPLATE", &asked.template),
        ("RENDERER", &asked.renderer),
        ("PARSER", &asked.parser),
        ("REQUIRES", &asked.requires),
    ] {
        if !value.is_empty() && !ignored.iter().any(|other| other == name) {
            ignored.push(name.to_owned());
        }
    }
    apply_fields(asked, &mut overrides, &mut ignored)?;
    Ok(Draft { base, overrides, ignored })
}

fn modelfile(asked: &CreateRequest) -> Result<Modelfile, ApiError> {
    if asked.modelfile.is_empty() {
        return Ok(Modelfile::default());
    }
    Modelfile::parse(asked.modelfile.as_bytes()).map_err(|error| {
        let line = error.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let message = format!("`modelfile`{line}: {}", error.problem);
        ApiError::field("modelfile", message)
    })
}

/// Adds the fields of a request to what its Modelfile says, and those without an effect to `ignored`.
fn apply_fields(
    asked: CreateRequest,
    overrides: &mut Overrides,
    ignored: &mut Vec<String>,
) -> Result<(), ApiError> {
    if let Some(system) = asked.system {
        overrides.system = Some(system);
    }
    match asked.license {
        None => {}
        Some(Texts::One(text)) => overrides.license.push(text),
        Some(Texts::Several(texts)) => overrides.license.extend(texts),
    }
    for (name, value) in &asked.parameters {
        match overrides.parameters.set_json(name, value) {
            Ok(Taken::Set) => {}
            Ok(Taken::NoEffect) => ignored.push(format!("PARAMETER {name}")),
            Err(error) => {
                let field = format!("parameters.{name}");
                return Err(ApiError::field(field, format!("`parameters`: {error}")));
            }
        }
    }
    if !asked.messages.is_empty() {
        overrides.messages =
            asked.messages.into_iter().enumerate().map(turn).collect::<Result<_, _>>()?;
    }
    Ok(())
}

fn turn((index, turn): (usize, GivenTurn)) -> Result<Turn, ApiError> {
    if ROLES.contains(&turn.role.as_str()) {
        return Ok(Turn { role: turn.role, content: turn.content });
    }
    let role: String = turn.role.chars().take(40).collect();
    let field = format!("messages[{index}].role");
    let message = format!("`{field}` is `{role}`, but must be `system`, `user` or `assistant`");
    Err(ApiError::field(field, message))
}

/// Returns the base of the new model: another model, or one uploaded GGUF file.
fn base(from: &str, files: &Map<String, Value>, state: &ServerState) -> Result<Base, ApiError> {
    let mut files = files.iter();
    match (from.is_empty(), files.next(), files.next()) {
        (false, None, _) => Ok(Base::Model(model(from, state)?)),
        (true, Some((name, digest)), None) if is_gguf(name, digest, state) => {
            let digits = digits(digest.as_str().unwrap_or_default())?;
            if !blobs::path(digits, state).is_file() {
                let message = format!("`files`: `{name}` was not uploaded before");
                return Err(ApiError::field("files", message));
            }
            Ok(Base::Upload(digits.to_owned()))
        }
        (false, Some(_), _) => {
            let message = "A model builds on `from` or on `files`, not on both";
            Err(ApiError::field("files", message))
        }
        (true, None, _) => {
            let message = "`from` is missing: the model that the new one builds on";
            Err(ApiError::field("from", message))
        }
        (true, Some(_), _) => {
            let message = "`files` must be one GGUF file; serve a checkpoint folder with \
                           `mlxk server --model ./FOLDER`";
            Err(ApiError::field("files", message))
        }
    }
}

/// Returns `true` if a file is called `.gguf`, or if its upload is one: the files in Ollama's store have other names.
fn is_gguf(name: &str, digest: &Value, state: &ServerState) -> bool {
    let upload = || digest.as_str().and_then(|digest| digits(digest).ok());
    Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
        || upload().is_some_and(|digits| mlxk_hub::is_gguf(&blobs::path(digits, state)))
}

/// Returns the model that `from` names, which may be one in Ollama's own store. Only the operator may use paths.
fn model(from: &str, state: &ServerState) -> Result<Reference, ApiError> {
    let config = &state.config;
    let from = from.trim();
    if !from.starts_with("ollama:") {
        reference(from).map_err(|error| ApiError { param: Some("from".into()), ..error })?;
    }
    mlxk_hub::base_of(from, Path::new(""), &config.pairs, &config.locations).map_err(failed)
}

/// Creates the model, on a thread that may block.
fn make(name: &str, draft: Draft, state: &ServerState, watch: &Watch) -> Result<(), ApiError> {
    let Draft { base, overrides, ignored } = draft;
    let config = &state.config;
    let from = match base {
        Base::Model(reference) => reference,
        Base::Upload(digits) => {
            say_ignored(&ignored, watch);
            return import(name, &digits, overrides, state, watch);
        }
    };
    let find = || {
        let found = mlxk_hub::resolve(&from, Matching::Exact, &config.pairs, &config.locations);
        found.map_err(failed)
    };
    match find()? {
        Resolution::Local(_) => {}
        Resolution::NeedsImport(plan) => {
            pull::import(&plan, state, watch)?;
        }
        Resolution::NotLocal(missing) if config.locations.offline => {
            let action = format!("download `{}`", missing.suggestion);
            return Err(failed(missing.into_unreached(&HttpError::Offline { action })));
        }
        Resolution::NotLocal(_) => fetch(&from, state, watch)?,
    }
    let found = find()?.local().map_err(failed)?;
    note(&ignored, &found.name, mlxk_hub::has_chat_template(&found.path), watch)?;
    watch.say("writing manifest");
    mlxk_hub::create(name, &from, overrides, &config.pairs, &config.locations).map_err(failed)?;
    tracing::info!(name, from = found.name, "created");
    Ok(())
}

/// Reports instructions without an effect. A template has to have a replacement, or it is an error.
fn note(ignored: &[String], base: &str, has_template: bool, watch: &Watch) -> Result<(), ApiError> {
    let template = ignored.iter().any(|name| name == "TEMPLATE");
    if template && !has_template {
        let message = format!(
            "`template` is not supported, and `{base}` has no chat template of its own to use instead"
        );
        return Err(ApiError::field("template", message).about(base));
    }
    say_ignored(ignored, watch);
    Ok(())
}

fn say_ignored(ignored: &[String], watch: &Watch) {
    if !ignored.is_empty() {
        let names = ignored.join(", ").to_lowercase();
        tracing::info!(names, "without effect");
        watch.say(&format!("without effect here: {names}"));
    }
}

/// Imports an upload as a checkpoint, and deletes the upload. A name with a namespace or a tag is a derived name of
/// the checkpoint, because it is not the name of a folder.
fn import(
    name: &str,
    digits: &str,
    overrides: Overrides,
    state: &ServerState,
    watch: &Watch,
) -> Result<(), ApiError> {
    let config = &state.config;
    let (model, folder) = match uploads::model(digits, state)? {
        Some(model) => (model.name, model.path),
        None => import_as(&name.replace(['/', ':'], "-"), digits, state, watch)?,
    };
    if model == name {
        mlxk_hub::write_settings(&folder, &overrides).map_err(failed)?;
    } else {
        let from = model.parse().map_err(failed)?;
        mlxk_hub::create(name, &from, overrides, &config.pairs, &config.locations)
            .map_err(failed)?;
    }
    // The model has its own copy of the weights now.
    let _ = std::fs::remove_file(blobs::path(digits, state));
    tracing::info!(name, "created from an upload");
    Ok(())
}

/// Imports an upload under the name of a folder. Returns the name and the folder.
fn import_as(
    name: &str,
    digits: &str,
    state: &ServerState,
    watch: &Watch,
) -> Result<(String, PathBuf), ApiError> {
    let taken = mlxk_hub::derived(name, &state.config.locations).map_err(failed)?;
    if taken.is_some() {
        let by = "a name created earlier".into();
        let (name, removed) = (name.to_owned(), Some(name.to_owned()));
        let error = HubError::from(DerivedError::NameTaken { name, by, removed });
        return Err(failed(error));
    }
    let source = ImportSource::Gguf { path: blobs::path(digits, state) };
    let (asked, name_here) = (name.to_owned(), name.to_owned());
    let plan = ImportPlan { asked, name: name_here, source, download_bytes: Some(0) };
    let found = pull::import(&plan, state, watch)?;
    if found.name != name {
        let message = format!("The upload was already imported as `{}`", found.name);
        return Err(ApiError::new(Kind::BadRequest, message));
    }
    Ok((found.name, found.path))
}
