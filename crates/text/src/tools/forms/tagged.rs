//! Forms whose arguments are texts between tags.

use super::super::shape::{
    Arguments, Attribute, Call, CallShape, Holds, NameForm, Named, Place, Section, Tagged, Values,
};

const PLAIN: NameForm = NameForm::Plain { id_mark: None };

/// As mlx-lm reads Qwen3-Coder and MiniMax: without a type, a value is a string.
const STRINGS: Values = Values { null_is_null: true, untyped_is_json: false, cdata: false };
/// As mlx-lm reads GLM and Muse: without a type, a value is JSON if it looks like it.
const JSON: Values = Values { null_is_null: false, untyped_is_json: true, cdata: false };

const fn section(begin: &'static str, end: &'static str, holds: Holds) -> Section {
    Section { begin, end, holds, is_optional: true }
}

const fn shape(section: Section, named: Named, separator: &'static str) -> CallShape {
    CallShape { section: Some(section), ..alone(named, separator) }
}

/// Calls without a section.
const fn alone(named: Named, separator: &'static str) -> CallShape {
    CallShape { section: None, call: Call::Named(named), separator, place: Place::Anywhere }
}

const fn tagged(
    begin: &'static str,
    after_name: &'static str,
    tags: Tagged,
    end: &'static str,
) -> Named {
    Named { begin, name: PLAIN, after_name, arguments: Arguments::Tagged(tags), end }
}

const QWEN_TAGS: Tagged = Tagged {
    begin: "<parameter=",
    key_end: ">",
    attribute: Attribute::None,
    value_begin: "\n",
    end: "\n</parameter>",
    separator: "\n",
    values: STRINGS,
};

/// Qwen3-Coder, Qwen 3.5 and later, Nemotron 3, StepFun 3.5.
pub(in super::super) const QWEN_CODER: CallShape = shape(
    section("<tool_call>\n", "\n</tool_call>", Holds::One),
    tagged("<function=", ">\n", QWEN_TAGS, "\n</function>"),
    "\n",
);

/// Seed-OSS.
pub(in super::super) const SEED_OSS: CallShape = shape(
    section("<seed:tool_call>\n", "\n</seed:tool_call>", Holds::One),
    tagged(
        "<function=",
        ">\n",
        Tagged { value_begin: "", end: "</parameter>", ..QWEN_TAGS },
        "\n</function>",
    ),
    "\n",
);

const GLM_TAGS: Tagged = Tagged {
    begin: "<arg_key>",
    key_end: "</arg_key>",
    attribute: Attribute::None,
    value_begin: "<arg_value>",
    end: "</arg_value>",
    separator: "",
    values: JSON,
};

/// GLM 4.7 and later, Laguna, Spark.
pub(in super::super) const GLM: CallShape =
    alone(tagged("<tool_call>", "", GLM_TAGS, "</tool_call>"), "");

/// GLM 4.5 and 4.6, Ling 3: the same on lines of its own.
pub(in super::super) const GLM_LINES: CallShape = alone(
    tagged(
        "<tool_call>",
        "\n",
        Tagged { value_begin: "\n<arg_value>", separator: "\n", ..GLM_TAGS },
        "\n</tool_call>",
    ),
    "\n",
);

/// LongCat.
pub(in super::super) const LONGCAT: CallShape = alone(
    tagged(
        "<longcat_tool_call>",
        "\n",
        Tagged {
            begin: "<longcat_arg_key>",
            key_end: "</longcat_arg_key>",
            value_begin: "\n<longcat_arg_value>",
            end: "</longcat_arg_value>",
            separator: "\n",
            ..GLM_TAGS
        },
        "\n</longcat_tool_call>",
    ),
    "\n",
);

macro_rules! hunyuan {
    ($suffix:literal) => {
        shape(
            section(
                concat!("<tool_calls", $suffix, ">\n"),
                concat!("\n</tool_calls", $suffix, ">"),
                Holds::Many,
            ),
            tagged(
                concat!("<tool_call", $suffix, ">"),
                concat!("<tool_sep", $suffix, ">\n"),
                Tagged {
                    begin: concat!("<arg_key", $suffix, ">"),
                    key_end: concat!("</arg_key", $suffix, ">"),
                    value_begin: concat!("\n<arg_value", $suffix, ">"),
                    end: concat!("</arg_value", $suffix, ">"),
                    separator: "\n",
                    ..GLM_TAGS
                },
                concat!("\n</tool_call", $suffix, ">"),
            ),
            "\n",
        )
    };
}

/// Hunyuan.
pub(in super::super) const HUNYUAN: CallShape = hunyuan!("");

/// Hy3, whose marks have a suffix.
pub(in super::super) const HUNYUAN_OPEN: CallShape = hunyuan!(":opensource");

/// Kimi K3.
pub(in super::super) const KIMI_K3: CallShape = shape(
    section("<|open|>tools<|sep|>", "<|close|>tools<|sep|>", Holds::Many),
    Named {
        begin: "<|open|>call tool=\"",
        name: NameForm::Indexed,
        after_name: "<|sep|>",
        arguments: Arguments::Tagged(Tagged {
            begin: "<|open|>argument key=\"",
            key_end: "\"",
            attribute: Attribute::Type,
            value_begin: "<|sep|>",
            end: "<|close|>argument<|sep|>",
            separator: "",
            values: JSON,
        }),
        end: "<|close|>call<|sep|>",
    },
    "",
);

/// MiniMax M2.
pub(in super::super) const MINIMAX_M2: CallShape = shape(
    section("<minimax:tool_call>\n", "\n</minimax:tool_call>", Holds::Many),
    tagged(
        "<invoke name=\"",
        "\">\n",
        Tagged {
            begin: "<parameter name=\"",
            key_end: "\">",
            value_begin: "",
            end: "</parameter>",
            ..QWEN_TAGS
        },
        "\n</invoke>",
    ),
    "\n",
);

/// MiniMax M3.
pub(in super::super) const MINIMAX_M3: CallShape = shape(
    section("]<]minimax[>[<tool_call>\n", "\n]<]minimax[>[</tool_call>", Holds::Many),
    Named {
        begin: "]<]minimax[>[<invoke name=\"",
        name: PLAIN,
        after_name: "\">",
        arguments: Arguments::Elements { prefix: "]<]minimax[>[", tag_begin: "]<]minimax[>[<" },
        end: "]<]minimax[>[</invoke>",
    },
    "\n",
);

macro_rules! dsml {
    ($section:literal) => {
        shape(
            section(
                concat!("<｜DSML｜", $section, ">\n"),
                concat!("\n</｜DSML｜", $section, ">"),
                Holds::Many,
            ),
            tagged(
                "<｜DSML｜invoke name=\"",
                "\">\n",
                Tagged {
                    begin: "<｜DSML｜parameter name=\"",
                    key_end: "\"",
                    attribute: Attribute::IsString,
                    value_begin: ">",
                    end: "</｜DSML｜parameter>",
                    separator: "\n",
                    values: JSON,
                },
                "\n</｜DSML｜invoke>",
            ),
            "\n",
        )
    };
}

/// DeepSeek V3.2.
pub(in super::super) const DEEPSEEK_V32: CallShape = dsml!("function_calls");

/// DeepSeek V4.
pub(in super::super) const DEEPSEEK_V4: CallShape = dsml!("tool_calls");

/// MiniCPM5.
pub(in super::super) const MINICPM5: CallShape = alone(
    tagged(
        "<function name=\"",
        "\">",
        Tagged {
            begin: "<param name=\"",
            key_end: "\">",
            value_begin: "",
            end: "</param>",
            separator: "",
            values: Values { cdata: true, ..STRINGS },
            ..QWEN_TAGS
        },
        "</function>",
    ),
    "\n",
);

/// Muse.
pub(in super::super) const MUSE: CallShape = shape(
    section("<atem:function_calls>\n", "\n</atem:function_calls>", Holds::Many),
    tagged(
        "<atem:invoke name=\"",
        "\">\n",
        Tagged {
            begin: "<atem:parameter name=\"",
            key_end: "\">",
            value_begin: "",
            end: "</atem:parameter>",
            values: JSON,
            ..QWEN_TAGS
        },
        "\n</atem:invoke>",
    ),
    "\n",
);
