//! Random calls in every form are read back, in whatever pieces they come.

use mlxk_text::tools::{
    Arguments, Broken, Call, CallText, NameForm, Place, ToolEvent, ToolParser, WireForm,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{calls, check, events, object, parsed, tool};

const NAMES: [&str; 3] = ["get_weather", "write", "f2"];

/// Parts of strings: what marks, quotes and escapes are made of, and marks themselves.
const PARTS: &[&str] = &[
    "a",
    "Z",
    "7",
    " ",
    "\n",
    "\t",
    "\"",
    "'",
    "\\",
    "\\n",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "|",
    ",",
    ":",
    "=",
    "/",
    "é",
    "東京",
    "🙂",
    "\u{1}",
    "true",
    "12",
    "<tool_call>",
    "</tool_call>",
    "</parameter>",
    "<parameter=a>",
    "<function=f2>",
    "</function>",
    "</arg_value>",
    "<arg_key>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|tool_call>",
    "<tool_call|>",
    "<|\"|",
    "<|call|>",
    "</invoke>",
    "<|tool_call_end|>",
    "]]",
    "<![CDATA[",
    "<|eot_id|>",
    "functools[",
    "$x$",
    "{\"name\": \"f2\"}",
    "</param>",
    "<|close|>",
    "<｜tool▁call▁end｜>",
    "```",
    "f2(a=1)",
    "null",
];

fn text() -> impl Strategy<Value = String> {
    vec(prop::sample::select(PARTS), 0..8).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key(), inner), 0..4).prop_map(|pairs| Value::Object(object(pairs))),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_]{0,8}"
}

#[derive(Clone, Debug)]
struct Case {
    name: &'static str,
    arguments: Map<String, Value>,
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (prop::sample::select(&NAMES[..]), vec((key(), value()), 0..4))
        .prop_map(|(name, pairs)| Case { name, arguments: object(pairs) });
    vec(case, 1..4)
}

/// Returns tools whose schemas fit the arguments of all calls. A key has one type in all of them.
fn tools(cases: &[Case]) -> Value {
    let tools = NAMES.iter().map(|name| {
        let calls = cases.iter().filter(|case| case.name == *name);
        let mut properties = Map::new();
        for (key, value) in calls.flat_map(|case| &case.arguments) {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_i64() => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            properties.insert(key.clone(), json!({"type": kind}));
        }
        tool(name, &Value::Object(properties))
    });
    Value::Array(tools.collect())
}

/// Gives all values of a key the type of its first one, by dropping the others.
fn of_one_type(mut cases: Vec<Case>) -> Vec<Case> {
    let mut first: Map<String, Value> = Map::new();
    for case in &mut cases {
        let name = case.name;
        case.arguments.retain(|key, value| {
            let first = first.entry(format!("{name} {key}")).or_insert_with(|| value.clone());
            let both_whole = first.is_i64() == value.is_i64();
            std::mem::discriminant(first) == std::mem::discriminant(value) && both_whole
        });
    }
    cases
}

/// Drops what a form cannot express.
fn expressible(form: WireForm, cases: Vec<Case>) -> Vec<Case> {
    let shape = form.shape();
    let mut cases = of_one_type(cases);
    if shape.call_limit() == 1 {
        cases.truncate(1);
    }
    let Call::Named(named) = shape.call else { return cases };
    for case in &mut cases {
        case.arguments.retain(|_, value| match named.arguments {
            Arguments::Json | Arguments::Keywords => true,
            Arguments::Braces { quote } => !contains(value, quote),
            Arguments::Elements { prefix, .. } => {
                !value.is_array()
                    && !value.is_object()
                    && !contains(value, prefix)
                    && !is_null_text(value)
            }
            Arguments::Tagged(tags) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let followers = [tags.begin, named.end, shape.section.map_or("", |s| s.end)];
                let ends_early = text.match_indices(tags.end.trim()).any(|(at, mark)| {
                    let rest = text[at + mark.len()..].trim_start();
                    followers.iter().any(|mark| !mark.is_empty() && rest.starts_with(mark.trim()))
                });
                let is_cdata = tags.values.cdata && text.contains("]]>");
                let looks_like_cdata = tags.values.cdata && text.trim_start().starts_with("<![");
                let is_null = tags.values.null_is_null && is_null_text(value);
                !(ends_early || is_cdata || looks_like_cdata || is_null)
            }
        });
    }
    cases
}

fn is_null_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("null"))
}

fn contains(value: &Value, mark: &str) -> bool {
    match value {
        Value::String(text) => text.contains(mark),
        Value::Array(items) => items.iter().any(|item| contains(item, mark)),
        Value::Object(fields) => fields.values().any(|value| contains(value, mark)),
        _ => false,
    }
}

/// Number of calls that an answer can hold.
trait CallLimit {
    fn call_limit(&self) -> usize;
}

impl CallLimit for mlxk_text::tools::CallShape {
    fn call_limit(&self) -> usize {
        let has_no_separator =
            self.separator.is_empty() && self.section.is_some_and(|s| s.end.is_empty());
        if has_no_separator { 1 } else { usize::MAX }
    }
}

fn written(form: WireForm, cases: &[Case]) -> String {
    let calls: Vec<CallText<'_>> =
        cases.iter().map(|case| CallText { name: case.name, arguments: &case.arguments }).collect();
    form.write(&calls)
}

fn expected(cases: &[Case]) -> Vec<(String, Value)> {
    let calls = cases.iter().map(|case| (case.name.to_owned(), case.arguments.clone().into()));
    calls.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn calls_are_read_back(cases in cases()) {
        for form in WireForm::ALL.iter().copied() {
            let cases = expressible(form, cases.clone());
            let text = written(form, &cases);
            let answer = parsed(form, &tools(&cases), &text);
            prop_assert_eq!(calls(&answer), expected(&cases), "{:?}: {}", form, text);
            prop_assert_eq!(&answer.content, "", "{:?}: {}", form, text);
        }
    }

    #[test]
    fn text_around_calls_is_content(
        cases in cases(),
        before in "[A-Za-z.,!é ]{0,20}",
        after in "[A-Z.,!é]{1}[a-z ]{0,20}",
    ) {
        for form in WireForm::ALL.iter().copied() {
            if form.shape().place == Place::Start {
                continue;
            }
            let cases = expressible(form, cases.clone());
            let text = format!("{before}\n\n{}", written(form, &cases));
            let answer = parsed(form, &tools(&cases), &text);
            prop_assert_eq!(calls(&answer), expected(&cases), "{:?}: {}", form, text);
            prop_assert_eq!(answer.content.trim_start(), before.trim(), "{:?}: {}", form, text);

            let text = format!("{}\n{after}", written(form, &cases));
            let answer = parsed(form, &tools(&cases), &text);
            prop_assert_eq!(calls(&answer), expected(&cases), "{:?}: {}", form, text);
            prop_assert_eq!(answer.content, after.trim_end(), "{:?}: {}", form, text);
        }
    }

    /// A call that is cut anywhere is a beginning of the call, or not there, and is never complete early.
    #[test]
    fn cut_calls_are_never_complete(cases in cases(), cut in 0.0..1.0) {
        for form in WireForm::ALL.iter().copied() {
            let cases = expressible(form, cases.clone());
            let tools = tools(&cases);
            let text = written(form, &cases);
            let length = (text.chars().count() as f64 * cut) as usize;
            let cut: String = text.chars().take(length).collect();
            let whole = parsed(form, &tools, &text);
            let answer = parsed(form, &tools, &cut);
            for (call, whole) in answer.calls.iter().zip(&whole.calls) {
                prop_assert_eq!(&call.name, &whole.name);
                if call.is_complete {
                    prop_assert_eq!(&call.arguments, &whole.arguments, "{:?}: {}", form, cut);
                }
            }
        }
    }

    /// Any text makes a valid sequence of events, and the same one in all pieces.
    #[test]
    fn pieces_do_not_matter(
        parts in vec(prop_oneof![
            prop::sample::select(PARTS).prop_map(str::to_owned),
            prop::sample::select(MARKS).prop_map(str::to_owned),
            prop::sample::select(WireForm::ALL).prop_map(|form| {
                let call = Case { name: "f2", arguments: object([("a".to_owned(), json!("x"))]) };
                written(form, &[call])
            }),
        ], 0..12),
    ) {
        let text = parts.concat();
        let tools = json!([tool("f2", &json!({"a": {"type": "string"}})), tool("write", &json!({}))]);
        for form in WireForm::ALL.iter().copied() {
            let answer = parsed(form, &tools, &text);
            for call in answer.calls.iter().filter(|call| call.is_complete) {
                let arguments = serde_json::from_str::<Map<String, Value>>(&call.arguments);
                prop_assert!(arguments.is_ok(), "{:?}: {}: {:?}", form, text, call);
            }
        }
    }
}

/// Beginnings of calls, by which the parser gets into all of its states.
const MARKS: &[&str] = &[
    "<tool_call>\n",
    "{\"name\": \"f2\", ",
    "\"arguments\": {",
    "<function=f2>\n",
    "<parameter=a>\n",
    "\n</parameter>",
    "\n</function>",
    "\n</tool_call>",
    "f2",
    "<arg_key>a</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<|tool_call>call:f2{a:<|\"|>",
    "<|\"|>}",
    "[TOOL_CALLS]f2[ARGS]{",
    "[TOOL_CALLS][",
    "<|tool_call_start|>[f2(a=",
    ")]",
    "<|channel|>commentary to=functions.f2",
    "<|message|>",
    "<|channel|>final",
    "<|start|>assistant",
    "<|call|>",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>functions.f2:0<|tool_call_argument_begin|>{",
    "<｜DSML｜tool_calls>",
    "<｜DSML｜invoke name=\"f2\">",
    "]<]minimax[>[<tool_call>",
    "]<]minimax[>[<invoke name=\"f2\">",
    "]<]minimax[>[<a>",
    "]<]minimax[>[</a>",
    ">>>f2\n",
    "functools[",
    "<|python_tag|>",
    "f2.call(",
    "<tool_call>\nunknown",
    "{\"name\": \"unknown\", \"arguments\": {}}",
];

#[test]
fn every_form_has_a_name_and_a_trigger() {
    for form in WireForm::ALL.iter().copied() {
        assert!(!form.shape().trigger().is_empty(), "{form:?}");
        let same = WireForm::ALL.iter().filter(|other| other.name() == form.name());
        assert_eq!(same.count(), 1, "{form:?}");
    }
}

#[test]
fn arguments_arrive_before_the_call_ends() {
    let case =
        Case { name: "write", arguments: object([("a".to_owned(), "x".repeat(400).into())]) };
    let tools = json!([tool("write", &json!({"a": {"type": "string"}}))]);
    for form in WireForm::ALL.iter().copied() {
        let text = written(form, std::slice::from_ref(&case));
        let mut parser = ToolParser::new(form, &tools);
        let (begin, rest) = text.split_at(text.find("xxx").unwrap() + 200);
        let events = parser.push(begin);
        let streamed: usize = events
            .iter()
            .map(|event| match event {
                ToolEvent::Arguments { piece, .. } => piece.len(),
                _ => 0,
            })
            .sum();
        assert!(streamed > 150, "{form:?}: {events:?}");
        assert!(parser.is_in_call());
        parser.push(rest);
        parser.finish();
    }
}

#[test]
fn an_unknown_tool_is_content() {
    let tools = json!([tool("write", &json!({"a": {"type": "string"}}))]);
    // A call of a known tool inside the arguments of an unknown one is not a call.
    for form in WireForm::ALL.iter().copied() {
        let inner = Case { name: "write", arguments: object([("a".to_owned(), "x".into())]) };
        let inner = written(form, &[inner]);
        let Call::Named(named) = form.shape().call else {
            let outer = Case { name: "gone", arguments: object([("a".to_owned(), inner.into())]) };
            let text = written(form, &[outer]);
            let answer = parsed(form, &tools, &text);
            assert_eq!(answer.calls, [], "{form:?}: {text}");
            assert_eq!(answer.content, text.trim(), "{form:?}");
            continue;
        };
        let outer = Case { name: "gone", arguments: object([("a".to_owned(), "x".into())]) };
        let text = written(form, &[outer]);
        let answer = parsed(form, &tools, &text);
        assert_eq!(answer.calls, [], "{form:?}: {text}");
        if named.name != NameForm::Header {
            assert_eq!(answer.content, text.trim(), "{form:?}");
        }
    }
}

#[test]
fn a_cut_call_is_not_complete() {
    let tools = json!([tool("write", &json!({"a": {"type": "string"}}))]);
    for form in WireForm::ALL.iter().copied() {
        let case = Case { name: "write", arguments: object([("a".to_owned(), "xxx".into())]) };
        let text = written(form, &[case]);
        let cut = &text[..text.find("xxx").unwrap() + 2];
        let all = events(form, &tools, cut, 1);
        check(&all);
        let last = all.last().unwrap();
        let expected =
            ToolEvent::Broken { index: Some(0), cause: Broken::Cut, text: cut.to_owned() };
        assert_eq!(last, &expected, "{form:?}");
    }
}
