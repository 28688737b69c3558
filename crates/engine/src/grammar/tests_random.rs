//! Random schemas, deep and wide and of every keyword: each has a grammar or is refused.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::compiled::{Shared, compile_alone};
use crate::error::EngineError;

/// Most schemas in a schema: more than are accepted, and about as many as fit into a request.
const MAX_SCHEMAS: usize = 20_000;

/// Numbers that depend on the seed alone.
struct Draw {
    state: u64,
    /// Schemas that may still be drawn.
    left: usize,
}

impl Draw {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), left: MAX_SCHEMAS }
    }

    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's generator of 64 bits; its upper half is good enough here.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % bound
    }

    fn size(&mut self) -> u64 {
        let most = [3, 10, 100, 1_000, 100_000, 1 << 31][self.below(6) as usize];
        self.below(most)
    }
}

const FORMATS: [&str; 5] = ["date", "email", "ipv6", "uri", "none"];
const PATTERNS: [&str; 10] = [
    "^[a-z]+$",
    "(a|b)*c{3,9}",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(a{100}){100}$",
    r"^(?!.*\.\.)[a-z.]+$",
    r"^(\d{3}-){2,500}$",
    "(.*a){12}",
    r"^\p{L}{1,64}$",
    "[^]{5000}",
    "^(x+x+)+y$",
];

fn schema(draw: &mut Draw, depth: u64) -> Value {
    if draw.left == 0 {
        return Value::Bool(true);
    }
    draw.left -= 1;
    let below = |draw: &mut Draw| {
        let depth = depth.saturating_sub(1 + draw.below(2));
        schema(draw, depth)
    };
    let list = |draw: &mut Draw| -> Vec<Value> {
        let count = if draw.below(30) == 0 { 40 } else { 1 + draw.below(4) };
        (0..count).map(|_| below(draw)).collect()
    };
    let named = |draw: &mut Draw| -> Map<String, Value> {
        let count = if draw.below(30) == 0 { 200 } else { draw.below(6) };
        (0..count).map(|i| (format!("n{i}"), below(draw))).collect()
    };
    let kinds = if depth == 0 { 10 } else { 22 };
    match draw.below(kinds) {
        0 => json!({"type": ["null", "boolean"]}),
        1 => {
            json!({"type": "integer", "minimum": -(draw.size() as i64), "exclusiveMaximum": draw.size()})
        }
        2 => json!({"type": "number", "multipleOf": draw.size() as f64 / 1000.0}),
        3 => json!({"type": "string", "minLength": draw.size() % 50, "maxLength": draw.size()}),
        4 => json!({"type": "string", "pattern": PATTERNS[draw.below(10) as usize]}),
        5 => json!({"enum": (0..=draw.size() % 300).collect::<Vec<_>>()}),
        6 => json!({"const": {"a": vec![draw.size(); draw.below(20) as usize]}}),
        7 => json!({"$ref": format!("#/$defs/n{}", draw.below(8))}),
        8 => json!({"format": FORMATS[draw.below(5) as usize]}),
        9 => json!(draw.below(4) > 0),
        10 => {
            json!({"type": "array", "items": schema(draw, depth - 1), "minItems": draw.size() % 40, "maxItems": draw.size()})
        }
        11 => json!({"prefixItems": list(draw), "items": false}),
        12 | 13 => json!({"allOf": list(draw)}),
        14 => json!({"anyOf": list(draw)}),
        15 => json!({"oneOf": list(draw), "properties": named(draw)}),
        16 => json!({"$ref": format!("#/$defs/n{}", draw.below(8)), "properties": named(draw)}),
        17 => {
            json!({"patternProperties": {PATTERNS[draw.below(10) as usize]: schema(draw, depth - 1), "^z": {}}})
        }
        18 => {
            json!({"type": "object", "additionalProperties": schema(draw, depth - 1), "minProperties": draw.below(3)})
        }
        _ => json!({"type": "object", "properties": named(draw), "required": ["n0"]}),
    }
}

/// The vocabulary of the checkpoint in MLXK_TEST_MODEL, or the bytes.
fn vocabulary() -> Shared {
    std::env::var_os("MLXK_TEST_MODEL").map_or_else(Shared::of_bytes, |folder| {
        let tokenizer = mlxk_text::Tokenizer::open(std::path::Path::new(&folder));
        let tokenizer = tokenizer.expect("MLXK_TEST_MODEL has a tokenizer");
        Shared::of_tokenizer(&tokenizer)
    })
}

/// Results of many schemas.
#[derive(Default)]
struct Found {
    /// Times with their seeds.
    times: Vec<(Duration, u64)>,
    compiled: usize,
    /// Answers that ended with an error.
    ended: usize,
}

/// Compiles schemas and takes some bytes with each.
fn run(seeds: std::ops::Range<u64>) -> Found {
    let shared = vocabulary();
    let mut found = Found::default();
    for seed in seeds {
        let mut draw = Draw::new(seed);
        let depth = 1 + draw.below(12);
        let mut root = schema(&mut draw, depth);
        if let Value::Object(root) = &mut root {
            let defs: Map<_, _> =
                (0..8).map(|i| (format!("n{i}"), schema(&mut draw, depth / 2))).collect();
            root.insert("$defs".to_owned(), defs.into());
        }
        let started = Instant::now();
        let result = compile_alone(&shared, &root);
        let compiling = started.elapsed();
        match result {
            Ok(mut format) => {
                found.compiled += 1;
                let (words, ends) = shared.tokens();
                let mut logits = vec![0.0; words.len()];
                for _ in 0..40 {
                    logits.fill(0.0);
                    if format.is_complete() {
                        break;
                    }
                    // An answer that ends with an error is an answer, too.
                    if format.forbid(&mut logits, 1000).is_err() {
                        found.ended += 1;
                        break;
                    }
                    let is_allowed = |id: &u32| logits[*id as usize] == 0.0 && !ends.contains(id);
                    let allowed: Vec<u32> = (0..words.len() as u32).filter(is_allowed).collect();
                    if allowed.is_empty() {
                        break;
                    }
                    let id = allowed[draw.below(allowed.len() as u64) as usize];
                    if format.accept(id, &words[id as usize], 1000).is_err() {
                        found.ended += 1;
                        break;
                    }
                }
            }
            Err(EngineError::AnswerFormat { reason }) => {
                assert!(!reason.is_empty() && !reason.contains("#/$defs/d"), "{seed}: {reason}");
            }
            Err(error) => panic!("{seed}: {error}"),
        }
        if started.elapsed() > Duration::from_secs(1) {
            println!("seed {seed}: compiled in {compiling:?}, all in {:?}", started.elapsed());
        }
        found.times.push((started.elapsed(), seed));
    }
    found
}

/// Runs on a stack as large as the pool's.
fn with_stack(seeds: std::ops::Range<u64>) -> Found {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(move || run(seeds));
    thread.expect("a thread starts").join().expect("no schema panics")
}

#[test]
fn random_schemas_are_answered_or_refused() {
    let compiled = with_stack(0..100).compiled;
    assert!(compiled > 10, "only {compiled} have a grammar");
}

/// Prints the slowest schemas and the peak of the memory. MLXK_TEST_SCHEMAS is the number of schemas.
#[test]
#[ignore = "takes minutes; for the figures in docs/reference/security.md"]
fn two_thousand_random_schemas_are_answered_or_refused() {
    let count = std::env::var("MLXK_TEST_SCHEMAS").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(2_000);
    let Found { mut times, compiled, ended } = with_stack(1_000..1_000 + count);
    times.sort_unstable();
    let slowest = times.iter().rev().take(10).collect::<Vec<_>>();
    let median = times.get(times.len() / 2).map(|(time, _)| *time);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{count} schemas, {compiled} with a grammar, {ended} ended with an error; median \
         {median:?}, slowest with seeds {slowest:?}; {peak}"
    );
}
