//! The template engine, set up as transformers sets up jinja2.
//!
//! Loops, recursion, the length of texts and the output are bounded. The engine does not bound work on lists
//! that contain themselves many times or are nested thousands of levels deep: comparing or joining them takes
//! as much time and stack as in Python.

use std::fmt;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

use super::{generation, json, methods, number};

/// Units of work: an instruction, or 64 bytes of a new value. At worst this is about a second.
const FUEL: u64 = 10_000_000;
/// Length limit of the output.
const MAX_OUTPUT_BYTES: usize = 16 << 20;
const NAME: &str = "chat";

/// Argument of `raise_exception`.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// Reason why rendering failed.
pub(super) enum Failure {
    /// The template called `raise_exception`.
    Raised(String),
    /// It exceeded a limit.
    Bound(&'static str),
    /// Anything else.
    Other(String),
}

/// Compiles a template.
pub(super) fn compile(template: &str) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| error.to_string())?);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write_value);
    environment.set_unknown_method_callback(methods::call);
    // The rarer filters and globals of jinja2.
    minijinja_contrib::add_to_environment(&mut environment);
    environment.add_filter("tojson", json::tojson);
    // Tools for writing templates, whose output is not bounded.
    environment.remove_filter("pprint");
    environment.remove_global("debug");
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", raise_exception);
    let template = generation::replace_tags(template).into_owned();
    environment.add_template_owned(NAME, template).map_err(|error| reason(&error))?;
    Ok(environment)
}

/// Renders the compiled template.
pub(super) fn render(
    environment: &Environment<'static>,
    context: Value,
) -> Result<String, Failure> {
    let mut output = Bounded(Vec::new());
    let rendered = environment
        .get_template(NAME)
        .and_then(|template| template.render_captured_to(context, &mut output).map(|_| ()));
    match rendered {
        Ok(()) => String::from_utf8(output.0).map_err(|error| Failure::Other(error.to_string())),
        Err(_) if output.0.len() > MAX_OUTPUT_BYTES => {
            Err(Failure::Bound("the output is too long"))
        }
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(Raised(message)) = one.downcast_ref() {
            return Failure::Raised(message.clone());
        }
        if one.downcast_ref().is_some_and(|error: &Error| error.kind() == ErrorKind::OutOfFuel) {
            return Failure::Bound("too many steps");
        }
        cause = one.source();
    }
    Failure::Other(reason(error))
}

/// Formats the engine's message with the line, but without our name for the template.
fn reason(error: &Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let raised = Raised(message.to_string());
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
}

/// In Python, everything that has a length and an index is a sequence, strings included.
fn is_sequence(value: &Value) -> bool {
    value.is_undefined()
        || matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
}

/// Unlike here, `none` is not iterable in Python, and templates rely on that.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

fn write_value(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match number::float_of(value) {
        Some(number) => output.write_str(&number::repr(number)).map_err(Error::from),
        None => minijinja::escape_formatter(output, state, value),
    }
}

/// Buffer that refuses more than [`MAX_OUTPUT_BYTES`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("the output is too long"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
