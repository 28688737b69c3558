//! From arguments to what the engine is asked.

use std::path::Path;

use anyhow::Context as _;
use mlxk_engine::{AnswerFormat, Engine, PromptInput, Request};
use mlxk_text::ThinkingMode;
use serde_json::{Map, Value};

use crate::args::{AnswerArgs, Bias, Think};
use crate::exit::UsageError;

/// A request with everything that the arguments say.
pub(crate) fn request(
    engine: &Engine,
    args: &AnswerArgs,
    prompt: PromptInput,
) -> anyhow::Result<Request> {
    let mut request = Request::new(prompt);
    request.sampling = args.sampling.sampling();
    request.sampling.logit_bias = biases(engine, &args.sampling.logit_bias)?;
    request.max_tokens = args.max_tokens;
    request.stop.clone_from(&args.stop);
    request.format = args.format.as_deref().map(format).transpose()?;
    if let Some(think) = args.think {
        request.template_variables = think_variables(engine, think)?;
    }
    Ok(request)
}

/// Refuses what makes no sense, before anything is loaded.
pub(crate) fn check(args: &AnswerArgs) -> anyhow::Result<()> {
    let zero = [
        ("--threads", args.engine.threads == Some(0), "at least 1 is needed"),
        ("--max-tokens", args.max_tokens == Some(0), "an answer has at least 1 token"),
    ];
    for (option, is_zero, reason) in zero {
        if is_zero {
            return Err(UsageError(format!("`{option}` is 0, but {reason}")).into());
        }
    }
    if args.sampling.mirostat.is_some() {
        return Err(UsageError(
            "`--mirostat` is not offered; `--min-p` or `--typical-p` keep answers even in another \
             way"
            .into(),
        )
        .into());
    }
    Ok(())
}

/// The token of each bias: a number is an id, anything else the text of one token.
fn biases(engine: &Engine, biases: &[Bias]) -> anyhow::Result<Vec<(u32, f32)>> {
    biases
        .iter()
        .map(|Bias { token, bias }| {
            if let Ok(id) = token.parse() {
                return Ok((id, *bias));
            }
            let ids = engine.tokenizer().encode(token, false)?;
            match ids[..] {
                [id] => Ok((id, *bias)),
                _ => Err(UsageError(format!(
                    "`--logit-bias`: `{token}` is {} tokens of this model, not one; their ids are \
                     {ids:?}",
                    ids.len()
                ))
                .into()),
            }
        })
        .collect()
}

/// `json`, a schema, or a file that holds one.
pub(crate) fn format(text: &str) -> anyhow::Result<AnswerFormat> {
    if text.eq_ignore_ascii_case("json") {
        return Ok(AnswerFormat::Json);
    }
    let (schema, origin) = if text.trim_start().starts_with('{') {
        (text.to_owned(), "`--format`".to_owned())
    } else if Path::new(text).exists() {
        let schema = std::fs::read_to_string(text)
            .with_context(|| format!("Cannot read the JSON Schema `{text}`"))?;
        (schema, format!("`{text}`"))
    } else {
        return Err(UsageError(format!(
            "`--format {text}` is neither `json` nor a JSON Schema nor a file that exists"
        ))
        .into());
    };
    let schema: Value = serde_json::from_str(&schema)
        .map_err(|error| UsageError(format!("The JSON Schema in {origin} is no JSON: {error}")))?;
    Ok(AnswerFormat::Schema(schema))
}

/// Variables of the chat template for `--think`.
fn think_variables(engine: &Engine, think: Think) -> anyhow::Result<Map<String, Value>> {
    let mode = match think {
        Think::True => ThinkingMode::On,
        Think::False => ThinkingMode::Off,
        Think::Low => ThinkingMode::Level("low"),
        Think::Medium => ThinkingMode::Level("medium"),
        Think::High => ThinkingMode::Level("high"),
    };
    engine
        .thinking()
        .variables(mode)
        .map_err(|reason| UsageError(format!("`--think`: {reason}")).into())
}
