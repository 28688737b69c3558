//! Keywords of strings.

use serde_json::{Map, Value, json};

use super::bounds::MAX_LENGTH;
use super::pass::{Pass, count};
use super::place::{Place, Problem};
use super::{formats, pattern};

impl Pass<'_> {
    /// Adds the keywords of strings to `out`. A pattern with look-ahead becomes several: those after the first go to
    /// `more`, as schemas that have to match, too.
    pub(super) fn string_keywords(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        more: &mut Vec<Value>,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        if let Some(least) = count(schema, "minLength", place)?.filter(|least| *least > 0) {
            if least > MAX_LENGTH {
                return place.key("minLength").refuse(format!("is more than {MAX_LENGTH}"));
            }
            out.insert("minLength".to_owned(), least.into());
        }
        if let Some(most) = count(schema, "maxLength", place)? {
            out.insert("maxLength".to_owned(), most.min(MAX_LENGTH).into());
        }
        if let Some(value) = schema.get("pattern") {
            let mut patterns = self.patterns(value, &place.key("pattern"))?.into_iter();
            out.insert("pattern".to_owned(), patterns.next_back().into());
            let kind = out.get("type").cloned();
            for pattern in patterns {
                let mut schema = json!({"pattern": pattern});
                if let Some(kind) = &kind {
                    schema["type"] = kind.clone();
                }
                more.push(schema);
            }
        }
        // Formats that are not enforced are annotations, as in the standard.
        if let Some(format) = schema.get("format").and_then(Value::as_str) {
            formats::add(format, out);
        }
        Ok(())
    }

    /// Translates a pattern.
    pub(super) fn patterns(
        &mut self,
        value: &Value,
        place: &Place<'_>,
    ) -> Result<Vec<String>, Problem> {
        let Some(pattern) = value.as_str() else {
            return place.refuse("must be a text");
        };
        self.budget.text(pattern)?;
        pattern::translated(pattern).or_else(|problem| place.refuse(problem))
    }
}
