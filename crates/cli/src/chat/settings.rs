//! `/set` and `/show`: change and show options during a chat.

use std::error::Error as _;
use std::fmt::Write as _;

use clap::Parser;
use mlxk_engine::Engine;

use crate::answer;
use crate::args::AnswerArgs;

/// The options of the command line, to parse values by the same rules.
#[derive(Parser)]
#[command(name = "/set", disable_help_flag = true, infer_long_args = true)]
struct Set {
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Settings that cannot change after the model is loaded.
const FIXED: [&str; 8] = [
    "ctx",
    "threads",
    "exact",
    "kv-bits",
    "no-prompt-lookup",
    "draft-model",
    "no-huge-pages",
    "no-pull",
];

/// Names that `/set` completes.
pub(super) const NAMES: [&str; 19] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "seed",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "repeat_last_n",
    "xtc_probability",
    "dry_multiplier",
    "max_tokens",
    "stop",
    "format",
    "think",
    "reasoning",
    "markdown",
    "verbose",
];

/// Changes a setting. Returns its new value or the problem, as a sentence.
pub(super) fn set(args: &mut AnswerArgs, words: &[String]) -> Result<String, String> {
    // Ollama's form, `/set parameter NAME VALUE`.
    let words = match words {
        [first, rest] if first == "parameter" => {
            rest.splitn(2, char::is_whitespace).map(|word| word.trim().to_owned()).collect()
        }
        other => other.to_vec(),
    };
    let [name, value] = &words[..] else {
        return Err(format!("Type `/set NAME VALUE`, where NAME is one of {}", NAMES.join(", ")));
    };
    let typed = name;
    let name = name.replace('_', "-");
    if FIXED.contains(&name.as_str()) {
        return Err(format!(
            "`{name}` can't change after the model is loaded; restart with `--{name}`"
        ));
    }
    let set = format!("`{typed}` is now {value}");
    if let Some((flag, shows)) = match name.as_str() {
        "verbose" => Some((&mut args.verbose, true)),
        "markdown" => Some((&mut args.no_markdown, false)),
        "reasoning" => Some((&mut args.no_reasoning, false)),
        _ => None,
    } {
        let on = match value.as_str() {
            "on" | "true" => true,
            "off" | "false" => false,
            "default" => !shows,
            _ => return Err(format!("`{name}` must be `on` or `off`")),
        };
        *flag = on == shows;
        return Ok(set);
    }
    if value == "default" {
        return reset(args, &name).map(|()| set);
    }
    let mut changed = Set { answer: args.clone() };
    changed
        .try_update_from(["/set".to_owned(), format!("--{name}={value}")])
        .map_err(|error| sentence(&error, typed, value))?;
    // The parser resets flags that are not repeated.
    let flags = &mut changed.answer;
    (flags.verbose, flags.no_markdown) = (args.verbose, args.no_markdown);
    (flags.no_reasoning, flags.engine) = (args.no_reasoning, args.engine.clone());
    answer::check(&changed.answer).map_err(|error| error.to_string())?;
    if let Some(format) = &changed.answer.format {
        answer::format(format).map_err(|error| crate::failure::message(&error))?;
    }
    *args = changed.answer;
    Ok(set)
}

/// Turns an error of the parser into one sentence.
fn sentence(error: &clap::Error, name: &str, value: &str) -> String {
    if error.kind() == clap::error::ErrorKind::UnknownArgument {
        return format!("Unknown setting `{name}`; the settings are {}", NAMES.join(", "));
    }
    if let Some(problem) = error.source() {
        return format!("`{name}` {problem}, not `{value}`");
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn reset(args: &mut AnswerArgs, name: &str) -> Result<(), String> {
    let sampling = &mut args.sampling;
    match name {
        "temperature" => sampling.temperature = None,
        "top-p" => sampling.top_p = None,
        "top-k" => sampling.top_k = None,
        "min-p" => sampling.min_p = None,
        "typical-p" => sampling.typical_p = None,
        "seed" => sampling.seed = None,
        "repetition-penalty" | "repeat-penalty" => sampling.repetition_penalty = None,
        "presence-penalty" => sampling.presence_penalty = None,
        "frequency-penalty" => sampling.frequency_penalty = None,
        "repeat-last-n" => sampling.repeat_last_n = None,
        "xtc-probability" => sampling.xtc_probability = None,
        "xtc-threshold" => sampling.xtc_threshold = None,
        "dry-multiplier" => sampling.dry_multiplier = None,
        "dry-base" => sampling.dry_base = None,
        "dry-allowed-length" => sampling.dry_allowed_length = None,
        "dry-penalty-last-n" => sampling.dry_penalty_last_n = None,
        "dry-sequence-breaker" => sampling.dry_sequence_breaker.clear(),
        "logit-bias" => sampling.logit_bias.clear(),
        "max-tokens" => args.max_tokens = None,
        "stop" => args.stop.clear(),
        "format" => args.format = None,
        "think" => args.think = None,
        "system" => args.system = None,
        _ => {
            return Err(format!("Unknown setting `{name}`; the settings are {}", NAMES.join(", ")));
        }
    }
    Ok(())
}

/// Lists the model and the settings in effect.
pub(super) fn show(engine: &Engine, model: &str, args: &AnswerArgs) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<20} {value}");
    };
    line("model", model.to_owned());
    line("device", engine.device().to_owned());
    line("context", format!("{} tokens", engine.context()));
    line("system", args.system.clone().unwrap_or_else(|| "none".to_owned()));
    match engine.defaults().resolve(&args.sampling.sampling()) {
        Err(error) => line("sampling", error.to_string()),
        Ok(sampling) => {
            line("temperature", sampling.temperature.to_string());
            line("top_p", sampling.top_p.to_string());
            line("top_k", sampling.top_k.to_string());
            line("min_p", sampling.min_p.to_string());
            line("typical_p", sampling.typical_p.to_string());
            line("repetition_penalty", sampling.repetition_penalty.to_string());
            line("presence_penalty", sampling.presence_penalty.to_string());
            line("frequency_penalty", sampling.frequency_penalty.to_string());
            line(
                "repeat_last_n",
                match sampling.repeat_last_n {
                    usize::MAX => "all".to_owned(),
                    number => number.to_string(),
                },
            );
        }
    }
    let seed = args.sampling.seed.map_or_else(|| "random".to_owned(), |s| s.to_string());
    line("seed", seed);
    let most = args.max_tokens.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    line("max_tokens", most);
    if !args.stop.is_empty() {
        line("stop", format!("{:?}", args.stop));
    }
    if let Some(format) = &args.format {
        line("format", format.clone());
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.splitn(2, ' ').map(str::to_owned).collect()
    }

    #[test]
    fn settings_follow_the_rules_of_the_command_line() {
        let mut args = Set::parse_from(["/set", "--temperature", "0.5"]).answer;
        for line in [
            "temperature 0.2",
            "top_p 0.5",
            "parameter repeat_last_n -1",
            "stop END",
            "verbose on",
            "markdown off",
            "presence_penalty -0.5",
            "think false",
        ] {
            set(&mut args, &words(line)).unwrap();
        }
        assert_eq!((args.sampling.temperature, args.sampling.top_p), (Some(0.2), Some(0.5)));
        assert_eq!(args.sampling.repeat_last_n, Some(-1));
        assert_eq!((args.stop.as_slice(), args.verbose), (&["END".to_owned()][..], true));
        assert!(args.no_markdown);
        set(&mut args, &words("temperature default")).unwrap();
        set(&mut args, &words("stop default")).unwrap();
        assert_eq!((args.sampling.temperature, args.stop.len()), (None, 0));
        for (line, word) in [
            ("temperature hot", "`temperature` must be a number from 0 to 100"),
            ("nosuch 1", "`nosuch`"),
            ("nosuch default", "`nosuch`"),
            ("ctx 100", "--ctx"),
            ("verbose maybe", "`on` or `off`"),
            ("max_tokens 0", "`max_tokens` must be a whole number, 1 or more"),
            ("format yaml", "yaml"),
            ("temperature", "NAME VALUE"),
        ] {
            let problem = set(&mut args, &words(line)).unwrap_err();
            assert!(problem.contains(word) && problem.lines().count() == 1, "{line}: {problem}");
        }
        assert_eq!(args.max_tokens, None);
    }

    #[test]
    fn every_name_is_a_setting() {
        for name in NAMES {
            let mut args = Set::parse_from(["/set"]).answer;
            set(&mut args, &[name.to_owned(), "default".to_owned()]).unwrap();
        }
    }
}
