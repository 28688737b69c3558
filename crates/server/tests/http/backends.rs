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
use serde_json::json;

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
        "mlxk_backend_answers_total{{model=\"by-ollama\",backend=\"ollama at http://{}\"}} 4",
        host.address
    );
    assert!(metrics.contains(&line), "{metrics}");
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
    let answer = router.chat(json!({"model": "lost"}));
    assert!([502, 503].contains(&answer.status), "{answer:?}");
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
