//! Answers of a given form, from a model whose weights are noise: whatever it would like to say,
//! only what the schema allows comes out. The judge is a validator of its own.

mod common;

use common::{Kind, Stored, checkpoint_with, load, noise};
use mlxk_engine::{
    AnswerFormat, Engine, EngineError, FinishReason, Generation, LoadOptions, Message, PromptInput,
    Request, Sampling,
};
use serde_json::{Value, json};

fn engine() -> (tempfile::TempDir, Engine) {
    let changes = json!({"max_position_embeddings": 4096});
    let folder = checkpoint_with(Kind::Llama, Stored::Bits(4), &changes);
    let engine = load(&LoadOptions::new(folder.path()));
    (folder, engine)
}

fn request(schema: Value, seed: u64) -> Request {
    let mut request = Request::new(PromptInput::Text("Answer: ".to_owned()));
    request.format = Some(AnswerFormat::Schema(schema));
    request.sampling = Sampling {
        temperature: Some(1.0),
        top_p: Some(1.0),
        seed: Some(seed),
        ..Sampling::default()
    };
    request
}

/// Choices that depend on a name alone.
struct Choices {
    numbers: Vec<f32>,
    next: usize,
}

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.next += 1;
        let number = self.numbers[self.next % self.numbers.len()];
        (f32::midpoint(number, 1.0) * bound as f32) as usize % bound
    }
}

/// A schema of any kind; strings of some formats have no upper length.
fn schema(choices: &mut Choices, depth: usize) -> Value {
    let kinds = if depth == 0 { 9 } else { 13 };
    match choices.below(kinds) {
        0 => json!({"type": "null"}),
        1 => json!({"type": "boolean"}),
        2 => {
            let low = choices.below(2000) as i64 - 1000;
            json!({"type": "integer", "minimum": low, "maximum": low + choices.below(500) as i64})
        }
        3 => json!({"type": "string", "maxLength": 1 + choices.below(12)}),
        4 => json!({"type": "string", "pattern": "^[a-c]{2}-[0-9]{1,3}$"}),
        5 => json!({"enum": ["red", 7, null, true, "ünï 🦀"]}),
        6 => json!({"const": {"a": [1, 2]}}),
        7 => json!({"type": "string", "format": "date"}),
        8 => {
            let formats = ["email", "time", "date-time", "uuid", "ipv4", "hostname"];
            json!({"type": "string", "format": formats[choices.below(6)]})
        }
        9 => {
            let least = choices.below(3);
            json!({"type": "array", "items": schema(choices, depth - 1),
                "minItems": least, "maxItems": least + choices.below(3)})
        }
        10 => json!({"anyOf": [schema(choices, depth - 1), schema(choices, depth - 1)]}),
        11 => {
            json!({"type": "array", "prefixItems": [schema(choices, depth - 1), {"type": "null"}],
            "items": false, "minItems": 2})
        }
        _ => object(choices, depth),
    }
}

fn object(choices: &mut Choices, depth: usize) -> Value {
    let names = ["name", "with space", "quote\"d", "größe", "n"];
    let count = 1 + choices.below(names.len());
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for name in &names[..count] {
        properties.insert((*name).to_owned(), schema(choices, depth - 1));
        if choices.below(3) > 0 {
            required.push(*name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false})
}

/// Asks for 200 answers of random forms; all of them are valid.
fn check_random_schemas(engine: &Engine, request: impl Fn(Value, u64) -> Request) {
    let generations: Vec<_> = (0..200)
        .map(|case| {
            let numbers = noise(&format!("schema {case}"), 997);
            let schema = object(&mut Choices { numbers, next: 0 }, 3);
            (engine.submit(request(schema.clone(), case)).expect("the schema is supported"), schema)
        })
        .collect();
    for (generation, schema) in generations {
        check_valid(generation, &schema);
    }
}

/// Waits for an answer, which has to keep to the schema. Returns the reason for its end.
fn check_valid(generation: Generation, schema: &Value) -> FinishReason {
    let (text, done) = generation.wait().expect("the model answers");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error} in {text} for {schema}");
    });
    let validator = jsonschema::options().should_validate_formats(true).build(schema);
    let validator = validator.expect("the judge takes every schema here");
    assert!(validator.is_valid(&value), "{text} for {schema}");
    done.finish_reason
}

#[test]
fn answers_to_random_schemas_are_valid() {
    let (_folder, engine) = engine();
    check_random_schemas(&engine, |schema, seed| {
        let mut request = request(schema, seed);
        request.max_tokens = Some(1500);
        request
    });
}

/// The same with a model that means what it says: `cargo xtask accept schemas FOLDER`.
#[test]
#[ignore = "needs a real model in the folder MLXK_TEST_MODEL"]
fn answers_of_a_real_model_are_valid() {
    let folder = std::env::var("MLXK_TEST_MODEL").expect("MLXK_TEST_MODEL names a checkpoint");
    let engine = load(&LoadOptions::new(std::path::Path::new(&folder)));
    let started = std::time::Instant::now();
    check_random_schemas(&engine, |schema, seed| {
        let question = format!("Give an example of JSON with this schema: {schema}");
        let messages = vec![Message::new("user", question.as_str())];
        let mut request = Request::new(PromptInput::Messages { system: None, messages });
        request.sampling.seed = Some(seed);
        request.format = Some(AnswerFormat::Schema(schema));
        request.max_tokens = Some(600);
        request
    });
    println!("200 valid answers in {:.0} s", started.elapsed().as_secs_f64());
}

/// Schemas that set no bound, and a model of noise that never ends of itself.
#[test]
fn answers_without_a_bound_are_closed_in_time() {
    let (_folder, engine) = engine();
    let text = json!({"type": "string"});
    let item = json!({"type": "object", "properties": {"first name": text, "n": {"type": "number"}},
        "required": ["n", "first name"]});
    let schemas = [
        json!({"type": "object", "properties": {"mail": {"type": "string", "format": "email"}},
            "required": ["mail"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"at": {"type": "string", "format": "date-time"},
            "on": {"type": "string", "format": "time"}, "id": {"type": "string", "format": "uuid"}},
            "required": ["at", "on", "id"], "additionalProperties": false}),
        json!({"type": "array", "items": item, "minItems": 2}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": text},
            "required": ["a", "b"]}),
        json!({"type": "string", "pattern": "^[a-z]*-[0-9]+!$"}),
    ];
    let generations: Vec<_> = (0..100)
        .map(|case| {
            let schema = schemas[case as usize % schemas.len()].clone();
            let mut request = request(schema.clone(), case);
            request.max_tokens = Some(400);
            (engine.submit(request).unwrap(), schema)
        })
        .collect();
    for (generation, schema) in generations {
        check_valid(generation, &schema);
    }
}

/// Every limit from one token to more than the answer needs: what the limit did not change says so, and the rest
/// is complete as soon as anything can be.
#[test]
fn an_answer_is_unchanged_or_says_that_its_limit_changed_it() {
    let (_folder, engine) = engine();
    let name = json!({"type": "string", "maxLength": 6});
    let item = json!({"type": "object", "properties": {"name": name, "price": {"type": "number"},
        "note": {"type": "string", "maxLength": 3}}, "required": ["name", "price"],
        "additionalProperties": false});
    let items = json!({"type": "array", "items": item, "minItems": 1, "maxItems": 2});
    let schemas = [
        json!({"type": "object", "properties": {"items": items}, "required": ["items"],
            "additionalProperties": false}),
        json!({"type": "object", "properties": {"kind": {"enum": ["a long word", "short"]},
            "when": {"type": "string", "format": "date-time"}, "id": {"type": "string", "format": "uuid"},
            "level": {"type": "integer", "minimum": 120, "maximum": 180}},
            "required": ["kind", "when", "level"], "additionalProperties": false}),
        json!({"type": "array", "minItems": 2, "maxItems": 3, "items": {"anyOf": [
            {"type": "string", "pattern": "^[a-c]{2,4}-[0-9]{1,3}!$"}, {"type": "boolean"},
            {"type": "object", "properties": {"code": {"type": "string", "pattern": "^x+y?$", "maxLength": 9},
                "flag": {"type": "boolean"}}, "required": ["code", "flag"],
                "additionalProperties": false}]}}),
    ];
    for (case, schema) in schemas.iter().enumerate() {
        for seed in 0..3 {
            check_limits(&engine, schema, case as u64 * 10 + seed);
        }
    }
}

fn check_limits(engine: &Engine, schema: &Value, seed: u64) {
    let asked = |most: Option<usize>| {
        let mut request = request(schema.clone(), seed);
        request.max_tokens = most;
        engine.submit(request).expect("the engine takes the request")
    };
    let (natural, done) = asked(None).wait().expect("it is answered");
    assert_eq!(done.finish_reason, FinishReason::Eos, "{natural}");
    let length = done.usage.completion_tokens;
    let limits = 1..=length + 50;
    let answers: Vec<_> = limits.clone().map(|most| asked(Some(most))).collect();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .expect("the schema is valid");
    let mut can_be_complete = false;
    for (most, answer) in limits.zip(answers) {
        let (text, done) = answer.wait().expect("it is answered");
        let context = format!("{most} of {length} tokens, {text}, instead of {natural}");
        let value = serde_json::from_str::<Value>(&text);
        let is_complete = value.is_ok_and(|value| validator.is_valid(&value));
        assert!(is_complete || !can_be_complete, "{context}");
        can_be_complete |= is_complete;
        if most >= length {
            assert_eq!(done.finish_reason, FinishReason::Eos, "{context}");
        }
        match done.finish_reason {
            FinishReason::Eos => assert_eq!(text, natural, "{context}"),
            FinishReason::MaxTokens if is_complete => {}
            FinishReason::MaxTokens => {
                // The limit may have cut a character.
                let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
                assert!(natural.starts_with(text), "{context}");
            }
            reason => panic!("{reason:?}: {context}"),
        }
    }
}

#[test]
fn json_is_an_object_and_a_format_changes_no_other_request() {
    let (_folder, engine) = engine();
    let free = || {
        let mut request = Request::new(PromptInput::Text("Answer: ".to_owned()));
        request.sampling.seed = Some(3);
        request.max_tokens = Some(40);
        request
    };
    let alone = engine.submit(free()).unwrap().wait().unwrap().0;
    let mut held = request(Value::Null, 1);
    held.format = Some(AnswerFormat::Json);
    held.sampling.temperature = Some(0.3);
    let both = (engine.submit(held).unwrap(), engine.submit(free()).unwrap());
    let (text, done) = both.0.wait().unwrap();
    assert_eq!(both.1.wait().unwrap().0, alone);
    if done.finish_reason == FinishReason::Eos {
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object(), "{text}");
    }
    assert!(text.starts_with('{'), "{text}");
}

/// A model may think before an answer with a format, if the prompt leaves that to it.
#[test]
fn thoughts_come_before_the_format() {
    for (end_of_prompt, may_think) in [("", true), ("<think>\n\n</think>\n", false)] {
        let folder = checkpoint_with(Kind::Llama, Stored::Bits(4), &json!({}));
        let template = format!("{{{{ messages[0].content }}}}{{# <think> #}}{end_of_prompt}");
        let text = json!({"eos_token": "<|end|>", "chat_template": template}).to_string();
        std::fs::write(folder.path().join("tokenizer_config.json"), text).unwrap();
        let engine = load(&LoadOptions::new(folder.path()));
        let opening = engine.tokenizer().encode("<think>", false).unwrap()[0];
        let mut request = request(json!({"enum": ["yes", "no"]}), 1);
        let messages = vec![Message::new("user", "Hi")];
        request.prompt = PromptInput::Messages { system: None, messages };
        request.max_tokens = Some(30);
        // It wants nothing but to open its thoughts.
        request.sampling.logit_bias = vec![(opening, 50.0)];
        let (text, done) = engine.submit(request).unwrap().wait().unwrap();
        let thought = done.usage.reasoning_tokens;
        if may_think {
            // The mark has several tokens here, of which the last is counted.
            assert!(text.is_empty() && thought > 20, "{thought} {text}");
        } else {
            assert!(["\"yes\"", "\"no\""].contains(&text.as_str()) && thought == 0, "{text}");
        }
    }
}

#[test]
fn formats_that_cannot_be_enforced_are_refused() {
    let (_folder, engine) = engine();
    for (schema, word) in [
        (json!({"type": "strange"}), "strange"),
        (json!({"type": "string", "pattern": "(?<=a)b"}), "look-behind"),
        (json!(false), ""),
        (json!({"$ref": "#/$defs/none"}), "none"),
    ] {
        let error = engine.submit(request(schema.clone(), 1)).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, EngineError::AnswerFormat { .. }), "{schema}: {message}");
        assert!(message.contains(word), "{schema}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
