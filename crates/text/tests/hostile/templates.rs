//! Random templates, in which everything is nested in everything.

use std::fmt::Write;

use super::random::Random;

/// Types of expressions. Most operations of a wrong type end a template at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    List,
    Number,
    /// Anything.
    Any,
}

/// Returns the template with this number.
pub(crate) fn template(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut out = "{% set n = namespace(v=[1], t='x') %}{% set a = 'x' %}{% set b = [1, 'x'] %}\
                   {% macro m(a, b=[1]) %}{{ a }}{{ b }}{% endmacro %}"
        .to_owned();
    for _ in 0..=random.below(6) {
        statement(&mut random, &mut out, 0);
    }
    out
}

fn statement(random: &mut Random, out: &mut String, depth: u64) {
    let body = |random: &mut Random, out: &mut String| {
        for _ in 0..=random.below(3) {
            statement(random, out, depth + 1);
        }
    };
    let any = |random: &mut Random| expression(random, Type::Any, 0);
    let kind = if depth > 4 { random.below(3) } else { random.below(9) };
    match kind {
        0 => write!(out, "{{{{ {} }}}}", any(random)).unwrap(),
        1 | 2 => {
            let targets =
                [("a", Type::Text), ("n.t", Type::Text), ("b", Type::List), ("n.v", Type::List)];
            let (name, of_type) = random.one_of(&targets);
            let value = expression(random, of_type, 0);
            write!(out, "{{% set {name} = {value} %}}").unwrap();
        }
        3 | 4 => {
            let list = expression(random, Type::List, 0);
            write!(out, "{{% for x in {list} %}}").unwrap();
            body(random, out);
            *out += "{% endfor %}";
        }
        5 => {
            write!(out, "{{% if {} %}}", any(random)).unwrap();
            body(random, out);
            for _ in 0..random.below(3) {
                write!(out, "{{% elif {} %}}", any(random)).unwrap();
                body(random, out);
            }
            *out += "{% endif %}";
        }
        6 => {
            *out += "{% macro o(a, b=[1]) %}";
            body(random, out);
            let (text, list) =
                (expression(random, Type::Text, 0), expression(random, Type::List, 0));
            write!(out, "{{% endmacro %}}{{{{ o({text}, {list}) }}}}").unwrap();
        }
        7 => {
            *out += "{% set a %}";
            body(random, out);
            *out += "{% endset %}";
        }
        _ => {
            write!(out, "{{% filter {} %}}", random.one_of(&["upper", "trim", "indent"])).unwrap();
            body(random, out);
            *out += "{% endfilter %}";
        }
    }
}

fn expression(random: &mut Random, of_type: Type, depth: u64) -> String {
    match of_type {
        Type::Text => text(random, depth),
        Type::List => list(random, depth),
        Type::Number => number(random, depth),
        Type::Any if depth > 5 => random.one_of(&["none", "true", "x", "n"]).to_owned(),
        Type::Any => {
            let both = |random: &mut Random, of_type| {
                (expression(random, of_type, depth + 1), expression(random, of_type, depth + 1))
            };
            let of_type = random.one_of(&[Type::Text, Type::List, Type::Number]);
            let (left, right) = both(random, of_type);
            match random.below(7) {
                0 => left,
                1 => format!(
                    "({left} {} {right})",
                    random.one_of(&["==", "<", ">=", "!=", "and", "or"])
                ),
                2 => format!("({left} in [{right}, {right}])"),
                3 => format!("({left} if {right} else {left})"),
                4 => format!("{{'k': {left}, 'role': {right}}}"),
                5 => format!(
                    "({left} is {})",
                    random.one_of(&["string", "iterable", "eq(b)", "in(b)", "none"])
                ),
                _ => format!("(not {left})"),
            }
        }
    }
}

fn text(random: &mut Random, depth: u64) -> String {
    if depth > 5 {
        return random.one_of(&["a", "'x'", "n.t", "''", "'x' * 999"]).to_owned();
    }
    let one = text(random, depth + 1);
    match random.below(9) {
        0 | 1 => format!("({one} ~ {})", expression(random, Type::Any, depth + 1)),
        2 => format!("({one} * {})", number(random, depth + 1)),
        3 => format!(
            "({one} | {})",
            random.one_of(&["trim", "upper", "indent(9)", "replace('x', 'xxx')"])
        ),
        4 => format!(
            "({} | {})",
            list(random, depth + 1),
            random.one_of(&["join(a)", "tojson", "string"])
        ),
        5 => format!("{one}.replace('x', {})", text(random, depth + 1)),
        6 => format!("{one}[{}:{}]", number(random, depth + 1), number(random, depth + 1)),
        7 => format!("m({one}, {})", list(random, depth + 1)),
        _ => chain(random, one, &[" + a", " ~ b", "|trim", " + n.t"]),
    }
}

fn list(random: &mut Random, depth: u64) -> String {
    if depth > 5 {
        return random.one_of(&["b", "[1]", "n.v", "messages", "range(99999)", "[]"]).to_owned();
    }
    let one = list(random, depth + 1);
    match random.below(10) {
        0 => format!("[{one}, {one}]"),
        1 => format!("({one} + {})", list(random, depth + 1)),
        2 => format!("({one} * {})", number(random, depth + 1)),
        3 => format!(
            "({one} | {} | list)",
            random.one_of(&["batch(2)", "slice(3)", "reverse", "select", "unique"])
        ),
        4 => format!("({one} | map('string') | list)"),
        5 => format!("({one} | map('{}') | list)", random.one_of(&["length", "default", "tojson"])),
        6 => format!("{one}[{}:]", number(random, depth + 1)),
        7 => format!("{}.split('x')", text(random, depth + 1)),
        8 => format!("{{'k': {one}}}.items()"),
        _ => chain(random, one, &[" + b", "|list", " * 3", " + [n.v]"]),
    }
}

fn number(random: &mut Random, depth: u64) -> String {
    if depth > 5 {
        return random.one_of(&["0", "1", "3", "-1", "99999999999"]).to_owned();
    }
    match random.below(4) {
        0 => random.below(1_000_000).to_string(),
        1 => format!("({} | length)", list(random, depth + 1)),
        2 => format!(
            "({} {} 3)",
            number(random, depth + 1),
            random.one_of(&["+", "*", "//", "%", "**"])
        ),
        _ => random.below(5).to_string(),
    }
}

/// Appends up to 200 operations.
fn chain(random: &mut Random, mut start: String, operations: &[&str]) -> String {
    for _ in 0..random.below(200) {
        start += random.one_of(operations);
    }
    format!("({start})")
}
