//! Finds the schemas that references lead to, within one document.

use std::collections::HashMap;

use serde_json::Value;

use super::place::{Place, Problem, shown};

/// Most schemas that are searched for `$id` and `$anchor`, and the deepest nesting.
const MAX_VISITS: usize = 20_000;
const MAX_DEPTH: usize = 256;

/// A schema that a reference leads to.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) schema: &'a Value,
    /// JSON pointer from the root.
    pub(super) pointer: String,
}

/// All that references can lead to.
pub(super) struct References<'a> {
    root: &'a Value,
    /// Schemas by `$id`, and by `#` with their `$anchor`. Read when a reference needs it.
    named: Option<HashMap<String, Target<'a>>>,
}

impl<'a> References<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, named: None }
    }

    /// Returns the schema that `reference` leads to, which stands at `place`.
    pub(super) fn target(
        &mut self,
        reference: &Value,
        place: &Place<'_>,
    ) -> Result<Target<'a>, Problem> {
        let Some(text) = reference.as_str() else {
            return place.refuse("must be a text");
        };
        self.find(text).map_or_else(
            || {
                let name = shown(text, 80);
                place.refuse(format!("leads to `{name}`, which is not in the schema"))
            },
            Ok,
        )
    }

    fn find(&mut self, reference: &str) -> Option<Target<'a>> {
        let (document, fragment) = match reference.split_once('#') {
            Some((document, fragment)) => (document, fragment),
            None => (reference, ""),
        };
        let base = if document.is_empty() {
            Target { schema: self.root, pointer: String::new() }
        } else {
            self.named(document)?
        };
        let fragment = percent_decoded(fragment);
        match fragment.as_str() {
            // Some tools write `#/` for the root.
            "" | "/" => Some(base),
            pointer if pointer.starts_with('/') => {
                let schema = base.schema.pointer(pointer)?;
                Some(Target { schema, pointer: base.pointer + pointer })
            }
            anchor => self.named(&format!("#{anchor}")),
        }
    }

    fn named(&mut self, name: &str) -> Option<Target<'a>> {
        let root = self.root;
        let named = self.named.get_or_insert_with(|| {
            let mut named = HashMap::new();
            let mut visits = 0;
            collect(root, "", MAX_DEPTH, &mut visits, &mut named);
            named
        });
        named.get(name).or_else(|| named.get(name.trim_end_matches('/'))).cloned()
    }
}

/// Notes `$id` and `$anchor` of a schema and of all values in it.
fn collect<'a>(
    value: &'a Value,
    pointer: &str,
    depth: usize,
    visits: &mut usize,
    named: &mut HashMap<String, Target<'a>>,
) {
    *visits += 1;
    if depth == 0 || *visits > MAX_VISITS {
        return;
    }
    match value {
        Value::Object(map) => {
            for (keyword, mark) in
                [("$id", ""), ("id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")]
            {
                if let Some(name) = map.get(keyword).and_then(Value::as_str) {
                    let target = Target { schema: value, pointer: pointer.to_owned() };
                    named.entry(format!("{mark}{}", name.trim_end_matches('#'))).or_insert(target);
                }
            }
            for (name, inner) in map {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(inner, &format!("{pointer}/{name}"), depth - 1, visits, named);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                collect(inner, &format!("{pointer}/{index}"), depth - 1, visits, named);
            }
        }
        _ => {}
    }
}

/// Returns a fragment without percent signs. Malformed ones stay as they are.
fn percent_decoded(fragment: &str) -> String {
    let bytes = fragment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = fragment.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| fragment.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_in_all_their_spellings() {
        let root = json!({
            "$id": "https://example.com/root",
            "$defs": {"a/b": {"$anchor": "here"}, "per cent": {"$id": "item.json", "$defs": {"x": 1}}},
            "components": {"schemas": {"C": {"type": "null"}}},
        });
        let mut references = References::new(&root);
        for (reference, pointer) in [
            ("#", ""),
            ("#/", ""),
            ("https://example.com/root", ""),
            ("https://example.com/root#/$defs", "/$defs"),
            ("#/$defs/a~1b", "/$defs/a~1b"),
            ("#here", "/$defs/a~1b"),
            ("#/$defs/per%20cent", "/$defs/per cent"),
            ("item.json#/$defs/x", "/$defs/per cent/$defs/x"),
            ("#/components/schemas/C", "/components/schemas/C"),
        ] {
            let target = references.find(reference).map(|target| target.pointer);
            assert_eq!(target.as_deref(), Some(pointer), "{reference}");
        }
        for reference in ["#/$defs/none", "other.json", "#there", "#/$defs/%zz"] {
            assert!(references.find(reference).is_none(), "{reference}");
        }
    }
}
