//! `mlxk embed MODEL TEXT`: turns texts into vectors.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mlxk_engine::embed::{EmbedInput, EmbedRequest, Pooling, Prompt};
use mlxk_engine::{CancelHandle, Engine, LoadOptions};
use serde_json::{Map, Value, json};

use crate::answer::load_engine;
use crate::args::{EmbedArgs, EmbedServeArgs};
use crate::commands::server;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::resolve;
use crate::printer::Unit;
use crate::{Context, format, input, interrupt, json as envelope, output};

/// Number of texts whose vectors are printed together.
const BLOCK: usize = 256;
/// Port of MLX-Knife's server of embeddings.
const SERVE_PORT: u16 = 8002;

/// A text, and the fields that its record keeps.
struct Record {
    text: String,
    fields: Map<String, Value>,
}

/// Prints a record for each text.
pub(crate) fn run(args: &EmbedArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let records = records(args)?;
    let model = resolve::find(&args.model, !args.compute.no_pull, context)?;
    let mut options = LoadOptions::new(&model.path);
    options.device = args.compute.device(args.compute.arithmetic(), &context.settings)?;
    // On a GPU, a vector may change with the other texts. It has to be asked for.
    let options = options.without_gpu().unwrap_or(options);
    let engine = load_engine(&options, &format!("Loading {}", model.name), context)?;
    let settings = engine.embed_settings();
    if settings.is_guess && args.pooling.is_none() {
        let (pooling, advice) = match settings.pooling {
            Pooling::Last => ("the last token", ". It was probably not made for embeddings"),
            _ => ("the mean", ""),
        };
        context.printer.note(format_args!(
            "warning: Nothing says how `{}` pools its states; using {pooling} (see `--pooling`){advice}",
            model.name
        ));
    }
    let started = Instant::now();
    let metadata = json!({
        "model": model.name,
        "dimensions": args.dimensions.unwrap_or(settings.dimensions),
        "content_hash": content_hash(&model.path),
        "device": if engine.is_on_gpu() { engine.device() } else { "cpu" },
    });
    let progress = context.printer.progress();
    progress.begin("Embedding");
    let texts = records.len();
    let (mut done, mut tokens, mut cut) = (0, 0, 0);
    let mut all = Vec::new();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let block: Vec<Record> = records.by_ref().take(BLOCK).collect();
        let inputs = block.iter().map(|record| EmbedInput::Text(record.text.clone())).collect();
        let embedded = engine.embed(&request(args, inputs), &CancelHandle::default())?;
        if interrupt::requested() {
            return Err(Interrupted.into());
        }
        (tokens, cut) = (tokens + embedded.tokens, cut + embedded.truncated);
        done += block.len() as u64;
        progress.update(done, texts as u64, Unit::Texts);
        let rows = block.into_iter().zip(embedded.vectors);
        let rows = rows.map(|(record, vector)| row(record, &vector, &metadata));
        if args.json {
            all.extend(rows);
        } else {
            let mut out = output::stdout();
            for row in rows {
                out.json_line(&row)?;
            }
            out.flush()?;
        }
    }
    if args.json {
        envelope::print("embed", &json!({"records": all}))?;
    }
    report(args, context, &engine, &Figures { texts, tokens, cut, time: started.elapsed() });
    Ok(ExitStatus::Success)
}

/// Serves one model on MLX-Knife's port.
pub(crate) fn serve(args: EmbedServeArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut server = args.server;
    server.model = Some(args.embedder);
    server.port = server.port.or(Some(SERVE_PORT));
    server::run(&server, context)
}

/// Reads the texts from the command line or standard input.
fn records(args: &EmbedArgs) -> anyhow::Result<Vec<Record>> {
    let stdin = std::io::stdin();
    let words = args.text.join(" ");
    let reads = args.batch || words == "-" || (args.text.is_empty() && !stdin.is_terminal());
    if !reads {
        if words.is_empty() {
            let problem = "There is no text; write it after the model, or pipe it in";
            return Err(UsageError(problem.into()).into());
        }
        return Ok(vec![Record { text: words, fields: Map::new() }]);
    }
    if args.batch && !(words.is_empty() || words == "-") {
        let problem = "`--batch` reads texts from standard input; leave the text out";
        return Err(UsageError(problem.into()).into());
    }
    let bytes =
        input::read(stdin.lock(), input::MAX_TEXT_BYTES).context("Cannot read standard input")?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("Standard input is not UTF-8 text: byte {at} is invalid")
    })?;
    if !args.batch {
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        anyhow::ensure!(!text.is_empty(), "Standard input is empty");
        return Ok(vec![Record { text, fields: Map::new() }]);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let records: Vec<Record> =
        lines.map(|(index, line)| record(index + 1, line)).collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!records.is_empty(), "Standard input has no texts");
    Ok(records)
}

/// Reads a line: a JSON object with the field `text`, or a text.
fn record(number: usize, line: &str) -> anyhow::Result<Record> {
    if !line.trim_start().starts_with('{') {
        return Ok(Record { text: line.to_owned(), fields: Map::new() });
    }
    // A text may begin with a brace, too.
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return Ok(Record { text: line.to_owned(), fields: Map::new() });
    };
    match fields.remove("text") {
        Some(Value::String(text)) => Ok(Record { text, fields }),
        _ => anyhow::bail!("Line {number} is a JSON object without a text in the field `text`"),
    }
}

fn request(args: &EmbedArgs, inputs: Vec<EmbedInput>) -> EmbedRequest {
    let prompt = if let Some(text) = &args.instruct {
        Prompt::Instruction(text.clone())
    } else if let Some(name) = &args.prompt_name {
        Prompt::Named(name.clone())
    } else if args.query {
        Prompt::Query
    } else if args.document {
        Prompt::Document
    } else {
        Prompt::Default
    };
    EmbedRequest {
        inputs,
        prompt,
        truncate: !args.no_truncate,
        max_tokens: None,
        normalize: args.no_normalize.then_some(false),
        dimensions: args.dimensions,
        pooling: args.pooling,
    }
}

/// Returns the record of a text, with its vector behind the fields that it had.
fn row(record: Record, vector: &[f32], metadata: &Value) -> Value {
    let mut row = Map::new();
    row.insert("text".into(), record.text.into());
    row.extend(record.fields);
    row.insert("embedding".into(), json!(vector));
    row.insert("metadata".into(), metadata.clone());
    row.into()
}

/// Returns the hash of a workspace's content, if it has been noted.
fn content_hash(folder: &std::path::Path) -> Option<String> {
    let sentinel = mlxk_hub::workspace::Sentinel::read(folder)?;
    sentinel.content_hash().map(str::to_owned)
}

/// Figures of a run.
struct Figures {
    texts: usize,
    tokens: usize,
    cut: usize,
    time: Duration,
}

/// Prints what was done.
fn report(args: &EmbedArgs, context: &Context, engine: &Engine, figures: &Figures) {
    let &Figures { texts, tokens, cut, time } = figures;
    if cut > 0 {
        let most = engine.embed_settings().max_tokens;
        let were = if texts == 1 { "text was" } else { "texts were" };
        let note = format_args!("warning: {cut} of {texts} {were} cut to {most} tokens");
        context.printer.note(note);
    }
    if args.verbose {
        let settings = engine.embed_settings();
        let seconds = time.as_secs_f64();
        context.printer.note(format_args!(
            "{}, {} in {seconds:.2} s, {:.0} tokens/s; pooling {}, {} dimensions",
            format::count(texts, "text"),
            format::count(tokens, "token"),
            tokens as f64 / seconds.max(1e-9),
            args.pooling.unwrap_or(settings.pooling).name(),
            args.dimensions.unwrap_or(settings.dimensions),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_texts_or_objects() {
        assert_eq!(record(1, "a cat").unwrap().text, "a cat");
        assert_eq!(record(1, "{not json").unwrap().text, "{not json");
        let with_fields = record(1, r#"{"id": 7, "text": "a cat"}"#).unwrap();
        assert_eq!((with_fields.text.as_str(), &with_fields.fields["id"]), ("a cat", &json!(7)));
        let error = record(3, r#"{"id": 7}"#).map(|record| record.text).unwrap_err();
        assert!(error.to_string().contains("Line 3"), "{error}");
    }
}
