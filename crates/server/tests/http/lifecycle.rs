//! Running answers: concurrent ones, and ones that are cut off by their client or by the server.

use std::io::{BufRead, BufReader};
use std::sync::{Mutex, Once};
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, rest};

/// Returns a request for a long answer, as a stream.
fn long() -> Value {
    json!({"model": "org/one", "prompt": "Hello", "max_tokens": 480, "ignore_eos": true,
        "stream": true, "temperature": 1, "seed": 3})
}

/// Reads up to the first piece of text.
fn first_event(stream: &std::net::TcpStream) -> String {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let text = |line: &String| line.starts_with("data: ") && !line.contains("\"text\":\"\"");
    lines.map_while(Result::ok).find(text).expect("the stream has an event")
}

#[test]
fn concurrent_answers_are_those_of_single_requests() {
    let world = World::with(|config| config.parallel = 4);
    let asked: Vec<Value> = (0..10)
        .map(|index| {
            let format = if index % 4 == 3 { json!({"type": "json_object"}) } else { Value::Null };
            json!({"seed": index, "temperature": index % 3, "max_tokens": 5 + 9 * (index % 5),
                "response_format": format,
                "messages": [{"role": "user", "content": "x".repeat(7 * index + 1)}]})
        })
        .collect();
    let text = |asked: &Value| world.chat(asked.clone()).json()["choices"].to_string();
    let together: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = asked.iter().map(|asked| scope.spawn(|| text(asked))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (asked, together) in asked.iter().zip(together) {
        assert_eq!(text(asked), together, "{asked}");
    }
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let world = World::with(|config| (config.parallel, config.queue) = (1, 0));
    for streams in [true, false] {
        let mut asked = long();
        asked["stream"] = streams.into();
        let stream = world.begin("/v1/completions", &asked);
        if streams {
            first_event(&stream);
        } else {
            world.until("it runs", |world| world.in_memory().first().is_some_and(|it| it.1 == 1));
        }
        drop(stream);
        world.until("its place is free", |world| world.in_memory()[0].1 == 0);
        world.until("the next is served", |world| {
            world.chat(json!({"max_tokens": 2})).status == 200
        });
    }
}

#[test]
fn requests_beyond_the_queue_get_503() {
    let world = World::with(|config| (config.parallel, config.queue) = (1, 1));
    let running = world.begin("/v1/completions", &long());
    first_event(&running);
    let _waiting = world.begin("/v1/completions", &long());
    world.until("both are there", |world| world.in_memory()[0].1 == 2);
    let refused = world.chat(json!({}));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")));
    assert_eq!(refused.json()["error"]["code"], "server_busy");
    assert_eq!(world.get("/health").status, 200);
    let too_many = world.chat(json!({"n": 9}));
    assert_eq!(too_many.status, 400, "{too_many:?}");
}

/// Lines that the servers of this process have logged since the first call.
fn logged() -> String {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    struct Writer;
    impl std::io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LINES.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static STARTED: Once = Once::new();
    STARTED.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Writer).init());
    String::from_utf8_lossy(&LINES.lock().unwrap()).into_owned()
}

#[test]
fn streams_end_with_an_error_when_the_server_stops() {
    logged();
    let mut world = World::with(|config| config.limits.grace = Duration::from_millis(100));
    let mut asked = long();
    asked["n"] = 40.into();
    let mut stream = world.begin("/v1/completions", &asked);
    first_event(&stream);
    world.stop.stop();
    let text = rest(&mut stream);
    assert!(text.contains("The server is stopping"), "{text}");
    assert!(text.contains("data: [DONE]"), "{text}");
    world.join();
    assert!(std::net::TcpStream::connect(world.address).is_err());
    assert!(logged().contains("the stream ended with an error code=503"), "{}", logged());
}

#[test]
fn heartbeats_break_a_long_silence() {
    let world = World::with(|config| {
        (config.parallel, config.queue) = (1, 4);
        config.limits.heartbeat = Duration::from_millis(20);
    });
    let running = world.begin("/v1/completions", &long());
    first_event(&running);
    let mut asked = long();
    asked["max_tokens"] = 2.into();
    let mut waiting = world.begin("/v1/completions", &asked);
    let mut lines = BufReader::new(waiting.try_clone().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line == ": ping"));
    drop(running);
    assert!(lines.map_while(Result::ok).any(|line| line == "data: [DONE]"));
    waiting.shutdown(std::net::Shutdown::Both).unwrap();
    rest(&mut waiting);
}
