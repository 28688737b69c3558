//! `GET /openapi.json`: all routes, and the fields of their requests.
//!
//! The names of fields come from the structs that read them, their types from a table of each dialect. A test
//! compares the routes to those in the source, and checks that every field has a type.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::operation::Operation;
use crate::{anthropic, backends, llama, ollama, openai, page, responses, retrieval};

const JSON: &str = "application/json";
const STATUSES: [(&str, &str); 10] = [
    ("400", "The request is invalid"),
    ("401", "The API key is missing or wrong"),
    ("403", "The origin or host is not allowed"),
    ("404", "The route or model does not exist"),
    ("408", "The request took too long"),
    ("413", "The request is too large"),
    ("415", "The request is not JSON"),
    ("501", "This server does not offer this"),
    ("503", "Too many requests wait, or the server is stopping"),
    ("507", "The model does not fit in memory"),
];

fn own() -> Vec<Operation> {
    let get = |path, about, answers| Operation { method: "get", path, about, body: None, answers };
    vec![
        get("/health", "Check if the server is up", &[JSON]),
        get("/metrics", "Return counters for Prometheus", &["text/plain"]),
        get("/openapi.json", "Return this description", &[JSON]),
    ]
}

/// Returns every route of every dialect.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = openai::operations();
    all.extend(responses::operations());
    all.extend(anthropic::operations());
    all.extend(llama::operations());
    all.extend(retrieval::operations());
    all.extend(ollama::operations());
    all.extend(own());
    all.extend(backends::operations());
    all.extend(page::operations());
    all
}

/// Returns the description of the server.
pub(crate) fn description() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas = Map::new();
    for operation in operations() {
        paths.entry(operation.path).or_default().insert(operation.method.into(), route(&operation));
        if let Some(body) = operation.body {
            let property = |name: &&str| {
                let schema = (body.schema)(name).unwrap_or_else(|| json!({}));
                ((*name).to_owned(), schema)
            };
            let names = body.fields.iter().copied().flatten();
            let properties: Map<String, Value> = names.map(property).collect();
            let schema = json!({
                "type": "object",
                "properties": properties,
                "required": body.required,
            });
            schemas.insert(body.name.to_owned(), schema);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mlxk",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "MLX language models over HTTP. A field that is not listed is ignored, and named in the \
                response header `x-mlxk-ignored`; `mlxk server --strict` refuses it.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    })
}

fn route(operation: &Operation) -> Value {
    let content: Map<String, Value> =
        operation.answers.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
    let mut responses = Map::new();
    responses.insert("200".into(), json!({"description": "Done", "content": content}));
    for (status, about) in STATUSES {
        let content = json!({JSON: {}});
        responses.insert(status.into(), json!({"description": about, "content": content}));
    }
    let mut route = json!({"summary": operation.about, "responses": responses});
    if let Some(body) = &operation.body {
        let schema = json!({"$ref": format!("#/components/schemas/{}", body.name)});
        route["requestBody"] = json!({"required": true, "content": {JSON: {"schema": schema}}});
    }
    let parts = operation.path.split(['{', '}']).skip(1).step_by(2);
    let parameters: Vec<Value> = parts
        .map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    if !parameters.is_empty() {
        route["parameters"] = parameters.into();
    }
    route
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Collects the paths in calls of `route` from the source of all dialects.
    fn routes_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                routes_in(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in text.split(".route(").skip(1) {
                    let Some(rest) = call.trim_start().strip_prefix('"') else { continue };
                    if !rest.starts_with('/') {
                        continue;
                    }
                    found.insert(rest.split('"').next().unwrap().replace("{*", "{"));
                }
            }
        }
    }

    #[test]
    fn every_route_is_described() {
        let mut routes = BTreeSet::new();
        routes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
        let described: BTreeSet<String> =
            operations().iter().map(|operation| operation.path.to_owned()).collect();
        assert!(routes.contains("/v1/chat/completions"), "{routes:?}");
        assert_eq!(routes, described);
    }

    #[test]
    fn every_field_has_a_type() {
        for operation in operations() {
            let Some(body) = operation.body else { continue };
            let fields: Vec<&str> = body.fields.concat();
            assert!(!fields.is_empty(), "{}", operation.path);
            for field in &fields {
                assert!((body.schema)(field).is_some(), "{}: {field}", operation.path);
            }
            assert!(body.required.iter().all(|field| fields.contains(field)));
        }
    }
}
