//! Names that hosts elsewhere answer for: every dialect into every dialect, and hosts that fail.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mlxk_chat::{Message, Request, ToolChoice, Tools};
use mlxk_providers::{Client, Factory, Limits, ProviderError};
use mlxk_server::BackendConfig;
use mlxk_test_peers::{Part, Peer, events, head, openai};
use serde_json::{Value, json};

use crate::calls;
use crate::world::World;

const DIALECTS: [&str; 4] = ["openai", "responses", "anthropic", "ollama"];
const WITHIN: Duration = Duration::from_mins(2);

fn client(dialect: &str, world: &World, model: &str) -> Client {
    let config = format!("{dialect}://{}/{model}", world.address);
    Factory::new(|_| None).from_config(&config).unwrap()
}

/// Returns a server whose names lead to these hosts.
fn router(backends: &[(&str, Vec<String>)]) -> World {
    let backends = backends
        .iter()
        .map(|(name, hosts)| BackendConfig { name: (*name).to_owned(), hosts: hosts.clone() })
        .collect();
    World::with(|config| config.backends = backends)
}

fn question(model: &str) -> Request {
    let mut request = Request::chat(model, vec![Message::new("user", "Hello")]);
    request.sampling.temperature = Some(0.0);
    request.max_tokens = Some(10);
    request
}

#[test]
fn every_dialect_leads_into_every_dialect() {
    let host = World::new();
    let names: Vec<(String, String)> = DIALECTS
        .map(|dialect| (format!("by-{dialect}"), format!("{dialect}://{}/org/one", host.address)))
        .into();
    let backends: Vec<_> =
        names.iter().map(|(name, host)| (name.as_str(), vec![host.clone()])).collect();
    let router = router(&backends);
    let limits = Limits::within(WITHIN);
    let direct = client("openai", &host, "org/one");
    let direct = direct.provider.text(&question("org/one"), &limits).unwrap();
    for from in DIALECTS {
        for (name, _) in &names {
            let client = client(from, &router, name);
            let mut pieces = 0;
            let answer = client.provider.answer(&question(name), &limits, &mut |_| {
                pieces += 1;
                ControlFlow::Continue(())
            });
            let answer = answer.unwrap_or_else(|error| panic!("{from} to {name}: {error}"));
            assert_eq!(answer.text, direct, "{from} to {name}");
            assert_eq!(answer.usage.completion_tokens, Some(10), "{from} to {name}");
            assert!(pieces > 2, "{from} to {name}: it streams");
        }
    }
    let listed = router.get("/v1/models").json();
    let ids: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert!(ids.contains(&json!("by-openai")) && ids.contains(&json!("org/one")), "{ids:?}");
    let metrics = router.get("/metrics").text;
    let line = format!(
        "mlxk_backend_answers_total{{model=\"by-ollama\",host=\"ollama://{}/org/one\"}} 4",
        host.address
    );
    assert!(metrics.contains(&line), "{metrics}");
    // The list names a host in the same words.
    let list = router.get("/backends").json();
    let listed: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|it| &it["hosts"][0]["host"]).collect();
    assert!(listed.contains(&&json!(format!("ollama://{}/org/one", host.address))), "{list}");
}

#[test]
fn texts_and_vectors_are_passed_on_too() {
    let host = World::new();
    let of = |dialect: &str| vec![format!("{dialect}://{}/org/one", host.address)];
    let router =
        router(&[("big", of("openai")), ("old", of("ollama")), ("claude", of("anthropic"))]);
    let greedy = |name: &str, more: Value| {
        let mut body = json!({"model": name, "prompt": "Once", "temperature": 0, "max_tokens": 8});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let text = |answer: Value| answer["choices"][0]["text"].clone();
    let direct = text(host.post("/v1/completions", &greedy("org/one", json!({}))).json());
    for name in ["big", "old"] {
        let answer = router.post("/v1/completions", &greedy(name, json!({"echo": true}))).json();
        assert_eq!(text(answer), format!("Once{}", direct.as_str().unwrap()), "{name}");
        let body = greedy(name, json!({"prompt": ["Once", "Twice"], "n": 2}));
        let answer = router.post("/v1/completions", &body).json();
        let found: Vec<&Value> =
            answer["choices"].as_array().unwrap().iter().map(|it| &it["text"]).collect();
        assert_eq!((found.len(), found[0], found[1]), (4, &direct, &direct), "{name}");
        let raw = json!({"model": name, "prompt": "Once", "raw": true, "stream": false,
            "options": {"temperature": 0, "num_predict": 8}});
        let answer = router.post("/api/generate", &raw).json();
        assert_eq!(answer["response"], direct, "{name}");
        let chat = json!({"model": name, "prompt": "Hello", "stream": false,
            "options": {"temperature": 0, "num_predict": 8}});
        let answer = router.post("/api/generate", &chat).json();
        assert_eq!(answer["eval_count"], 8, "{name}: {answer}");
        let loads = router.post("/api/generate", &json!({"model": name})).json();
        assert_eq!(loads["done_reason"], "load", "{name}");
        let vectors = |from: &World, name: &str| {
            let body = json!({"model": name, "input": ["one", "two words"]});
            let found = from.post("/v1/embeddings", &body).json();
            assert!(found["usage"]["prompt_tokens"].as_u64().unwrap() > 2, "{found}");
            let first = found["data"][0]["embedding"].as_array().unwrap().clone();
            let length: f64 = first.iter().map(|it| it.as_f64().unwrap().powi(2)).sum();
            (found["data"].as_array().unwrap().len(), first[0].as_f64().unwrap() / length.sqrt())
        };
        let (found, expected) = (vectors(&router, name), vectors(&host, "org/one"));
        assert!(found.0 == 2 && (found.1 - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
        let body = json!({"model": name, "input": "one"});
        let found = router.post("/api/embed", &body).json();
        let length: f64 = found["embeddings"][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_f64().unwrap().powi(2))
            .sum();
        assert!((length - 1.0).abs() < 1e-5, "{name}: {length}");
    }
    for (path, body, field) in [
        ("/v1/completions", greedy("big", json!({"suffix": "x"})), "suffix"),
        ("/v1/completions", greedy("big", json!({"prompt": [1, 2], "echo": true})), "echo"),
        ("/v1/embeddings", json!({"model": "big", "input": "a", "dimensions": 8}), "dimensions"),
        ("/v1/embeddings", json!({"model": "big", "input": [1, 2]}), "input"),
    ] {
        let answer = router.post(path, &body);
        assert_eq!((answer.status, answer.error().1), (400, json!(field)), "{path}");
    }
    for body in [greedy("claude", json!({})), json!({"model": "claude", "input": "a"})] {
        let path = if body.get("input").is_some() { "/v1/embeddings" } else { "/v1/completions" };
        let answer = router.post(path, &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().0.contains("Anthropic"), "{answer:?}");
    }
    let tags = router.get("/api/tags").json();
    let names: Vec<&Value> =
        tags["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert!(names.contains(&&json!("old:latest")), "{names:?}");
    assert_eq!(router.post("/api/show", &json!({"model": "old"})).status, 200);
}

#[test]
fn names_of_a_request_are_passed_on() {
    let peer = good();
    let router = router(&[("big", vec![host(&peer)])]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa11c902c7-01";
    let body = json!({"model": "big", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("x-request-id", "mine-1"),
        ("traceparent", parent),
        ("tracestate", "a=1"),
    ];
    let answer = router.send("POST", "/v1/chat/completions", &headers, &body);
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("mine-1")));
    let answer = router.send("POST", "/v1/chat/completions", &headers[..1], &body);
    let asked = peer.asked();
    let has = |index: usize, line: String| asked[index].head.contains(&line);
    assert!(has(0, "x-request-id: mine-1".into()), "{asked:?}");
    assert!(has(0, format!("traceparent: {parent}")) && has(0, "tracestate: a=1".into()));
    let own = answer.header("x-request-id").unwrap();
    assert!(has(1, format!("x-request-id: {own}")), "{asked:?}");
    assert!(!asked[1].head.iter().any(|line| line.starts_with("trace")));
}

#[test]
fn a_draining_host_gets_no_new_requests() {
    let (one, two) = (good(), good());
    let router = router(&[("big", vec![host(&one) + "?drain", host(&two)])]);
    let ask = |number: usize| {
        let messages = json!([{"role": "user", "content": format!("Question {number}")}]);
        router.chat(json!({"model": "big", "messages": messages})).status
    };
    assert!((0..12).all(|number| ask(number) == 200));
    assert_eq!((one.asked().len(), two.asked().len()), (0, 12));
    let place = one.address().replace("http://", "");
    let change =
        |host: &str, drain: bool| router.post("/backends", &json!({"host": host, "drain": drain}));
    let state = |list: &Value, host: usize| list["data"][0]["hosts"][host]["state"].clone();
    assert_eq!(state(&router.get("/backends").json(), 0), "draining");
    let list = change(&place, false).json();
    assert_eq!((state(&list, 0), state(&list, 1)), (json!("unknown"), json!("ok")));
    let healthy = |host: &str| format!("mlxk_backend_healthy{{model=\"big\",host=\"{host}\"}} 1");
    let metrics = router.get("/metrics").text;
    assert!(!metrics.contains(&healthy(&host(&one))) && metrics.contains(&healthy(&host(&two))));
    assert_eq!(list["data"][0]["hosts"][0]["host"], host(&one));
    assert!((0..24).all(|number| ask(number) == 200));
    assert!(!one.asked().is_empty(), "it is back");
    for address in [host(&one), host(&two)] {
        assert_eq!(change(&address, true).status, 200);
    }
    let answer = router.chat(json!({"model": "big"}));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    assert!(answer.text.contains("2 hosts are draining"), "{}", answer.text);
    assert_eq!(change("nowhere:1", true).status, 404);
    assert_eq!(router.post("/backends", &json!({"host": place})).error().1, json!("drain"));
}

#[test]
fn a_full_host_makes_requests_wait_in_order() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peer = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        Peer::start(move |_| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
            running.fetch_sub(1, Ordering::SeqCst);
            events(&[&openai::said("Good"), &openai::end(), "[DONE]"])
        })
    };
    let backends =
        vec![BackendConfig { name: "big".into(), hosts: vec![host(&peer) + "?limit=2"] }];
    let router = World::with(|config| {
        config.backends = backends;
        config.queue = 4;
    });
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || router.chat(json!({"model": "big"})).status;
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        router.until("four wait", |router| {
            let waiting = &router.get("/backends").json()["data"][0]["waiting"];
            let is_done = peer.asked().len() > 2;
            is_done || waiting == 4
        });
        asked.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 6]);
    assert!(most.load(Ordering::SeqCst) <= 2, "a place is never taken twice");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || router.chat(json!({"model": "big"})).status;
        let asked: Vec<_> = (0..30).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    assert!(router.get("/metrics").text.contains("mlxk_backend_requests_waiting{model=\"big\"} 0"));
}

#[test]
fn calls_pass_through_in_both_directions() {
    let host = calls::world();
    let names: Vec<(String, String)> = DIALECTS[..3]
        .iter()
        .map(|dialect| (format!("by-{dialect}"), format!("{dialect}://{}/org/tools", host.address)))
        .collect();
    let backends: Vec<_> =
        names.iter().map(|(name, host)| (name.as_str(), vec![host.clone()])).collect();
    let router = router(&backends);
    for from in &DIALECTS[..3] {
        for (name, _) in &names {
            let client = client(from, &router, name);
            let mut request = question(name);
            request.max_tokens = Some(120);
            request.tools = Some(Tools {
                list: json!([calls::function("paint")]),
                choice: ToolChoice::Required,
                parallel: false,
            });
            let limits = Limits::within(WITHIN);
            let answer =
                client.provider.answer(&request, &limits, &mut |_| ControlFlow::Continue(()));
            let answer = answer.unwrap_or_else(|error| panic!("{from} to {name}: {error}"));
            let [call] = &answer.calls[..] else { panic!("{from} to {name}: {answer:?}") };
            calls::check(&serde_json::from_str(&call.arguments).unwrap());
            let mut next = question(name);
            next.tools.clone_from(&request.tools);
            next.tools.as_mut().unwrap().choice = ToolChoice::None;
            next.prompt = mlxk_chat::PromptInput::Messages {
                system: None,
                messages: vec![
                    Message::new("user", "Hi"),
                    answer.message(),
                    Message::result(call, "done"),
                ],
            };
            let second = client.provider.text(&next, &limits);
            second.unwrap_or_else(|error| panic!("{from} to {name}: {error}"));
        }
    }
}

/// Returns the address of a scripted server as a host.
fn host(peer: &Peer) -> String {
    format!("{}/m", peer.address().replace("http", "openai"))
}

fn good() -> Peer {
    Peer::start(|_| events(&[&openai::said("Good"), &openai::usage(), &openai::end(), "[DONE]"]))
}

#[test]
fn only_the_answers_of_a_host_that_dies_are_lost() {
    let slow = Peer::start(|_| {
        let mut parts =
            vec![head(200, "text/event-stream"), Part::Pause(Duration::from_millis(300))];
        parts.extend(
            [openai::said("Good"), openai::end(), "[DONE]".to_owned()]
                .map(|event| Part::Send(format!("data: {event}\n\n"))),
        );
        parts
    });
    // Every answer of this one breaks off after its first word.
    let dying = Peer::start(|_| events(&[&openai::said("Good")]));
    let fast: Vec<Peer> = (0..6).map(|_| good()).collect();
    let all: Vec<&Peer> = fast.iter().chain([&slow, &dying]).collect();
    let router = router(&[("big", all.iter().map(|peer| host(peer)).collect())]);
    let (done, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let client = client("openai", &router, "big");
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= 1000 {
                        return;
                    }
                    let mut request = question("big");
                    request.prompt = mlxk_chat::PromptInput::Messages {
                        system: None,
                        messages: vec![Message::new("user", format!("Question {number}"))],
                    };
                    let limits = Limits { retries: 0, ..Limits::within(WITHIN) };
                    match client.provider.text(&request, &limits) {
                        Ok(text) => {
                            assert_eq!(text, "Good");
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(ProviderError::Failed { message, .. }) => {
                            assert!(message.contains("`big`"), "{message}");
                            lost.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let (done, lost) = (done.into_inner(), lost.into_inner());
    assert_eq!(done + lost, 1000);
    assert_eq!(lost, dying.asked().len(), "the others finish");
    assert!(lost < 100, "{lost} were sent to a host that fails");
    let share = slow.asked().len();
    assert!(share < 125, "the slow one got {share} of 1000, which is more than its share");
}

#[test]
fn who_cannot_be_reached_is_replaced_before_the_first_word() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("openai://{}/m", listener.local_addr().unwrap())
    };
    let (one, refusing) = (good(), Peer::start(|_| openai::refused(503, "loading")));
    let router =
        router(&[("big", vec![gone.clone(), host(&one), host(&refusing)]), ("lost", vec![gone])]);
    for from in DIALECTS {
        for number in 0..5 {
            let request = Request::chat("big", vec![Message::new("user", format!("{number}"))]);
            let limits = Limits { retries: 0, ..Limits::within(WITHIN) };
            let text = client(from, &router, "big").provider.text(&request, &limits);
            assert_eq!(text.unwrap_or_else(|error| panic!("{from}: {error}")), "Good");
            let error = client(from, &router, "lost").provider.text(&question("lost"), &limits);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("`lost`") && !error.contains("openai://"), "{error}");
        }
    }
    // A stream that cannot begin has a status, too.
    let messages = json!([{"role": "user", "content": "Hi"}]);
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "lost", "messages": messages})),
        ("/v1/completions", json!({"model": "lost", "prompt": "Hi"})),
        ("/v1/responses", json!({"model": "lost", "input": "Hi"})),
        ("/v1/messages", json!({"model": "lost", "messages": messages, "max_tokens": 9})),
        ("/api/chat", json!({"model": "lost", "messages": messages})),
        ("/api/generate", json!({"model": "lost", "prompt": "Hi"})),
    ] {
        for stream in [false, true] {
            let mut body = body.clone();
            body["stream"] = stream.into();
            let answer = router.post(path, &body);
            assert!([502, 503].contains(&answer.status), "{path}, stream: {stream}: {answer:?}");
        }
    }
    let listed = router.get("/backends").json();
    let state = |model: usize| listed["data"][model]["hosts"][0]["state"].clone();
    assert!([state(0), state(1)].contains(&json!("resting")), "{listed}");
    let answer = router.chat(json!({"model": "big", "logprobs": true}));
    assert_eq!((answer.status, answer.error().1), (400, json!("logprobs")));
}

#[test]
fn a_conversation_stays_with_its_host() {
    let hosts: Vec<Peer> = (0..4).map(|_| good()).collect();
    let router = router(&[("big", hosts.iter().map(host).collect())]);
    let client = client("openai", &router, "big");
    let mut used: HashMap<usize, usize> = HashMap::new();
    for number in 0..24 {
        let before: Vec<usize> = hosts.iter().map(|host| host.asked().len()).collect();
        let mut messages = vec![Message::new("user", format!("Conversation {number}"))];
        for _ in 0..4 {
            let request = Request::chat("big", messages.clone());
            let answer = client.provider.text(&request, &Limits::within(WITHIN)).unwrap();
            messages.extend([Message::new("assistant", answer), Message::new("user", "And?")]);
        }
        let asked: Vec<usize> =
            hosts.iter().zip(before).map(|(host, before)| host.asked().len() - before).collect();
        let own = asked.iter().position(|count| *count == 4);
        *used.entry(own.unwrap_or_else(|| panic!("{asked:?}"))).or_default() += 1;
    }
    assert!(used.len() >= 3, "conversations spread over the hosts: {used:?}");
}

#[test]
fn a_client_that_leaves_ends_the_request_to_the_host() {
    let hanging = Arc::new(Peer::start(|_| {
        let mut parts = events(&[&openai::said("Good")]);
        parts.push(Part::Hang);
        parts
    }));
    let router = router(&[("big", vec![host(&hanging)])]);
    let client = client("openai", &router, "big");
    let limits = Limits::within(WITHIN);
    let error = client.provider.answer(&question("big"), &limits, &mut |_| ControlFlow::Break(()));
    assert!(matches!(error, Err(ProviderError::Cancelled)), "{error:?}");
    router.until("the place on the host is free", |router| {
        router
            .get("/metrics")
            .text
            .lines()
            .any(|line| line.starts_with("mlxk_backend_requests_running{") && line.ends_with(" 0"))
    });
}
