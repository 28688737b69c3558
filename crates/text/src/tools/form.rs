//! The wire forms by name.

use super::forms::{json, named, pythonic, tagged};
use super::shape::CallShape;

macro_rules! forms {
    ($($(#[doc = $doc:literal])+ $form:ident, $name:literal, $shape:expr;)+) => {
        /// The form in which a family of models writes tool calls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WireForm {
            $($(#[doc = $doc])+ $form,)+
        }

        impl WireForm {
            /// All forms. Of two that read the same text, the more specific one comes first.
            pub const ALL: &'static [Self] = &[$(Self::$form,)+];

            /// Returns the name for people, such as `qwen-coder`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$form => $name,)+ }
            }

            /// Returns the shape of its calls.
            pub fn shape(self) -> &'static CallShape {
                match self { $(Self::$form => const { &$shape },)+ }
            }
        }
    };
}

forms! {
    /// `<tool_call>{"name": .., "arguments": {..}}</tool_call>`
    Hermes, "hermes", json::HERMES;
    /// `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`
    QwenCoder, "qwen-coder", tagged::QWEN_CODER;
    /// Like [`QwenCoder`](Self::QwenCoder) in `<seed:tool_call>`.
    SeedOss, "seed-oss", tagged::SEED_OSS;
    /// `<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>`
    Glm, "glm", tagged::GLM;
    /// Like [`Glm`](Self::Glm), with each part on a line of its own.
    GlmLines, "glm-lines", tagged::GLM_LINES;
    /// `<|tool_call>call:NAME{KEY:<|"|>TEXT<|"|>}<tool_call|>`
    Gemma4, "gemma4", named::GEMMA4;
    /// `<start_function_call>call:NAME{KEY:<escape>TEXT<escape>}<end_function_call>`
    FunctionGemma, "function-gemma", named::FUNCTION_GEMMA;
    /// `[TOOL_CALLS]NAME[ARGS]{..}`
    Mistral, "mistral", named::MISTRAL;
    /// `[TOOL_CALLS][{"name": .., "arguments": {..}}]`
    MistralList, "mistral-list", json::MISTRAL_LIST;
    /// `<|tool_call_start|>[NAME(KEY=VALUE)]<|tool_call_end|>`
    Lfm2, "lfm2", pythonic::LFM2;
    /// `<function_calls>NAME(KEY=VALUE)</function_calls>`
    Olmo3, "olmo3", pythonic::OLMO3;
    /// `<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{..}<|call|>`
    Harmony, "harmony", named::HARMONY;
    /// `<|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{..}<|tool_call_end|>` in a section
    KimiK2, "kimi-k2", named::KIMI_K2;
    /// `<|open|>call tool="NAME" index="1"<|sep|>` with typed arguments, in a section
    KimiK3, "kimi-k3", tagged::KIMI_K3;
    /// `<minimax:tool_call><invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>..`
    MiniMaxM2, "minimax-m2", tagged::MINIMAX_M2;
    /// Like [`MiniMaxM2`](Self::MiniMaxM2), with an element per argument.
    MiniMaxM3, "minimax-m3", tagged::MINIMAX_M3;
    /// `<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME` and JSON in a code block, in a section
    DeepSeekV3, "deepseek-v3", named::DEEPSEEK_V3;
    /// `<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{..}<｜tool▁call▁end｜>` in a section
    DeepSeekV31, "deepseek-v3.1", named::DEEPSEEK_V31;
    /// `<｜DSML｜function_calls><｜DSML｜invoke name="NAME">..`
    DeepSeekV32, "deepseek-v3.2", tagged::DEEPSEEK_V32;
    /// `<｜DSML｜tool_calls><｜DSML｜invoke name="NAME">..`
    DeepSeekV4, "deepseek-v4", tagged::DEEPSEEK_V4;
    /// `<|START_ACTION|>[{"tool_call_id": "0", "tool_name": .., "parameters": {..}}]<|END_ACTION|>`
    Cohere, "cohere", json::COHERE;
    /// `<TOOLCALL>[{"name": .., "arguments": {..}}]</TOOLCALL>`
    NemotronV2, "nemotron-v2", json::NEMOTRON_V2;
    /// Like [`Glm`](Self::Glm) in `<longcat_tool_call>`.
    LongCat, "longcat", tagged::LONGCAT;
    /// `<function name="NAME"><param name="KEY">VALUE</param></function>`
    MiniCpm5, "minicpm5", tagged::MINICPM5;
    /// `<atem:function_calls><atem:invoke name="NAME">..`
    Muse, "muse", tagged::MUSE;
    /// `<tool_calls>[{"name": .., "arguments": {..}}]</tool_calls>`
    ToolCallsList, "tool-calls-list", json::TOOL_CALLS_LIST;
    /// Like [`ToolCallsList`](Self::ToolCallsList), with a call per line instead of a list.
    ToolCallsLines, "tool-calls-lines", json::TOOL_CALLS_LINES;
    /// `functools[{"name": .., "arguments": {..}}]`
    Functools, "functools", json::FUNCTOOLS;
    /// `<|tools_prefix|>[{NAME: {..}}]<|tools_suffix|>`
    Apertus, "apertus", json::APERTUS;
    /// `<|tool_call|>[{"name": .., "arguments": {..}}]`
    Granite3, "granite3", json::GRANITE3;
    /// `{"name": .., "arguments": {..}}` in a message of its own
    GigaChat3, "gigachat3", json::GIGACHAT3;
    /// `<|function_call|>{"name": .., "arguments": {..}}`
    GigaChat31, "gigachat3.1", json::GIGACHAT31;
    /// `<tool_calls><tool_call>NAME<tool_sep>` with arguments like [`Glm`](Self::Glm)
    Hunyuan, "hunyuan", tagged::HUNYUAN;
    /// Like [`Hunyuan`](Self::Hunyuan), with marks such as `<tool_calls:opensource>`.
    HunyuanOpen, "hunyuan-open", tagged::HUNYUAN_OPEN;
    /// `<|tool_call:begin|>ID<|tool_call:name|>NAME<|tool_call:args|>{..}<|tool_call:end|>` in a section
    Solar, "solar", named::SOLAR;
    /// `<function=NAME>{..}</function>`
    FunctionaryTags, "functionary-tags", named::FUNCTIONARY_TAGS;
    /// `>>>NAME` and a JSON object on the next line
    FunctionaryArrows, "functionary-arrows", named::FUNCTIONARY_ARROWS;
    /// `[NAME(KEY=VALUE)]` without marks
    Pythonic, "pythonic", pythonic::PYTHONIC;
    /// `{"name": .., "parameters": {..}}` without marks
    Llama3, "llama3", json::LLAMA3;
}

impl WireForm {
    /// Returns the form that mlx-lm's `tool_parser_type` means.
    pub fn from_parser_type(name: &str) -> Option<Self> {
        Some(match name {
            "json_tools" => Self::Hermes,
            "qwen3_coder" => Self::QwenCoder,
            "glm47" | "laguna" => Self::Glm,
            "gemma4" => Self::Gemma4,
            "function_gemma" => Self::FunctionGemma,
            "mistral" => Self::Mistral,
            "pythonic" => Self::Lfm2,
            "kimi_k2" => Self::KimiK2,
            "kimi_k3" => Self::KimiK3,
            "minimax_m2" => Self::MiniMaxM2,
            "longcat" => Self::LongCat,
            "minicpm5" => Self::MiniCpm5,
            "muse_spark" => Self::Muse,
            _ => return None,
        })
    }

    /// Returns `true` if mlx-lm has one parser for both.
    pub(super) fn is_sibling(self, other: Self) -> bool {
        let siblings = [[Self::Mistral, Self::MistralList], [Self::Glm, Self::GlmLines]];
        siblings.iter().any(|pair| pair.contains(&self) && pair.contains(&other))
    }

    /// Returns the shapes that the parser accepts, the form's own first. Models write some others, too.
    pub(super) fn accepted(self) -> &'static [CallShape] {
        match self {
            Self::Hermes => const { &[json::HERMES, tagged::QWEN_CODER] },
            Self::QwenCoder => const { &[tagged::QWEN_CODER, json::HERMES] },
            Self::Glm | Self::GlmLines => const { &[tagged::GLM, json::HERMES] },
            Self::Mistral | Self::MistralList => const { &[named::MISTRAL, json::MISTRAL_LIST] },
            Self::DeepSeekV3 | Self::DeepSeekV31 => {
                const { &[named::DEEPSEEK_V3, named::DEEPSEEK_V31] }
            }
            Self::DeepSeekV32 | Self::DeepSeekV4 => {
                const { &[tagged::DEEPSEEK_V4, tagged::DEEPSEEK_V32] }
            }
            Self::Llama3 => {
                const { &[json::LLAMA3, json::LLAMA3_TAGGED, pythonic::LLAMA3_BUILT_IN] }
            }
            _ => std::slice::from_ref(self.shape()),
        }
    }

    /// Returns marks that structure an answer without being part of it, and that no other code removes.
    pub(super) fn noise(self) -> &'static [&'static str] {
        match self {
            Self::Harmony => &["<|end|>", "<|return|>", "<|call|>", "<|start|>assistant"],
            Self::KimiK3 => &[
                "<|open|>response<|sep|>",
                "<|close|>response<|sep|>",
                "<|close|>message<|sep|>",
                "<|end_of_msg|>",
            ],
            Self::Muse => &["<|eom|>", "<|eot|>"],
            _ => &[],
        }
    }

    /// Returns `true` if marks may be special tokens, which a detokenizer has to keep.
    pub fn needs_special_tokens(self) -> bool {
        !matches!(self, Self::Pythonic | Self::Functools | Self::FunctionaryArrows)
    }
}
