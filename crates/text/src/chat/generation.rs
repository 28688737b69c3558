//! `{% generation %}`: a tag of transformers that marks the assistant's text, for training.
//!
//! In rendering it only opens a scope, as `with` does. Replacing the tag's name keeps the rules for white
//! space around tags.

use std::borrow::Cow;

/// Returns `template` with these tags replaced by `with` and `endwith`.
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
