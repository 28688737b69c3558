use super::*;
use serde_json::json;

fn variables(template: &str, mode: ThinkingMode<'_>) -> Result<Value, ThinkingRefusal> {
    Thinking::of_template(template).variables(mode).map(Value::Object)
}

const QWEN: &str = "{% if enable_thinking is false %}<think></think>{% endif %}";
const GPT_OSS: &str = "{{ reasoning_effort }} <|channel|><|message|>";
const MAGISTRAL: &str = "{{ messages }} [THINK]";
const PLAIN: &str = "{{ messages }}";

#[test]
fn a_switch_turns_thinking_on_and_off() {
    assert_eq!(variables(QWEN, ThinkingMode::Off), Ok(json!({"enable_thinking": false})));
    assert_eq!(variables(QWEN, ThinkingMode::On), Ok(json!({"enable_thinking": true})));
    let granite = "{%- if thinking %}";
    assert_eq!(variables(granite, ThinkingMode::On), Ok(json!({"thinking": true})));
}

#[test]
fn levels_need_a_template_that_reads_them() {
    let level = ThinkingMode::Level("high");
    assert_eq!(variables(GPT_OSS, level), Ok(json!({"reasoning_effort": "high"})));
    for template in [QWEN, MAGISTRAL] {
        assert_eq!(variables(template, level), Err(ThinkingRefusal::NoLevels));
    }
    assert_eq!(variables(PLAIN, level), Err(ThinkingRefusal::NeverThinks));
}

#[test]
fn a_model_that_always_thinks_cannot_be_kept_from_it() {
    for template in [GPT_OSS, MAGISTRAL, "{{ '</think>' }}"] {
        assert_eq!(
            variables(template, ThinkingMode::Off),
            Err(ThinkingRefusal::AlwaysThinks),
            "{template}"
        );
        assert_eq!(variables(template, ThinkingMode::On), Ok(json!({})), "{template}");
    }
}

#[test]
fn a_model_that_never_thinks_need_not_be_kept_from_it() {
    assert_eq!(variables(PLAIN, ThinkingMode::Off), Ok(json!({})));
    assert_eq!(variables(PLAIN, ThinkingMode::On), Err(ThinkingRefusal::NeverThinks));
    assert_eq!(Thinking::default(), Thinking::of_template(PLAIN));
}

#[test]
fn variables_are_complete_words() {
    assert!(names_variable("{% if thinking %}", "thinking"));
    assert!(names_variable("{% if enable_thinking is defined %}", "enable_thinking"));
    assert!(!names_variable("{% if enable_thinking %} <thinking_mode>", "thinking"));
}

#[test]
fn a_continued_answer_is_no_thought() {
    let read = |template: &str, begun: &str| {
        let mut parser = Thinking::of_template(template).parser_within(begun).unwrap();
        let mut all = parser.push(" more</think>end");
        all.extend(parser.finish());
        all
    };
    let answer = |text: &str| Written::Answer(text.to_owned());
    assert_eq!(read(QWEN, "Once"), [answer(" more</think>end")]);
    assert_eq!(read(QWEN, "<think>a</think>Once"), [answer(" more</think>end")]);
    assert_eq!(read(GPT_OSS, "Once"), [answer(" more</think>end")]);
    let thoughts = [Written::Reasoning(" more".to_owned()), answer("end")];
    assert_eq!(read(QWEN, "<think>Once"), thoughts);
}

#[test]
fn only_a_prompt_that_leaves_it_open_lets_the_model_begin_to_think() {
    let opening = |prompt: &str| Thinking::of_template(QWEN).parser(prompt).unwrap().opening();
    assert_eq!(opening("Hi"), Some("<think>"));
    assert_eq!(opening("Hi<think>\n"), None);
    assert_eq!(opening("Hi<think>\n\n</think>\n\n"), None);
    let mut parser = Thinking::of_template(QWEN).parser("Hi").unwrap();
    parser.push("{");
    assert_eq!(parser.opening(), None);
    assert_eq!(Thinking::of_template(GPT_OSS).parser("Hi").unwrap().opening(), None);
}
