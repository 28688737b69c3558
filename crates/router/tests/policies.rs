//! Policies with given figures, and the router with scripted servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_chat::{Message, Request};
use mlxk_providers::{Factory, Limits, Provider, ProviderError};
use mlxk_router::{
    Backend, Candidate, Chooser, Measure, Measured, Place, Policy, Router, Sample, Series, Table,
};
use mlxk_test_peers::{Part, Peer, events, openai};

fn series(token_seconds: f64) -> Series {
    let mut series = Series::default();
    for number in 0..5 {
        let answer = Some(token_seconds * (1.0 + f64::from(number) / 100.0));
        series.add(Sample { prompt: None, answer });
    }
    series
}

/// Returns the chosen name and the last reason.
fn choose(
    policy: &str,
    candidates: &[(Candidate, Option<Series>, bool)],
) -> Option<(String, String)> {
    let measured: Vec<_> = candidates
        .iter()
        .map(|(candidate, series, is_healthy)| Measured {
            candidate,
            series: series.as_ref(),
            is_healthy: *is_healthy,
        })
        .collect();
    let choice = Chooser::new(policy.parse().unwrap()).choose(&measured)?;
    let name = candidates[choice.index].0.id.clone();
    assert_eq!(choice.reasons.len(), candidates.len() + 1);
    Some((name, choice.reasons.last().unwrap().clone()))
}

#[test]
fn every_policy_chooses_by_its_own_measure() {
    let here = Candidate { memory_bytes: Some(9), ..Candidate::new("mlxk", Place::Here, "1") };
    let near = Candidate {
        watts: Some(30.0),
        memory_bytes: Some(5),
        price: Some(1.0),
        ..Candidate::new("ollama", Place::Machine, "1")
    };
    let far = Candidate {
        watts: Some(300.0),
        price: Some(0.5),
        ..Candidate::new("http://box", Place::Elsewhere, "1")
    };
    let all = [
        (here, Some(series(0.05)), true),
        (near, Some(series(0.04)), true),
        (far, Some(series(0.01)), true),
    ];
    let without = all.clone().map(|(candidate, _, is_healthy)| (candidate, None, is_healthy));
    for (policy, expected, needs_figures) in [
        ("fastest", "http://box", true),
        ("local-first", "mlxk", false),
        ("cheapest-price", "http://box", false),
        ("cheapest-energy", "ollama", true),
        ("cheapest-memory", "ollama", false),
        ("fixed:ollama", "ollama", false),
    ] {
        let (name, reason) = choose(policy, &all).unwrap();
        assert_eq!(name, expected, "{policy}: {reason}");
        assert_eq!(policy.parse::<Policy>().unwrap().needs_figures(), needs_figures, "{policy}");
        let (name, reason) = choose(policy, &without).unwrap();
        assert!(needs_figures || name == expected, "{policy}: {reason}");
    }
    let mut sick = all.clone();
    sick[2].2 = false;
    assert_eq!(choose("fastest", &sick).unwrap().0, "ollama");
    sick[0].2 = false;
    assert_eq!(choose("local-first", &sick).unwrap().0, "ollama");
    sick[1].2 = false;
    assert_eq!(choose("fastest", &sick), None);
    assert_eq!(choose("fixed:mlxk", &sick), None);
    let mut unknown = all;
    unknown[2].1 = None;
    assert_eq!(choose("fastest", &unknown).unwrap().0, "ollama");
    assert!("quickest".parse::<Policy>().is_err());
    assert_eq!("cheapest".parse(), Ok(Policy::Cheapest(Measure::Price)));
}

fn backend(name: &str, address: &str) -> Backend {
    let config = format!("{}/m", address.replace("http", "openai"));
    let candidate = Candidate::new(name, Place::Machine, "1");
    Backend::new(candidate, move || Factory::new(|_| None).from_config(&config))
}

fn ask(router: &Router) -> mlxk_providers::Result<String> {
    let request = Request::chat("model", vec![Message::new("user", "Hi")]);
    let limits = Limits { retries: 0, ..Limits::within(Duration::from_secs(20)) };
    let answer = router.answer(&request, &limits, &mut |_| ControlFlow::Continue(()))?;
    Ok(answer.text)
}

#[test]
fn who_dies_is_replaced_before_the_answer_and_never_within_it() {
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let good = Peer::start(|_| events(&[&openai::said("Good"), &openai::end(), "[DONE]"]));
    let dying = Peer::start(|_| events(&[&openai::said("Half")]));
    let router = |backends| {
        let order = Policy::Fixed("first".to_owned());
        Router::new("here", "model", backends, order, Table::default())
    };
    // A fixed candidate is not replaced.
    let error = ask(&router(vec![backend("first", &dead), backend("second", &good.address())]));
    assert!(matches!(error, Err(ProviderError::Unreachable { .. })), "{error:?}");

    let backends = vec![backend("a", &dead), backend("b", &good.address())];
    let router = Router::new("here", "model", backends, Policy::Fastest, Table::default());
    for _ in 0..5 {
        assert_eq!(ask(&router).unwrap(), "Good");
    }
    let choice = router.choose().unwrap();
    assert_eq!(router.candidate(choice.index).id, "b");

    let backends = vec![backend("a", &dying.address()), backend("b", &good.address())];
    let router = Router::new("here", "model", backends, Policy::Fastest, Table::default());
    let error = ask(&router).unwrap_err();
    assert!(matches!(error, ProviderError::BrokeOff { .. }), "{error:?}");
    assert_eq!(good.asked().len(), 5, "an answer that has begun is not repeated");
}

#[test]
fn calibration_fills_the_table_and_the_faster_one_is_chosen() {
    let server = |pause: u64| {
        Peer::start(move |asked| {
            let tokens = asked.body["max_tokens"].as_u64().unwrap();
            let mut parts = vec![mlxk_test_peers::head(200, "text/event-stream")];
            for _ in 0..tokens {
                parts.push(Part::Send(format!("data: {}\n\n", openai::said("word "))));
                parts.push(Part::Pause(Duration::from_millis(pause)));
            }
            let usage = format!(
                "{{\"choices\":[],\"usage\":{{\"prompt_tokens\":300,\"completion_tokens\":{tokens}}}}}"
            );
            parts.extend(
                [openai::end(), usage, "[DONE]".to_owned()]
                    .map(|event| Part::Send(format!("data: {event}\n\n"))),
            );
            parts
        })
    };
    let (slow, fast) = (server(20), server(1));
    let backends = || vec![backend("slow", &slow.address()), backend("fast", &fast.address())];
    let limits = Limits::within(Duration::from_mins(1));
    let router = Router::new("here", "model", backends(), Policy::Fastest, Table::default());
    let mut steps = Vec::new();
    let mut told = |name: &str, done, all| steps.push((name.to_owned(), done, all));
    assert!(router.calibrate(&limits, &mut told).is_empty());
    assert_eq!(steps.len(), 8, "each is asked four times: {steps:?}");
    assert_eq!((&steps[0], &steps[7]), (&("slow".into(), 0, 4), &("fast".into(), 3, 4)));
    let choice = router.choose().unwrap();
    assert_eq!(router.candidate(choice.index).id, "fast", "{:?}", choice.reasons);
    assert!(choice.reasons[0].contains("slow (1)") && choice.reasons[0].contains("samples"));
    // A second process reads the table, and measures nothing.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("choices.json");
    router.table().save(&path).unwrap();
    let asked = slow.asked().len();
    let again = Router::new("here", "model", backends(), Policy::Fastest, Table::open(&path));
    assert!(again.calibrate(&limits, &mut |_, _, _| panic!("measured again")).is_empty());
    assert_eq!(again.candidate(again.choose().unwrap().index).id, "fast");
    assert_eq!(slow.asked().len(), asked);
    // Another machine has no figures.
    let other = Router::new("there", "model", backends(), Policy::Fastest, Table::open(&path));
    assert!(other.choose().unwrap().reasons[0].contains("not measured"));
}
