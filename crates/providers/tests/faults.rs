//! Faults of servers in every dialect: killed, busy, silent, and out of order.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mlxk_chat::{Event, Message, Request, Sampling, ThinkingMode};
use mlxk_providers::{
    Answer, Client, Config, Dialect, Factory, Key, Limits, ProviderError, Result,
};
use mlxk_test_peers::{Asked, Part, Peer, events, head, json, lines, ollama, openai};
use serde_json::{Value, json as value};

const DIALECTS: [&str; 4] = ["openai", "responses", "anthropic", "ollama"];
const WITHIN: Duration = Duration::from_secs(20);

fn client(dialect: &str, peer: &Peer) -> Client {
    let config = format!("{}/m", peer.address().replace("http", dialect));
    Factory::new(|_| None).from_config(&config).unwrap()
}

fn ask(client: &Client, limits: &Limits) -> Result<Answer> {
    let request = Request::chat(&client.model, vec![Message::new("user", "Hi")]);
    client.provider.answer(&request, limits, &mut |_| ControlFlow::Continue(()))
}

/// Returns the beginning of an answer in a dialect, with the text `Good`.
fn begun(dialect: &str) -> Vec<Part> {
    match dialect {
        "openai" => events(&[&openai::begin(), &openai::said("Good")]),
        "responses" => events(&[
            r#"{"type":"response.created","response":{}}"#,
            r#"{"type":"response.output_text.delta","item_id":"a","delta":"Good"}"#,
        ]),
        "anthropic" => events(&[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good"}}"#,
        ]),
        _ => lines(&[&ollama::said("Good")]),
    }
}

/// Returns a complete answer in a dialect.
fn complete(dialect: &str) -> Vec<Part> {
    let mut parts = begun(dialect);
    let send = |event: &str| Part::Send(format!("data: {event}\n\n"));
    match dialect {
        "openai" => parts.extend([send(&openai::end()), send("[DONE]")]),
        "responses" => parts.push(send(
            r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":9,"output_tokens":2}}}"#,
        )),
        "anthropic" => parts.extend([
            send(r#"{"type":"content_block_stop","index":0}"#),
            send(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#),
            send(r#"{"type":"message_stop"}"#),
        ]),
        _ => parts.push(Part::Send(ollama::end("/api/chat") + "\n")),
    }
    parts
}

#[test]
fn a_server_that_is_killed_in_an_answer_is_not_asked_again() {
    for dialect in DIALECTS {
        let peer = Peer::start(move |_| begun(dialect));
        let error = ask(&client(dialect, &peer), &Limits::within(WITHIN)).unwrap_err();
        assert!(matches!(error, ProviderError::BrokeOff { .. }), "{dialect}: {error:?}");
        assert!(error.is_passing() && error.to_string().contains(&peer.address()));
        assert_eq!(peer.asked().len(), 1, "{dialect}: text had arrived already");
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_so() {
    for dialect in DIALECTS {
        let tries = Arc::new(AtomicUsize::new(0));
        let peer = Peer::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 => vec![Part::Send(
                "HTTP/1.1 429 Too Many\r\nretry-after: 1\r\nconnection: close\r\n\r\n".into(),
            )],
            // A connection that breaks before the answer.
            1 => Vec::new(),
            _ => complete(dialect),
        });
        let client = client(dialect, &peer);
        let started = Instant::now();
        let answer = ask(&client, &Limits::within(WITHIN)).unwrap();
        assert_eq!((answer.text.as_str(), peer.asked().len()), ("Good", 3), "{dialect}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{dialect}: it asked for a second");
    }
}

#[test]
fn a_pause_that_is_too_long_is_reported() {
    let refuse = "HTTP/1.1 429 Too Many\r\nretry-after: 3600\r\nconnection: close\r\n\r\n\
                  {\"error\":{\"message\":\"slow down\"}}";
    for dialect in DIALECTS {
        let peer = Peer::start(move |_| vec![Part::Send(refuse.into())]);
        let started = Instant::now();
        let error = ask(&client(dialect, &peer), &Limits::within(WITHIN)).unwrap_err();
        let ProviderError::RateLimited { wait, message, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*wait, message.as_str()), (Some(Duration::from_hours(1)), "slow down"));
        assert!(started.elapsed() < WITHIN, "it does not wait for nothing");
        assert_eq!(peer.asked().len(), 1);
    }
}

#[test]
fn a_stall_ends_with_the_deadline() {
    for dialect in DIALECTS {
        let peer = Peer::start(move |_| {
            let mut parts = begun(dialect);
            parts.push(Part::Hang);
            parts
        });
        let limits = Limits::within(Duration::from_millis(400));
        let error = ask(&client(dialect, &peer), &limits).unwrap_err();
        assert!(matches!(error, ProviderError::Deadline { .. }), "{dialect}: {error:?}");
        let limits = Limits { silence: Some(Duration::from_millis(300)), ..Limits::default() };
        let error = ask(&client(dialect, &peer), &limits).unwrap_err();
        assert!(matches!(error, ProviderError::Silent { .. }), "{dialect}: {error:?}");
    }
}

#[test]
fn refusals_have_their_kinds() {
    for dialect in DIALECTS {
        let told = |status, body: &'static str| {
            let peer = Peer::start(move |_| json(status, body));
            ask(&client(dialect, &peer), &Limits::once(WITHIN)).unwrap_err()
        };
        let error = told(
            400,
            r#"{"error":{"message":"too many tokens","code":"context_length_exceeded"}}"#,
        );
        assert!(matches!(error, ProviderError::TooLong { .. }), "{dialect}: {error:?}");
        let error =
            told(400, r#"{"error":{"message":"prompt is too long: 9 tokens > 4 maximum"}}"#);
        assert!(matches!(error, ProviderError::TooLong { .. }), "{dialect}: {error:?}");
        let error = told(401, r#"{"error":{"message":"no such key"}}"#);
        assert!(matches!(error, ProviderError::Refused { status: 401, .. }), "{error:?}");
        assert!(!error.is_passing());
        let error = told(404, r#"{"error":{"message":"model `m` not found"}}"#);
        assert!(matches!(error, ProviderError::ModelMissing { .. }), "{dialect}: {error:?}");
        let error = told(200, "<html>");
        let is_told =
            matches!(error, ProviderError::BadAnswer { .. } | ProviderError::BrokeOff { .. });
        assert!(is_told, "{dialect}: {error:?}");
    }
}

#[test]
fn errors_within_a_stream_are_the_servers() {
    for (dialect, event) in [
        ("anthropic", r#"{"type":"error","error":{"type":"overloaded_error","message":"full"}}"#),
        ("responses", r#"{"type":"response.failed","response":{"error":{"message":"full"}}}"#),
    ] {
        let peer = Peer::start(move |_| {
            let mut parts = begun(dialect);
            parts.push(Part::Send(format!("data: {event}\n\n")));
            parts
        });
        let error = ask(&client(dialect, &peer), &Limits::within(WITHIN)).unwrap_err();
        let ProviderError::Failed { message, .. } = &error else { panic!("{error:?}") };
        assert_eq!(message, "full");
    }
}

#[test]
fn calls_arrive_in_pieces_and_at_once() {
    let openai_calls = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ];
    let ollama_calls = [
        r#"{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{}}}]},"done":false}"#,
        &ollama::end("/api/chat"),
    ];
    let (openai_parts, ollama_parts) = (events(&openai_calls), lines(&ollama_calls));
    for (dialect, parts) in [("openai", openai_parts), ("ollama", ollama_parts)] {
        let peer = Peer::start(move |_| parts.clone());
        let answer = ask(&client(dialect, &peer), &Limits::within(WITHIN)).unwrap();
        let calls: Vec<_> =
            answer.calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!(calls, [("f", r#"{"x":1}"#), ("g", "{}")], "{dialect}");
        let message = answer.message();
        assert_eq!(message.fields["tool_calls"][1]["function"]["name"], "g");
    }
}

#[test]
fn keys_go_where_they_belong_and_nowhere_else() {
    let peer = Peer::start(|_| json(200, r#"{"data":[{"id":"m"}],"models":[{"name":"m"}]}"#));
    let sent = |peer: &Peer, name: &str| -> Option<String> {
        let asked: Vec<Asked> = peer.asked();
        let start = format!("{name}: ");
        asked.last()?.head.iter().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
    };
    let factory = Factory::new(|name| name.ends_with("API_KEY").then(|| "sk-variable".to_owned()));
    for dialect in DIALECTS {
        let mut config = Config::from_url(&peer.address().replace("http", dialect)).unwrap();
        assert_eq!(factory.client(&config).unwrap().model, "m");
        let nothing = (sent(&peer, "authorization"), sent(&peer, "x-api-key"));
        assert_eq!(nothing, (None, None), "{dialect}: the key is for the vendor's own service");
        config.api_key = Some(Key::from("sk-config"));
        factory.client(&config).unwrap();
        let header = if dialect == "anthropic" { "x-api-key" } else { "authorization" };
        assert!(sent(&peer, header).unwrap().ends_with("sk-config"), "{dialect}");
        config.api_key_env = Some("MY_API_KEY".to_owned());
        factory.client(&config).unwrap();
        assert!(sent(&peer, header).unwrap().ends_with("sk-variable"), "{dialect}");
        config.api_key_env = Some("UNSET".to_owned());
        let error = factory.client(&config).unwrap_err();
        assert!(matches!(error, ProviderError::Config(_)), "{error}");
    }
    let mut config = Config::new(Dialect::Mlxk, None);
    config.base_url = Some(peer.address());
    factory.client(&config).unwrap();
    assert_eq!(sent(&peer, "authorization").unwrap(), "Bearer sk-variable");
}

#[test]
fn what_a_dialect_cannot_say_is_an_error_and_not_left_out() {
    for (dialect, change) in [
        ("anthropic", Sampling { seed: Some(1), ..Sampling::default() }),
        ("responses", Sampling { top_k: Some(1), ..Sampling::default() }),
        ("ollama", Sampling { logit_bias: vec![(1, 1.0)], ..Sampling::default() }),
        ("openai", Sampling { repeat_last_n: Some(4), ..Sampling::default() }),
    ] {
        let peer = Peer::start(move |_| complete(dialect));
        let client = client(dialect, &peer);
        let mut request = Request::chat("m", vec![Message::new("user", "Hi")]);
        request.sampling = change;
        let error = client.provider.text(&request, &Limits::within(WITHIN)).unwrap_err();
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{dialect}: {error:?}");
        assert!(peer.asked().is_empty(), "{dialect}: nothing was sent");
    }
}

#[test]
fn bodies_say_what_the_request_says() {
    let image = value!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let text = value!({"type": "text", "text": "What is it?"});
    let message: Message =
        serde_json::from_value(value!({"role": "user", "content": [text, image]})).unwrap();
    let mut request = Request::chat("m", vec![Message::new("system", "Be brief"), message]);
    request.max_tokens = Some(9000);
    request.sampling.temperature = Some(0.7);
    request.thinking = Some(ThinkingMode::On);
    let body = |dialect: &'static str| -> Value {
        let peer = Peer::start(move |_| complete(dialect));
        let limits = Limits::within(WITHIN);
        client(dialect, &peer).provider.text(&request, &limits).unwrap();
        peer.asked()[0].body.clone()
    };
    let openai = body("openai");
    assert_eq!((&openai["max_tokens"], &openai["temperature"]), (&value!(9000), &value!(0.7)));
    assert_eq!(openai["messages"][1]["content"][1]["type"], "image_url");
    assert_eq!(openai["chat_template_kwargs"]["enable_thinking"], true);
    let responses = body("responses");
    assert_eq!(responses["max_output_tokens"], 9000);
    assert_eq!(responses["input"][1]["content"][1]["image_url"], "data:image/png;base64,AAAA");
    let anthropic = body("anthropic");
    assert_eq!(
        (&anthropic["system"], &anthropic["max_tokens"]),
        (&value!("Be brief"), &value!(9000))
    );
    assert_eq!(anthropic["thinking"]["type"], "enabled");
    assert_eq!(
        anthropic["messages"][0]["content"][1]["source"],
        value!({"type": "base64", "media_type": "image/png", "data": "AAAA"})
    );
    let ollama = body("ollama");
    assert_eq!(
        (&ollama["options"]["num_predict"], &ollama["think"]),
        (&value!(9000), &value!(true))
    );
    assert_eq!(ollama["messages"][1]["images"], value!(["AAAA"]));
    assert!(ollama.get("keep_alive").is_none(), "it is the server's to decide");
}

#[test]
fn an_event_that_stops_the_answer_stops_it() {
    for dialect in DIALECTS {
        let peer = Peer::start(move |_| {
            let mut parts = begun(dialect);
            parts.push(Part::Hang);
            parts
        });
        let client = client(dialect, &peer);
        let request = Request::chat("m", vec![Message::new("user", "Hi")]);
        let stop = &mut |_: &Event| ControlFlow::Break(());
        let error = client.provider.answer(&request, &Limits::within(WITHIN), stop).unwrap_err();
        assert!(matches!(error, ProviderError::Cancelled), "{dialect}: {error:?}");
    }
}

#[test]
fn a_stream_that_never_begins_is_left_at_the_deadline_in_all() {
    let peer = Peer::start(|_| vec![head(200, "text/event-stream"), Part::Hang]);
    let started = Instant::now();
    let limits = Limits::within(Duration::from_millis(500));
    let error = ask(&client("openai", &peer), &limits).unwrap_err();
    assert!(matches!(error, ProviderError::Deadline { events: 0, .. }), "{error:?}");
    assert!(started.elapsed() < WITHIN);
}
