//! Chat templates against jinja2 (`fixtures/templates/make_goldens.py`).
//!
//! `MLXK_TEST_TEMPLATES_DIR` names a folder of further templates with the `golden.json` that the
//! script made of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use mlxk_chat::{Content, Message};
use mlxk_text::{ChatTemplate, Clock, RenderOptions, TextError};
use serde_json::{Value, json};

/// 2025-03-09 14:05:07, as in the script.
const CLOCK: Clock = Clock::Fixed { unix_seconds: 1_741_525_507, offset_seconds: 3600 };

/// Templates that jinja2 refuses and we accept: looping over `none`, the JSON of a lazy list, and text around the
/// arguments of a call, which are text then.
const LENIENT: [&str; 3] = [
    "TypeError: 'NoneType' object is not iterable",
    "TypeError: Object of type generator is not JSON serializable",
    "TypeError: can only concatenate str (not \"dict\") to str",
];

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn options(case: &Value) -> RenderOptions {
    RenderOptions {
        add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap_or(true),
        tools: case.get("tools").cloned(),
        variables: case["variables"].as_object().cloned().unwrap_or_default(),
        bos_token: Some("<s>".to_owned()),
        eos_token: Some("</s>".to_owned()),
        clock: CLOCK,
        ..RenderOptions::default()
    }
}

fn messages(value: &Value) -> Vec<Message> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Returns the difference from jinja2, or `None` if there is none.
fn difference(template: &ChatTemplate, case: &Value, golden: &Value) -> Option<String> {
    let rendered = template.render(&messages(&case["messages"]), &options(case));
    match (&rendered, golden) {
        (Ok(text), Value::Object(golden)) if golden.get("text") == Some(&json!(text)) => None,
        (Err(TextError::TemplateRaised { message }), golden) if golden["raised"] == *message => {
            None
        }
        (Err(error), golden)
            if golden["error"].is_string()
                && !matches!(error, TextError::TemplateRaised { .. }) =>
        {
            None
        }
        // If Python stops and the engine continues, a usable text does no harm.
        (Ok(_), golden)
            if golden["error"].as_str().is_some_and(|error| LENIENT.contains(&error)) =>
        {
            None
        }
        _ => Some(format!("ours {rendered:?}\njinja2 {golden}")),
    }
}

/// Compares a folder; gives the number of renderings and the differences.
fn compare(folder: &Path) -> (usize, Vec<String>) {
    let goldens = read_json(&folder.join("golden.json"));
    let cases = read_json(&templates().join("conversations.json"));
    let mut differences = Vec::new();
    let mut count = 0;
    for (name, golden) in goldens.as_object().unwrap() {
        let template = ChatTemplate::from_text(std::fs::read_to_string(folder.join(name)).unwrap());
        for case in cases.as_array().unwrap() {
            let case_name = case["name"].as_str().unwrap();
            count += 1;
            if let Some(difference) = difference(&template, case, &golden[case_name]) {
                differences.push(format!("{name}, {case_name}: {difference}"));
            }
        }
    }
    (count, differences)
}

#[test]
fn our_templates_render_as_in_jinja2() {
    let (count, differences) = compare(&templates());
    assert!(count >= 80);
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn further_templates_render_as_in_jinja2() {
    let Some(folder) = std::env::var_os("MLXK_TEST_TEMPLATES_DIR") else {
        println!("skipped: MLXK_TEST_TEMPLATES_DIR is not set");
        return;
    };
    let (count, differences) = compare(Path::new(&folder));
    println!("{count} renderings, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

fn render(template: &str, messages: &[Message]) -> Result<String, TextError> {
    ChatTemplate::from_text(template).render(messages, &RenderOptions::default())
}

#[test]
fn content_parts_become_text() {
    let parts = json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]);
    let message = messages(&json!([{ "role": "user", "content": parts }]));
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    assert_eq!(render(template, &message).unwrap(), "one\ntwo");

    let image = messages(&json!([{ "role": "user", "content": [{ "type": "image_url" }] }]));
    let error = render(template, &image).unwrap_err();
    assert!(matches!(&error, TextError::Content { kind } if kind == "image_url"), "{error}");
}

#[test]
fn arguments_of_tool_calls_become_objects_unless_the_template_wants_text() {
    let call =
        json!({ "type": "function", "function": { "name": "f", "arguments": "{\"x\": 1}" } });
    let message =
        messages(&json!([{ "role": "assistant", "content": null, "tool_calls": [call] }]));
    let arguments = "messages[0].tool_calls[0].function.arguments";
    let object = format!("{{{{ {arguments}.x }}}} {{{{ {arguments} | tojson }}}}");
    assert_eq!(render(&object, &message).unwrap(), "1 {\"x\": 1}");
    let text = format!("{{{{ 'call ' + {arguments} }}}}");
    assert_eq!(render(&text, &message).unwrap(), "call {\"x\": 1}");
}

#[test]
fn a_refusal_is_not_an_accident() {
    let refused = render("{{ raise_exception('no system role') }}", &[]).unwrap_err();
    assert!(
        matches!(&refused, TextError::TemplateRaised { message } if message == "no system role")
    );
    let nested = "{% macro m() %}{{ raise_exception('inside') }}{% endmacro %}{{ m() }}";
    assert!(matches!(render(nested, &[]), Err(TextError::TemplateRaised { .. })));
    let accident = render("\n{{ missing.field }}", &[]).unwrap_err();
    assert!(matches!(&accident, TextError::Template { reason, .. } if reason.contains("line 2")));
    assert!(ChatTemplate::from_text("{{ missing.field }}").check().is_ok());
    let checked = ChatTemplate::from_text("{% if %}").check();
    assert!(matches!(checked, Err(TextError::TemplateSyntax { .. })));
    let syntax = render("{% if %}", &[]).unwrap_err();
    assert!(matches!(syntax, TextError::TemplateSyntax { .. }));
}

#[test]
fn hostile_templates_come_to_an_end() {
    let bounded = [
        // Work.
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        // Size.
        "{% set x = 'xxxxxxxxxxxxxxxx' * 4096 %}{% for i in range(100000) %}{{ x }}{% endfor %}",
        "{% set x = 'x' * 1000000 %}{{ x.replace('x', x) }}",
        "{% set x = 'x' * 1000000 %}{{ ','.join([x] * 100000) }}",
        "{{ 'x' * 100000000000 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ [1] | tojson(indent=1000000000) }}",
        // A value that holds itself many times over.
        "{% set n = namespace(v=[1]) %}{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v | tojson }}",
        // Depth.
        "{% set n = namespace(v=[1]) %}{% for i in range(5000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v | tojson }}",
    ];
    for template in bounded {
        let error = render(template, &[]).expect_err(template);
        assert!(
            matches!(error, TextError::TemplateBound { .. } | TextError::Template { .. }),
            "{template}: {error}"
        );
    }
}

#[test]
fn templates_are_found_where_checkpoints_keep_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let shown = |with_tools: bool| {
        let template = ChatTemplate::open(dir.path()).unwrap().unwrap();
        let tools = with_tools.then(|| json!([]));
        template.render(&[], &RenderOptions { tools, ..RenderOptions::default() }).unwrap()
    };
    assert!(ChatTemplate::open(dir.path()).unwrap().is_none());
    std::fs::write(path("tokenizer_config.json"), r#"{"bos_token": {"content": "<s>"}}"#).unwrap();
    assert!(ChatTemplate::open(dir.path()).unwrap().is_none());

    let vocabulary = r#"{"chat_template": "{{ bos_token }}vocabulary", "model": {}}"#;
    std::fs::write(path("tokenizer.json"), vocabulary).unwrap();
    assert_eq!(shown(false), "<s>vocabulary");

    let list = json!({
        "bos_token": { "content": "<s>" },
        "chat_template": [
            { "name": "default", "template": "{{ bos_token }}listed" },
            { "name": "tool_use", "template": "{{ bos_token }}tools" },
        ],
    });
    std::fs::write(path("tokenizer_config.json"), list.to_string()).unwrap();
    assert_eq!((shown(false), shown(true)), ("<s>listed".to_owned(), "<s>tools".to_owned()));

    std::fs::write(path("chat_template.json"), r#"{"chat_template": "{{ bos_token }}json"}"#)
        .unwrap();
    assert_eq!((shown(false), shown(true)), ("<s>json".to_owned(), "<s>json".to_owned()));

    std::fs::write(path("chat_template.jinja"), "{{ bos_token }}jinja\n").unwrap();
    assert_eq!(shown(false), "<s>jinja");
}

#[test]
fn a_final_message_can_be_continued() {
    let chatml = std::fs::read_to_string(templates().join("chatml.jinja")).unwrap();
    let template = ChatTemplate::from_text(chatml);
    let options = RenderOptions { continue_final_message: true, ..RenderOptions::default() };
    let conversation =
        [Message::new("user", "Count"), Message::new("assistant", Content::from("One, two, "))];
    let rendered = template.render(&conversation, &options).unwrap();
    assert!(rendered.ends_with("<|im_start|>assistant\nOne, two, "), "{rendered:?}");
}

#[test]
fn marks_and_spaces_of_a_continued_message_are_kept() {
    let render = |template: &str, text: &str| {
        let options = RenderOptions { continue_final_message: true, ..RenderOptions::default() };
        let messages = [Message::new("user", "end"), Message::new("assistant", text)];
        ChatTemplate::from_text(template).render(&messages, &options)
    };
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}more";
    // The text occurs again after the message.
    for text in ["end", "e", "<end>", "more ", "a\n\n"] {
        assert_eq!(render(template, text).unwrap(), format!("<user>end<end><assistant>{text}"));
    }
    let trimming = template.replace("m.content", "m.content | trim");
    assert_eq!(render(&trimming, " a \n").unwrap(), "<user>end<end><assistant>a");
    let last_only = "{{ messages[0].content }}";
    assert!(matches!(render(last_only, "a"), Err(TextError::Template { .. })));

    let unfinished = |role: &str, text: &str| {
        mlxk_text::ends_in_answer(&[Message::new("user", "a"), Message::new(role, text)])
    };
    assert!(unfinished("assistant", "a") && !unfinished("assistant", ""));
    assert!(!unfinished("user", "a") && !mlxk_text::ends_in_answer(&[]));
}

#[test]
fn line_ends_and_byte_order_marks_are_read_as_jinja_does() {
    let lines = "\u{feff}{% if true %}\r\na\r\n{% endif %}\r\n{{ 'b\r\nc' }}\rd";
    assert_eq!(render(lines, &[]).unwrap(), "a\nb\nc\nd");
    let dir = tempfile::tempdir().unwrap();
    let json = json!({ "chat_template": "\u{feff}x\r\ny", "bos_token": "<s>" });
    std::fs::write(dir.path().join("tokenizer_config.json"), format!("\u{feff}{json}")).unwrap();
    let template = ChatTemplate::open(dir.path()).unwrap().unwrap();
    assert_eq!(template.render(&[], &RenderOptions::default()).unwrap(), "x\ny");
    assert_eq!(template.source_text(false), "x\ny");
}

#[test]
fn the_local_clock_is_the_default() {
    let year: i32 = render("{{ strftime_now('%Y') }}", &[]).unwrap().parse().unwrap();
    assert!(year >= 2025);
}
