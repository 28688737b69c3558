//! Clients that break the protocol, or abuse it.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::world::{World, rest};

/// A server with short timeouts and small limits.
fn limited() -> World {
    World::with(|config| {
        config.limits.header_timeout = Duration::from_millis(300);
        config.limits.body_idle = Duration::from_millis(300);
        config.limits.body_bytes = 100_000;
    })
}

#[test]
fn invalid_http_is_refused() {
    let world = limited();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here"[..],
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /he alth HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\
          content-type: application/json\r\n\r\n{\"a\":",
        b"",
    ] {
        let mut stream = world.connect();
        // The server may close the connection early.
        let _ = stream.write_all(bytes);
        let answer = rest(&mut stream);
        let shown = String::from_utf8_lossy(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown}: {answer}");
    }
    assert_eq!(world.get("/health").status, 200);
}

#[test]
fn slow_heads_and_bodies_are_cut_off() {
    let world = limited();
    let mut stream = world.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: local").unwrap();
    assert_eq!(rest(&mut stream), "");
    let mut stream = world.connect();
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\
                content-type: application/json\r\n\r\n{\"model\"";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn bodies_and_heads_have_bounds() {
    let world = limited();
    let mut stream = world.connect();
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\n\
                content-type: application/json\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut stream = world.connect();
    let head = head.replace("content-length: 104857600", "transfer-encoding: chunked");
    stream.write_all(head.as_bytes()).unwrap();
    let part = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..10 {
        let _ = stream.write_all(part.as_bytes());
    }
    let answer = rest(&mut stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Also one large value, many small ones, and a long target.
    let head = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
    };
    let many =
        |count: usize| (0..count).fold(String::new(), |all, n| all + &format!("x{n}: y\r\n"));
    for (long, fits) in [
        (head("/health", &format!("x: {}\r\n", "y".repeat(64_000))), true),
        (head("/health", &format!("x: {}\r\n", "y".repeat(65_600))), false),
        (head("/health", &format!("x: {}\r\n", "y".repeat(100_000))), false),
        (head("/health", &format!("x: {}\r\n", "y".repeat(200_000))), false),
        (head(&format!("/health?{}", "y".repeat(66_000)), ""), false),
        (head("/health", &many(90)), true),
        (head("/health", &many(20_000)), false),
    ] {
        let mut stream = world.connect();
        let _ = stream.write_all(long.as_bytes());
        let answer = rest(&mut stream);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        let is_right = if fits { answer.starts_with("HTTP/1.1 200") } else { refused };
        assert!(is_right, "{} bytes: {answer}", long.len());
    }
    assert_eq!(world.get("/health").status, 200);
}

#[test]
fn bodies_that_are_not_objects_are_refused() {
    let world = World::new();
    let kind = [("content-type", "application/json")];
    for body in ["", "[]", "1", "{", "nothing", "{\"a\": 1e999}", "\u{feff}{}"] {
        let answer = world.send("POST", "/v1/chat/completions", &kind, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let deep = format!("{{\"messages\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(world.send("POST", "/v1/chat/completions", &kind, &deep).status, 400);
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let world = World::with(|config| config.limits.connections = 4);
    let held: Vec<_> = (0..4).map(|_| world.connect()).collect();
    world.until("the places are taken", |world| {
        let mut stream = world.connect();
        let _ = stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        rest(&mut stream).starts_with("HTTP/1.1 503")
    });
    drop(held);
    world.until("a place is free", |world| {
        let mut stream = world.connect();
        let _ = stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        rest(&mut stream).starts_with("HTTP/1.1 200")
    });
    assert_eq!(world.chat(json!({})).status, 200);
}
