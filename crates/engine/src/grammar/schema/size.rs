//! Size of a schema once the library has merged what applies to the same instance.
//!
//! The library copies a schema for each case of `anyOf` that it is merged with, so a few short schemas can become
//! millions. This estimate follows it: what is merged, and into how many cases.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Keywords whose value is a schema or a list of schemas, apart from `allOf` and `anyOf`.
const SCHEMAS: [&str; 3] = ["items", "prefixItems", "additionalProperties"];
const NAMED: [&str; 2] = ["properties", "patternProperties"];
/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 512;

/// Returns the size of a rewritten schema with its definitions, or more than `most` if it is larger.
pub(super) fn merged_size(root: &Value, definitions: &Map<String, Value>, most: u64) -> u64 {
    let mut sizes = Sizes { definitions, most, spent: 0 };
    let mut total = sizes.alone(root, 0);
    for definition in definitions.values() {
        total = total.saturating_add(sizes.alone(definition, 0));
    }
    total
}

struct Sizes<'a> {
    definitions: &'a Map<String, Value>,
    most: u64,
    spent: u64,
}

impl<'a> Sizes<'a> {
    fn is_spent(&mut self, depth: usize) -> bool {
        self.spent += 1;
        depth > MAX_DEPTH || self.spent > self.most.saturating_mul(4)
    }

    /// Size of a schema that is not merged with others from outside.
    fn alone(&mut self, schema: &'a Value, depth: usize) -> u64 {
        if self.is_spent(depth) {
            return u64::MAX;
        }
        let Value::Object(map) = schema else { return 1 };
        let has_more = || map.keys().any(|keyword| keyword != "anyOf");
        if map.contains_key("allOf") || map.contains_key("anyOf") && has_more() {
            return self.merged(&[schema], depth + 1);
        }
        let mut size = constants(map);
        for inner in children(map) {
            size = size.saturating_add(self.alone(inner, depth + 1));
        }
        for case in list(map, "anyOf") {
            size = size.saturating_add(self.alone(case, depth + 1));
        }
        size
    }

    /// Size of the schema that stands for all of these at once.
    fn merged(&mut self, schemas: &[&'a Value], depth: usize) -> u64 {
        if self.is_spent(depth) {
            return u64::MAX;
        }
        let mut cores = Vec::new();
        let mut seen = HashSet::new();
        let (mut cases, mut size) = (1_u64, 1_u64);
        let mut open: Vec<&Value> = schemas.to_vec();
        while let Some(schema) = open.pop() {
            let Some(map) = schema.as_object() else { continue };
            if !seen.insert(std::ptr::from_ref(schema)) || self.is_spent(depth) {
                continue;
            }
            open.extend(self.target(map));
            open.extend(list(map, "allOf"));
            let alternatives = list(map, "anyOf");
            if !alternatives.is_empty() {
                cases = cases.saturating_mul(alternatives.len() as u64);
                for case in alternatives {
                    let case = case.as_object().and_then(|map| self.target(map)).unwrap_or(case);
                    size = size.saturating_add(self.alone(case, depth + 1));
                }
            }
            if let Some(values) = map.get("enum").and_then(Value::as_array) {
                cases = cases.saturating_mul(values.len() as u64);
            }
            size = size.saturating_add(constants(map));
            cores.push(map);
        }
        // Properties that several schemas describe are merged in turn.
        let mut named: HashMap<&str, Vec<&Value>> = HashMap::new();
        for map in &cores {
            for keyword in NAMED {
                for (name, schema) in
                    map.get(keyword).and_then(Value::as_object).into_iter().flatten()
                {
                    if *schema != true {
                        named.entry(name).or_default().push(schema);
                    }
                }
            }
            for keyword in SCHEMAS {
                let inner = map.get(keyword).into_iter();
                for schema in inner.flat_map(|value| {
                    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
                }) {
                    if !schema.is_boolean() {
                        named.entry(keyword).or_default().push(schema);
                    }
                }
            }
        }
        for schemas in named.into_values() {
            let inner = match schemas[..] {
                [schema] => self.alone(schema, depth + 1),
                _ => self.merged(&schemas, depth + 1),
            };
            size = size.saturating_add(inner);
        }
        size.saturating_mul(cases)
    }

    fn target(&self, map: &Map<String, Value>) -> Option<&'a Value> {
        let reference = map.get("$ref")?.as_str()?;
        self.definitions.get(reference.strip_prefix("#/$defs/")?)
    }
}

fn list<'a>(map: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    map.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn children(map: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let named = NAMED.iter().filter_map(|keyword| map.get(*keyword)?.as_object());
    let single = SCHEMAS.iter().filter_map(|keyword| map.get(*keyword));
    named.flat_map(Map::values).chain(
        single
            .flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)),
    )
}

fn constants(map: &Map<String, Value>) -> u64 {
    let values = list(map, "enum").iter().chain(map.get("const"));
    1 + values.map(nodes).sum::<u64>()
}

fn nodes(value: &Value) -> u64 {
    match value {
        Value::Array(values) => 1 + values.iter().map(nodes).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(nodes).sum::<u64>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cases_multiply_where_they_are_merged() {
        let none = Map::new();
        let size = |schema: &Value| merged_size(schema, &none, 50_000);
        let nullable = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
        let ten = Value::from(vec![json!({"type": "string"}); 10]);
        assert!(size(&json!({"anyOf": ten})) < 20);
        assert!(size(&json!({"allOf": [{"anyOf": ten}, {"anyOf": ten}]})) > 100);
        let bomb = vec![json!({"anyOf": ten}); 20];
        assert!(size(&json!({"allOf": bomb})) > 50_000);
        let properties: Map<_, _> = (0..300).map(|i| (format!("p{i}"), nullable.clone())).collect();
        let base = json!({"properties": properties});
        let more = json!({"properties": {"q": nullable}});
        assert!(size(&json!({"allOf": [base, more]})) < 2_000);
        // The same property with cases in both.
        let twice = json!({"allOf": [{"properties": {"p": {"anyOf": ten}}}, {"properties": {"p": {"anyOf": ten}}}]});
        assert!(size(&twice) > 100);
    }
}
