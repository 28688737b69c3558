//! Tests the clients against servers on real sockets: the dialects, and their faults.

use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_chat::{Event, Message, PromptInput, Request};
use mlxk_providers::{
    Answer, Cancel, Connections, Endpoint, Key, Limits, Native, Ollama, OpenAi, Provider,
    ProviderError, PullStep, Result,
};
use mlxk_test_peers::{
    Part, Peer, events, head, json, lines, ollama as peer_ollama, openai as peer_openai,
};
use serde_json::{Map, json as value};

const WITHIN: Duration = Duration::from_secs(20);

fn request(prompt: PromptInput) -> Request {
    let mut request = Request::new("m", prompt);
    request.extra.insert("top_k".to_owned(), value!(1));
    request.max_tokens = Some(8);
    request.sampling.temperature = Some(0.0);
    request.sampling.seed = Some(7);
    request
}

fn chat() -> Request {
    let messages = vec![Message::new("user", "Hi")];
    request(PromptInput::Messages { system: None, messages })
}

fn openai(address: &str) -> OpenAi {
    OpenAi { endpoint: Endpoint::new(&Connections::default(), address) }
}

fn ollama(address: &str) -> Ollama {
    Ollama::new(Endpoint::new(&Connections::default(), address))
}

fn ask_openai(peer: &Peer, request: &Request, within: Duration) -> Result<Answer> {
    openai(&peer.address())
        .answer(request, &Limits::once(within), &mut |_| ControlFlow::Continue(()))
}

fn ask_ollama(peer: &Peer, request: &Request, within: Duration) -> Result<Answer> {
    ollama(&peer.address())
        .answer(request, &Limits::once(within), &mut |_| ControlFlow::Continue(()))
}

#[test]
fn openai_streams_text_counts_and_times() {
    let peer = Peer::start(|_| {
        let mut parts = events(&[
            &peer_openai::begin(),
            &peer_openai::thought("Hm."),
            &peer_openai::said("Good "),
        ]);
        parts.push(Part::Send(": ping\n\nevent: message\ndata: {\"choices\":[{\"delta\"".into()));
        // An event is complete only with its last byte, wherever the packets end.
        parts.push(Part::Pause(Duration::from_millis(60)));
        parts.push(Part::Send(":{\"content\":\"day ☀\"}}]}\r\n\r\n".into()));
        let rest = [peer_openai::end(), peer_openai::usage(), "[DONE]".to_owned()];
        parts.extend(rest.map(|event| Part::Send(format!("data: {event}\n\n"))));
        parts
    });
    let mut heard = Vec::new();
    let client = openai(&peer.address());
    let answer = client
        .answer(&chat(), &Limits::once(WITHIN), &mut |event| {
            heard.push(format!("{event:?}"));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Good day ☀", "Hm."));
    assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
    assert_eq!(answer.usage.prompt_tokens, Some(10));
    assert_eq!((answer.usage.cached_tokens, answer.usage.completion_tokens), (Some(4), Some(5)));
    let native = Native { load_seconds: None, prefill_seconds: 0.03, decode_seconds: 0.2 };
    assert_eq!(answer.native, Some(native));
    assert_eq!(answer.heard.arrivals.len(), 3, "events without text are no arrivals");
    let gap = answer.heard.arrivals[2].saturating_sub(answer.heard.arrivals[1]);
    assert!(gap >= Duration::from_millis(55), "{gap:?}");
    assert!(answer.heard.total >= answer.heard.arrivals[2]);
    assert_eq!(heard[0], "Reasoning(\"Hm.\")");
    let sent = &peer.asked()[0];
    assert_eq!(sent.path, "/v1/chat/completions");
    assert_eq!(
        sent.body,
        value!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8,
            "temperature": 0.0, "seed": 7, "stream": true,
            "stream_options": {"include_usage": true}, "top_k": 1})
    );
}

#[test]
fn a_text_is_continued_and_the_mark_for_the_end_may_be_missing() {
    let peer = Peer::start(|_| {
        events(&[
            &peer_openai::continued("1, 2", None),
            &peer_openai::continued("", Some("length")),
        ])
    });
    let answer = ask_openai(&peer, &request(PromptInput::Text("0, ".into())), WITHIN).unwrap();
    assert_eq!(answer.text, "1, 2");
    assert_eq!(answer.usage.completion_tokens, None);
    let sent = &peer.asked()[0];
    assert_eq!((sent.path.as_str(), &sent.body["prompt"]), ("/v1/completions", &value!("0, ")));
}

#[test]
fn a_key_is_carried() {
    let peer = Peer::start(|_| json(200, r#"{"data":[{"id":"a"},{"id":"b"}]}"#));
    let mut client = openai(&format!("{}/", peer.address()));
    client.endpoint.key = Some(Key::from("secret"));
    assert_eq!(client.models().unwrap(), ["a", "b"]);
    let head = &peer.asked()[0].head;
    assert!(head.iter().any(|line| line == "authorization: Bearer secret"), "{head:?}");
}

#[test]
fn ollama_streams_lines_in_both_shapes() {
    let peer = peer_ollama::server(|_| {
        lines(&[
            &peer_ollama::thought("Hm."),
            &peer_ollama::said("Yes"),
            &peer_ollama::end("/api/chat"),
        ])
    });
    let answer = ask_ollama(&peer, &chat(), WITHIN).unwrap();
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes", "Hm."));
    assert_eq!(answer.usage.completion_tokens, Some(4));
    let native = answer.native.unwrap();
    assert_eq!((native.load_seconds, native.decode_seconds), (Some(1.5), 0.2));
    let answer = ask_ollama(&peer, &request(PromptInput::Text("1, ".into())), WITHIN).unwrap();
    assert_eq!((answer.text.as_str(), answer.heard.arrivals.len()), ("2, 3", 1));
    let asked = peer.asked();
    assert_eq!(asked[0].body["options"]["num_predict"], 8);
    assert_eq!(asked[0].body["options"]["top_k"], 1);
    assert_eq!((&asked[1].body["raw"], &asked[1].body["prompt"]), (&value!(true), &value!("1, ")));
}

#[test]
fn ollamas_models_are_found_shown_pulled_loaded_and_let_go() {
    let peer = peer_ollama::server(|_| Vec::new());
    let client = ollama(&peer.address());
    assert_eq!(client.version().unwrap(), "0.32.0");
    assert_eq!(client.find("Tiny").unwrap().unwrap().size_bytes, 80_000);
    assert_eq!(client.find("tiny:1b").unwrap(), None);
    let details = client.show("m").unwrap();
    assert_eq!(
        (details.quantization.as_deref(), details.parameters),
        (Some("Q4_0"), Some(142_000))
    );
    let mut steps = Vec::new();
    let mut on_step = |step: &PullStep| {
        steps.push((step.completed, step.total));
        ControlFlow::Continue(())
    };
    client.pull("m", WITHIN, &mut on_step).unwrap();
    assert_eq!(steps, [(0, 0), (40, 100)]);
    client.load("m", &Map::from_iter([("num_ctx".to_owned(), value!(512))]), WITHIN).unwrap();
    assert_eq!(client.ps().unwrap()[0].context, Some(4096));
    client.unload("m").unwrap();
    let bodies: Vec<_> = peer.asked().into_iter().map(|asked| asked.body).collect();
    let [.., load, _, unload] = &bodies[..] else { panic!("{bodies:?}") };
    assert_eq!((&load["options"]["num_ctx"], &load["keep_alive"]), (&value!(512), &value!(-1)));
    assert_eq!(unload["keep_alive"], 0);
}

/// Checks that an error is one sentence that names the server and contains `part`.
fn told(error: &ProviderError, address: &str, part: &str) {
    let text = error.to_string();
    assert!(text.contains(part), "`{part}` is not in `{text}`");
    assert!(text.contains(address), "`{address}` is not in `{text}`");
    assert!(!text.contains('\n') && !text.ends_with('.'), "one sentence: `{text}`");
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = ollama(&address).version().unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable { .. }), "{error:?}");
    told(&error, &address, "No server at");
    assert!(!openai(&address).is_ready().unwrap());
}

/// A faulty answer, made from a good part.
type Fault = fn(&str) -> Vec<Part>;

#[test]
fn every_fault_is_one_sentence() {
    let faults: [(Fault, &str); 8] = [
        (
            |_| peer_openai::refused(404, "model 'm' not found, try pulling it first"),
            "does not have the model `m`: model 'm' not found",
        ),
        (|_| json(404, "404 page not found"), "status 404: 404 page not found"),
        (|_| json(400, r#"{"error":"no such option."}"#), "status 400: no such option"),
        (|_| json(500, ""), "status 500: no reason given"),
        (|begin| events(&[begin]), "in the middle of its answer (events received: 1)"),
        (|begin| events(&[begin, "{\"choices\": ["]), ": `{\"choices\": [`"),
        (|begin| events(&[begin, r#"{"error":{"message":"out of memory"}}"#]), "out of memory"),
        (
            |_| {
                vec![Part::Send(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:".into(),
                )]
            },
            "in the middle of its answer (events received: 0)",
        ),
    ];
    for (fault, part) in faults {
        let peer = Peer::start(move |_| fault(&peer_openai::said("Good")));
        told(&ask_openai(&peer, &chat(), WITHIN).unwrap_err(), &peer.address(), part);
    }
    let faults: [(Fault, &str); 5] = [
        (|_| peer_ollama::refused(404, "model 'm' not found"), "does not have the model `m`"),
        (|line| lines(&[line]), "in the middle of its answer (events received: 1)"),
        (|line| lines(&[line, r#"{"error":"runner died"}"#]), "runner died"),
        (|line| lines(&[line, r#"{"greeting":"hello"}"#]), ": `{\"greeting\""),
        (|_| lines(&["<html>"]), ": `<html>`"),
    ];
    for (fault, part) in faults {
        let peer = Peer::start(move |_| fault(&peer_ollama::said("Good")));
        told(&ask_ollama(&peer, &chat(), WITHIN).unwrap_err(), &peer.address(), part);
    }
}

#[test]
fn who_hangs_is_left() {
    let peer = Peer::start(|asked| match asked.path.as_str() {
        "/api/pull" => {
            let status = r#"{"status":"pulling ab","total":100,"completed":40}"#;
            let mut parts = lines(&[status]);
            for _ in 0..100 {
                parts.push(Part::Pause(Duration::from_millis(20)));
                parts.push(Part::Send(format!("{status}\n")));
            }
            parts
        }
        _ => {
            vec![
                head(200, "text/event-stream"),
                Part::Send("data: {\"choices\":[{\"text\":\"a\"}]}\n\n".into()),
                Part::Hang,
            ]
        }
    });
    let short = Duration::from_millis(300);
    let error = ask_openai(&peer, &chat(), short).unwrap_err();
    assert!(matches!(error, ProviderError::Deadline { events: 1, .. }), "{error:?}");
    told(&error, &peer.address(), "events received: 1");
    // Repeated lines are not progress.
    let client = ollama(&peer.address());
    let error = client.pull("m", short, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, ProviderError::Silent { .. }), "{error:?}");
}

#[test]
fn a_request_ends_when_its_caller_wants_it_to() {
    let peer = Peer::start(|_| vec![head(200, "text/event-stream"), Part::Hang]);
    let connections = Connections::default();
    let client = OpenAi { endpoint: Endpoint::new(&connections, &peer.address()) };
    let cancel = Cancel::default();
    let ends: [&(dyn Fn() + Sync); 2] = [&|| cancel.cancel(), &|| connections.cancel()];
    for (end, limits) in
        ends.into_iter().zip([Limits::within(WITHIN).cancelled_by(&cancel), Limits::within(WITHIN)])
    {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                end();
            });
            let error = client.answer(&chat(), &limits, &mut |_| ControlFlow::Continue(()));
            assert!(matches!(error, Err(ProviderError::Cancelled)), "{error:?}");
        });
    }
    let peer = Peer::start(|_| events(&[&peer_openai::said("Good"), "[DONE]"]));
    let stop = &mut |_: &Event| ControlFlow::Break(());
    let error = openai(&peer.address()).answer(&chat(), &Limits::within(WITHIN), stop);
    assert!(matches!(error, Err(ProviderError::Cancelled)), "{error:?}");
}
