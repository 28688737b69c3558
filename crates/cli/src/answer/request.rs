//! Turns options into requests to the engine.

use std::path::Path;

use anyhow::Context as _;
use mlxk_chat::ThinkingMode;
use mlxk_engine::{AnswerFormat, Engine, EngineError, Generation, PromptInput, Request};
use mlxk_text::ThinkingRefusal;
use serde_json::{Map, Value};

use crate::args::{AnswerArgs, Bias, Think};
use crate::exit::UsageError;
use crate::input;

/// Builds a request from the options and a prompt.
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

/// Submits a request for `n` answers. A format that the engine cannot enforce is a wrong value of `--format`.
pub(crate) fn submit(
    engine: &Engine,
    request: Request,
    n: usize,
) -> anyhow::Result<Vec<Generation>> {
    engine.submit_many(request, n).map_err(|error| match error {
        EngineError::AnswerFormat { reason } => {
            UsageError(format!("`--format` cannot be enforced: {reason}")).into()
        }
        error => error.into(),
    })
}

/// Refuses options that no model can honour, before anything is downloaded or loaded.
pub(crate) fn check(args: &AnswerArgs) -> anyhow::Result<()> {
    args.format.as_deref().map(format).transpose()?;
    if args.sampling.mirostat.is_some() {
        let problem = "`--mirostat` is not supported; use `--min-p` or `--typical-p` instead";
        return Err(UsageError(problem.into()).into());
    }
    Ok(())
}

/// Returns the token ID of each bias. A number is an ID; other text must be exactly one token.
fn biases(engine: &Engine, biases: &[Bias]) -> anyhow::Result<Vec<(u32, f32)>> {
    biases
        .iter()
        .map(|Bias { token, bias }| {
            let vocab_size = engine.vocab_size();
            if let Ok(id) = token.parse::<u32>() {
                if id as usize >= vocab_size {
                    return Err(UsageError(format!(
                        "`--logit-bias`: no token {id}; the model's IDs end at {}",
                        vocab_size.saturating_sub(1)
                    ))
                    .into());
                }
                return Ok((id, *bias));
            }
            let ids = engine.tokenizer().encode(token, false)?;
            match ids[..] {
                [id] => Ok((id, *bias)),
                _ => Err(UsageError(format!(
                    "`--logit-bias`: `{token}` is {} tokens, not one; set a bias for each of the \
                     IDs {ids:?}",
                    ids.len()
                ))
                .into()),
            }
        })
        .collect()
}

/// Reads the value of `--format`: `json`, a schema, or the path of a file with one.
pub(crate) fn format(text: &str) -> anyhow::Result<AnswerFormat> {
    if text.eq_ignore_ascii_case("json") {
        return Ok(AnswerFormat::Json);
    }
    let (schema, origin) = if text.trim_start().starts_with('{') {
        (text.to_owned(), "`--format`".to_owned())
    } else if Path::new(text).exists() {
        let schema = input::read_text(Path::new(text))
            .with_context(|| format!("Cannot read the JSON Schema `{text}`"))?;
        (schema, format!("`{text}`"))
    } else {
        return Err(UsageError(format!(
            "`--format {text}`: not `json`, not a JSON Schema, and not an existing file"
        ))
        .into());
    };
    let schema: Value = serde_json::from_str(&schema)
        .map_err(|error| UsageError(format!("The JSON Schema in {origin} is invalid: {error}")))?;
    Ok(AnswerFormat::Schema(schema))
}

/// Returns the mode that a value of `--think` asks for.
pub(crate) fn thinking_mode(think: Think) -> ThinkingMode<'static> {
    match think {
        Think::True => ThinkingMode::On,
        Think::False => ThinkingMode::Off,
        Think::Low => ThinkingMode::Level("low"),
        Think::Medium => ThinkingMode::Level("medium"),
        Think::High => ThinkingMode::Level("high"),
    }
}

/// Variables of the chat template for `--think`.
fn think_variables(engine: &Engine, think: Think) -> anyhow::Result<Map<String, Value>> {
    engine.thinking().variables(thinking_mode(think)).map_err(|reason| {
        let advice = match reason {
            ThinkingRefusal::AlwaysThinks => "hide its thoughts with `--no-reasoning`",
            ThinkingRefusal::NeverThinks => "leave the option out",
            ThinkingRefusal::NoLevels => "use `--think` alone",
        };
        UsageError(format!("`--think`: {reason}; {advice}")).into()
    })
}
