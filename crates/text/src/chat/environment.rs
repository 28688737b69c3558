//! The template engine, set up as transformers sets up jinja2.
//!
//! Templates come with checkpoints, so they may be hostile. Each rendering has a budget of fuel that grows
//! with its input, a time limit, and a stack of its own ([`super::bounds`]).

use std::fmt;
use std::sync::LazyLock;

use minijinja::machinery::{self, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, tests};

use super::bounds::{self, Deadline, Exceeded};
use super::instrument::{self, CHECK, CHECK_KEPT, Compiled, TICK};
use super::{json, methods, number};

/// Units of work that every rendering has: an instruction, or 64 bytes of a new value.
const FUEL: u64 = 1_000_000;
/// Further units for each value of the input.
const FUEL_PER_VALUE: u64 = 500;
/// Bytes of input for a further unit.
const BYTES_PER_FUEL: u64 = 4;
/// Length limit of the output.
const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Stack of a rendering. Nested values, expressions and calls are bounded so that a tenth is enough.
const STACK_BYTES: usize = 64 << 20;
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
    /// The template does not parse.
    Syntax(String),
    /// It exceeded a limit.
    Bound(&'static str),
    /// Anything else.
    Other(String),
}

/// Size of a rendering's input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) values: u64,
    pub(super) bytes: u64,
}

impl Size {
    pub(super) fn add(&mut self, value: &serde_json::Value) {
        use serde_json::Value;

        self.values += 1;
        match value {
            Value::String(text) => self.bytes += text.len() as u64,
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => fields.values().for_each(|value| self.add(value)),
            _ => {}
        }
    }
}

/// Compiles and renders a template with the variables that `context` makes.
pub(super) fn render(
    source: &str,
    size: Size,
    deadline: Deadline,
    context: impl FnOnce() -> Value + Send,
) -> Result<String, Failure> {
    on_large_stack(|| {
        let compiled = compile(source)?;
        let environment = environment(deadline, size);
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let (code, blocks) = (&compiled.instructions, &compiled.blocks);
        machinery::eval(&environment, code, context(), blocks, &mut output, AutoEscape::None)
            .map_err(|error| failure(&error))?;
        if text.len() > MAX_OUTPUT_BYTES {
            return Err(Failure::Bound("the output is too long"));
        }
        Ok(text)
    })
}

/// Compiles a template without rendering it.
pub(super) fn check(source: &str) -> Result<(), Failure> {
    on_large_stack(|| compile(source).map(|_| ()))
}

fn compile(source: &str) -> Result<Compiled<'_>, Failure> {
    let compiled = syntax().and_then(|syntax| instrument::compile(source, NAME, &syntax));
    compiled.map_err(|error| match failure(&error) {
        Failure::Other(reason) => Failure::Syntax(reason),
        failure => failure,
    })
}

/// Runs `work` on a thread of its own. Its caller's stack may be small.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mlxk-template".to_owned());
        let thread = thread.stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread =
            thread.map_err(|error| Failure::Other(format!("cannot start a thread: {error}")))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(Failure::Other("the template engine failed".to_owned())))
    })
}

fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

/// Returns the engine for one rendering.
fn environment(deadline: Deadline, size: Size) -> Environment<'static> {
    static COMMON: LazyLock<Environment<'static>> = LazyLock::new(common);
    let mut environment = COMMON.clone();
    let more = size.values.saturating_mul(FUEL_PER_VALUE) + size.bytes / BYTES_PER_FUEL;
    environment.set_fuel(Some(FUEL.saturating_add(more)));
    environment.add_filter(CHECK, move |state: &State, value: Value| {
        bounds::check(state, &value, deadline)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(CHECK_KEPT, move |value: Value| {
        bounds::check_kept(&value, deadline)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(TICK, move |value: Value| deadline.check().map(|()| value));
    add_comparisons(&mut environment, deadline);
    environment
}

/// Adds the tests that filters apply to every item of a list.
fn add_comparisons(environment: &mut Environment<'static>, deadline: Deadline) {
    type Compare = fn(&Value, &Value) -> bool;
    let comparisons: [(&[&str], Compare); 6] = [
        (&["eq", "equalto", "=="], |a, b| a == b),
        (&["ne", "!="], |a, b| a != b),
        (&["lt", "lessthan", "<"], |a, b| a < b),
        (&["le", "<="], |a, b| a <= b),
        (&["gt", "greaterthan", ">"], |a, b| a > b),
        (&["ge", ">="], |a, b| a >= b),
    ];
    for (names, compare) in comparisons {
        for name in names {
            environment.add_test(*name, move |a: &Value, b: &Value| {
                deadline.check().map(|()| compare(a, b))
            });
        }
    }
    environment.add_test("in", move |state: &State, value: &Value, container: &Value| {
        deadline.check().and_then(|()| tests::is_in(state, value, container))
    });
}

/// Returns what all renderings have in common.
fn common() -> Environment<'static> {
    let mut environment = Environment::new();
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
    environment
}

fn failure(error: &Error) -> Failure {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = || std::iter::successors(Some(first), |cause| cause.source());
    for cause in causes() {
        if let Some(Raised(message)) = cause.downcast_ref() {
            return Failure::Raised(message.clone());
        }
        if let Some(Exceeded(bound)) = cause.downcast_ref() {
            return Failure::Bound(bound);
        }
    }
    let is_bound = |error: &Error| error.kind() == ErrorKind::OutOfFuel;
    if causes().any(|cause| cause.downcast_ref().is_some_and(is_bound)) {
        return Failure::Bound("too many steps");
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
