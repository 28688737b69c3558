//! Defaults of a request: those of the model's name (`mlxk cp`, `mlxk create`), then those of the server.

use mlxk_engine::{Message, PromptInput, Request};
use mlxk_hub::{Overrides, prefer};

use super::parameters;

/// Fills in everything that `request` leaves open.
pub(super) fn fill(request: &mut Request, overrides: &Overrides, max_tokens: Option<usize>) {
    let parameters = &overrides.parameters;
    let (sampling, own) = (&mut request.sampling, parameters::sampling(parameters));
    prefer!(sampling => sampling, own;
        temperature top_k top_p min_p typical_p repetition_penalty presence_penalty
        frequency_penalty repeat_last_n seed);
    request.max_tokens = request.max_tokens.or(parameters.max_tokens).or(max_tokens);
    request.context = request.context.or(parameters.ctx);
    if request.stop.is_empty() {
        request.stop.clone_from(&parameters.stop);
    }
    // The messages of a Modelfile come before those of the client.
    if let PromptInput::Messages { messages, .. } = &mut request.prompt {
        let said = overrides.messages.iter();
        let said = said.map(|turn| Message::new(turn.role.as_str(), turn.content.as_str()));
        messages.splice(0..0, said);
    }
}

#[cfg(test)]
mod tests {
    use mlxk_hub::{Parameters, Turn};

    use super::*;

    #[test]
    fn the_request_comes_first_and_the_models_messages_in_front() {
        let turn =
            |role: &str, content: &str| Turn { role: role.to_owned(), content: content.to_owned() };
        let overrides = Overrides {
            messages: vec![turn("user", "a"), turn("assistant", "b")],
            parameters: Parameters {
                temperature: Some(0.5),
                top_k: Some(3),
                presence_penalty: Some(0.25),
                repeat_last_n: Some(-1),
                max_tokens: Some(usize::MAX),
                ..Parameters::default()
            },
            ..Overrides::default()
        };
        let messages = vec![Message::new("user", "c")];
        let mut request = Request::new(PromptInput::Messages { system: None, messages });
        request.sampling.temperature = Some(0.0);
        fill(&mut request, &overrides, Some(7));
        let sampling = &request.sampling;
        assert_eq!((sampling.temperature, sampling.top_k), (Some(0.0), Some(3)));
        assert_eq!(
            (sampling.repeat_last_n, request.max_tokens),
            (Some(usize::MAX), Some(usize::MAX))
        );
        assert_eq!(sampling.presence_penalty, Some(0.25));
        let PromptInput::Messages { messages, .. } = &request.prompt else { panic!("it was one") };
        let said: Vec<_> = messages.iter().filter_map(|found| found.content.as_text()).collect();
        assert_eq!(said, ["a", "b", "c"]);
    }
}
