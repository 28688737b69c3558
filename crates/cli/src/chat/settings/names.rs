//! The names of settings, as people type them.

/// Names that `/set` knows, as it completes them. Those of [`SWITCHES`] are on or off.
pub(crate) const NAMES: [&str; 29] = [
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
    "xtc_threshold",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breaker",
    "logit_bias",
    "max_tokens",
    "stop",
    "format",
    "think",
    "system",
    "reasoning",
    "markdown",
    "wordwrap",
    "verbose",
    "history",
    "model",
];

/// Settings that are on or off.
pub(super) const SWITCHES: [&str; 5] = ["reasoning", "markdown", "wordwrap", "verbose", "history"];

/// Settings that take several values.
pub(super) const LISTS: [&str; 3] = ["stop", "logit_bias", "dry_sequence_breaker"];

/// Settings that a conversation is saved with.
pub(super) const SAVED: std::ops::Range<usize> = 0..22;

/// Settings that decide how tokens are chosen, and how many: the parameters of Ollama's `/show parameters`.
pub(super) const PARAMETERS: std::ops::Range<usize> = 0..20;

/// Other names, of Ollama, llama.cpp, mlx-lm and OpenAI, in small letters without `_` and `-`.
const OTHERS: [(&str, &str); 18] = [
    ("temp", "temperature"),
    ("typical", "typical_p"),
    ("repeatpenalty", "repetition_penalty"),
    ("penaltyrepeat", "repetition_penalty"),
    ("penaltylastn", "repeat_last_n"),
    ("numpredict", "max_tokens"),
    ("npredict", "max_tokens"),
    ("maxnewtokens", "max_tokens"),
    ("maxcompletiontokens", "max_tokens"),
    ("maxoutputtokens", "max_tokens"),
    ("logitsbias", "logit_bias"),
    ("responseformat", "format"),
    ("thinking", "think"),
    ("reasoningeffort", "think"),
    ("systemprompt", "system"),
    ("thoughts", "reasoning"),
    ("wrap", "wordwrap"),
    ("render", "markdown"),
];

/// Words that set something by themselves: those of Ollama, and their opposites.
const WORDS: [(&str, &str, &str); 12] = [
    ("verbose", "verbose", "on"),
    ("quiet", "verbose", "off"),
    ("think", "think", "true"),
    ("nothink", "think", "false"),
    ("wordwrap", "wordwrap", "on"),
    ("nowordwrap", "wordwrap", "off"),
    ("history", "history", "on"),
    ("nohistory", "history", "off"),
    ("noformat", "format", "default"),
    ("nomarkdown", "markdown", "off"),
    ("noreasoning", "reasoning", "off"),
    ("nosystem", "system", "off"),
];

/// Options of the command line that cannot change after the model is loaded, and other names of them.
const FIXED: [(&str, &[&str]); 9] = [
    ("--ctx", &["ctx", "numctx", "nctx", "ctxsize", "context", "contextlength", "contextsize"]),
    ("--device", &["device", "gpulayers"]),
    ("--threads", &["threads", "numthread", "numthreads", "nthreads"]),
    ("--exact", &["exact"]),
    ("--kv-bits", &["kvbits"]),
    ("--no-prompt-lookup", &["nopromptlookup", "promptlookup"]),
    ("--draft-model", &["draftmodel", "draft"]),
    ("--no-huge-pages", &["nohugepages", "hugepages"]),
    ("--no-pull", &["nopull"]),
];

/// Parameters of Ollama without a counterpart.
const ELSEWHERE: [&str; 13] = [
    "mirostat",
    "mirostateta",
    "mirostattau",
    "tfsz",
    "numkeep",
    "numgpu",
    "maingpu",
    "numbatch",
    "numgqa",
    "usemmap",
    "usemlock",
    "lowvram",
    "penalizenewline",
];

/// Returns the name in small letters, without the marks that people leave out or replace.
fn bare(typed: &str) -> String {
    typed.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Finds the setting that a name means. The error says what to do instead.
pub(crate) fn find(typed: &str) -> Result<&'static str, String> {
    let bare = bare(typed);
    let same = |name: &&&str| self::bare(name) == bare;
    if let Some(name) = NAMES.iter().find(same) {
        return Ok(name);
    }
    if let Some((_, name)) = OTHERS.iter().find(|(other, _)| *other == bare) {
        return Ok(name);
    }
    if let Some((option, _)) = FIXED.iter().find(|(_, names)| names.contains(&bare.as_str())) {
        return Err(format!(
            "`{typed}` can't change after the model is loaded; restart with `{option}`"
        ));
    }
    if ELSEWHERE.contains(&bare.as_str()) {
        return Err(format!("`{typed}` is not available in mlxk"));
    }
    if bare == "keepalive" {
        return Err(format!(
            "`{typed}` has no effect here: the model stays loaded until the chat ends"
        ));
    }
    let meant = crate::misuse::similar(&bare, NAMES.into_iter());
    let ask = meant.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    Err(format!("Unknown setting `{typed}`; {ask}`/set` lists them"))
}

/// Finds what a word sets by itself.
pub(super) fn word(typed: &str) -> Option<(&'static str, &'static str)> {
    let bare = bare(typed);
    let found = WORDS.iter().find(|(word, ..)| *word == bare);
    found.map(|(_, name, value)| (*name, *value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_known() {
        for (typed, name) in [
            ("temperature", "temperature"),
            ("temp", "temperature"),
            ("--top-p", "top_p"),
            ("topP", "top_p"),
            ("num_predict", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("repeat_penalty", "repetition_penalty"),
        ] {
            assert_eq!(find(typed), Ok(name), "{typed}");
        }
        for (typed, word) in [
            ("num_ctx", "--ctx"),
            ("num_gpu", "not available"),
            ("temprature", "`temperature`?"),
            ("keepalive", "until the chat ends"),
            ("x", "`/set` lists"),
        ] {
            let problem = find(typed).unwrap_err();
            assert!(problem.contains(word) && problem.contains(typed), "{problem}");
        }
        assert_eq!(word("nothink"), Some(("think", "false")));
        for (_, name) in OTHERS {
            assert_eq!(find(name), Ok(name));
        }
        for (word, name, _) in WORDS {
            assert!(find(name).is_ok(), "{word}");
        }
        assert_eq!(NAMES[SAVED].last(), Some(&"think"));
    }
}
