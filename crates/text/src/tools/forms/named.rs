//! Forms in which a JSON object or its like follows the name.

use super::super::shape::{Arguments, Call, CallShape, Holds, NameForm, Named, Place, Section};

const PLAIN: NameForm = NameForm::Plain { id_mark: None };

const fn section(begin: &'static str, end: &'static str, holds: Holds) -> Section {
    Section { begin, end, holds, is_optional: true }
}

const fn required(begin: &'static str, end: &'static str) -> Section {
    Section { begin, end, holds: Holds::One, is_optional: false }
}

const fn shape(section: Section, named: Named, separator: &'static str) -> CallShape {
    CallShape { section: Some(section), ..alone(named, separator) }
}

/// Calls without a section.
const fn alone(named: Named, separator: &'static str) -> CallShape {
    CallShape { section: None, call: Call::Named(named), separator, place: Place::Anywhere }
}

const fn json(begin: &'static str, after_name: &'static str, end: &'static str) -> Named {
    Named { begin, name: PLAIN, after_name, arguments: Arguments::Json, end }
}

/// Gemma 4.
pub(in super::super) const GEMMA4: CallShape = shape(
    required("<|tool_call>", "<tool_call|>"),
    Named {
        begin: "call:",
        name: PLAIN,
        after_name: "",
        arguments: Arguments::Braces { quote: "<|\"|>" },
        end: "",
    },
    "",
);

/// FunctionGemma.
pub(in super::super) const FUNCTION_GEMMA: CallShape = shape(
    required("<start_function_call>", "<end_function_call>"),
    Named {
        begin: "call:",
        name: PLAIN,
        after_name: "",
        arguments: Arguments::Braces { quote: "<escape>" },
        end: "",
    },
    "",
);

/// Mistral from version 11 of its tokenizer on.
pub(in super::super) const MISTRAL: CallShape = alone(
    Named {
        begin: "[TOOL_CALLS]",
        name: NameForm::Plain { id_mark: Some("[CALL_ID]") },
        after_name: "[ARGS]",
        arguments: Arguments::Json,
        end: "",
    },
    "",
);

/// gpt-oss: messages to a function.
pub(in super::super) const HARMONY: CallShape = alone(
    Named {
        begin: "<|channel|>commentary to=functions.",
        name: NameForm::Header,
        after_name: " <|constrain|>json<|message|>",
        arguments: Arguments::Json,
        end: "<|call|>",
    },
    "<|start|>assistant",
);

/// Kimi K2.
pub(in super::super) const KIMI_K2: CallShape = shape(
    section("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", Holds::Many),
    Named {
        begin: "<|tool_call_begin|>",
        name: NameForm::Numbered,
        after_name: "<|tool_call_argument_begin|>",
        arguments: Arguments::Json,
        end: "<|tool_call_end|>",
    },
    "",
);

const DEEPSEEK: Section = section("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", Holds::Many);

/// DeepSeek V3 and R1.
pub(in super::super) const DEEPSEEK_V3: CallShape = shape(
    DEEPSEEK,
    json("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```json\n", "\n```<｜tool▁call▁end｜>"),
    "\n",
);

/// DeepSeek V3.1.
pub(in super::super) const DEEPSEEK_V31: CallShape =
    shape(DEEPSEEK, json("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"), "");

/// Solar Open.
pub(in super::super) const SOLAR: CallShape = shape(
    section("<|tool_calls|>", "<|calls|>", Holds::Many),
    Named {
        begin: "<|tool_call:begin|>",
        name: NameForm::AfterId("<|tool_call:name|>"),
        after_name: "<|tool_call:args|>",
        arguments: Arguments::Json,
        end: "<|tool_call:end|>",
    },
    "",
);

/// Functionary 3.1.
pub(in super::super) const FUNCTIONARY_TAGS: CallShape =
    alone(json("<function=", ">", "</function>"), "");

/// Functionary 3.2.
pub(in super::super) const FUNCTIONARY_ARROWS: CallShape = alone(json(">>>", "\n", ""), "");
