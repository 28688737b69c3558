//! `{% generation %}`: a tag of transformers that marks what the assistant wrote, for training.
//!
//! When rendering it only opens a scope, which is what `with` does; replacing one by the other
//! leaves the rules for white space around tags as they are.

use std::borrow::Cow;

/// `template` with those tags replaced.
pub(super) fn replace_tags(template: &str) -> Cow<'_, str> {
    if !template.contains("generation") {
        return Cow::Borrowed(template);
    }
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        let Some(end) = tag.find("%}") else {
            break;
        };
        out.push_str(before);
        let inside = &tag[..end];
        let name = inside.trim_matches(['-', '+']).trim();
        let replacement = match name {
            "generation" => Some("with"),
            "endgeneration" => Some("endwith"),
            _ => None,
        };
        rest = if let Some(replacement) = replacement {
            out.push_str(&inside.replacen(name, replacement, 1));
            &tag[end..]
        } else {
            tag
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}
