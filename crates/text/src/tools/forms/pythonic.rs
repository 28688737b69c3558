//! Forms whose calls are Python expressions.

use super::super::shape::{Arguments, Call, CallShape, Holds, NameForm, Named, Place, Section};

const PLAIN: NameForm = NameForm::Plain { id_mark: None };
const CALL: Call = Call::Named(Named {
    begin: "",
    name: PLAIN,
    after_name: "(",
    arguments: Arguments::Keywords,
    end: ")",
});

const fn section(begin: &'static str, end: &'static str, holds: Holds) -> Section {
    Section { begin, end, holds, is_optional: false }
}

/// LFM2.
pub(in super::super) const LFM2: CallShape = CallShape {
    section: Some(section("<|tool_call_start|>", "<|tool_call_end|>", Holds::List)),
    call: CALL,
    separator: ", ",
    place: Place::Anywhere,
};

/// Llama 4: a list without marks.
pub(in super::super) const PYTHONIC: CallShape = CallShape {
    section: Some(section("", "", Holds::List)),
    call: CALL,
    separator: ", ",
    place: Place::Start,
};

/// Olmo 3: a call per line.
pub(in super::super) const OLMO3: CallShape = CallShape {
    section: Some(section("<function_calls>\n", "\n</function_calls>", Holds::Many)),
    call: CALL,
    separator: "\n",
    place: Place::Anywhere,
};

/// Llama 3's calls of built-in tools.
pub(in super::super) const LLAMA3_BUILT_IN: CallShape = CallShape {
    section: None,
    call: Call::Named(Named {
        begin: "<|python_tag|>",
        name: PLAIN,
        after_name: ".call(",
        arguments: Arguments::Keywords,
        end: ")",
    }),
    separator: "",
    place: Place::Anywhere,
};
