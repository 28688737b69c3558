//! `POST /api/create`: a model that answers in another way than the one it builds on.

use std::ops::ControlFlow;
use std::path::Path;

use axum::extract::State;
use axum::response::Response;
use mlxk_hub::{
    DerivedError, HubError, ImportPlan, ImportSource, Matching, Modelfile, Overrides, Reference,
    Resolution, Turn,
};

use super::digest::digits;
use super::dto::models::{CreateRequest, Texts};
use super::progress::{self, Watch};
use super::pull::{failed, fetch, reference};
use super::{blobs, names};
use crate::error::{ApiError, Kind};
use crate::json::{Beside, Fields};
use crate::state::{Shared, State as ServerState};

const BESIDE: Beside = Beside {
    tolerated: &["username", "password"],
    refused: &[
        ("adapters", "models run with their own weights"),
        ("draft_files", "drafts come from the text so far, or from `mlxk server --draft-model`"),
        ("draft_quantize", "drafts come from the text so far, or from `mlxk server --draft-model`"),
        ("quantize", "`mlxk convert` quantizes a model"),
        ("quantization", "`mlxk convert` quantizes a model"),
        ("path", "send the Modelfile itself as `modelfile`, or its parts as fields"),
    ],
};

/// Who may speak in `messages`.
const ROLES: [&str; 3] = ["system", "user", "assistant"];

/// What a model is made of.
enum Base {
    /// Another one.
    Model(Reference),
    /// An upload, by its digits.
    Upload(String),
}

/// Makes a model.
pub(super) async fn create(
    State(state): State<Shared>,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    state.may_change_models()?;
    // Nothing that is asked for is no reason to refuse.
    fields.0.retain(|_, value| *value != serde_json::json!({}) && *value != serde_json::json!(""));
    let mut asked: CreateRequest = fields.parse(BESIDE)?;
    let name = asked.model.take().or(asked.name.take()).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::field("model", "`model` is missing, the name of what is created"));
    }
    let name = names::plain(&name).to_owned();
    mlxk_hub::check_new_name(&name, &state.config.locations).map_err(failed)?;
    let streamed = asked.stream.unwrap_or(true);
    let (base, overrides, ignored) = read(asked, &state)?;
    let creating = state.clone();
    let work = move |watch: &Watch| make(&name, base, overrides, &ignored, &creating, watch);
    progress::respond(&state, streamed, work).await
}

/// What is asked for: the base, what is different, and what has no effect here.
fn read(
    asked: CreateRequest,
    state: &ServerState,
) -> Result<(Base, Overrides, Vec<String>), ApiError> {
    let file = if asked.modelfile.is_empty() {
        Modelfile { from: asked.from.clone(), ..Modelfile::default() }
    } else {
        Modelfile::parse(asked.modelfile.as_bytes()).map_err(|error| {
            let line = error.line.map(|line| format!(" in line {line}")).unwrap_or_default();
            let message = format!("`modelfile` cannot be used{line}: {}", error.problem);
            ApiError::field("modelfile", message)
        })?
    };
    let Modelfile { from, mut overrides, ignored } = file;
    let mut ignored: Vec<String> = ignored.into_iter().map(|(_, name)| name).collect();
    let from = if asked.from.is_empty() { from } else { asked.from };
    if let Some(system) = asked.system {
        overrides.system = Some(system);
    }
    match asked.license {
        None => {}
        Some(Texts::One(text)) => overrides.license.push(text),
        Some(Texts::Several(texts)) => overrides.license.extend(texts),
    }
    for (name, value) in &asked.parameters {
        let set = overrides.parameters.set_json(name, value);
        set.map_err(|error| {
            let message = format!("`parameters`: {}", error.problem);
            ApiError::field(format!("parameters.{name}"), message)
        })?;
    }
    if !asked.messages.is_empty() {
        let turns = asked.messages.into_iter().enumerate().map(|(index, turn)| {
            if ROLES.contains(&turn.role.as_str()) {
                return Ok(Turn { role: turn.role, content: turn.content });
            }
            let role: String = turn.role.chars().take(40).collect();
            let field = format!("messages[{index}].role");
            let message =
                format!("`{field}` is `{role}`; `system`, `user` and `assistant` are known");
            Err(ApiError::field(field, message))
        });
        overrides.messages = turns.collect::<Result<_, _>>()?;
    }
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
    let mut files = asked.files.iter();
    let base = match (from.is_empty(), files.next(), files.next()) {
        (false, None, _) => Base::Model(base(&from, state)?),
        (true, Some((name, digest)), None) if is_gguf(name) => {
            let digits = digits(digest.as_str().unwrap_or_default())?;
            if !blobs::path(digits, state).is_file() {
                let message = format!("`files`: the file `{name}` was not uploaded before");
                return Err(ApiError::field("files", message));
            }
            Base::Upload(digits.to_owned())
        }
        (false, Some(_), _) => {
            let message = "A model builds on `from` or on `files`, not on both";
            return Err(ApiError::field("files", message));
        }
        (true, None, _) => {
            let message = "`from` is missing, the model that the new one builds on";
            return Err(ApiError::field("from", message));
        }
        (true, Some(_), _) => {
            let message = "`files` has to be one GGUF file; a folder with a checkpoint is a model \
                           as it is, for `mlxk server --model ./FOLDER`";
            return Err(ApiError::field("files", message));
        }
    };
    Ok((base, overrides, ignored))
}

fn is_gguf(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
}

/// What `from` means: a name, also one in Ollama's own store. A path is the operator's to name.
fn base(from: &str, state: &ServerState) -> Result<Reference, ApiError> {
    let config = &state.config;
    let plain = names::plain(from);
    if !plain.starts_with("ollama:") {
        reference(plain).map_err(|error| ApiError { param: Some("from".into()), ..error })?;
    }
    mlxk_hub::base_of(plain, Path::new(""), &config.pairs, &config.locations).map_err(failed)
}

/// Makes the model, on a thread that may wait.
fn make(
    name: &str,
    base: Base,
    overrides: Overrides,
    ignored: &[String],
    state: &ServerState,
    watch: &Watch,
) -> Result<(), ApiError> {
    let config = &state.config;
    let from = match base {
        Base::Model(reference) => reference,
        Base::Upload(digits) => return import(name, &digits, &overrides, state, watch),
    };
    let find = || {
        let found = mlxk_hub::resolve(&from, Matching::Exact, &config.pairs, &config.locations);
        found.map_err(failed)
    };
    match find()? {
        Resolution::Local(_) => {}
        Resolution::NeedsImport(plan) => {
            let mut agree = |_: &mlxk_hub::ImportInfo| ControlFlow::Continue(());
            mlxk_hub::import(&plan, &config.locations, watch, &mut agree).map_err(failed)?;
        }
        Resolution::NotLocal(_) => fetch(&from, state, watch)?,
    }
    let found = find()?.local().map_err(failed)?;
    note(ignored, &found.name, mlxk_hub::has_chat_template(&found.path), watch)?;
    watch.say("writing manifest");
    mlxk_hub::create(name, &from, overrides, &config.pairs, &config.locations).map_err(failed)?;
    tracing::info!(name, from = found.name, "created");
    Ok(())
}

/// Says what has no effect; where nothing has its place, that is refused.
fn note(ignored: &[String], base: &str, has_template: bool, watch: &Watch) -> Result<(), ApiError> {
    let template = ignored.iter().any(|name| name == "TEMPLATE");
    if template && !has_template {
        let message = format!(
            "`template` is in Ollama's form, which is not read, and `{base}` has no chat template of \
             its own"
        );
        return Err(ApiError::field("template", message));
    }
    if !ignored.is_empty() {
        watch.say(&format!("without effect here: {}", ignored.join(", ").to_lowercase()));
    }
    Ok(())
}

/// Makes a checkpoint out of an upload, which is gone then.
fn import(
    name: &str,
    digits: &str,
    overrides: &Overrides,
    state: &ServerState,
    watch: &Watch,
) -> Result<(), ApiError> {
    let config = &state.config;
    let path = blobs::path(digits, state);
    let taken = mlxk_hub::derived(name, &config.locations).map_err(failed)?;
    if taken.is_some() {
        let error = HubError::from(DerivedError::NameTaken {
            name: name.to_owned(),
            by: "a name made earlier".into(),
        });
        return Err(failed(error));
    }
    let source = ImportSource::Gguf { path: path.clone() };
    let plan = ImportPlan { name: name.to_owned(), source, download_bytes: Some(0) };
    let mut agree = |_: &mlxk_hub::ImportInfo| ControlFlow::Continue(());
    let found = mlxk_hub::import(&plan, &config.locations, watch, &mut agree).map_err(failed)?;
    if found.name != name {
        let message = format!("The upload is the model `{}` already", found.name);
        return Err(ApiError::new(Kind::BadRequest, message));
    }
    mlxk_hub::write_settings(&found.path, overrides).map_err(failed)?;
    // Its weights have another form now.
    let _ = std::fs::remove_file(path);
    tracing::info!(name, "created from an upload");
    Ok(())
}
