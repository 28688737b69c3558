//! `/set` and `/show`: change and show options during a chat.

mod names;
mod values;

use std::error::Error as _;

use clap::Parser;
use mlxk_engine::{Engine, Message, PromptInput};
use serde_json::{Map, Value};

pub(super) use names::{NAMES, find};
pub(super) use values::chosen;

use crate::answer::{self, AnswerSettings};
use crate::args::{AnswerArgs, Think};
use crate::failure;

/// The options of the command line, to parse values by the same rules.
#[derive(Parser)]
#[command(name = "/set", disable_help_flag = true, infer_long_args = true)]
struct Set {
    #[command(flatten)]
    answer: AnswerArgs,
}

/// The wish behind a line with `/set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    List,
    Show(&'static str),
    Change(Change),
}

/// A setting and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub name: &'static str,
    pub values: Vec<String>,
}

/// Parses the words after `/set`, in our form or in Ollama's. The error is a sentence.
pub(super) fn parse(text: &str) -> Result<Wish, String> {
    let text = text.trim();
    let text = match text.split_once(char::is_whitespace) {
        Some(("parameter" | "param", rest)) => rest.trim(),
        _ if matches!(text, "parameter" | "param") => "",
        _ => text,
    };
    if text.is_empty() {
        return Ok(Wish::List);
    }
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | ':'));
    let (typed, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
    if rest.is_empty() {
        if let Some((name, value)) = names::word(typed) {
            return Ok(Wish::Change(Change { name, values: vec![value.to_owned()] }));
        }
        return names::find(typed).map(Wish::Show);
    }
    let name = names::find(typed)?;
    let values = if names::LISTS.contains(&name) { quoted(rest) } else { None };
    let values = values.unwrap_or_else(|| vec![unquoted(rest)]);
    Ok(Wish::Change(Change { name, values }))
}

/// Returns the text without the quotes around it.
pub(super) fn unquoted(text: &str) -> String {
    let text = text.trim();
    for quotes in ["\"\"\"", "\"", "'"] {
        let inner = text.strip_prefix(quotes).and_then(|text| text.strip_suffix(quotes));
        if let Some(inner) = inner {
            return inner.to_owned();
        }
    }
    text.to_owned()
}

/// Returns the texts of a list such as `"a b" "c"`, or `None` if it is something else.
fn quoted(text: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (inner, after) = rest.strip_prefix('"')?.split_once('"')?;
        texts.push(inner.to_owned());
        rest = after.trim_start_matches([' ', ',']);
    }
    Some(texts)
}

/// Changes a setting of `args` if the value is allowed. The error is a sentence.
pub(super) fn change(args: &mut AnswerArgs, change: &Change) -> Result<(), String> {
    let Change { name, values } = change;
    let value = values.first().map(String::as_str).unwrap_or_default();
    if names::SWITCHES.contains(name) {
        return switch(args, name, value);
    }
    match (*name, value) {
        ("model", _) => return Err(format!("To switch the model, type `/model {value}`")),
        ("system", "off" | "none") => args.system = Some(String::new()),
        // The default may be a limit of the model or of the configuration.
        ("max_tokens", "-1" | "-2" | "unlimited" | "none" | "off") => {
            args.max_tokens = Some(usize::MAX);
        }
        ("format" | "stop", "off" | "none") | ("seed", "random" | "-1") | (_, "default") => {
            reset(args, name);
        }
        ("system", text) => args.system = Some(text.to_owned()),
        _ => return take(args, name, values),
    }
    Ok(())
}

fn switch(args: &mut AnswerArgs, name: &str, value: &str) -> Result<(), String> {
    let (flag, shows) = match name {
        "verbose" => (&mut args.verbose, true),
        "wordwrap" => (&mut args.no_wordwrap, false),
        "markdown" => (&mut args.no_markdown, false),
        "reasoning" => (&mut args.no_reasoning, false),
        // The history isn't an option of an answer.
        _ => return is_on(name, value).map(|_| ()),
    };
    let on = if value == "default" { !shows } else { is_on(name, value)? };
    *flag = on == shows;
    Ok(())
}

/// Parses the value of a switch.
pub(super) fn is_on(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "default" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(format!("`{name}` must be `on` or `off`")),
    }
}

/// Parses values as the command line does, and puts them into `args`.
fn take(args: &mut AnswerArgs, name: &str, values: &[String]) -> Result<(), String> {
    let needed = match name {
        "xtc_threshold" => Some("xtc_probability"),
        _ if name.starts_with("dry_") && name != "dry_multiplier" => Some("dry_multiplier"),
        _ => None,
    };
    let mut words = vec!["/set".to_owned()];
    if let Some(needed) = needed {
        let Some(value) = values::given(args, needed) else {
            return Err(format!("`{name}` has no effect without `{needed}`; set that first"));
        };
        words.push(format!("--{}={value}", needed.replace('_', "-")));
    }
    for value in values {
        let value = match (name, value.as_str()) {
            ("think", "on" | "yes") => "true",
            ("think", "off" | "no") => "false",
            (_, value) => value,
        };
        words.push(format!("--{}={value}", name.replace('_', "-")));
    }
    let mut changed = Set { answer: args.clone() };
    let shown = values.join(" ");
    changed.try_update_from(words).map_err(|error| sentence(&error, name, &shown))?;
    // The parser resets flags that are not repeated.
    let flags = &mut changed.answer;
    (flags.verbose, flags.no_markdown) = (args.verbose, args.no_markdown);
    (flags.no_reasoning, flags.no_wordwrap) = (args.no_reasoning, args.no_wordwrap);
    flags.engine = args.engine.clone();
    if let Some(format) = changed.answer.format.as_deref().filter(|_| name == "format") {
        answer::format(format).map_err(|error| in_chat(&failure::message(&error)))?;
    }
    *args = changed.answer;
    Ok(())
}

/// Turns an error of the parser into one sentence.
fn sentence(error: &clap::Error, name: &str, value: &str) -> String {
    if let Some(problem) = error.source() {
        return format!("`{name}` {problem}, not `{value}`");
    }
    if error.kind() == clap::error::ErrorKind::InvalidValue && name == "think" {
        return format!("`think` must be true, false, low, medium or high, not `{value}`");
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Names options in a sentence as `/set` does.
fn in_chat(problem: &str) -> String {
    problem.replace("`--logit-bias`", "`logit_bias`").replace("`--", "`")
}

/// Leaves a setting to the model and the configuration again.
fn reset(args: &mut AnswerArgs, name: &str) {
    let sampling = &mut args.sampling;
    match name {
        "temperature" => sampling.temperature = None,
        "top_p" => sampling.top_p = None,
        "top_k" => sampling.top_k = None,
        "min_p" => sampling.min_p = None,
        "typical_p" => sampling.typical_p = None,
        "seed" => sampling.seed = None,
        "repetition_penalty" => sampling.repetition_penalty = None,
        "presence_penalty" => sampling.presence_penalty = None,
        "frequency_penalty" => sampling.frequency_penalty = None,
        "repeat_last_n" => sampling.repeat_last_n = None,
        "xtc_probability" => (sampling.xtc_probability, sampling.xtc_threshold) = (None, None),
        "xtc_threshold" => sampling.xtc_threshold = None,
        "dry_multiplier" => sampling.dry_multiplier = None,
        "dry_base" => sampling.dry_base = None,
        "dry_allowed_length" => sampling.dry_allowed_length = None,
        "dry_penalty_last_n" => sampling.dry_penalty_last_n = None,
        "dry_sequence_breaker" => sampling.dry_sequence_breaker.clear(),
        "logit_bias" => sampling.logit_bias.clear(),
        "max_tokens" => args.max_tokens = None,
        "stop" => args.stop.clear(),
        "format" => args.format = None,
        "think" => args.think = None,
        "system" => args.system = None,
        _ => {}
    }
}

/// Checks that the model can honour the settings. `name` is the one that is new, or `None` for all. The error is a
/// sentence.
pub(super) fn check(engine: &Engine, args: &AnswerArgs, name: Option<&str>) -> Result<(), String> {
    let is_new = |setting: &str| name.is_none_or(|name| name == setting);
    if let Some(think) = args.think.filter(|_| is_new("think")) {
        think_check(engine, think)?;
    }
    let system = args.system.clone().filter(|text| !text.is_empty());
    let has_system = system.is_some();
    let input = PromptInput::Messages { system, messages: vec![Message::new("user", "Hi")] };
    if has_system && is_new("system") {
        // Some templates refuse system prompts.
        engine
            .encode(&input)
            .map_err(|error| format!("`system`: {}", failure::message(&error.into())))?;
    }
    let request = answer::request(engine, args, input);
    let request = request.map_err(|error| in_chat(&failure::message(&error)))?;
    engine
        .defaults()
        .resolve(&request.sampling)
        .map_err(|error| in_chat(&failure::message(&error.into())))?;
    if let Some(format) = request.format.filter(|_| is_new("format")) {
        let (done, result) = std::sync::mpsc::channel();
        let compiling = engine.compile(Some(&format), None, move |result| {
            // No one waits any more if the chat has ended.
            let _ = done.send(result);
        });
        let compiled = compiling.map(|_compiling| result.recv());
        if let Err(error) | Ok(Ok(Err(error))) = compiled {
            return Err(format!("`format` cannot be enforced: {error}"));
        }
    }
    Ok(())
}

fn think_check(engine: &Engine, think: Think) -> Result<(), String> {
    let mode = answer::thinking_mode(think);
    engine.thinking().variables(mode).map(|_| ()).map_err(|reason| {
        let advice = match reason {
            mlxk_text::ThinkingRefusal::AlwaysThinks => {
                "; hide its thoughts with `/set reasoning off`"
            }
            mlxk_text::ThinkingRefusal::NeverThinks => "",
            mlxk_text::ThinkingRefusal::NoLevels => "; type `/set think on`",
        };
        format!("`think`: {reason}{advice}")
    })
}

/// Returns a remark on a setting that was just changed, if it changes nothing with this model.
pub(super) fn remark(engine: &Engine, name: &str) -> &'static str {
    if name == "think" && never_thinks(engine) {
        ". This model has no thinking mode, so it makes no difference"
    } else {
        ""
    }
}

/// Returns `true` if the model has no thinking mode.
fn never_thinks(engine: &Engine) -> bool {
    let refusal = engine.thinking().variables(answer::thinking_mode(Think::True)).err();
    matches!(refusal, Some(mlxk_text::ThinkingRefusal::NeverThinks))
}

/// The settings that a chat describes.
#[derive(Clone, Copy)]
pub(super) struct InEffect<'a> {
    pub engine: &'a Engine,
    pub model: &'a str,
    /// The options of the user alone.
    pub chosen: &'a AnswerArgs,
    /// The options in effect.
    pub settings: &'a AnswerSettings,
    /// `true` if conversations are kept.
    pub keeps_history: bool,
}

impl InEffect<'_> {
    /// Describes the value of a setting.
    pub(super) fn value(&self, name: &str) -> String {
        let args = &self.settings.options;
        values::describe(self.engine, self.model, args, self.chosen, self.keeps_history, name)
    }

    /// Lists the settings.
    pub(super) fn list(&self) -> String {
        let args = &self.settings.options;
        values::list(self.engine, self.model, args, self.chosen, self.keeps_history)
    }

    /// Lists the parameters alone.
    pub(super) fn parameters(&self) -> String {
        values::parameters(self.engine, &self.settings.options, self.chosen)
    }
}

/// Takes the settings of a saved conversation into `args`. Those that `args` has already stay if `keeps_given`;
/// otherwise, what isn't saved is back at its default.
/// Returns a sentence for each one that cannot be taken.
pub(crate) fn restore(
    args: &mut AnswerArgs,
    saved: &Map<String, Value>,
    keeps_given: bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    if !keeps_given {
        for name in &NAMES[names::SAVED] {
            reset(args, name);
        }
    }
    for (typed, value) in saved {
        let taken = names::find(typed).and_then(|name| {
            if keeps_given && values::given(args, name).is_some() {
                return Ok(());
            }
            change(args, &Change { name, values: values::texts(value) })
        });
        problems.extend(taken.err());
    }
    problems
}

/// Resets the settings that the model cannot honour. Returns a sentence for each.
pub(super) fn drop_refused(engine: &Engine, args: &mut AnswerArgs) -> Vec<String> {
    const DEPENDENT: [&str; 4] = ["think", "logit_bias", "format", "system"];
    let mut problems = Vec::new();
    for name in DEPENDENT {
        if values::given(args, name).is_none() {
            continue;
        }
        let mut alone = args.clone();
        for other in DEPENDENT.iter().filter(|other| **other != name) {
            reset(&mut alone, other);
        }
        if let Err(problem) = check(engine, &alone, None) {
            reset(args, name);
            problems.push(problem);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> AnswerArgs {
        Set::parse_from(["/set"]).answer
    }

    fn set(args: &mut AnswerArgs, line: &str) -> Result<(), String> {
        match parse(line)? {
            Wish::Change(wish) => change(args, &wish),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn settings_follow_the_rules_of_the_command_line() {
        let mut args = args();
        for line in [
            "temperature 0.2",
            "top_p=0.5",
            "parameter repeat_last_n -1",
            "stop END",
            "verbose on",
            "markdown off",
            "presence_penalty -0.5",
            "think no",
            "num_predict: 7",
            "xtc_probability 0.5",
            "xtc_threshold 0.3",
            "nowordwrap",
        ] {
            set(&mut args, line).unwrap();
        }
        assert_eq!((args.sampling.temperature, args.sampling.top_p), (Some(0.2), Some(0.5)));
        assert_eq!((args.sampling.repeat_last_n, args.max_tokens), (Some(-1), Some(7)));
        assert_eq!((args.stop.as_slice(), args.verbose), (&["END".to_owned()][..], true));
        assert_eq!((args.no_markdown, args.no_wordwrap), (true, true));
        assert_eq!((args.think, args.sampling.xtc_threshold), (Some(Think::False), Some(0.3)));
        set(&mut args, "stop \"a b\" \"c\"").unwrap();
        assert_eq!(args.stop, ["a b", "c"]);
        for (line, text) in [
            ("system \"Be brief.\"", "Be brief."),
            ("system You are a pirate: say \"arr\"", "You are a pirate: say \"arr\""),
            ("system turn it off", "turn it off"),
        ] {
            set(&mut args, line).unwrap();
            assert_eq!(args.system.as_deref(), Some(text));
        }
        for line in ["temperature default", "stop off", "max_tokens -1", "system off", "quiet"] {
            set(&mut args, line).unwrap();
        }
        assert_eq!((args.sampling.temperature, args.stop.len()), (None, 0));
        assert_eq!((args.max_tokens, args.system.as_deref()), (Some(usize::MAX), Some("")));
        assert!(!args.verbose && args.no_markdown);
    }

    #[test]
    fn mistakes_are_one_sentence_and_change_nothing() {
        for (line, word) in [
            ("temperature hot", "`temperature` must be a number from 0 to 100"),
            ("temp 200", "`temperature` must be a number from 0 to 100, not `200`"),
            ("nosuch 1", "`nosuch`"),
            ("nosuch default", "`nosuch`"),
            ("ctx 100", "--ctx"),
            ("num_ctx 100", "--ctx"),
            ("verbose maybe", "`on` or `off`"),
            ("max_tokens 0", "`max_tokens` must be a whole number, 1 or more"),
            ("format yaml", "`format yaml`"),
            ("think maybe", "`think` must be true"),
            ("dry_base 2", "`dry_multiplier`"),
            ("model x", "`/model x`"),
            ("mirostat 2", "`mirostat` is not available"),
        ] {
            let mut args = args();
            let problem = set(&mut args, line).unwrap_err();
            assert!(problem.contains(word) && problem.lines().count() == 1, "{line}: {problem}");
            assert_eq!(chosen(&args), Map::new(), "{line}");
        }
    }

    #[test]
    fn a_name_alone_shows_its_value() {
        assert_eq!(parse(""), Ok(Wish::List));
        assert_eq!(parse("parameter"), Ok(Wish::List));
        assert_eq!(parse("top_p"), Ok(Wish::Show("top_p")));
        assert_eq!(parse("parameter num_predict"), Ok(Wish::Show("max_tokens")));
        let on = Change { name: "verbose", values: vec!["on".to_owned()] };
        assert_eq!(parse("verbose"), Ok(Wish::Change(on)));
    }

    #[test]
    fn every_name_is_a_setting() {
        for name in NAMES.into_iter().filter(|name| *name != "model") {
            set(&mut args(), &format!("{name} default")).unwrap();
        }
    }

    #[test]
    fn chosen_settings_come_back() {
        let mut before = args();
        for line in [
            "temperature 0.2",
            "top_k 40",
            "seed 7",
            "stop \"a\" \"b\"",
            "logit_bias 42=-5",
            "think true",
            "dry_multiplier 0.5",
            "dry_sequence_breaker \"x\"",
            "xtc_probability 0.1",
            "xtc_threshold 0.2",
            "format json",
        ] {
            set(&mut before, line).unwrap();
        }
        let saved = chosen(&before);
        assert_eq!((&saved["temperature"], &saved["think"]), (&0.2.into(), &true.into()));
        let mut after = args();
        set(&mut after, "top_k 3").unwrap();
        assert!(restore(&mut after, &saved, true).is_empty());
        assert_eq!(after.sampling.top_k, Some(3));
        assert!(restore(&mut after, &saved, false).is_empty());
        assert_eq!(chosen(&after), saved);
        let wrong = Map::from_iter([("top_p".to_owned(), "much".into())]);
        assert_eq!(restore(&mut after, &wrong, false).len(), 1);
    }
}
