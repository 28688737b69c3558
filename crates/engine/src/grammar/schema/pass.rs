//! The walk over a schema that writes the same schema in the few words that the library knows.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::bounds::Budget;
use super::closing::{Evaluated, Plan};
use super::place::{Place, Problem};
use super::references::{References, Target};
use super::{keywords, object};

/// Types of JSON Schema.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
/// Keywords by which a schema without `type` means objects, and arrays.
const OF_OBJECTS: [&str; 3] = ["properties", "patternProperties", "additionalProperties"];
const OF_ARRAYS: [&str; 3] = ["items", "prefixItems", "additionalItems"];

/// Treatment of objects whose schema says nothing about other names.
#[derive(Clone, Debug)]
pub(super) enum Mode<'a> {
    /// They stay open: a schema around this one closes them.
    Open,
    /// They are closed if they have `properties`.
    Own,
    /// They are closed. Schemas around this one allow these names, too.
    With(Rc<Vec<&'a str>>),
}

/// The walk over one document.
pub(super) struct Pass<'a> {
    pub(super) budget: Budget<'a>,
    pub(super) references: References<'a>,
    /// Names of definitions, by the address of their schema and `true` if it stays open.
    known: HashMap<(*const Value, bool), String>,
    pub(super) definitions: Map<String, Value>,
    /// JSON pointers of the definitions' schemas.
    pub(super) pointers: HashMap<String, String>,
    pub(super) evaluated: HashMap<*const Value, Rc<Evaluated<'a>>>,
    /// Schemas whose names are being collected, one in the other.
    pub(super) evaluating: usize,
    /// Digits and scale of each `multipleOf`.
    pub(super) divisors: BTreeSet<(u32, u32)>,
    /// `true` if schemas are merged, and their divisors with them.
    pub(super) merges: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(root: &'a Value, budget: Budget<'a>) -> Self {
        Self {
            budget,
            references: References::new(root),
            known: HashMap::new(),
            definitions: Map::new(),
            pointers: HashMap::new(),
            evaluated: HashMap::new(),
            evaluating: 0,
            divisors: BTreeSet::new(),
            merges: false,
        }
    }

    /// Rewrites a schema.
    pub(super) fn schema(
        &mut self,
        schema: &'a Value,
        mode: &Mode<'a>,
        place: &Place<'_>,
    ) -> Result<Value, Problem> {
        self.budget.node(place)?;
        if let Some(verdict) = keywords::verdict(schema) {
            return Ok(match mode {
                Mode::With(names) if verdict => {
                    let mut out = Map::new();
                    object::close(&mut out, names);
                    out.into()
                }
                _ => verdict.into(),
            });
        }
        let Value::Object(map) = schema else {
            return place.refuse("must be an object, `true` or `false`");
        };
        keywords::check(map, place)?;
        if let Some(not) = map.get("not") {
            match keywords::verdict(not) {
                Some(true) => return Ok(false.into()),
                Some(false) => {}
                None => {
                    return place
                        .key("not")
                        .refuse("is not supported; say what is allowed instead");
                }
            }
        }
        let inner = self.constrained(map, mode, place)?;
        // OpenAPI 3.0.
        if map.get("nullable") == Some(&Value::Bool(true)) {
            return Ok(json!({"anyOf": [inner, {"type": "null"}]}));
        }
        Ok(inner)
    }

    /// Rewrites what a schema says itself and by the schemas that apply to the same instance.
    fn constrained(
        &mut self,
        map: &'a Map<String, Value>,
        mode: &Mode<'a>,
        place: &Place<'_>,
    ) -> Result<Value, Problem> {
        let parts = self.parts(map, place)?;
        let groups = groups(map, place)?;
        let plan = self.plan(map, &parts, &groups, mode)?;
        let mut more = Vec::new();
        let is_alone = parts.is_empty() && groups.is_empty();
        let mut core = self.core(map, &plan, is_alone, &mut more, place)?;
        let mut all = Vec::new();
        for part in &parts {
            let part = match &part.place {
                PartPlace::Reference(pointer) => {
                    self.reference(part.schema, pointer, &plan.parts, place)?
                }
                PartPlace::Index(index) => {
                    self.schema(part.schema, &plan.parts, &place.key("allOf").index(*index))?
                }
            };
            all.push(part);
        }
        let mut alternatives = Vec::new();
        for (keyword, cases) in &groups {
            let place = place.key(keyword);
            let cases = cases.iter().enumerate();
            let cases =
                cases.map(|(index, case)| self.schema(case, &plan.groups, &place.index(index)));
            alternatives.push(Value::from(cases.collect::<Result<Vec<_>, _>>()?));
        }
        // One of the groups stays; the others have to hold as well.
        let first = if alternatives.is_empty() { None } else { Some(alternatives.remove(0)) };
        all.extend(alternatives.into_iter().map(|cases| json!({"anyOf": cases})));
        all.append(&mut more);
        if core.is_empty() && all.len() + usize::from(first.is_some()) == 1 {
            return Ok(match first {
                Some(cases) => json!({"anyOf": cases}),
                None => all.remove(0),
            });
        }
        self.merges |= !all.is_empty() || first.is_some() && !core.is_empty();
        let mut out = Map::new();
        if !all.is_empty() {
            out.insert("allOf".to_owned(), all.into());
        }
        out.append(&mut core);
        if let Some(cases) = first {
            out.insert("anyOf".to_owned(), cases);
        }
        Ok(out.into())
    }

    /// Returns the schemas of `$ref` and `allOf`.
    fn parts(
        &mut self,
        map: &'a Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<Vec<Part<'a>>, Problem> {
        let mut parts = Vec::new();
        for keyword in ["$ref", "$recursiveRef"] {
            if let Some(reference) = map.get(keyword) {
                let Target { schema, pointer } =
                    self.references.target(reference, &place.key(keyword))?;
                parts.push(Part { schema, place: PartPlace::Reference(pointer) });
            }
        }
        match map.get("allOf") {
            None => {}
            Some(Value::Array(all)) => {
                let all = all.iter().enumerate();
                let all = all.filter(|(_, schema)| keywords::verdict(schema) != Some(true));
                parts.extend(
                    all.map(|(index, schema)| Part { schema, place: PartPlace::Index(index) }),
                );
            }
            Some(_) => return place.key("allOf").refuse("must be a list of schemas"),
        }
        Ok(parts)
    }

    /// Rewrites the schema that a reference leads to as a definition, and returns a reference to that.
    fn reference(
        &mut self,
        schema: &'a Value,
        pointer: &str,
        mode: &Mode<'a>,
        place: &Place<'_>,
    ) -> Result<Value, Problem> {
        if let Mode::With(names) = mode {
            let names = Rc::clone(names);
            let evaluated = self.evaluated(schema)?;
            let reference = self.reference(schema, pointer, &Mode::Open, place)?;
            if evaluated.opens || evaluated.excludes_objects {
                return Ok(reference);
            }
            let mut out = Map::new();
            out.insert("allOf".to_owned(), json!([reference]));
            let names: Vec<&str> = names.iter().chain(&evaluated.names).copied().collect();
            object::close(&mut out, &names);
            self.merges = true;
            return Ok(out.into());
        }
        let key = (std::ptr::from_ref(schema), matches!(mode, Mode::Open));
        if let Some(name) = self.known.get(&key) {
            return Ok(json!({"$ref": format!("#/$defs/{name}")}));
        }
        let name = format!("d{}", self.known.len());
        self.known.insert(key, name.clone());
        self.pointers.insert(name.clone(), format!("#{pointer}"));
        let definition = self.schema(schema, mode, &Place::at(pointer, place.depth + 1))?;
        self.definitions.insert(name.clone(), definition);
        Ok(json!({"$ref": format!("#/$defs/{name}")}))
    }

    /// Rewrites the keywords that do not hold schemas for the same instance.
    fn core(
        &mut self,
        map: &'a Map<String, Value>,
        plan: &Plan<'a>,
        is_alone: bool,
        more: &mut Vec<Value>,
        place: &Place<'_>,
    ) -> Result<Map<String, Value>, Problem> {
        let mut out = Map::new();
        let types = types(map, is_alone, place)?;
        let may_be = |kind: &str| types.as_ref().is_none_or(|types| types.contains(&kind));
        match types.as_deref() {
            None => {}
            Some([kind]) => {
                out.insert("type".to_owned(), (*kind).into());
            }
            Some(kinds) => {
                out.insert("type".to_owned(), json!(kinds));
            }
        }
        if may_be("object") {
            self.object_keywords(map, &mut out, place)?;
            if let Some(names) = &plan.close {
                object::close(&mut out, names);
            }
            object::check_count(&mut out, place)?;
        }
        if may_be("array") {
            self.array_keywords(map, &mut out, place)?;
        }
        if may_be("integer") || may_be("number") {
            let is_whole = !may_be("number");
            self.number_keywords(map, &mut out, is_whole, place)?;
        }
        if may_be("string") {
            self.string_keywords(map, &mut out, more, place)?;
        }
        self.constants(map, &mut out, place)?;
        Ok(out)
    }
}

/// A schema of `$ref` or `allOf`.
pub(super) struct Part<'a> {
    pub(super) schema: &'a Value,
    place: PartPlace,
}

enum PartPlace {
    /// JSON pointer of what a reference leads to.
    Reference(String),
    /// Index in `allOf`.
    Index(usize),
}

/// Returns the cases of `anyOf` and `oneOf`. A grammar cannot tell if two cases match at once, so both are alike.
fn groups<'a>(
    map: &'a Map<String, Value>,
    place: &Place<'_>,
) -> Result<Vec<(&'static str, &'a Vec<Value>)>, Problem> {
    let mut groups = Vec::new();
    for keyword in ["anyOf", "oneOf"] {
        match map.get(keyword) {
            None => {}
            Some(Value::Array(cases)) if !cases.is_empty() => groups.push((keyword, cases)),
            Some(_) => return place.key(keyword).refuse("must be a list with at least one schema"),
        }
    }
    Ok(groups)
}

/// Reads `type`. Without it, a schema that has keywords of objects or arrays alone means these.
fn types<'a>(
    map: &'a Map<String, Value>,
    is_alone: bool,
    place: &Place<'_>,
) -> Result<Option<Vec<&'a str>>, Problem> {
    let unknown = |kind: &Value| {
        let kind = super::place::shown(&kind.to_string(), 40);
        place.key("type").refuse(format!("is {kind}, which is not a type of JSON Schema"))
    };
    let listed = match map.get("type") {
        None | Some(Value::Null) => {
            let has = |keywords: &[&str]| keywords.iter().any(|keyword| map.contains_key(*keyword));
            let is_plain = is_alone && !has(&["const", "enum"]);
            return Ok(match (has(&OF_OBJECTS), has(&OF_ARRAYS)) {
                (true, false) if is_plain => Some(vec!["object"]),
                (false, true) if is_plain => Some(vec!["array"]),
                _ => None,
            });
        }
        Some(Value::Array(list)) if list.is_empty() => {
            return place.key("type").refuse("must have at least one type");
        }
        Some(Value::Array(list)) => list.as_slice(),
        Some(kind) => std::slice::from_ref(kind),
    };
    let mut types = Vec::new();
    for kind in listed {
        match kind.as_str() {
            // A name for all types in draft 3.
            Some("any") => return Ok(None),
            Some(name) if TYPES.contains(&name) => {
                if !types.contains(&name) {
                    types.push(name);
                }
            }
            _ => return unknown(kind),
        }
    }
    // Whole numbers are numbers.
    if types.contains(&"number") {
        types.retain(|kind| *kind != "integer");
    }
    Ok(Some(types))
}

/// Reads a number of things. `4.0` is 4.
pub(super) fn count(
    map: &Map<String, Value>,
    keyword: &str,
    place: &Place<'_>,
) -> Result<Option<u64>, Problem> {
    let value = match map.get(keyword) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let whole = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|number| *number >= 0.0 && number.fract() == 0.0)
            .map(|number| number as u64)
    });
    match whole {
        Some(count) => Ok(Some(count)),
        None => place.key(keyword).refuse("must be a whole number that is not negative"),
    }
}
