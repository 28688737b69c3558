//! Keywords of objects.

use serde_json::{Map, Value, json};

use super::bounds::{MAX_CASES, MAX_PATTERNS, MAX_PROPERTIES};
use super::keywords;
use super::names::NameRule;
use super::pass::{Mode, Pass, count};
use super::place::{Place, Problem};

impl<'a> Pass<'a> {
    /// Adds the keywords of objects to `out`, as far as they do not depend on whether the object is closed.
    pub(super) fn object_keywords(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        if let Some(properties) = named(schema, "properties", place)? {
            let place = place.key("properties");
            if properties.len() > MAX_PROPERTIES {
                return place.refuse(format!("has more than {MAX_PROPERTIES} names"));
            }
            let mut compiled = Map::new();
            for (name, schema) in properties {
                self.budget.text(name)?;
                compiled.insert(name.clone(), self.schema(schema, &Mode::Own, &place.named(name))?);
            }
            out.insert("properties".to_owned(), compiled.into());
        }
        if let Some(patterns) = named(schema, "patternProperties", place)? {
            let place = place.key("patternProperties");
            if patterns.len() > MAX_PATTERNS {
                return place.refuse(format!("has more than {MAX_PATTERNS} patterns"));
            }
            let mut compiled = Map::new();
            for (pattern, schema) in patterns {
                let name =
                    self.pattern_of_names(&pattern.as_str().into(), &place.named(pattern))?;
                compiled.insert(name, self.schema(schema, &Mode::Own, &place.named(pattern))?);
            }
            out.insert("patternProperties".to_owned(), compiled.into());
        }
        if let Some(keyword) = others(schema, place)? {
            let others = self.schema(&schema[keyword], &Mode::Own, &place.key(keyword))?;
            out.insert("additionalProperties".to_owned(), others);
        }
        if let Some(names) = schema.get("propertyNames") {
            let place = place.key("propertyNames");
            let rule = self.name_rule(names, &place)?;
            apply(rule, out, &place)?;
        }
        if let Some(names) = required(schema, place)? {
            for name in &names {
                self.budget.text(name)?;
            }
            out.insert("required".to_owned(), json!(names));
        }
        for keyword in ["minProperties", "maxProperties"] {
            if let Some(count) = count(schema, keyword, place)? {
                out.insert(keyword.to_owned(), count.into());
            }
        }
        Ok(())
    }

    /// Translates a pattern of names, which cannot be split into several.
    pub(super) fn pattern_of_names(
        &mut self,
        pattern: &Value,
        place: &Place<'_>,
    ) -> Result<String, Problem> {
        let mut patterns = self.patterns(pattern, place)?;
        match (patterns.pop(), patterns.is_empty()) {
            (Some(pattern), true) => Ok(pattern),
            _ => place.refuse("uses look-ahead, which is not supported in patterns of names"),
        }
    }
}

/// Closes an object: only the names in its properties, in `names` and in `required` are allowed.
pub(super) fn close(out: &mut Map<String, Value>, names: &[&str]) {
    let required: Vec<String> =
        out.get("required").and_then(Value::as_array).map_or_else(Vec::new, |names| {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        });
    let required = required.iter().map(String::as_str);
    let properties = out.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        for name in names.iter().copied().chain(required) {
            if !properties.contains_key(name) {
                properties.insert(name.to_owned(), true.into());
            }
        }
    }
    out.insert("additionalProperties".to_owned(), false.into());
}

/// Drops the bounds on the number of properties that hold anyway, and refuses those that the library does not
/// enforce.
pub(super) fn check_count(out: &mut Map<String, Value>, place: &Place<'_>) -> Result<(), Problem> {
    let number = |out: &Map<String, Value>, name: &str| out.get(name).and_then(Value::as_u64);
    let length = |name: &str| match out.get(name) {
        Some(Value::Object(map)) => map.len() as u64,
        Some(Value::Array(list)) => list.len() as u64,
        _ => 0,
    };
    let (properties, required) = (length("properties"), length("required"));
    let is_closed = length("patternProperties") == 0
        && out.get("additionalProperties") == Some(&Value::Bool(false));
    if number(out, "minProperties").is_some_and(|least| least <= required) {
        out.remove("minProperties");
    }
    if is_closed && number(out, "maxProperties").is_some_and(|most| most >= properties) {
        out.remove("maxProperties");
    }
    let (least, most) = (number(out, "minProperties"), number(out, "maxProperties"));
    let optional = properties.saturating_sub(required);
    if optional == 0 || (least, most) == (None, None) {
        return Ok(());
    }
    let is_enforced = is_closed
        && optional <= MAX_CASES as u64
        && least.is_none_or(|least| least == required + 1)
        && most.is_none_or(|most| most == required + 1);
    if is_enforced {
        return Ok(());
    }
    let keyword = if least.is_some() { "minProperties" } else { "maxProperties" };
    place.key(keyword).refuse("is not supported next to optional properties; require some of them")
}

fn apply(rule: NameRule, out: &mut Map<String, Value>, place: &Place<'_>) -> Result<(), Problem> {
    let is_alone = !out.contains_key("properties") && !out.contains_key("patternProperties");
    match rule {
        NameRule::Any => {}
        _ if !is_alone => {
            return place.refuse("is not supported next to `properties` or `patternProperties`");
        }
        NameRule::Names(names) => {
            let value = out.remove("additionalProperties").unwrap_or(Value::Bool(true));
            let properties: Map<_, _> =
                names.into_iter().map(|name| (name, value.clone())).collect();
            out.insert("properties".to_owned(), properties.into());
            out.insert("additionalProperties".to_owned(), false.into());
        }
        NameRule::Pattern(pattern) => {
            let value = out.remove("additionalProperties").unwrap_or(Value::Bool(true));
            out.insert("patternProperties".to_owned(), json!({pattern: value}));
            out.insert("additionalProperties".to_owned(), false.into());
        }
    }
    Ok(())
}

/// Returns the keyword with the schema of other names. `unevaluatedProperties` without schemas for the same object
/// is another name of `additionalProperties`. With them, [`super::closing`] knows what `false` means.
fn others(schema: &Map<String, Value>, place: &Place<'_>) -> Result<Option<&'static str>, Problem> {
    let has = |keyword: &str| schema.get(keyword).is_some_and(|value| !value.is_null());
    if has("additionalProperties") {
        return Ok(Some("additionalProperties"));
    }
    let keyword = "unevaluatedProperties";
    if !has(keyword) || schema[keyword] == false {
        return Ok(None);
    }
    let is_alone = !["$ref", "allOf", "anyOf", "oneOf"].iter().any(|keyword| has(keyword));
    if is_alone || keywords::verdict(&schema[keyword]) == Some(true) {
        return Ok(Some(keyword));
    }
    place.key(keyword).refuse("is not supported next to `allOf`, `anyOf`, `oneOf` or `$ref`")
}

/// Reads a keyword whose value is an object.
fn named<'a>(
    schema: &'a Map<String, Value>,
    keyword: &str,
    place: &Place<'_>,
) -> Result<Option<&'a Map<String, Value>>, Problem> {
    match schema.get(keyword) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => place.key(keyword).refuse("must be an object"),
    }
}

/// Reads `required`. In draft 3, it was `true` or `false` in a property.
fn required<'a>(
    schema: &'a Map<String, Value>,
    place: &Place<'_>,
) -> Result<Option<Vec<&'a str>>, Problem> {
    let list = match schema.get("required") {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return place.key("required").refuse("must be a list of names"),
    };
    let mut names: Vec<&str> = Vec::with_capacity(list.len());
    let mut seen = std::collections::HashSet::new();
    for name in list {
        let Some(name) = name.as_str() else {
            return place.key("required").refuse("must be a list of names");
        };
        if seen.insert(name) {
            names.push(name);
        }
    }
    if names.len() > MAX_PROPERTIES {
        return place.key("required").refuse(format!("has more than {MAX_PROPERTIES} names"));
    }
    Ok(Some(names).filter(|names| !names.is_empty()))
}
