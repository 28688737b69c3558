//! Rules of single forms, and what models get wrong.

use mlxk_text::tools::{Broken, ToolEvent, ToolParser, WireForm};
use serde_json::{Value, json};

use crate::support::{calls, events, parsed, tool};

fn tools() -> Value {
    json!([
        tool(
            "get_weather",
            &json!({
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "share": {"type": "number"},
                "exact": {"type": "boolean"},
                "options": {"type": "object"},
                "names": {"type": "array"},
                "unit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "level": {"enum": [1, 2, "high"]},
                "any": {},
            })
        ),
        tool("now", &json!({})),
    ])
}

fn one(form: WireForm, text: &str) -> Value {
    let answer = parsed(form, &tools(), text);
    assert_eq!(answer.content, "", "{text}");
    let calls = calls(&answer);
    assert_eq!(calls.len(), 1, "{text}: {answer:?}");
    calls.into_iter().next().unwrap().1
}

fn qwen(key: &str, value: &str) -> Value {
    let text = format!(
        "<tool_call>\n<function=get_weather>\n<parameter={key}>\n{value}\n</parameter>\n</function>\n</tool_call>"
    );
    one(WireForm::QwenCoder, &text)[key].clone()
}

#[test]
fn raw_values_have_the_type_of_the_schema() {
    // What looks like JSON stays text if the schema says so.
    assert_eq!(qwen("city", "{\"a\": 1}"), json!("{\"a\": 1}"));
    assert_eq!(qwen("city", "12"), json!("12"));
    assert_eq!(qwen("city", "null"), json!(null));
    assert_eq!(qwen("city", "nullable"), json!("nullable"));
    assert_eq!(qwen("city", "\n  x\n"), json!("\n  x\n"));
    assert_eq!(qwen("city", ""), json!(""));
    assert_eq!(qwen("days", "12"), json!(12));
    assert_eq!(qwen("days", "12.0"), json!(12));
    assert_eq!(qwen("days", "twelve"), json!("twelve"));
    assert_eq!(qwen("share", "1.5"), json!(1.5));
    assert_eq!(qwen("exact", "True"), json!(true));
    assert_eq!(qwen("options", "{\"a\": [1, null]}"), json!({"a": [1, null]}));
    assert_eq!(qwen("options", "{'a': [1, None]}"), json!({"a": [1, null]}));
    assert_eq!(qwen("names", "[\"a\"]"), json!(["a"]));
    assert_eq!(qwen("unit", "12"), json!("12"));
    assert_eq!(qwen("unit", "null"), json!(null));
    assert_eq!(qwen("level", "2"), json!(2));
    assert_eq!(qwen("level", "high"), json!("high"));
    assert_eq!(qwen("any", "{\"a\": 1}"), json!({"a": 1}));
    assert_eq!(qwen("any", "5"), json!("5"));
    assert_eq!(qwen("undeclared", "5"), json!("5"));
}

#[test]
fn values_may_contain_their_own_end_mark() {
    let code = "print('</parameter>')\n</function>";
    assert_eq!(qwen("city", code), json!(code));
}

#[test]
fn references_in_schemas_are_followed() {
    let tools = json!([{"name": "f", "parameters": {
        "$defs": {"Unit": {"enum": ["c", "f"], "type": "string"}, "N": {"type": "integer"}},
        "properties": {"u": {"$ref": "#/$defs/Unit"}, "n": {"allOf": [{"$ref": "#/$defs/N"}]}},
    }}]);
    let text = "<tool_call>f<arg_key>u</arg_key><arg_value>1</arg_value>\
        <arg_key>n</arg_key><arg_value>1</arg_value></tool_call>";
    let answer = parsed(WireForm::Glm, &tools, text);
    assert_eq!(calls(&answer), [("f".to_owned(), json!({"u": "1", "n": 1}))]);
}

#[test]
fn qwen_may_leave_out_the_outer_mark() {
    let text = "<function=now>\n</function>\n</tool_call>";
    assert_eq!(one(WireForm::QwenCoder, text), json!({}));
    let text = "<function=now>\n</function>";
    assert_eq!(one(WireForm::QwenCoder, text), json!({}));
    let text = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    assert_eq!(one(WireForm::QwenCoder, text), json!({}));
}

#[test]
fn hermes_accepts_what_small_models_write() {
    let form = WireForm::Hermes;
    let city = json!({"city": "a\nb"});
    for text in [
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a\\nb\"}}</tool_call>",
        // The order of the keys, another name of a key, and more keys.
        "<tool_call>{\"arguments\": {\"city\": \"a\\nb\"}, \"id\": 7, \"name\": \"get_weather\"}</tool_call>",
        "<tool_call>{\"name\": \"get_weather\", \"parameters\": {\"city\": \"a\\nb\"}}</tool_call>",
        // Arguments as text, a line break in a string, and a missing brace.
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": \"{\\\"city\\\": \\\"a\\\\nb\\\"}\"}</tool_call>",
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a\nb\"}}</tool_call>",
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a\\nb\"}</tool_call>",
        // A missing end.
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a\\nb\"}}",
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a\\nb\"}}</tool_",
    ] {
        assert_eq!(one(form, text), city, "{text}");
    }
    assert_eq!(one(form, "<tool_call>{\"name\": \"now\"}</tool_call>"), json!({}));
    assert_eq!(
        one(form, "<tool_call>{\"name\": \"now\", \"arguments\": null}</tool_call>"),
        json!({})
    );
}

#[test]
fn names_may_have_a_prefix() {
    let text = "<tool_call>{\"name\": \"functions.now\", \"arguments\": {}}</tool_call>";
    let answer = parsed(WireForm::Hermes, &tools(), text);
    assert_eq!(calls(&answer), [("now".to_owned(), json!({}))]);
}

#[test]
fn nested_elements_are_objects_and_lists() {
    let tag = |text: &str| text.replace('<', "]<]minimax[>[<");
    let call = |value: &str| {
        let text = format!(
            "<tool_call>\n<invoke name=\"get_weather\"><options>{value}</options></invoke>\n</tool_call>"
        );
        one(WireForm::MiniMaxM3, &tag(&text))["options"].clone()
    };
    let value = "<options><item>1</item><item>true</item><item>a b</item></options><a>null</a>";
    assert_eq!(call(value), json!({"options": [1, true, "a b"], "a": null}));
    assert_eq!(call("{\"a\": 1}"), json!({"a": 1}));
}

#[test]
fn escapes_are_decoded() {
    let text = r#"<tool_call>{"name": "get_weather", "arguments": {"city": "\u00e9\ud83d\ude42\ud83d \/\\ \'"}}</tool_call>"#;
    assert_eq!(one(WireForm::Hermes, text), json!({"city": "é🙂\u{fffd} /\\ '"}));
    let text = r"<|tool_call_start|>[get_weather(city='a\'b\x41\u00e9\n\q', names=[1, (2,)], options={'a': None, 1: -0x10}, exact=True, share=.5)]<|tool_call_end|>";
    let expected = json!({
        "city": "a'bAé\n\\q", "names": [1, [2]], "options": {"a": null, "1": -16}, "exact": true, "share": 0.5,
    });
    assert_eq!(one(WireForm::Lfm2, text), expected);
    let text = "[get_weather(city='', options={}, names=[], unit=\"\"\"a\"b\"\"\")]";
    let expected = json!({"city": "", "options": {}, "names": [], "unit": "a\"b"});
    assert_eq!(one(WireForm::Pythonic, text), expected);
}

#[test]
fn ids_are_passed_on() {
    let ids = |form: WireForm, text: &str| {
        let answer = parsed(form, &tools(), text);
        answer.calls.into_iter().map(|call| call.id.unwrap_or_default()).collect::<Vec<_>>()
    };
    let text = "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:3<|tool_call_argument_begin|>{}\
        <|tool_call_end|><|tool_call_begin|>functions.now:4<|tool_call_argument_begin|>{}<|tool_call_end|>\
        <|tool_calls_section_end|>";
    assert_eq!(ids(WireForm::KimiK2, text), ["functions.now:3", "functions.now:4"]);
    assert_eq!(ids(WireForm::Mistral, "[TOOL_CALLS]now[CALL_ID]abcdefgh1[ARGS]{}"), ["abcdefgh1"]);
    let text = "<|START_ACTION|>[\n {\"tool_call_id\": \"0\", \"tool_name\": \"now\", \"parameters\": {}}\n]<|END_ACTION|>";
    assert_eq!(ids(WireForm::Cohere, text), ["0"]);
}

#[test]
fn harmony_reads_messages() {
    let form = WireForm::Harmony;
    for text in [
        "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}<|call|>",
        " to=functions.now<|channel|>commentary json<|message|>{}<|call|>",
        "<|channel|>analysis to=functions.now<|message|>{}",
        "<|start|>assistant<|channel|>commentary to=functions.now<|message|>{}<|end|>",
    ] {
        assert_eq!(one(form, text), json!({}), "{text}");
    }
    let text = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant to=functions.now\
        <|channel|>commentary <|constrain|>json<|message|>{}<|call|>";
    let answer = parsed(form, &tools(), text);
    assert_eq!(answer.content, "Let me see.");
    assert_eq!(calls(&answer), [("now".to_owned(), json!({}))]);
}

#[test]
fn bare_forms_only_begin_an_answer() {
    let json = "{\"name\": \"now\", \"parameters\": {}}";
    for text in [json.to_owned(), format!("\n {json}"), format!("<|python_tag|>{json}<|eom_id|>")] {
        let answer = parsed(WireForm::Llama3, &tools(), &text);
        assert_eq!(calls(&answer), [("now".to_owned(), json!({}))], "{text}");
    }
    for text in [
        format!("Call {json}"),
        "{\"name\": \"Ann\", \"parameters\": {}}".to_owned(),
        "{\"city\": \"now\"}".to_owned(),
        "{".to_owned(),
        "{\"name\": \"no".to_owned(),
    ] {
        let answer = parsed(WireForm::Llama3, &tools(), &text);
        assert_eq!((answer.content.as_str(), answer.calls.len()), (text.as_str(), 0));
    }
    let text = "<|python_tag|>now.call()";
    assert_eq!(one(WireForm::Llama3, text), json!({}));
    for text in ["[1] A list", "[now](https://a)", "[now, then]", "See [now()]", "[", "[no"] {
        let answer = parsed(WireForm::Pythonic, &tools(), text);
        assert_eq!((answer.content.as_str(), answer.calls.len()), (text, 0));
    }
}

#[test]
fn text_without_calls_is_unchanged() {
    let text =
        "\n  A <tool_call is not <tool_call> a call; [TOOL_CALLS] neither {\"name\": 1}.\n\n";
    for form in WireForm::ALL.iter().copied() {
        let answer = parsed(form, &tools(), text);
        assert_eq!((answer.content.as_str(), answer.calls.len()), (text, 0), "{form:?}");
    }
}

#[test]
fn content_is_not_held_back_without_reason() {
    let mut parser = ToolParser::new(WireForm::Hermes, &tools());
    let content = |text: &str| vec![ToolEvent::Content(text.to_owned())];
    assert_eq!(parser.push("Hello"), content("Hello"));
    assert_eq!(parser.push(", a < b"), content(", a < b"));
    assert_eq!(parser.push(" <tool"), []);
    assert!(!parser.is_in_call());
    assert_eq!(parser.push("s> "), content(" <tools>"));
    assert_eq!(parser.push("<tool_call>"), []);
    assert!(parser.is_in_call());
    assert_eq!(
        parser.push("{\"name\": \"now\""),
        [ToolEvent::CallBegin { index: 0, name: "now".to_owned(), id: None }]
    );
    assert_eq!(
        parser.push(", \"arguments\": {\"a\": "),
        [ToolEvent::Arguments { index: 0, piece: "{\"a\":".to_owned() }]
    );
}

#[test]
fn malformed_arguments_are_reported() {
    let text =
        "Well.\n<tool_call>{\"name\": \"now\", \"arguments\": {\"a\": oops}}\n</tool_call>\nSo.";
    let call = &text[6..text.len() - 4];
    let all = events(WireForm::Hermes, &tools(), text, 1);
    assert_eq!(
        all[3],
        ToolEvent::Broken { index: Some(0), cause: Broken::Malformed, text: call.to_owned() }
    );
    let answer = parsed(WireForm::Hermes, &tools(), text);
    assert_eq!((answer.content, answer.calls), (format!("Well.{call}\nSo."), vec![]));
}

#[test]
fn a_call_without_a_name_is_cut() {
    let text = "<tool_call>\n{\"name\": \"no";
    let all = events(WireForm::Hermes, &tools(), text, 1);
    let text = text.to_owned();
    assert_eq!(all, [ToolEvent::Broken { index: None, cause: Broken::Cut, text }]);
}
