//! From tools to the grammars of their calls.

use std::sync::Arc;

use llguidance::TokenParser;
use llguidance::api::TopLevelGrammar;
use mlxk_text::tools::{
    Call, CallShape, Envelope, Holds, NameForm, Named, Place, Section, WireForm,
};
use serde_json::{Value, json};

use super::argument::{choice, envelope, expression, several};
use super::lark::{Rules, SPACE, one_of};
use super::opening::Opening;
use super::{Calls, Start};
use crate::error::EngineError;
use crate::grammar::compiled::{Shared, too_long};
use crate::grammar::memory::Share;
use crate::grammar::pool::Watch;
use crate::grammar::schema::{self, Problem, Rewritten};
use crate::grammar::words;
use crate::{ToolChoice, Tools};

/// Most tools of a request.
const MAX_TOOLS: usize = 512;

/// The calls that an answer may have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) tools: Tools,
    pub(crate) form: WireForm,
    /// Schema of an answer that is not a call.
    pub(crate) format: Option<Value>,
}

/// Number of a call.
const NUMBER: &str = "/[0-9]{1,4}/";

/// One tool that may be called.
struct Tool<'a> {
    name: &'a str,
    parameters: Rewritten,
}

/// Compiles the grammars.
pub(crate) fn compile(
    shared: &Shared,
    wanted: &Wanted,
    watch: &Watch,
) -> Result<Calls, EngineError> {
    let Wanted { tools, form, format } = wanted;
    let shape = form.shape();
    let named = tools_of(tools, watch)?;
    let special = shared.special();
    let share = Arc::new(Share::default());
    let parser = |grammar: String| -> Result<TokenParser, EngineError> {
        if watch.is_over() {
            return Err(too_long());
        }
        let grammar = TopLevelGrammar::from_lark(grammar);
        let mut parser = shared.parser(grammar).map_err(|error| {
            let reason = words::of_schema(&error, &std::collections::HashMap::new());
            EngineError::Tools { reason }
        })?;
        parser.start_without_prompt();
        share.count(&parser)?;
        Ok(parser)
    };
    let must = tools.choice != ToolChoice::Auto;
    let is_lazy = !must && format.is_none();
    if !is_lazy || is_unmarked(*form) {
        let mut rules = Rules::new(&special);
        let mut start = whole(&mut rules, shape, &named, tools.parallel)?;
        if let Some(format) = format.as_ref().filter(|_| !must) {
            let format = schema::rewritten(format, &|| watch.is_over());
            let format = rules.json(&format.map_err(problem("response_format"))?.with_options());
            start = one_of(&[start, format]);
        }
        let parser = parser(rules.finish(&start))?;
        if is_lazy {
            let calls = Calls::lazy(Vec::new(), tools.parallel, shared.ends().to_vec(), share);
            let names = named.iter().map(|tool| complete_name(&shape.call, tool.name)).collect();
            return Ok(calls.with_opening(Opening::new(names, parser)));
        }
        return Ok(Calls::whole(parser, shared.ends().to_vec(), share));
    }
    let mut starts = Vec::new();
    for (mark, grammar) in lazy(shape, &special, &named, tools.parallel)? {
        starts.push(Start { mark: mark.into_bytes(), parser: parser(grammar)? });
    }
    Ok(Calls::lazy(starts, tools.parallel, shared.ends().to_vec(), share))
}

/// Returns `true` if nothing tells the beginning of a call from other text.
fn is_unmarked(form: WireForm) -> bool {
    form.shape().place == Place::Start || form == WireForm::FunctionaryArrows
}

/// Returns the name of a tool in a call, with what ends it.
fn complete_name(form: &Call, name: &str) -> Vec<u8> {
    let text = match form {
        Call::Envelope(_) => json!(name).to_string(),
        Call::Named(named) => format!("{name}{}", named.after_name),
    };
    text.into_bytes()
}

/// Reads the tools that may be called.
fn tools_of<'a>(tools: &'a Tools, watch: &Watch) -> Result<Vec<Tool<'a>>, EngineError> {
    let list = tools.list.as_array().map_or(&[][..], Vec::as_slice);
    if list.len() > MAX_TOOLS {
        let reason = format!("there are more than {MAX_TOOLS}");
        return Err(EngineError::Tools { reason });
    }
    let mut found = Vec::new();
    for (index, tool) in list.iter().enumerate() {
        let function = tool.get("function").unwrap_or(tool);
        let Some(name) = function["name"].as_str() else { continue };
        if matches!(&tools.choice, ToolChoice::Named(only) if only != name) {
            continue;
        }
        let anything = json!({"type": "object", "properties": {}});
        let given = function.get("parameters").filter(|given| !given.is_null());
        let place = format!("tools[{index}].function.parameters");
        let parameters = schema::rewritten(given.unwrap_or(&anything), &|| watch.is_over())
            .map_err(problem(&place))?;
        found.push(Tool { name, parameters });
    }
    Ok(found)
}

fn problem(place: &str) -> impl Fn(Problem) -> EngineError + '_ {
    move |problem| match problem {
        Problem::Refused(reason) => EngineError::Tools { reason: format!("`{place}`: {reason}") },
        Problem::Interrupted => too_long(),
    }
}

/// Returns the expression of an answer that consists of calls.
fn whole(
    rules: &mut Rules<'_>,
    shape: &CallShape,
    tools: &[Tool<'_>],
    parallel: bool,
) -> Result<String, EngineError> {
    let call = call(rules, &shape.call, tools, "")?;
    Ok(match &shape.section {
        Some(section) => {
            let (begin, end) = (rules.text(section.begin), rules.text(section.end));
            match section.holds {
                Holds::One => {
                    let one = rules.rule(&format!("{begin} {call} {end}"));
                    several(rules, &one, shape.separator, parallel)
                }
                holds => {
                    let all = held(rules, holds, &call, shape.separator, parallel);
                    rules.rule(&format!("{begin} {all} {end}"))
                }
            }
        }
        None => several(rules, &call, shape.separator, parallel),
    })
}

/// Returns the marks that begin a call, each with the grammar of what follows.
fn lazy(
    shape: &CallShape,
    special: &[(String, u32)],
    tools: &[Tool<'_>],
    parallel: bool,
) -> Result<Vec<(String, String)>, EngineError> {
    let mut found = Vec::new();
    if let Some(Section { begin, end, holds, .. }) = &shape.section {
        let mut rules = Rules::new(special);
        let call = call(&mut rules, &shape.call, tools, "")?;
        let calls = held(&mut rules, *holds, &call, shape.separator, parallel);
        let mark = begin.trim_end();
        let start = format!("{} {calls} {}", rules.text(&begin[mark.len()..]), rules.text(end));
        found.push((mark.to_owned(), rules.finish(&start)));
    }
    let is_bare = shape.section.as_ref().is_none_or(|section| section.is_optional);
    if let (true, Call::Named(named)) = (is_bare, &shape.call) {
        let mark = named.begin.trim_end();
        let mut rules = Rules::new(special);
        let start = call(&mut rules, &shape.call, tools, mark)?;
        found.push((mark.to_owned(), rules.finish(&start)));
    }
    found.retain(|(mark, _)| !mark.is_empty());
    Ok(found)
}

/// Returns the expression of the calls in a section.
fn held(
    rules: &mut Rules<'_>,
    holds: Holds,
    call: &str,
    separator: &str,
    parallel: bool,
) -> String {
    match holds {
        Holds::One => call.to_owned(),
        Holds::Many => several(rules, call, separator, parallel),
        Holds::List => {
            let (open, close) = (rules.text("["), rules.text("]"));
            let comma = format!("{} {SPACE}", rules.text(","));
            let more = if parallel { format!("( {comma} {call} )*") } else { String::new() };
            rules.rule(&format!("{open} {SPACE} {call} {more} {SPACE} {close}"))
        }
    }
}

/// Returns the expression of a call of one of the tools, without its beginning `after`.
fn call(
    rules: &mut Rules<'_>,
    form: &Call,
    tools: &[Tool<'_>],
    after: &str,
) -> Result<String, EngineError> {
    let mut all = Vec::new();
    for tool in tools {
        let written = match form {
            Call::Envelope(form) => Ok(json_call(rules, form, tool)),
            Call::Named(form) => named_call(rules, form, tool, after),
        };
        let written = written.and_then(|written| rules.check_size().map(|()| written));
        let written = written.map_err(|reason| EngineError::Tools {
            reason: format!("the tool `{}`: {reason}", tool.name),
        })?;
        all.push(rules.rule(&written));
    }
    Ok(choice(rules, &all))
}

fn json_call(rules: &mut Rules<'_>, form: &Envelope, tool: &Tool<'_>) -> String {
    let parameters = rules.json(&tool.parameters.clone().with_options());
    match form {
        Envelope::NameIsKey => envelope(rules, &[(tool.name, parameters)]),
        Envelope::Fields { name, arguments, id } => {
            let text = rules.text(&json!(tool.name).to_string());
            let mut fields = vec![(*name, text), (*arguments, parameters)];
            if let Some(id) = id {
                let number = rules.json(&json!({"type": "string", "pattern": "^[0-9]{1,4}$"}));
                fields.insert(0, (*id, number));
            }
            envelope(rules, &fields)
        }
    }
}

fn named_call(
    rules: &mut Rules<'_>,
    form: &Named,
    tool: &Tool<'_>,
    after: &str,
) -> Result<String, String> {
    let begin = form.begin.strip_prefix(after).unwrap_or(form.begin);
    let Named { name: form_of_name, after_name, .. } = form;
    let name = match form_of_name {
        NameForm::Plain { .. } | NameForm::Header => {
            rules.text(&format!("{begin}{}{after_name}", tool.name))
        }
        NameForm::Numbered => {
            let number = rules.rule(NUMBER);
            let before = rules.text(&format!("{begin}functions.{}:", tool.name));
            format!("{before} {number} {}", rules.text(after_name))
        }
        NameForm::Indexed => {
            let number = rules.rule(NUMBER);
            let before = rules.text(&format!("{begin}{}\" index=\"", tool.name));
            format!("{before} {number} {}", rules.text(&format!("\"{after_name}")))
        }
        NameForm::AfterId(mark) => {
            let id = rules.rule("/[A-Za-z0-9_-]{1,40}/");
            let rest = rules.text(&format!("{mark}{}{after_name}", tool.name));
            format!("{} {id} {rest}", rules.text(begin))
        }
    };
    let arguments = expression(rules, &form.arguments, &tool.parameters)?;
    Ok(format!("{name} {arguments} {}", rules.text(form.end)))
}
