//! Calls that a model of noise writes: each is a call of a known tool, with arguments that its schema allows.

use mlxk_text::tools::{Arguments, Call, ParsedAnswer, ToolParser, WireForm};
use serde_json::{Map, Value, json};

use super::Calls;
use super::compile::{Wanted, compile};
use crate::error::EngineError;
use crate::grammar::compiled::Shared;
use crate::grammar::pool::Watch;
use crate::{ToolChoice, Tools};

/// Numbers that depend on the seed alone.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

fn value(draw: &mut Draw, depth: usize) -> Value {
    match draw.below(if depth == 0 { 8 } else { 11 }) {
        0 => json!({"type": "integer", "minimum": -40, "maximum": 4000}),
        1 => json!({"type": "number", "minimum": 0, "maximum": 10}),
        2 => json!({"type": "boolean"}),
        3 => json!({"enum": ["red", "a b", "it's \"x\""]}),
        4 => json!({"type": "string", "maxLength": 30}),
        5 => json!({"type": "string", "pattern": "^[a-z]{2,8}-[0-9]+$"}),
        6 => json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        7 => json!({"type": "string"}),
        8 => json!({"type": "array", "items": value(draw, depth - 1), "maxItems": 3}),
        9 => object(draw, depth - 1),
        _ => json!({"$ref": "#/$defs/node"}),
    }
}

fn object(draw: &mut Draw, depth: usize) -> Value {
    let count = draw.below(5);
    let names = ["path", "old_text", "count", "unit", "x"];
    let properties: Map<String, Value> =
        names[..count].iter().map(|name| ((*name).to_owned(), value(draw, depth))).collect();
    let required: Vec<&str> =
        names[..count].iter().filter(|_| draw.below(2) == 0).copied().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn tools(draw: &mut Draw) -> Value {
    let tool = |index: usize, draw: &mut Draw| {
        let mut parameters = object(draw, 2);
        parameters["$defs"] = json!({"node": {
            "type": "object", "additionalProperties": false,
            "properties": {"id": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
        }});
        let name = ["edit_file", "get-weather", "mcp__x.y"][index];
        json!({"type": "function", "function": {"name": name, "parameters": parameters}})
    };
    let count = 1 + draw.below(3);
    (0..count).map(|index| tool(index, draw)).collect()
}

/// Texts that a model would know, and noise does not find: marks that end a value.
fn endings(form: WireForm) -> Vec<&'static str> {
    match &form.shape().call {
        Call::Named(named) => match &named.arguments {
            Arguments::Tagged(tagged) => vec![tagged.end, "\"", "}"],
            Arguments::Braces { quote } => vec![quote, "}"],
            _ => vec!["\"", "}"],
        },
        Call::Envelope(_) => vec!["\"", "}"],
    }
}

/// Writes bytes at random, with a liking for those that end something. Returns `None` if there is no end in sight.
fn noise(calls: &mut Calls, shared: &Shared, draw: &mut Draw, endings: &[&str]) -> Option<String> {
    let (words, ends) = shared.tokens();
    let mut text = Vec::new();
    let mut planned: Vec<u8> = Vec::new();
    let mut logits = vec![0.0; words.len()];
    for step in 0..6000 {
        if calls.is_complete() {
            break;
        }
        logits.fill(0.0);
        calls.forbid(&mut logits).unwrap();
        let is_allowed = |id: usize| logits[id] == 0.0;
        if ends.iter().any(|&end| is_allowed(end as usize))
            && !calls.is_inside() | (draw.below(2) == 0)
        {
            break;
        }
        let allowed: Vec<usize> = (0..256).filter(|&id| is_allowed(id)).collect();
        assert!(!allowed.is_empty(), "nothing may follow {:?}", String::from_utf8_lossy(&text));
        if planned.is_empty() && (step > 1500 || draw.below(12) == 0) {
            planned = draw.one_of(endings).bytes().rev().collect();
        }
        let next = planned.pop().map(usize::from).filter(|id| is_allowed(*id));
        if next.is_none() {
            planned.clear();
        }
        // Letters above 127 need their whole sequence; noise rarely finds one.
        let plain: Vec<usize> = allowed.iter().copied().filter(|id| *id < 128).collect();
        let id =
            next.unwrap_or_else(|| draw.one_of(if plain.is_empty() { &allowed } else { &plain }));
        let bytes = [id as u8];
        if !calls.allows(id as u32, &bytes).unwrap() {
            continue;
        }
        calls.accept(id as u32, &bytes).unwrap();
        text.push(id as u8);
    }
    (calls.is_complete() || step_is_free(calls)).then(|| String::from_utf8(text).unwrap())
}

fn step_is_free(calls: &mut Calls) -> bool {
    let mut logits = vec![0.0; 257];
    calls.forbid(&mut logits).unwrap();
    logits[256] == 0.0
}

fn parse(form: WireForm, list: &Value, text: &str) -> ParsedAnswer {
    let mut parser = ToolParser::new(form, list);
    let mut events = parser.push(text);
    events.extend(parser.finish());
    ParsedAnswer::of(events)
}

const FORMS: [WireForm; 9] = [
    WireForm::Hermes,
    WireForm::QwenCoder,
    WireForm::Glm,
    WireForm::Gemma4,
    WireForm::Lfm2,
    WireForm::Mistral,
    WireForm::MiniMaxM2,
    WireForm::Llama3,
    WireForm::Pythonic,
];

/// Writes the beginning of an answer that calls a tool: up to the mark, or up to the name in a form without marks.
fn begin(form: WireForm, name: &str) -> String {
    match form {
        WireForm::Llama3 => format!(" {{\"name\": \"{name}\""),
        WireForm::Pythonic => format!("[{name}("),
        _ => format!("Let me see. {}", form.shape().trigger()),
    }
}

/// Writes text, byte by byte. Returns `false` if a byte is refused.
fn write(calls: &mut Calls, text: &str) -> bool {
    text.bytes().all(|byte| {
        let is_allowed = calls.allows(u32::from(byte), &[byte]).unwrap();
        if is_allowed {
            calls.accept(u32::from(byte), &[byte]).unwrap();
        }
        is_allowed
    })
}

fn check(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let shared = Shared::of_bytes();
    let (mut written, mut endless) = (0, 0);
    for seed in seeds {
        for form in FORMS {
            let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ form as u64);
            let list = tools(&mut draw);
            let is_lazy = draw.below(2) == 0;
            let choice = if is_lazy { ToolChoice::Auto } else { ToolChoice::Required };
            let tools = Tools { list: list.clone(), choice, parallel: draw.below(2) == 0 };
            let wanted = Wanted { tools, form, format: None };
            let mut calls = match compile(&shared, &wanted, &Watch::default()) {
                Ok(calls) => calls,
                Err(error) => panic!("{seed} {form:?}: {error} for {list}"),
            };
            let mut text = String::new();
            if is_lazy {
                let first = list[0]["function"]["name"].as_str().unwrap();
                text = begin(form, first);
                assert!(write(&mut calls, &text), "{form:?}");
                assert!(calls.is_inside(), "{form:?}");
            }
            let Some(rest) = noise(&mut calls, &shared, &mut draw, &endings(form)) else {
                endless += 1;
                continue;
            };
            text += &rest;
            let found = parse(form, &list, &text);
            assert!(!found.calls.is_empty(), "{seed} {form:?}: no call in {text:?}");
            for call in found.calls {
                assert!(call.is_complete, "{seed} {form:?}: {text:?}");
                let tool =
                    list.as_array().unwrap().iter().find(|it| it["function"]["name"] == call.name);
                let tool = tool.unwrap_or_else(|| panic!("{seed} {form:?}: unknown {}", call.name));
                let schema = &tool["function"]["parameters"];
                let arguments: Value =
                    serde_json::from_str(&call.arguments).unwrap_or_else(|error| {
                        panic!("{seed} {form:?}: {error} in {}", call.arguments)
                    });
                let validator = jsonschema::validator_for(schema).unwrap();
                let problem =
                    validator.iter_errors(&arguments).next().map(|error| error.to_string());
                assert_eq!(problem, None, "{seed} {form:?}: {arguments} in {text:?} for {schema}");
                written += 1;
            }
        }
    }
    (written, endless)
}

#[test]
fn calls_of_noise_are_valid() {
    let (written, endless) = check(0..12);
    assert!(written > 60 && endless < 10, "{written} calls, {endless} without an end");
}

/// MLXK_TEST_TOOLS is the number of lists of tools.
#[test]
#[ignore = "takes minutes; for the figures in docs/guide/agents.md"]
fn many_calls_of_noise_are_valid() {
    let count = std::env::var("MLXK_TEST_TOOLS").ok().and_then(|count| count.parse().ok());
    let (written, endless) = check(1000..1000 + count.unwrap_or(500));
    println!("{written} calls, {endless} without an end");
}

#[test]
fn marks_of_unknown_tools_are_not_written() {
    let shared = Shared::of_bytes();
    let list =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let tools = Tools { list, choice: ToolChoice::Auto, parallel: true };
    let wanted = Wanted { tools, form: WireForm::Hermes, format: None };
    let mut calls = compile(&shared, &wanted, &Watch::default()).unwrap();
    // A token that completes the mark and goes on with something else.
    assert!(write(&mut calls, "<tool_cal"));
    assert!(!calls.allows(0, b"l>Hello").unwrap());
    assert!(calls.allows(0, b"l>\n{\"name\": \"f\"").unwrap());
    assert!(!calls.allows(0, b"l>\n{\"name\": \"g\"").unwrap());
    assert!(calls.allows(0, b"lous").unwrap());
}

#[test]
fn only_the_beginning_of_an_answer_is_a_call_without_a_mark() {
    let shared = Shared::of_bytes();
    let list = json!([{"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false,
    }}}]);
    let tools = Tools { list, choice: ToolChoice::Auto, parallel: false };
    for form in [WireForm::Llama3, WireForm::Pythonic] {
        let wanted = Wanted { tools: tools.clone(), form, format: None };
        let new = || compile(&shared, &wanted, &Watch::default()).unwrap();
        // Text, and data that names no tool or looks otherwise.
        for text in [
            "Use \"f\".",
            "{\"name\": \"Ann\"",
            "[1, f(2)]",
            "{\"f\": 1}",
            "I say:\n{\"name\": \"f\"",
        ] {
            let mut calls = new();
            assert!(write(&mut calls, text) && !calls.is_inside(), "{form:?}: {text}");
        }
        let (call, wrong) = match form {
            WireForm::Llama3 => ("{\"name\": \"f\", \"parameters\": {\"n\": ", "true"),
            _ => ("[f(n=", "True"),
        };
        let mut calls = new();
        assert!(write(&mut calls, call) && calls.is_inside(), "{form:?}");
        let mut logits = vec![0.0; 257];
        calls.forbid(&mut logits).unwrap();
        assert!(
            logits[usize::from(wrong.as_bytes()[0])].is_infinite()
                && logits[usize::from(b'7')] == 0.0
        );
        // A token that completes the name and continues with what no call has.
        let mut calls = new();
        let (begin, name) = call.split_at(call.find('f').unwrap());
        assert!(write(&mut calls, begin));
        assert!(!calls.allows(0, format!("{}!", &name[..2]).as_bytes()).unwrap(), "{form:?}");
        assert!(calls.allows(0, &name.as_bytes()[..2]).unwrap(), "{form:?}");
    }
}

#[test]
fn schemas_that_cannot_be_enforced_are_named() {
    let shared = Shared::of_bytes();
    let list = json!([
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "g", "parameters": {
            "type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=a)b"}}}}},
    ]);
    let tools = Tools { list, choice: ToolChoice::Required, parallel: true };
    let wanted = Wanted { tools, form: WireForm::Hermes, format: None };
    match compile(&shared, &wanted, &Watch::default()) {
        Err(EngineError::Tools { reason }) => {
            assert!(reason.starts_with("`tools[1].function.parameters`"), "{reason}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// Compiles the calls of a tool in the form of Qwen3-Coder, with these parameters.
fn compile_tagged(parameters: &Value) -> Result<Calls, EngineError> {
    let list = json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}]);
    let tools = Tools { list, choice: ToolChoice::Required, parallel: true };
    let wanted = Wanted { tools, form: WireForm::QwenCoder, format: None };
    compile(&Shared::of_bytes(), &wanted, &Watch::default())
}

/// Thirty references to a definition of thirty references, and so on: each definition is read once.
#[test]
fn references_to_references_are_read_once() {
    let cases = |level: usize| vec![json!({"$ref": format!("#/$defs/l{level}")}); 30];
    let mut levels: Map<String, Value> =
        (0..12).map(|level| (format!("l{level}"), json!({"anyOf": cases(level + 1)}))).collect();
    levels.insert("l12".to_owned(), json!({"type": "null"}));
    let property = json!({"anyOf": cases(0)});
    let root = json!({"type": "object", "properties": {"a": property}, "$defs": levels});
    assert!(matches!(compile_tagged(&root), Ok(_) | Err(EngineError::Tools { .. })));
}

#[test]
fn definitions_that_many_parameters_repeat_are_bounded() {
    let words: Vec<String> = (0..4000).map(|number| format!("word {number}")).collect();
    let list = json!({"type": "array", "items": {"enum": words}});
    let properties: Map<String, Value> =
        (0..900).map(|number| (format!("p{number}"), json!({"$ref": "#/$defs/list"}))).collect();
    let root = json!({"type": "object", "properties": properties, "$defs": {"list": list}});
    match compile_tagged(&root) {
        Err(EngineError::Tools { reason }) => assert!(reason.contains("too large"), "{reason}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}
