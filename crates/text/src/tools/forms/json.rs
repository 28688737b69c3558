//! Forms whose calls are JSON objects with a name and arguments.

use super::super::shape::{Call, CallShape, Envelope, Holds, Place, Section};

const ARGUMENTS: Call =
    Call::Envelope(Envelope::Fields { name: "name", arguments: "arguments", id: None });
const PARAMETERS: Call =
    Call::Envelope(Envelope::Fields { name: "name", arguments: "parameters", id: None });

const fn section(begin: &'static str, end: &'static str, holds: Holds) -> Section {
    Section { begin, end, holds, is_optional: false }
}

const fn anywhere(section: Section, call: Call, separator: &'static str) -> CallShape {
    CallShape { section: Some(section), call, separator, place: Place::Anywhere }
}

/// Hermes, Qwen 2.5 and 3, SmolLM3, Granite 4.
pub(in super::super) const HERMES: CallShape =
    anywhere(section("<tool_call>\n", "\n</tool_call>", Holds::One), ARGUMENTS, "\n");

/// Mistral before version 11 of its tokenizer.
pub(in super::super) const MISTRAL_LIST: CallShape =
    anywhere(section("[TOOL_CALLS]", "", Holds::List), ARGUMENTS, ", ");

/// Llama 3.
pub(in super::super) const LLAMA3: CallShape =
    CallShape { section: None, call: PARAMETERS, separator: "; ", place: Place::Start };

/// Llama 3 with the mark that its template reserves for built-in tools.
pub(in super::super) const LLAMA3_TAGGED: CallShape =
    anywhere(section("<|python_tag|>", "", Holds::Many), PARAMETERS, "; ");

/// Command R7B, Command A.
pub(in super::super) const COHERE: CallShape = anywhere(
    section("<|START_ACTION|>", "<|END_ACTION|>", Holds::List),
    Call::Envelope(Envelope::Fields {
        name: "tool_name",
        arguments: "parameters",
        id: Some("tool_call_id"),
    }),
    ",\n    ",
);

/// Nemotron Nano 2.
pub(in super::super) const NEMOTRON_V2: CallShape =
    anywhere(section("<TOOLCALL>", "</TOOLCALL>", Holds::List), ARGUMENTS, ", ");

/// Apriel.
pub(in super::super) const TOOL_CALLS_LIST: CallShape =
    anywhere(section("<tool_calls>", "</tool_calls>", Holds::List), ARGUMENTS, ", ");

/// MiniMax M1.
pub(in super::super) const TOOL_CALLS_LINES: CallShape =
    anywhere(section("<tool_calls>\n", "\n</tool_calls>", Holds::Many), ARGUMENTS, "\n");

/// FireFunction, Phi-4-mini.
pub(in super::super) const FUNCTOOLS: CallShape =
    anywhere(section("functools", "", Holds::List), ARGUMENTS, ", ");

/// Apertus.
pub(in super::super) const APERTUS: CallShape = anywhere(
    section("<|tools_prefix|>", "<|tools_suffix|>", Holds::List),
    Call::Envelope(Envelope::NameIsKey),
    ", ",
);

/// Granite 3.
pub(in super::super) const GRANITE3: CallShape =
    anywhere(section("<|tool_call|>", "", Holds::List), ARGUMENTS, ", ");

/// GigaChat 3.
pub(in super::super) const GIGACHAT3: CallShape = anywhere(
    section("<|message_sep|>\n\nfunction call<|role_sep|>\n", "", Holds::One),
    ARGUMENTS,
    "",
);

/// GigaChat 3.1.
pub(in super::super) const GIGACHAT31: CallShape =
    anywhere(section("<|function_call|>", "", Holds::One), ARGUMENTS, "");
