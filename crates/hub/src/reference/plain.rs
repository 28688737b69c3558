//! Forms of a name that say nothing more than the name: with a host in front, or with `:latest`.

use super::{is_gguf, is_path};

/// Tag that Ollama adds to a name without one.
const LATEST: &str = ":latest";
/// Hosts of the hub and of Ollama's library, which may precede a name.
const HOSTS: [&str; 4] = ["hf.co/", "huggingface.co/", "registry.ollama.ai/", "ollama.com/"];
/// Namespace of Ollama's own models, which it leaves out itself.
const LIBRARY: &str = "library/";

/// Removes the host and the namespace of Ollama's library. Returns the text unchanged if the rest
/// would not be a name.
pub(super) fn without_host(text: &str) -> &str {
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let bare = bare.unwrap_or(text);
    let is_host =
        |host: &&str| bare.get(..host.len()).is_some_and(|at| at.eq_ignore_ascii_case(host));
    let name = match HOSTS.into_iter().find(is_host) {
        Some(host) => bare[host.len()..].trim_end_matches('/'),
        None => text,
    };
    let name = name.strip_prefix(LIBRARY).unwrap_or(name);
    let is_other = name.is_empty() || is_gguf(name) || is_path(name) || name.starts_with('~');
    let has_prefix = ["hf:", "pypi:", "ollama:"].iter().any(|prefix| name.starts_with(prefix));
    if is_other || has_prefix || name.matches('/').count() > 1 { text } else { name }
}

/// Removes the tag `:latest`, which stands for no tag.
pub(super) fn without_latest(name: &str) -> &str {
    match name.strip_suffix(LATEST) {
        Some(rest) if !rest.is_empty() && !rest.contains(':') && !is_gguf(rest) => rest,
        _ => name,
    }
}
