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
            let text = rewritten.to_string();
            assert!(!text.contains("x-guidance"), "{text}");
            std::hint::black_box(rewritten_schema(&rewritten).is_ok());
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(rewrite);
    if let Ok(thread) = thread {
        assert!(thread.join().is_ok(), "rewriting a schema panicked");
    }
}
