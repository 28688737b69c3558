//! Rules for the names of an object's properties (`propertyNames`).

use serde_json::Value;

use super::pass::{Pass, count};
use super::place::{Place, Problem};
use super::{formats, keywords, pattern};

/// Most references and single `anyOf`s on the way to a rule.
const MAX_STEPS: usize = 16;

/// Names that are allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameRule {
    Any,
    Names(Vec<String>),
    /// Names that match a pattern.
    Pattern(String),
}

impl Pass<'_> {
    /// Reads `propertyNames`.
    pub(super) fn name_rule(
        &mut self,
        schema: &Value,
        place: &Place<'_>,
    ) -> Result<NameRule, Problem> {
        self.rule(schema, MAX_STEPS, place)
    }

    fn rule(
        &mut self,
        schema: &Value,
        steps: usize,
        place: &Place<'_>,
    ) -> Result<NameRule, Problem> {
        self.budget.node(place)?;
        if keywords::verdict(schema) == Some(true) {
            return Ok(NameRule::Any);
        }
        let not_supported = || {
            place.refuse(
                "is supported with one of `enum`, `const`, `pattern`, a length or a format only",
            )
        };
        let Some(map) = schema.as_object().filter(|_| steps > 0) else { return not_supported() };
        let mut constraints: Vec<&str> =
            map.keys().map(String::as_str).filter(|name| keywords::is_constraint(name)).collect();
        // Names are always strings.
        if map.get("type").is_some_and(|kind| *kind == "string") {
            constraints.retain(|name| *name != "type");
        }
        constraints.retain(|name| !(*name == "format" && is_annotation(&map["format"])));
        match constraints[..] {
            [] => Ok(NameRule::Any),
            ["$ref"] => {
                let target = self.references.target(&map["$ref"], place)?;
                self.rule(target.schema, steps - 1, place)
            }
            ["const"] => self.names([&map["const"]], place),
            ["enum"] => match &map["enum"] {
                Value::Array(values) => self.names(values, place),
                _ => not_supported(),
            },
            ["anyOf" | "oneOf"] => {
                let Some(cases) = map[constraints[0]].as_array() else { return not_supported() };
                let mut all = Vec::new();
                for case in cases {
                    match self.rule(case, steps - 1, place)? {
                        NameRule::Names(names) => all.extend(names),
                        _ => return not_supported(),
                    }
                }
                Ok(NameRule::Names(all))
            }
            ["pattern"] => {
                self.pattern_of_names(&map["pattern"], &place.key("pattern")).map(NameRule::Pattern)
            }
            ["format"] => {
                let format = map["format"].as_str().unwrap_or_default();
                let pattern = formats::pattern_of_name(format).unwrap_or_default();
                Ok(NameRule::Pattern(pattern.to_owned()))
            }
            ["minLength" | "maxLength"]
            | ["minLength" | "maxLength", "minLength" | "maxLength"] => {
                let least = count(map, "minLength", place)?.unwrap_or(0);
                let most = count(map, "maxLength", place)?;
                let largest = super::bounds::MAX_LENGTH;
                if least.max(most.unwrap_or(0)) > largest {
                    return place.refuse(format!("has a length of more than {largest}"));
                }
                Ok(NameRule::Pattern(pattern::of_length(least, most)))
            }
            _ => not_supported(),
        }
    }

    fn names<'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v Value>,
        place: &Place<'_>,
    ) -> Result<NameRule, Problem> {
        let mut names = Vec::new();
        for name in values {
            self.budget.node(place)?;
            let Some(name) = name.as_str() else { continue };
            self.budget.text(name)?;
            names.push(name.to_owned());
        }
        Ok(NameRule::Names(names))
    }
}

fn is_annotation(format: &Value) -> bool {
    format.as_str().is_none_or(|format| formats::pattern_of_name(format).is_none())
}
