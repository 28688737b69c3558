//! Clients that send expensive or incomplete requests, and leave.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Map, Value, json};

use mlxk_testkit::Kind;

use crate::world::{World, add};

/// Schemas that are deep, wide, or expensive. Some are refused, and some are compiled.
fn hostile_schemas() -> Vec<Value> {
    let chain: Map<String, Value> = (0..600)
        .map(|i| (format!("d{i}"), json!({"$ref": format!("#/$defs/d{}", i + 1)})))
        .chain([("d600".to_owned(), json!({"type": "null"}))])
        .collect();
    let properties = |count: usize| -> Map<String, Value> {
        (0..count).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect()
    };
    let ten = vec![json!({"type": "object", "properties": {"a": {"type": "null"}}}); 10];
    vec![
        json!({"$ref": "#/$defs/d0", "$defs": chain}),
        json!({"type": "integer", "multipleOf": 99_999_989}),
        json!({"type": "integer", "multipleOf": 997}),
        json!({"const": vec![1; 20_000]}),
        json!({"enum": (0..3_000).map(|i| format!("value {i}")).collect::<Vec<_>>()}),
        json!({"type": "object", "properties": properties(900)}),
        json!({"type": "object", "properties": properties(4_200)}),
        json!({"allOf": vec![json!({"anyOf": ten}); 12]}),
        json!({"type": "string", "pattern": "^((a|b)*a(a|b){30}|(.*a){12})$"}),
        json!({"type": "array", "minItems": 9_000, "items": {"type": "integer"}}),
    ]
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Sends a hostile request. Returns the connection of one that goes on slowly.
fn send(world: &World, number: usize, schemas: &[Value]) -> Option<TcpStream> {
    let body = json!({
        "model": "org/one", "max_tokens": 200,
        "messages": [{"role": "user", "content": "Hello"}],
        "response_format": {"type": "json_object", "schema": schemas[number % schemas.len()]},
    })
    .to_string();
    let mut stream = world.connect();
    let (bytes, stays) = match number / schemas.len() % 5 {
        0..=1 => (head(body.len()) + &body, false),
        2 => (head(body.len()) + &body[..body.len() / 2], number.is_multiple_of(2)),
        3 => (head(body.len())[..60].to_owned(), number.is_multiple_of(2)),
        _ => (head(100 << 20) + &" ".repeat(500_000), false),
    };
    // The server may close the connection early.
    let _ = stream.write_all(bytes.as_bytes());
    if !stays {
        let _ = stream.shutdown(Shutdown::Both);
    }
    stays.then_some(stream)
}

#[test]
fn requests_of_clients_that_have_left_hold_nothing_up() {
    let world = World::with(|config| {
        config.limits.header_timeout = Duration::from_secs(2);
        config.limits.body_idle = Duration::from_secs(2);
        config.limits.body_bytes = 400_000;
    });
    let schemas = hostile_schemas();
    let mut slow = Vec::new();
    for number in 0..200 {
        slow.extend(send(&world, number, &schemas));
        if number % 20 == 0 {
            assert_eq!(world.chat(json!({})).status, 200, "after {number} requests");
        }
    }
    assert_eq!(world.get("/health").status, 200);
    world.until("no request is left", |world| world.in_memory().iter().all(|it| it.1 == 0));
    // The threads that compile schemas are free again.
    let schema = json!({"enum": ["red", "green"]});
    let format = json!({"type": "json_object", "schema": schema});
    assert_eq!(world.chat(json!({"response_format": format, "max_tokens": 60})).status, 200);
    drop(slow);
    assert_eq!(world.get("/health").status, 200);
}

/// An answer whose next tokens are too expensive to find ends with an error, and others go on.
#[test]
fn a_costly_format_ends_its_own_answer_alone() {
    let world = World::new();
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let patterns = (100..400).map(|count| {
        let letter = letters[count % letters.len()];
        json!({"type": "string", "pattern": format!("^.{{0,{count}}}{letter}.{{0,{}}}$", 2 * count)})
    });
    let schema = json!({"anyOf": patterns.collect::<Vec<_>>()});
    let costly = json!({
        "max_tokens": 40, "response_format": {"type": "json_object", "schema": schema},
    });
    std::thread::scope(|scope| {
        let other = scope.spawn(|| world.chat(json!({"max_tokens": 100})));
        let answer = world.chat(costly);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().0.contains("takes too much work"), "{answer:?}");
        assert_eq!(other.join().unwrap().status, 200);
    });
    assert_eq!(world.chat(json!({})).status, 200);
}

/// A template that works without end holds up its own model alone, and only until its time is over.
#[test]
fn a_slow_template_holds_up_its_own_model_alone() {
    let world = World::new();
    let folder = add(&world.home, "org/slow", Kind::Llama);
    let endless = "{% for i in range(1000) %}{% for j in range(1000) %}{{ [i, j] | tojson | length }}\
                   {% endfor %}{% endfor %}";
    std::fs::write(folder.join("chat_template.jinja"), endless).unwrap();
    let slow = json!({"model": "org/slow", "messages": [{"role": "user", "content": "Hello"}]});
    let waiting: Vec<TcpStream> =
        (0..40).map(|_| world.begin("/v1/chat/completions", &slow)).collect();
    assert_eq!(world.chat(json!({})).status, 200);
    assert_eq!(world.get("/api/tags").status, 200);
    drop(waiting);
    world.until("no request is left", |world| world.in_memory().iter().all(|it| it.1 == 0));
    let answer = world.chat(slow);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.error().0.contains("chat template"), "{answer:?}");
}
