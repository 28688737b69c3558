//! The values of `enum` and `const`.

use serde_json::{Map, Value};

use super::pass::Pass;
use super::place::{Place, Problem};

impl Pass<'_> {
    /// Adds `enum` and `const` to `out`.
    pub(super) fn constants(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        if let Some(value) = schema.get("const") {
            self.constant(value, &place.key("const"))?;
            out.insert("const".to_owned(), value.clone());
        }
        if let Some(values) = schema.get("enum") {
            let place = place.key("enum");
            let Some(values) = values.as_array().filter(|values| !values.is_empty()) else {
                return place.refuse("must be a list with at least one value");
            };
            for (index, value) in values.iter().enumerate() {
                self.constant(value, &place.index(index))?;
            }
            out.insert("enum".to_owned(), values.clone().into());
        }
        Ok(())
    }

    fn constant(&mut self, value: &Value, place: &Place<'_>) -> Result<(), Problem> {
        self.budget.node(place)?;
        match value {
            Value::String(text) => self.budget.text(text),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.constant(value, &place.index(index).deeper())?;
                }
                Ok(())
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.budget.text(name)?;
                    self.constant(value, &place.key(name))?;
                }
                Ok(())
            }
            Value::Number(number) if !is_exact(number) => {
                place.refuse("has more digits than can be enforced; write it as a text")
            }
            _ => Ok(()),
        }
    }
}

/// Returns `true` if the library, which computes with floating-point numbers, keeps the number.
fn is_exact(number: &serde_json::Number) -> bool {
    const LARGEST: f64 = 1e15;
    const SMALLEST: f64 = 1e-9;
    let size = number.as_f64().unwrap_or(f64::INFINITY).abs();
    size == 0.0 || (SMALLEST..LARGEST).contains(&size)
}
