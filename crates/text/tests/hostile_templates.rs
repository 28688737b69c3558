//! Templates that want to work without end, or to exhaust the stack or the memory. Each is rendered or refused, in
//! little time.
//!
//! `MLXK_TEST_RANDOM_TEMPLATES` is the number of random templates, and `MLXK_TEST_SEED` their seed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "hostile/random.rs"]
mod random;
#[path = "hostile/templates.rs"]
mod templates;

use std::time::{Duration, Instant};

use mlxk_chat::Message;
use mlxk_text::{ChatTemplate, RenderOptions, TextError};

/// The limit is 1.5 s. A loaded machine gets more.
const PATIENCE: Duration = Duration::from_secs(10);

fn render(template: &str) -> Result<String, TextError> {
    let messages = [Message::new("user", "Why is the sky blue?"), Message::new("assistant", "It")];
    let started = Instant::now();
    let rendered = ChatTemplate::from_text(template).render(&messages, &RenderOptions::default());
    let time = started.elapsed();
    let start: String = template.chars().take(300).collect();
    assert!(time < PATIENCE, "{time:?}: {start}");
    if std::env::var_os("MLXK_TEST_PRINT").is_some() {
        let outcome = rendered.as_ref().map(String::len).map_err(ToString::to_string);
        println!("{time:?} peak {} MB {outcome:?}: {}", peak_mb(), &start[..start.len().min(90)]);
    }
    rendered
}

/// Returns the most memory that this process ever had, or 0 if the system doesn't tell.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

fn refuse(templates: &[String]) {
    for template in templates {
        let start: String = template.chars().take(300).collect();
        let error = render(template).map(|text| text.len()).expect_err(&start);
        let is_bound = matches!(
            &error,
            TextError::TemplateBound { .. }
                | TextError::TemplateSyntax { .. }
                | TextError::Template { .. }
        );
        assert!(is_bound && error.to_string().len() < 500, "{start}: {error}");
    }
}

#[test]
fn programs_that_nest_deeply_are_refused() {
    let around = |before: &str, inside: &str, after: &str| {
        format!("{}{inside}{}", before.repeat(20_000), after.repeat(20_000))
    };
    let expressions = [
        around("not ", "1", ""),
        around("1+", "1", ""),
        around("-", "1", ""),
        around("1~", "1", ""),
        around("1 and ", "1", ""),
        around("1 if 1 else ", "1", ""),
        around("", "1", "|trim"),
        around("", "1", " is defined"),
        around("", "a", ".b"),
        around("", "a", "[0]"),
        around("", "a", "()"),
        around("[", "", "]"),
        around("(", "1", ")"),
        around("{1:", "1", "}"),
        around("a(", "1", ")"),
        around("1<", "1", ""),
        around("1**", "1", ""),
        around("a[1:", "1", "]"),
    ];
    let mut templates: Vec<String> =
        expressions.iter().map(|inside| format!("{{{{ {inside} }}}}")).collect();
    templates.extend([
        around("{% if 0 %}", "x", "{% endif %}"),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(20_000)),
        around("{% for x in [1] %}", "x", "{% endfor %}"),
        around("{% macro m() %}", "x", "{% endmacro %}"),
        around("{% with a=1 %}", "x", "{% endwith %}"),
        around("{% set x %}", "x", "{% endset %}"),
        around("{% filter trim %}", "x", "{% endfilter %}"),
        around("{% call m() %}", "x", "{% endcall %}"),
        format!("{{% set x = {} %}}", around("[", "", "]")),
        format!("{{% for x in {} %}}{{% endfor %}}", around("[", "", "]")),
        " ".repeat(2 << 20),
    ]);
    refuse(&templates);
}

#[test]
fn values_that_nest_deeply_or_in_circles_are_refused() {
    let deep = "{% set n = namespace(v=[1], w=[1]) %}{% for i in range(90000) %}{% set n.v = [n.v] %}\
                {% set n.w = [n.w] %}{% endfor %}";
    let uses = [
        "{{ n.v }}",
        "{{ n.v == n.w }}",
        "{{ n.v < n.w }}",
        "{{ n.v | tojson }}",
        "{{ n.v ~ '' }}",
        "{{ n.v in [n.w] }}",
        "",
    ];
    let mut templates: Vec<String> = uses.iter().map(|used| format!("{deep}{used}")).collect();
    let growing = [
        "[n.v, 1]",
        "{'a': n.v}",
        "(n.v, 1)",
        "dict(a=n.v)",
        "namespace(v=n.v)",
        "[n.v] | list",
        "[n.v] | batch(2) | list",
        "[n.v] | slice(1) | list",
        "[[n.v]] + []",
        "[n.v] * 2",
        "cycler(n.v)",
        "joiner(n.v)",
        "{'a': n.v}.items()",
        "{'a': n.v} | items | list",
        "[n.v] | map('list') | list",
        "[{'a': n.v}] | groupby('a')",
    ];
    templates.extend(growing.iter().map(|value| {
        format!(
            "{{% set n = namespace(v=[1]) %}}{{% for i in range(90000) %}}{{% set n.v = {value} %}}\
             {{% endfor %}}"
        )
    }));
    templates.extend(
        [
            "{% set n = namespace() %}{% set n.v = n %}{{ n }}",
            "{% set n = namespace() %}{% set n.v = [n] %}{{ n }}",
            "{% set n = namespace() %}{% set m = namespace() %}{% set n.v = {'a': m} %}",
            "{% set n = namespace(v=0) %}{% for i in range(90000) %}{% for j in [n.v, 1] %}\
             {% set n.v = loop %}{% endfor %}{% endfor %}",
            "{% macro m(v) %}{{ m([v]) }}{% endmacro %}{{ m(1) }}",
            "{% for a in [1] recursive %}{{ loop([[a]]) }}{% endfor %}",
            "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
        ]
        .map(str::to_owned),
    );
    refuse(&templates);
}

#[test]
fn work_without_end_is_refused() {
    let big = "{% set a = 'x' * 10000000 %}{% set b = 'x' * 10000000 %}";
    let many = "{% for i in range(100000) %}{% for j in range(100000) %}";
    let ends = "{% endfor %}{% endfor %}";
    let looped = |before: &str, inside: &str| format!("{before}{many}{inside}{ends}");
    refuse(&[
        looped(big, "{% if a == b %}{% endif %}"),
        looped(big, "{% if a < b %}{% endif %}"),
        looped(big, "{% if 'y' in a %}{% endif %}"),
        looped(big, "{% if a is eq(b) %}{% endif %}"),
        looped(big, "{% if [a] == [b] %}{% endif %}"),
        looped(big, "{% if a.startswith(b) %}{% endif %}"),
        looped(big, "{% if a.find('y') %}{% endif %}"),
        looped(big, "{% if a[5:] %}{% endif %}"),
        looped(big, "{% if a[::-1] %}{% endif %}"),
        looped(big, "{% if a | length %}{% endif %}"),
        looped(big, "{% set c = a | tojson %}"),
        looped(big, "{% set c = a | upper %}"),
        looped(big, "{% set c %}{{ a }}{% endset %}"),
        format!("{big}{{{{ a in [b] * 1000000 }}}}"),
        format!("{big}{{{{ ([b] * 100000) | select('eq', a) | list }}}}"),
        format!("{big}{{{{ range(100000) | map('default', a) | select('in', [b]) | list }}}}"),
        format!("{big}{{{{ ([a] * 100000) | sort }}}}"),
        format!("{big}{{{{ ([a] * 100000) | unique | list }}}}"),
        format!("{big}{{{{ {} }}}}", vec!["a==b"; 200_000].join(",")),
        looped("", ""),
        looped("{% set a = range(100000) | list %}", "{% set b = a[1:] %}"),
        looped("{% set a = range(100000) | list %}", "{% set b = a | tojson %}"),
        looped("{% set a = range(100000) | list %}", "{% set b = a + a %}"),
        looped("{% set a = range(100000) | list %}", "{% set b = a == [1] + a %}"),
        "{% set n = namespace(v=[1]) %}{% for i in range(60) %}{% set n.v = n.v + n.v %}{% endfor %}\
         {{ n.v | length }}"
            .to_owned(),
        "{% set n = namespace(v='x') %}{% for i in range(60) %}{% set n.v = n.v + n.v %}{% endfor %}"
            .to_owned(),
        "{% set n = namespace(v='x') %}{% for i in range(60) %}{% set n.v = n.v ~ n.v %}{% endfor %}"
            .to_owned(),
        "{% set n = namespace(v=[1], w=[1]) %}{% for i in range(60) %}{% set n.v = [n.v, n.v] %}\
         {% set n.w = [n.w, n.w] %}{% endfor %}{{ n.v == n.w }}"
            .to_owned(),
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}".to_owned(),
    ]);
}

#[test]
fn large_values_are_refused() {
    let x = "{% set x = 'x' * 1000000 %}";
    let templates = [
        format!("{x}{{{{ x.replace('x', x) }}}}"),
        format!("{x}{{{{ x | replace('x', x) }}}}"),
        format!("{x}{{{{ ([x] * 1000) | map('replace', 'x', 'xxxxxxxxxx') | list }}}}"),
        format!("{x}{{{{ ([x] * 1000) | map('upper') | list }}}}"),
        format!("{x}{{{{ ([x] * 1000) | map('list') | list }}}}"),
        format!("{x}{{{{ ([x] * 1000) | join(x) }}}}"),
        format!("{x}{{{{ ([x] * 1000) | string }}}}"),
        format!("{x}{{{{ [x] * 1000 }}}}"),
        format!("{x}{{{{ ','.join([x] * 1000) }}}}"),
        format!("{x}{{{{ (x * 16).split('x') | length }}}}"),
        format!("{x}{{{{ (x * 16) | list | length }}}}"),
        format!("{x}{{{{ ('\\n' * 16000000).splitlines() | length }}}}"),
        format!("{x}{{{{ ('\\n' * 1000000) | indent(1000000) }}}}"),
        format!("{x}{{{{ ('a\\n' * 1000000) | indent(1000) }}}}"),
        format!("{x}{{% for i in range(100000) %}}{{{{ x }}}}{{% endfor %}}"),
        format!(
            "{x}{{% set y %}}{{% for i in range(100000) %}}{{{{ x }}}}{{% endfor %}}{{% endset %}}"
        ),
        "{{ 'x' * 100000000000 }}".to_owned(),
        "{{ [1] * 100000000000 }}".to_owned(),
        "{{ (1,) * 100000000 }}".to_owned(),
        "{{ [1] | batch(1000000000, 1) | list }}".to_owned(),
        "{{ [1] | slice(1000000000, 1) | list }}".to_owned(),
        "{{ 'x' | center(1000000000) }}".to_owned(),
        "{{ 'x'.center(1000000000) }}".to_owned(),
        "{{ 'x'.ljust(1000000000) }}".to_owned(),
        "{{ 'x'.zfill(1000000000) }}".to_owned(),
        "{{ '{:999999999}'.format(1) }}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        "{{ '%*d' | format(999999999, 1) }}".to_owned(),
        "{{ [1] | tojson(indent=1000000000) }}".to_owned(),
        "{{ range(1000000000) | list }}".to_owned(),
        "{{ 10 ** 1000000000 }}".to_owned(),
        "{{ 1.5 | round(1000000000) ~ ('x' * 1000000000) }}".to_owned(),
    ];
    refuse(&templates);
    assert!(peak_mb() < 600, "{} MB", peak_mb());
}

#[test]
fn random_templates_are_rendered_or_refused() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
    };
    let count = number("MLXK_TEST_RANDOM_TEMPLATES", 100);
    let seed = number("MLXK_TEST_SEED", 1);
    let mut rendered = 0;
    for index in 0..count {
        let template = templates::template(seed * 1_000_000 + index);
        rendered += usize::from(render(&template).is_ok());
    }
    println!("{rendered} of {count} rendered, peak {} MB", peak_mb());
}

#[test]
fn long_conversations_are_rendered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates");
    let messages: Vec<Message> = (0..3000)
        .map(|turn| {
            let role = if turn % 2 == 0 { "user" } else { "assistant" };
            Message::new(role, format!("{turn}: {}", "words and more words ".repeat(20)))
        })
        .collect();
    for name in ["chatml", "gemma", "llama3", "mistral", "parts", "qwen"] {
        let text = std::fs::read_to_string(folder.join(name).with_extension("jinja")).unwrap();
        let options = RenderOptions {
            bos_token: Some("<s>".to_owned()),
            eos_token: Some("</s>".to_owned()),
            ..RenderOptions::default()
        };
        let rendered = ChatTemplate::from_text(text).render(&messages, &options);
        assert!(rendered.unwrap().len() > 1_000_000, "{name}");
    }
}
