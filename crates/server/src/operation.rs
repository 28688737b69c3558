//! Routes as data, for the description of the server.

use serde_json::Value;

/// A route.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// Path as OpenAPI writes it, with `{name}` for a parameter.
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    /// Body of the request, if it has one.
    pub(crate) body: Option<Body>,
    /// Media types of the response.
    pub(crate) answers: &'static [&'static str],
}

/// The body of a request.
pub(crate) struct Body {
    /// Name of the schema.
    pub(crate) name: &'static str,
    /// Names of its fields, one list per struct that reads them.
    pub(crate) fields: Vec<&'static [&'static str]>,
    pub(crate) required: &'static [&'static str],
    /// Returns the schema of a field.
    pub(crate) schema: fn(&str) -> Option<Value>,
}
