//! Keywords of arrays.

use serde_json::{Map, Value};

use super::bounds::MAX_ITEMS;
use super::pass::{Mode, Pass, count};
use super::place::{Place, Problem};

impl<'a> Pass<'a> {
    /// Adds the keywords of arrays to `out`.
    pub(super) fn array_keywords(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        let (items, prefix) = match schema.get("items") {
            // Before 2020, a list of items was what `prefixItems` is now.
            Some(Value::Array(prefix)) => {
                let rest = schema.get("additionalItems").map(|rest| ("additionalItems", rest));
                (rest, Some(("items", prefix)))
            }
            items => {
                let prefix = match schema.get("prefixItems") {
                    None => None,
                    Some(Value::Array(prefix)) => Some(("prefixItems", prefix)),
                    Some(_) => return place.key("prefixItems").refuse("must be a list of schemas"),
                };
                (items.map(|items| ("items", items)), prefix)
            }
        };
        if let Some((name, prefix)) = prefix.filter(|(_, prefix)| !prefix.is_empty()) {
            let place = place.key(name);
            let schemas = prefix
                .iter()
                .enumerate()
                .map(|(index, schema)| self.schema(schema, &Mode::Own, &place.index(index)));
            let schemas = schemas.collect::<Result<Vec<_>, _>>()?;
            out.insert("prefixItems".to_owned(), schemas.into());
        }
        match (items, schema.get("unevaluatedItems")) {
            (Some((name, items)), _) => {
                let items = self.schema(items, &Mode::Own, &place.key(name))?;
                out.insert("items".to_owned(), items);
            }
            (None, Some(Value::Bool(false))) => {
                if ["allOf", "anyOf", "oneOf", "$ref"].iter().any(|name| schema.contains_key(*name))
                {
                    let problem = "is not supported next to `allOf`, `anyOf`, `oneOf` or `$ref`";
                    return place.key("unevaluatedItems").refuse(problem);
                }
                out.insert("items".to_owned(), false.into());
            }
            (None, Some(rest)) if super::keywords::verdict(rest) != Some(true) => {
                return place.key("unevaluatedItems").refuse("is not supported; use `items`");
            }
            _ => {}
        }
        let least = count(schema, "minItems", place)?.filter(|least| *least > 0);
        let most = count(schema, "maxItems", place)?;
        if let Some(least) = least {
            if least > MAX_ITEMS {
                return place.key("minItems").refuse(format!("is more than {MAX_ITEMS}"));
            }
            out.insert("minItems".to_owned(), least.into());
        }
        if let Some(most) = most {
            out.insert("maxItems".to_owned(), most.min(MAX_ITEMS).into());
        }
        match schema.get("uniqueItems") {
            Some(Value::Bool(true)) if most.is_none_or(|most| most > 1) => {
                let problem = "is not supported, because no grammar compares items; leave it out";
                place.key("uniqueItems").refuse(problem)
            }
            _ => Ok(()),
        }
    }
}
