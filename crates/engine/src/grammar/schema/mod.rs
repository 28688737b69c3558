//! Rewrites a client's JSON Schema for the grammar library.
//!
//! Schemas come from many tools and in all drafts; the library knows the words of two, follows no reference but the
//! plainest, reads options of its own from the document, and recurses without a bound. So it never sees a client's
//! document, but one that this module writes: the same meaning in the few keywords that the library enforces, within
//! [bounds]. Objects are closed on the way ([closing]). A keyword that cannot be enforced is refused with its place.
//!
//! Everything that is accepted stays valid under the client's schema, with one exception: the cases of `oneOf` are
//! those of `anyOf`, because a grammar cannot tell if two of them match.

mod array;
mod bounds;
mod closing;
mod constant;
mod formats;
mod keywords;
mod names;
mod number;
mod object;
mod pass;
mod pattern;
mod place;
mod references;
mod size;
mod text;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use bounds::{Budget, MAX_MERGED};
use pass::{Mode, Pass};
use place::Place;

pub(crate) use place::Problem;

/// White space between the parts of a JSON text: enough for one value a line, but not for endless space.
const WHITESPACE: &str = r"[ ]?|\n[ \t]{0,24}";
/// Keywords of a rewritten schema whose value is a schema, or a list of schemas.
pub(super) const SCHEMAS: [&str; 5] =
    ["items", "prefixItems", "additionalProperties", "allOf", "anyOf"];
/// Keywords of a rewritten schema whose value names schemas.
pub(super) const NAMED_SCHEMAS: [&str; 3] = ["properties", "patternProperties", "$defs"];

/// A schema for the grammar library.
#[derive(Clone, Debug)]
pub(crate) struct Rewritten {
    pub(crate) schema: Value,
    /// The client's names of the definitions, for messages.
    pub(crate) pointers: HashMap<String, String>,
}

impl Rewritten {
    /// Adds the options of the library.
    pub(crate) fn with_options(mut self) -> Value {
        if let Value::Object(schema) = &mut self.schema {
            schema.insert("x-guidance".to_owned(), json!({ "whitespace_pattern": WHITESPACE }));
        }
        self.schema
    }
}

/// Rewrites a schema. `is_over` returns `true` if the result is not wanted any more.
pub(crate) fn rewritten(root: &Value, is_over: &dyn Fn() -> bool) -> Result<Rewritten, Problem> {
    let mut pass = Pass::new(root, Budget::new(is_over));
    let place = Place::at("", 0);
    let schema = pass.schema(root, &Mode::Own, &place)?;
    let Pass { definitions, pointers, divisors, merges, .. } = pass;
    let refused = |text: &str| Err(Problem::Refused(text.to_owned()));
    check_aliases(&definitions, &pointers)?;
    if merges && !number::have_common_multiple(divisors.iter().copied()) {
        return refused(
            "`multipleOf` has several values next to `allOf` or `$ref` whose common multiple is too large",
        );
    }
    if size::merged_size(&schema, &definitions, MAX_MERGED) > MAX_MERGED {
        return refused(
            "The schema merges too many cases of `anyOf` by `allOf` and `$ref`; make it smaller",
        );
    }
    let mut schema = match schema {
        Value::Object(schema) => schema,
        Value::Bool(false) => return place.refuse("allows no value"),
        // An empty schema with options: everything is allowed.
        _ => Map::new(),
    };
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    Ok(Rewritten { schema: schema.into(), pointers })
}

/// Refuses references that lead in a circle without saying anything on the way.
fn check_aliases(
    definitions: &Map<String, Value>,
    pointers: &HashMap<String, String>,
) -> Result<(), Problem> {
    let next = |name: &str| {
        let alias = definitions.get(name)?.as_object().filter(|map| map.len() == 1)?;
        alias.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
    };
    for name in definitions.keys() {
        let mut steps = 0;
        let mut at = name.as_str();
        while let Some(target) = next(at) {
            at = target;
            steps += 1;
            if steps > definitions.len() {
                let pointer = pointers.get(name).map_or("", String::as_str);
                return Place::at(pointer, 0).refuse("refers to itself, and to nothing else");
            }
        }
    }
    Ok(())
}
