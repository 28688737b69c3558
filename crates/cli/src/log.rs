//! The log of the server: lines of text, or JSON Lines with MLX-Knife's keys `ts`, `level` and `msg`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::output::Log;

/// Starts the log on standard error.
pub(crate) fn start(level: LevelFilter, as_json: bool) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || Log { is_json: as_json })
        .with_target(false)
        .with_ansi(false);
    // This cannot fail: no other command sets a logger.
    let _ = if as_json {
        lines.fmt_fields(JsonFields::new()).event_format(JsonLines).try_init()
    } else {
        lines.try_init()
    };
}

/// Returns a line of the JSON log.
pub(crate) fn line(level: &str, message: &str, fields: Map<String, Value>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut object = Map::new();
    object.insert("ts".into(), json!(now.as_secs_f64()));
    object.insert("level".into(), level.into());
    object.insert("msg".into(), message.into());
    for (key, value) in fields {
        object.entry(key).or_insert(value);
    }
    Value::Object(object).to_string()
}

/// Writes events as JSON Lines, with the fields of the current span.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            let written = extensions.get::<FormattedFields<N>>();
            let outer = written.and_then(|text| serde_json::from_str(&text.fields).ok());
            let outer: Map<String, Value> = outer.unwrap_or_default();
            for (key, value) in outer {
                fields.others.entry(key).or_insert(value);
            }
        }
        let level = event.metadata().level().as_str();
        writeln!(writer, "{}", line(level, &fields.message, fields.others))
    }
}

/// The message of an event, and its other fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}
