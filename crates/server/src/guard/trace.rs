//! Names of a request that are passed on to hosts elsewhere.

use axum::http::HeaderMap;
use mlxk_providers::Trace;

tokio::task_local! {
    /// Names of the request that this task handles.
    pub(super) static CURRENT: Trace;
}

/// Most bytes of `tracestate` that have to be passed on (W3C Trace Context, section 3.3.1.5).
const MOST_STATE: usize = 512;

/// Returns the names of the request that is being handled.
pub(crate) fn trace() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Reads the names of a request. Malformed ones are dropped, as the standard asks.
pub(super) fn of(headers: &HeaderMap, id: &str) -> Trace {
    let value = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then(|| value.trim().to_owned())
    };
    let parent = value("traceparent").filter(|parent| is_parent(parent));
    let state = value("tracestate").filter(|state| state.len() <= MOST_STATE);
    Trace { request_id: Some(id.to_owned()), state: state.filter(|_| parent.is_some()), parent }
}

/// Returns `true` for `VERSION-TRACE-SPAN-FLAGS`. Later versions may have more parts.
fn is_parent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags, more @ ..] = &parts[..] else { return false };
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_some = |part: &str| part.bytes().any(|c| c != b'0');
    is_hex(version, 2)
        && *version != "ff"
        && is_hex(trace, 32)
        && is_some(trace)
        && is_hex(span, 16)
        && is_some(span)
        && is_hex(flags, 2)
        && (more.is_empty() || *version != "00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_parent_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa11c902c7-01";
        assert!(is_parent(good));
        assert!(is_parent(&format!("cc{}-later", &good[2..])));
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa11c902c7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa11c902c7-01",
            "00-00000000000000000000000000000000-00f067aa11c902c7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa11c902c7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa11c902c7-01-later",
        ] {
            assert!(!is_parent(text), "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("tracestate", "a=1".parse().unwrap());
        assert_eq!(of(&headers, "x").state, None);
        headers.insert("traceparent", good.parse().unwrap());
        let trace = of(&headers, "x");
        assert_eq!((trace.parent.as_deref(), trace.state.as_deref()), (Some(good), Some("a=1")));
        headers.append("traceparent", good.parse().unwrap());
        assert_eq!(of(&headers, "x").parent, None);
    }
}
