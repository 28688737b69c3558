//! JSON Schemas of clients.

use mlxk_engine::rewritten_schema;
use serde_json::Value;

/// Stack of the threads that compile schemas.
const STACK_BYTES: usize = 256 << 20;

/// Rewrites a schema for the grammar library, and rewrites the result.
pub fn schema(data: &[u8]) {
    let Ok(schema) = serde_json::from_slice::<Value>(data) else { return };
    let rewrite = move || {
        if let Ok(rewritten) = rewritten_schema(&schema) {
            assert!(!has_option(&rewritten), "{rewritten}");
            std::hint::black_box(rewritten_schema(&rewritten).is_ok());
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(rewrite);
    if let Ok(thread) = thread {
        assert!(thread.join().is_ok(), "rewriting a schema panicked");
    }
}

/// Returns `true` if a schema has an option of the grammar library. As the name of a property or in a text it is none.
fn has_option(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(name, value)| match name.as_str() {
            "x-guidance" => true,
            "const" | "enum" => false,
            "properties" | "patternProperties" | "$defs" => {
                value.as_object().is_some_and(|named| named.values().any(has_option))
            }
            _ => has_option(value),
        }),
        Value::Array(schemas) => schemas.iter().any(has_option),
        _ => false,
    }
}
