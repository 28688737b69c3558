//! Our clients of all dialects against our server, and the same model in this process: all of them answer alike.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use mlxk_chat::{
    AnswerFormat, CallEvent, Event, FinishReason, Message, Request, ToolChoice, Tools,
};
use mlxk_providers::{Cancel, Client, Factory, Limits, ProviderError};
use serde_json::{Value, json};

use crate::calls;
use crate::world::World;

const LIMITS: Duration = Duration::from_mins(2);

/// Returns a client of each kind for the model.
fn clients(world: &World, model: &str) -> Vec<Client> {
    let home = world.home.path().to_path_buf();
    let factory = Factory::new(move |name| match name {
        "HF_HUB_CACHE" => Some(home.join("hub").display().to_string()),
        "HOME" => Some(home.display().to_string()),
        _ => None,
    });
    ["openai", "responses", "anthropic", "ollama", "mlxk"]
        .map(|dialect| {
            let config = match dialect {
                "mlxk" => format!("mlxk:{model}"),
                dialect => format!("{dialect}://{}/{model}", world.address),
            };
            factory.from_config(&config).unwrap()
        })
        .into()
}

fn greedy(client: &Client, messages: Vec<Message>) -> Request {
    let mut request = Request::chat(&client.model, messages);
    request.sampling.temperature = Some(0.0);
    request.max_tokens = Some(12);
    request
}

#[test]
fn a_conversation_is_answered_alike() {
    let world = World::new();
    let mut answers = Vec::new();
    for client in clients(&world, "org/one") {
        let label = client.provider.label();
        let mut request = greedy(
            &client,
            vec![Message::new("system", "Be brief"), Message::new("user", "Hello")],
        );
        let mut events = Vec::new();
        let limits = Limits::within(LIMITS);
        let ask = |request: &Request, events: &mut Vec<Event>| {
            let answer = client.provider.answer(request, &limits, &mut |event| {
                events.push(event.clone());
                ControlFlow::Continue(())
            });
            answer.unwrap_or_else(|error| panic!("{label}: {error}"))
        };
        let first = ask(&request, &mut events);
        let said: String = events
            .iter()
            .filter_map(|event| match event {
                Event::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(said, first.text, "{label}");
        let Some(Event::Done(done)) = events.last() else { panic!("{label}: {events:?}") };
        assert_eq!(done.finish_reason, FinishReason::MaxTokens, "{label}");
        assert_eq!(done.usage.completion_tokens, 12, "{label}");
        assert!(!first.heard.arrivals.is_empty() && first.heard.total > Duration::ZERO, "{label}");

        // The answer is the next message, and the conversation goes on.
        let mlxk_chat::PromptInput::Messages { messages, .. } = &mut request.prompt else {
            panic!("a chat")
        };
        messages.extend([first.message(), Message::new("user", "And now?")]);
        let second = ask(&request, &mut Vec::new());
        answers.push((
            label.clone(),
            (first.text, first.usage.prompt_tokens, second.text, second.usage.prompt_tokens),
        ));
        if !label.contains("ollama") && !label.contains("openai") {
            continue;
        }
        assert!(client.provider.models().unwrap().iter().any(|name| name.starts_with("org/one")));
    }
    let (_, expected) = answers.last().unwrap();
    for (label, answer) in &answers {
        assert_eq!(answer, expected, "{label} and the model in this process");
    }
}

#[test]
fn a_tool_is_called_and_its_result_understood() {
    let world = calls::world();
    for client in clients(&world, "org/tools") {
        let label = client.provider.label();
        let mut request = greedy(&client, vec![Message::new("user", "Hi")]);
        request.max_tokens = Some(120);
        request.tools = Some(Tools {
            list: json!([calls::function("paint")]),
            choice: ToolChoice::Required,
            parallel: false,
        });
        let limits = Limits::within(LIMITS);
        let mut pieces = String::new();
        let outcome = client.provider.answer(&request, &limits, &mut |event| {
            if let Event::Call(CallEvent::Arguments { text, .. }) = event {
                pieces.push_str(text);
            }
            ControlFlow::Continue(())
        });
        if label.contains("ollama") {
            let error = outcome.unwrap_err();
            assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
            continue;
        }
        let answer = outcome.unwrap_or_else(|error| panic!("{label}: {error}"));
        let [call] = &answer.calls[..] else { panic!("{label}: {answer:?}") };
        assert_eq!((call.name.as_str(), pieces.as_str()), ("paint", call.arguments.as_str()));
        calls::check(&serde_json::from_str::<Value>(&call.arguments).unwrap());
        request.tools.as_mut().unwrap().choice = ToolChoice::Auto;
        request.max_tokens = Some(4);
        let messages =
            vec![Message::new("user", "Hi"), answer.message(), Message::result(call, "done")];
        request.prompt = mlxk_chat::PromptInput::Messages { system: None, messages };
        let next = client.provider.answer(&request, &limits, &mut |_| ControlFlow::Continue(()));
        next.unwrap_or_else(|error| panic!("{label}: {error}"));
    }
}

#[test]
fn a_format_is_kept_and_what_is_missing_is_said() {
    let world = World::new();
    for client in clients(&world, "org/one") {
        let label = client.provider.label();
        let mut request = greedy(&client, vec![Message::new("user", "Hi")]);
        request.max_tokens = Some(120);
        request.format = Some(AnswerFormat::Schema(calls::parameters()));
        let text = client.provider.text(&request, &Limits::within(LIMITS));
        let text = text.unwrap_or_else(|error| panic!("{label}: {error}"));
        calls::check(&serde_json::from_str::<Value>(&text).unwrap());

        let missing = Request::chat("org/none", vec![Message::new("user", "Hi")]);
        let error = client.provider.text(&missing, &Limits::within(LIMITS)).unwrap_err();
        assert!(matches!(error, ProviderError::ModelMissing { .. }), "{label}: {error:?}");

        let long = vec![Message::new("user", "word ".repeat(4000))];
        let error = client.provider.text(&greedy(&client, long), &Limits::within(LIMITS));
        match error {
            Err(ProviderError::TooLong { .. }) => {}
            // Ollama's dialect truncates, as Ollama does.
            other => assert!(label.contains("ollama"), "{label}: {other:?}"),
        }
    }
}

#[test]
fn a_cancelled_request_ends_on_both_sides() {
    let world = World::new();
    for client in clients(&world, "org/one") {
        let label = client.provider.label();
        let cancel = Cancel::default();
        let limits = Limits::within(LIMITS).cancelled_by(&cancel);
        let mut request = greedy(&client, vec![Message::new("user", "Hi")]);
        request.max_tokens = Some(100);
        let error = client.provider.answer(&request, &limits, &mut |_| {
            cancel.cancel();
            ControlFlow::Continue(())
        });
        // A short answer may have arrived completely.
        if let Err(error) = error {
            assert!(matches!(error, ProviderError::Cancelled), "{label}: {error:?}");
        }
        world.until("the request ends", |world| {
            world.in_memory().iter().all(|(_, requests)| *requests == 0)
        });
        let error = client.provider.text(&request, &limits).unwrap_err();
        assert!(matches!(error, ProviderError::Cancelled), "{label}: {error:?}");
    }
}

#[test]
fn texts_become_vectors() {
    let world = World::new();
    let texts = ["one".to_owned(), "two words".to_owned()];
    let mut all = Vec::new();
    for client in clients(&world, "org/one") {
        let (label, provider) = (client.provider.label(), Arc::clone(&client.provider));
        match provider.embed(&client.model, &texts, &Limits::within(LIMITS)) {
            Ok(embedded) => all.push((label, embedded.vectors)),
            Err(error) => {
                assert!(label.contains("anthropic"), "{label}: {error}");
                assert!(matches!(error, ProviderError::Unsupported { .. }), "{error:?}");
            }
        }
    }
    assert_eq!(all.len(), 4);
    let (_, expected) = all.last().unwrap();
    for (label, vectors) in &all {
        assert_eq!(vectors.len(), 2);
        let pairs = vectors.iter().flatten().zip(expected.iter().flatten());
        let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-5, "{label}: {most}");
    }
}
