//! Names of a request in the logs of several servers.

/// Names of a request, which servers pass on so that their logs can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Value of the header `x-request-id`.
    pub request_id: Option<String>,
    /// Value of the header `traceparent` (W3C Trace Context, 2021).
    pub parent: Option<String>,
    /// Value of the header `tracestate`, which means nothing without a parent.
    pub state: Option<String>,
}

impl Trace {
    /// Returns the headers that carry the names.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.state.as_ref().filter(|_| self.parent.is_some());
        [
            ("x-request-id", self.request_id.as_ref()),
            ("traceparent", self.parent.as_ref()),
            ("tracestate", state),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.as_str())))
    }
}
