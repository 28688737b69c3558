//! Finds the form in which a model writes calls, from its files.
//!
//! The tokenizer's configuration may name it. Otherwise the chat template tells: it renders a conversation
//! with a call and one without, and the form whose parser reads exactly that call is the model's.

use std::cell::OnceCell;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::event::ParsedAnswer;
use super::form::WireForm;
use super::parser::ToolParser;
use super::write::CallText;
use mlxk_chat::Message;

use crate::chat::{ChatTemplate, RenderOptions};
use crate::error::TextError;
use crate::files::{json_or_default, read_optional};

/// Name and argument of the call that templates render.
const TOOL: &str = "mlxk_probe";
const TEXT: &str = "alpha beta";
/// Answer of the conversation without a call. No call begins like it.
const ANSWER: &str = "\u{2603}";
/// Bytes before the difference of two renderings in which a mark may begin that both have in part.
const MARK_BYTES: usize = 48;

/// Content of `tokenizer_config.json` about tool calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolHints {
    /// Name of mlx-lm's parser.
    pub parser_type: Option<String>,
    /// `true` if there is a `response_template`. We do not read it, because the chat template says the same.
    pub has_response_template: bool,
}

impl ToolHints {
    /// Reads `tokenizer_config.json` in `dir`, which may be absent.
    pub fn open(dir: &Path) -> Result<Self, TextError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Config {
            tool_parser_type: Value,
            response_template: Value,
        }
        let config: Config = json_or_default(&dir.join("tokenizer_config.json"))?;
        Ok(Self {
            parser_type: config.tool_parser_type.as_str().map(str::to_owned),
            has_response_template: !config.response_template.is_null(),
        })
    }
}

/// Source of a [`ToolSupport::form`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// `tool_parser_type` of `tokenizer_config.json`.
    Configuration,
    /// A call that the chat template rendered.
    Rendering,
    /// Marks in the text of the chat template.
    Template,
    /// Marks among the tokens.
    Vocabulary,
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "tokenizer_config.json",
            Self::Rendering => "a call rendered by the chat template",
            Self::Template => "marks in the chat template",
            Self::Vocabulary => "marks among the tokens",
        })
    }
}

/// A model's support for tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolSupport {
    /// Form of the calls, and its source.
    pub form: Option<(WireForm, ChosenBy)>,
    /// `true` if tools appear in prompts.
    pub renders_tools: bool,
}

impl ToolSupport {
    /// Finds out how the checkpoint in `dir` supports tools, without opening its tokenizer. Returns `None` if it has no
    /// chat template.
    pub fn open(dir: &Path) -> Result<Option<Self>, TextError> {
        let Some(template) = ChatTemplate::open(dir)? else { return Ok(None) };
        let hints = ToolHints::open(dir)?;
        let vocabulary = OnceCell::new();
        let has_token = |token: &str| {
            let text = vocabulary.get_or_init(|| {
                read_optional(&dir.join("tokenizer.json")).ok().flatten().unwrap_or_default()
            });
            text.contains(&Value::from(token).to_string())
        };
        Ok(Some(detect(&template, &hints, &has_token)))
    }
}

/// Finds out how a model supports tools. `has_token` asks its vocabulary.
pub fn detect(
    template: &ChatTemplate,
    hints: &ToolHints,
    has_token: &dyn Fn(&str) -> bool,
) -> ToolSupport {
    let rendered = by_rendering(template);
    let configured = hints.parser_type.as_deref().and_then(WireForm::from_parser_type);
    let form = match (configured, rendered) {
        // The name stands for several forms, and the template tells which one.
        (Some(configured), Some(rendered)) if configured.is_sibling(rendered) => {
            Some((rendered, ChosenBy::Configuration))
        }
        (Some(configured), _) => Some((configured, ChosenBy::Configuration)),
        (None, Some(rendered)) => Some((rendered, ChosenBy::Rendering)),
        (None, None) => by_marks(template.source_text(true))
            .map(|form| (form, ChosenBy::Template))
            .or_else(|| by_vocabulary(has_token).map(|form| (form, ChosenBy::Vocabulary))),
    };
    ToolSupport { form, renders_tools: renders_tools(template) }
}

/// Returns `true` if a prompt with tools differs from one without.
fn renders_tools(template: &ChatTemplate) -> bool {
    let messages = [Message::new("user", "U")];
    let render = |tools| render(template, &messages, tools);
    render(Some(tools())).is_some_and(|with| render(None).is_none_or(|without| with != without))
}

fn tools() -> Value {
    json!([{"type": "function", "function": {
        "name": TOOL,
        "description": "D",
        "parameters": {
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "D"},
                "count": {"type": "integer", "description": "D"},
            },
            "required": ["text", "count"],
        },
    }}])
}

fn arguments() -> Map<String, Value> {
    Map::from_iter([("text".to_owned(), TEXT.into()), ("count".to_owned(), 7.into())])
}

fn render(template: &ChatTemplate, messages: &[Message], tools: Option<Value>) -> Option<String> {
    let options = RenderOptions {
        add_generation_prompt: false,
        tools,
        // Templates join them to other text, but the checkpoint may not name them.
        bos_token: Some(String::new()),
        eos_token: Some(String::new()),
        ..RenderOptions::default()
    };
    template.render(messages, &options).ok()
}

fn by_rendering(template: &ChatTemplate) -> Option<WireForm> {
    let arguments = Value::Object(arguments());
    // A few templates join the arguments to text.
    let text = Value::String(arguments.to_string());
    [arguments, text].into_iter().find_map(|arguments| {
        let call = rendered_call(template, &arguments)?;
        call.iter().find_map(|text| form_of(text))
    })
}

/// Renders a call. Returns what only its text has: from the first difference to a text without a call on, and
/// from the mark on in which the difference may be.
fn rendered_call(template: &ChatTemplate, arguments: &Value) -> Option<Vec<String>> {
    let user = Message::new("user", "U");
    let mut call = Message::new("assistant", "");
    let id = "abcdefgh0"; // Mistral's templates insist on nine letters and digits.
    let function = json!({"name": TOOL, "arguments": arguments});
    let calls = json!([{"id": id, "type": "function", "function": function}]);
    call.fields.insert("tool_calls".to_owned(), calls);
    let answer = Message::new("assistant", ANSWER);
    let with = render(template, &[user.clone(), call], Some(tools()))?;
    let without = render(template, &[user, answer], Some(tools()))?;
    let same = with.char_indices().zip(without.chars()).find(|((_, a), b)| a != b);
    let difference = same.map(|((at, _), _)| at)?;
    let mark = with[..difference].rfind(['<', '[']).filter(|at| difference - at <= MARK_BYTES);
    let beginnings = [Some(difference), mark].into_iter().flatten();
    Some(beginnings.map(|at| with[at..].to_owned()).collect())
}

/// Returns the form of the call in `text`: if several can read it, one that writes it exactly so.
fn form_of(text: &str) -> Option<WireForm> {
    let (tools, arguments) = (tools(), arguments());
    let reads = |form: &WireForm| {
        let mut parser = ToolParser::strict(*form, &tools);
        let mut events = parser.push(text);
        events.extend(parser.finish());
        match ParsedAnswer::of(events).calls.as_slice() {
            [call] => {
                let read = serde_json::from_str::<Map<String, Value>>(&call.arguments);
                call.name == TOOL && call.is_complete && read.is_ok_and(|read| read == arguments)
            }
            _ => false,
        }
    };
    let readers: Vec<WireForm> = WireForm::ALL.iter().copied().filter(reads).collect();
    let call = [CallText { name: TOOL, arguments: &arguments }];
    let exact = readers.iter().find(|form| text.contains(form.write(&call).trim()));
    exact.or(readers.first()).copied()
}

/// Marks in the text of a template, and the form that they mean. All marks of a line have to be there.
const MARKS: &[(&[&str], WireForm)] = &[
    (&["<minimax:tool_call>"], WireForm::MiniMaxM2),
    (&["]<]minimax[>["], WireForm::MiniMaxM3),
    (&["<|tool_call>", "<tool_call|>"], WireForm::Gemma4),
    (&["<start_function_call>"], WireForm::FunctionGemma),
    (&["<longcat_tool_call>"], WireForm::LongCat),
    (&["<arg_key:opensource>"], WireForm::HunyuanOpen),
    (&["<tool_sep>", "<arg_key>"], WireForm::Hunyuan),
    (&["</arg_key>\\n<arg_value>"], WireForm::GlmLines),
    (&["</arg_key>\n<arg_value>"], WireForm::GlmLines),
    (&["<arg_key>"], WireForm::Glm),
    (&["<|tool_list_start|>"], WireForm::Lfm2),
    (&["<|tool_call_start|>"], WireForm::Lfm2),
    (&["<seed:tool_call>"], WireForm::SeedOss),
    (&["<tool_call>\\n<function="], WireForm::QwenCoder),
    (&["<tool_call>\n<function="], WireForm::QwenCoder),
    (&["<|tool_calls_section_begin|>"], WireForm::KimiK2),
    (&["<function name=\"", "<param name=\""], WireForm::MiniCpm5),
    (&["[TOOL_CALLS]", "[ARGS]"], WireForm::Mistral),
    (&["[TOOL_CALLS]"], WireForm::MistralList),
    (&["<atem:function_calls>"], WireForm::Muse),
    (&["<|channel|>", "to=functions."], WireForm::Harmony),
    (&["<｜tool▁calls▁begin｜>", "```json"], WireForm::DeepSeekV3),
    (&["<｜tool▁calls▁begin｜>"], WireForm::DeepSeekV31),
    (&["｜DSML｜", "tool_calls>"], WireForm::DeepSeekV4),
    (&["｜DSML｜"], WireForm::DeepSeekV32),
    (&["<|START_ACTION|>"], WireForm::Cohere),
    (&["<TOOLCALL>"], WireForm::NemotronV2),
    (&["<|tools_prefix|>"], WireForm::Apertus),
    (&["<|tool_call:begin|>"], WireForm::Solar),
    (&["<|function_call|>"], WireForm::GigaChat31),
    (&["functools["], WireForm::Functools),
    (&["<tool_calls>"], WireForm::ToolCallsList),
    (&["<tool_call>"], WireForm::Hermes),
    (&["<|tool_call|>"], WireForm::Granite3),
    (&["<function_calls>"], WireForm::Olmo3),
    (&["<function=example_function_name>"], WireForm::FunctionaryTags),
    (&[">>>all"], WireForm::FunctionaryArrows),
    (&["\"parameters\": dictionary of argument name"], WireForm::Llama3),
    (&["<|python_tag|>"], WireForm::Llama3),
];

fn by_marks(template: &str) -> Option<WireForm> {
    let found = MARKS.iter().find(|(marks, _)| marks.iter().all(|mark| template.contains(mark)));
    found.map(|(_, form)| *form)
}

fn by_vocabulary(has_token: &dyn Fn(&str) -> bool) -> Option<WireForm> {
    let forms = [
        (["<|open|>", "<|sep|>"], WireForm::KimiK3),
        (["<|tool_call_start|>", "<|tool_call_end|>"], WireForm::Lfm2),
    ];
    let found = forms.into_iter().find(|(tokens, _)| tokens.iter().all(|token| has_token(token)));
    found.map(|(_, form)| form)
}
