//! The values of settings: those that the user chose, and those in effect.

use clap::ValueEnum as _;
use mlxk_engine::{Engine, SamplingParameters};
use serde_json::{Map, Value};

use super::names::{NAMES, PARAMETERS, SAVED};
use super::never_thinks;
use crate::args::AnswerArgs;
use crate::terminal;

/// Width of the names in a list.
const NAME_COLUMNS: usize = 20;

/// Returns the value of a setting that the options have, and `None` for one that is left open.
pub(super) fn given(args: &AnswerArgs, name: &str) -> Option<Value> {
    let sampling = &args.sampling;
    let float = |value: Option<f32>| {
        // Through text, because 0.2 is 0.20000000298 as f64.
        value.and_then(|value| serde_json::from_str(&value.to_string()).ok())
    };
    let texts = |texts: Vec<String>| (!texts.is_empty()).then(|| Value::from(texts));
    match name {
        "temperature" => float(sampling.temperature),
        "top_p" => float(sampling.top_p),
        "top_k" => sampling.top_k.map(Value::from),
        "min_p" => float(sampling.min_p),
        "typical_p" => float(sampling.typical_p),
        "seed" => sampling.seed.map(Value::from),
        "repetition_penalty" => float(sampling.repetition_penalty),
        "presence_penalty" => float(sampling.presence_penalty),
        "frequency_penalty" => float(sampling.frequency_penalty),
        "repeat_last_n" => sampling.repeat_last_n.map(Value::from),
        "xtc_probability" => float(sampling.xtc_probability),
        "xtc_threshold" => float(sampling.xtc_threshold),
        "dry_multiplier" => float(sampling.dry_multiplier),
        "dry_base" => float(sampling.dry_base),
        "dry_allowed_length" => sampling.dry_allowed_length.map(Value::from),
        "dry_penalty_last_n" => sampling.dry_penalty_last_n.map(Value::from),
        "dry_sequence_breaker" => texts(sampling.dry_sequence_breaker.clone()),
        "logit_bias" => {
            let bias = |it: &crate::args::Bias| format!("{}={}", it.token, it.bias);
            texts(sampling.logit_bias.iter().map(bias).collect())
        }
        // No limit is written as Ollama does.
        "max_tokens" => args.max_tokens.map(|most| match most {
            usize::MAX => Value::from(-1),
            most => Value::from(most),
        }),
        "stop" => texts(args.stop.clone()),
        "format" => args.format.clone().map(Value::from),
        "think" => {
            let value = args.think?.to_possible_value()?;
            Some(match value.get_name() {
                "true" => true.into(),
                "false" => false.into(),
                level => level.into(),
            })
        }
        "system" => args.system.clone().map(Value::from),
        _ => None,
    }
}

/// Returns the settings that the user chose, for a saved conversation.
pub(crate) fn chosen(args: &AnswerArgs) -> Map<String, Value> {
    let pair = |name: &&str| Some(((*name).to_owned(), given(args, name)?));
    NAMES[SAVED].iter().filter_map(pair).collect()
}

/// Returns the texts of a saved value, as the user would type them.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

/// Describes the value of a setting that is in effect. `chosen` are the options of the user, and `args` also have
/// those of the model and the configuration.
pub(super) fn describe(
    engine: &Engine,
    model: &str,
    args: &AnswerArgs,
    chosen: &AnswerArgs,
    keeps_history: bool,
    name: &str,
) -> String {
    let on = |flag: bool| if flag { "on" } else { "off" }.to_owned();
    match name {
        "reasoning" => return on(!args.no_reasoning),
        "markdown" => return on(!args.no_markdown),
        "wordwrap" => return on(!args.no_wordwrap),
        "verbose" => return on(args.verbose),
        "history" => return on(keeps_history),
        "model" => return model.to_owned(),
        _ => {}
    }
    let mark = if given(chosen, name).is_some() { "" } else { " (default)" };
    let value = match given(args, name) {
        Some(Value::String(text)) if text.is_empty() => "none".to_owned(),
        Some(Value::String(text)) => text,
        Some(Value::Array(values)) => {
            values.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
        }
        Some(value) if name == "max_tokens" && value == -1 => "unlimited".to_owned(),
        Some(value) => value.to_string(),
        None => default(engine, args, name),
    };
    format!("{value}{mark}")
}

/// Returns the value of a setting that the options leave open.
fn default(engine: &Engine, args: &AnswerArgs, name: &str) -> String {
    let fixed = match name {
        "seed" => "random",
        "max_tokens" => "unlimited",
        "stop" | "format" | "system" | "logit_bias" => "none",
        "think" if never_thinks(engine) => "none, the model has no thinking mode",
        "think" => "the model's own",
        "xtc_probability" | "dry_multiplier" => "0",
        "xtc_threshold" => "0.1",
        "dry_base" => "1.75",
        "dry_allowed_length" => "2",
        "dry_penalty_last_n" => "-1",
        "dry_sequence_breaker" => return "newline, `:`, `\"` and `*`".to_owned(),
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    match engine.defaults().resolve(&args.sampling.sampling()) {
        Ok(parameters) => resolved(&parameters, name),
        Err(error) => error.to_string(),
    }
}

fn resolved(parameters: &SamplingParameters, name: &str) -> String {
    match name {
        "temperature" => parameters.temperature.to_string(),
        "top_p" => parameters.top_p.to_string(),
        "top_k" => parameters.top_k.to_string(),
        "min_p" => parameters.min_p.to_string(),
        "typical_p" => parameters.typical_p.to_string(),
        "repetition_penalty" => parameters.repetition_penalty.to_string(),
        "presence_penalty" => parameters.presence_penalty.to_string(),
        "frequency_penalty" => parameters.frequency_penalty.to_string(),
        "repeat_last_n" => match parameters.repeat_last_n {
            usize::MAX => "all".to_owned(),
            number => number.to_string(),
        },
        _ => String::new(),
    }
}

/// Lists the settings in effect. Rare ones are only listed if the user chose them.
pub(super) fn list(
    engine: &Engine,
    model: &str,
    args: &AnswerArgs,
    chosen: &AnswerArgs,
    keeps_history: bool,
) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&(entry(name, &value) + "\n"));
    line("model", model.to_owned());
    line("device", engine.device().to_owned());
    line("context", format!("{} tokens", engine.context()));
    for name in NAMES.iter().filter(|name| **name != "model" && is_listed(chosen, name)) {
        line(name, describe(engine, model, args, chosen, keeps_history, name));
    }
    text.trim_end().to_owned()
}

/// Lists the parameters in effect, and nothing about the model or the screen.
pub(super) fn parameters(engine: &Engine, args: &AnswerArgs, chosen: &AnswerArgs) -> String {
    let names = NAMES[PARAMETERS].iter().filter(|name| is_listed(chosen, name));
    let lines = names.map(|name| entry(name, &describe(engine, "", args, chosen, false, name)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a setting of a list. A long value stays in its column.
fn entry(name: &str, value: &str) -> String {
    let value = terminal::hanging(value, NAME_COLUMNS + 3, terminal::width());
    format!("  {name:<NAME_COLUMNS$} {value}")
}

/// Returns `true` for a setting that lists show: a rare one only if the user chose it.
fn is_listed(chosen: &AnswerArgs, name: &str) -> bool {
    let is_rare = name.starts_with("dry_") || name.starts_with("xtc_") || name == "logit_bias";
    !is_rare || given(chosen, name).is_some()
}
