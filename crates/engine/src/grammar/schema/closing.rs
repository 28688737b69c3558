//! Decides where objects are closed to names that their schema does not list.
//!
//! A model that may invent keys does, and some never stop. So an object with `properties` and no word on other names
//! is closed, as in llama.cpp, Ollama and OpenAI. Schemas that apply to the same object (`$ref`, `allOf`, `anyOf`)
//! are closed together, or no object would satisfy all of them: the names of one are allowed in the others.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::bounds::MAX_DEPTH;
use super::pass::{Mode, Part, Pass};
use super::place::{Place, Problem};

/// The rules of a schema for the names of objects, with the schemas that apply to the same object.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluated<'a> {
    /// Names that it describes, each once.
    pub(super) names: Vec<&'a str>,
    /// `true` if it has `properties`.
    pub(super) declares: bool,
    /// `true` if it allows other names, or has a schema or pattern for them.
    pub(super) opens: bool,
    /// `true` if it matches no object.
    pub(super) excludes_objects: bool,
}

impl Evaluated<'_> {
    fn add(&mut self, other: &Self) {
        self.names.extend(&other.names);
        self.declares |= other.declares;
        self.opens |= other.opens;
    }

    fn has_each_name_once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.names.retain(|name| seen.insert(*name));
        self
    }
}

/// Where the parts of one schema are closed.
pub(super) struct Plan<'a> {
    /// Mode of `$ref` and `allOf`.
    pub(super) parts: Mode<'a>,
    /// Mode of `anyOf` and `oneOf`.
    pub(super) groups: Mode<'a>,
    /// Names that the schema itself allows next to its own, if it is closed here.
    pub(super) close: Option<Vec<&'a str>>,
}

impl Plan<'_> {
    const OPEN: Self = Self { parts: Mode::Open, groups: Mode::Open, close: None };
}

impl<'a> Pass<'a> {
    /// Decides for the schema `map` with its `parts` and `groups`.
    pub(super) fn plan(
        &mut self,
        map: &'a Map<String, Value>,
        parts: &[Part<'a>],
        groups: &[(&'static str, &'a Vec<Value>)],
        mode: &Mode<'a>,
    ) -> Result<Plan<'a>, Problem> {
        let closes_all = map.get("unevaluatedProperties") == Some(&Value::Bool(false))
            && !map.contains_key("additionalProperties");
        let around: Option<&[&str]> = match mode {
            Mode::Open if !closes_all => return Ok(Plan::OPEN),
            Mode::Open | Mode::Own => None,
            Mode::With(names) => Some(names),
        };
        if excludes_objects(map) {
            return Ok(Plan::OPEN);
        }
        if !closes_all && has_word_on_others(map) {
            // Patterns of names without a word on the rest list what is allowed, as `properties` do.
            let lists_patterns = map.contains_key("patternProperties")
                && !["additionalProperties", "unevaluatedProperties", "propertyNames"]
                    .iter()
                    .any(|keyword| map.contains_key(*keyword));
            let is_alone = parts.is_empty() && groups.is_empty() && matches!(mode, Mode::Own);
            let close = (lists_patterns && is_alone).then(Vec::new);
            return Ok(Plan { close, ..Plan::OPEN });
        }
        let mut of_parts = Evaluated::default();
        for part in parts {
            of_parts.add(&*self.evaluated(part.schema)?);
        }
        let mut of_groups = Evaluated::default();
        for case in groups.iter().flat_map(|(_, cases)| *cases) {
            of_groups.add(&*self.evaluated(case)?);
        }
        let own = own_names(map);
        let declares_itself = closes_all || map.contains_key("properties") || around.is_some();
        let around = around.unwrap_or_default();
        let all = |lists: &[&[&'a str]]| {
            let names = lists.concat();
            Evaluated { names, ..Evaluated::default() }.has_each_name_once().names
        };
        if parts.is_empty() && groups.is_empty() {
            let close = declares_itself.then(|| around.to_vec());
            return Ok(Plan { close, ..Plan::OPEN });
        }
        if !declares_itself {
            // Each closes itself, if it is the only one with a say.
            match (of_parts.declares, of_groups.declares, parts.len(), groups.len()) {
                (false, false, ..) => {
                    return Ok(Plan { parts: Mode::Own, groups: Mode::Own, close: None });
                }
                (true, false, 1, _) => {
                    return Ok(Plan { parts: Mode::Own, groups: Mode::Open, close: None });
                }
                (false, true, _, 1) => {
                    return Ok(Plan { parts: Mode::Open, groups: Mode::Own, close: None });
                }
                _ => {}
            }
        }
        if of_parts.opens {
            return Ok(Plan::OPEN);
        }
        if groups.len() == 1 {
            let names = all(&[around, &own, &of_parts.names]);
            return Ok(Plan { parts: Mode::Open, groups: Mode::With(Rc::new(names)), close: None });
        }
        if of_groups.opens {
            return Ok(Plan::OPEN);
        }
        let names = all(&[around, &of_parts.names, &of_groups.names]);
        Ok(Plan { parts: Mode::Open, groups: Mode::Open, close: Some(names) })
    }

    /// Returns what a schema says about names.
    pub(super) fn evaluated(&mut self, schema: &'a Value) -> Result<Rc<Evaluated<'a>>, Problem> {
        let key = std::ptr::from_ref(schema);
        if let Some(known) = self.evaluated.get(&key) {
            return Ok(Rc::clone(known));
        }
        let Some(map) = schema.as_object() else { return Ok(Rc::default()) };
        // A schema that contains itself adds nothing the second time.
        self.evaluated.insert(key, Rc::default());
        self.evaluating += 1;
        if self.evaluating > MAX_DEPTH {
            return Place::at("", 0).refuse(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut found = Evaluated {
            names: own_names(map),
            declares: map.contains_key("properties"),
            opens: opens(map),
            excludes_objects: excludes_objects(map),
        };
        self.budget.steps(1 + found.names.len())?;
        let mut inner = Vec::new();
        for keyword in ["$ref", "$recursiveRef"] {
            if let Some(reference) = map.get(keyword) {
                let target = self.references.target(reference, &Place::at("", 0))?;
                inner.push(target.schema);
                found.excludes_objects |= target.schema.as_object().is_some_and(excludes_objects);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            inner.extend(map.get(keyword).and_then(Value::as_array).into_iter().flatten());
        }
        for schema in inner {
            let other = self.evaluated(schema)?;
            self.budget.steps(1 + other.names.len())?;
            found.add(&other);
        }
        self.evaluating -= 1;
        let found = Rc::new(found.has_each_name_once());
        self.evaluated.insert(key, Rc::clone(&found));
        Ok(found)
    }
}

fn own_names(map: &Map<String, Value>) -> Vec<&str> {
    let properties = map.get("properties").and_then(Value::as_object);
    let required = map.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    properties.into_iter().flat_map(Map::keys).map(String::as_str).chain(required).collect()
}

fn has_word_on_others(map: &Map<String, Value>) -> bool {
    ["additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames"]
        .iter()
        .any(|keyword| map.get(*keyword).is_some_and(|value| !value.is_null()))
}

/// Returns `true` if other names are allowed, or have a schema or pattern.
fn opens(map: &Map<String, Value>) -> bool {
    let has_word = |keyword: &str| {
        map.get(keyword).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    ["additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames"]
        .into_iter()
        .any(has_word)
}

fn excludes_objects(map: &Map<String, Value>) -> bool {
    let is_object = |kind: &Value| *kind == "object" || *kind == "any";
    match map.get("type") {
        None | Some(Value::Null) => false,
        Some(Value::Array(kinds)) => !kinds.iter().any(is_object),
        Some(kind) => !is_object(kind),
    }
}
