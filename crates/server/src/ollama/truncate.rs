//! `truncate`: shortens a prompt that is too long. As in Ollama, the oldest messages of a conversation are left out
//! unless a request sets it to false. Ollama's own clients cannot set it for a conversation, so that a refusal would
//! end their chats. Texts are only cut if a request asks for it.

use std::sync::atomic::Ordering;

use axum::http::HeaderValue;
use axum::response::Response;
use mlxk_chat::{Content, Message};
use mlxk_engine::{Engine, EngineError, PromptInput, Request};

use crate::state::State;

/// Most tokens that are reserved for the answer. The limit of the request and a quarter of the context bound it,
/// too.
const ROOM: usize = 512;
/// Number of cuts. A cut may change the tokens around it, so that one is not always enough.
const ATTEMPTS: usize = 4;
/// Response header that says how much of the prompt was left out.
const HEADER: &str = "x-mlxk-truncated";

/// Permission to shorten a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// The prompt has to fit.
    Nothing,
    /// The oldest messages may be left out.
    Messages,
    /// The beginning of the last text may be cut off, too.
    Text,
}

impl Allowed {
    /// Reads `truncate`. A strict server only shortens what a request asks it to.
    pub(super) fn of(asked: Option<bool>, strict: bool) -> Self {
        match asked {
            Some(true) => Self::Text,
            None if !strict => Self::Messages,
            _ => Self::Nothing,
        }
    }
}

/// Parts of a prompt that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    messages: usize,
    tokens: usize,
}

impl LeftOut {
    /// Reports to the client, the log and the metrics.
    pub(super) fn report(self, response: &mut Response, state: &State) {
        if self == Self::default() {
            return;
        }
        let Self { messages, tokens } = self;
        tracing::warn!(messages, tokens, "the prompt was truncated to fit the context");
        state.metrics.truncated.fetch_add(1, Ordering::Relaxed);
        let text = format!("messages={messages}, tokens={tokens}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(HEADER, value);
        }
    }
}

/// Shortens a prompt that does not fit, as far as that is allowed. Drops the oldest messages except for system
/// prompts, then the beginning of the last text. The prompt may still be too long afterwards.
pub(super) fn shorten(
    engine: &Engine,
    request: &mut Request,
    allowed: Allowed,
) -> Result<LeftOut, EngineError> {
    let context = request.context.map_or(engine.context(), |most| most.min(engine.context()));
    let room = request.max_tokens.unwrap_or(ROOM).min(ROOM).min(context / 4).max(1);
    let most = context.saturating_sub(room).max(1);
    let before = match allowed {
        Allowed::Nothing => return Ok(LeftOut::default()),
        _ => length(engine, request)?,
    };
    if before <= most {
        return Ok(LeftOut::default());
    }
    let mut messages = 0;
    if let PromptInput::Messages { system, messages: all } = request.prompt.clone() {
        // A binary search, because a conversation may have many messages.
        let (mut few, mut many) = (0, oldest(&all).len());
        while few < many {
            let middle = usize::midpoint(few, many);
            request.prompt = without(system.as_ref(), &all, middle);
            if length(engine, request)? <= most { many = middle } else { few = middle + 1 }
        }
        request.prompt = without(system.as_ref(), &all, few.min(oldest(&all).len()));
        if let PromptInput::Messages { messages: kept, .. } = &request.prompt {
            messages = all.len() - kept.len();
        }
    }
    if allowed == Allowed::Text {
        for _ in 0..ATTEMPTS {
            let excess = length(engine, request)?.saturating_sub(most);
            if excess == 0 {
                break;
            }
            cut(engine, &mut request.prompt, excess)?;
        }
    }
    let tokens = before.saturating_sub(length(engine, request)?);
    Ok(LeftOut { messages, tokens })
}

fn length(engine: &Engine, request: &Request) -> Result<usize, EngineError> {
    Ok(engine.encode_request(request)?.len())
}

/// Returns the positions of the messages that may be dropped, the oldest first. System prompts stay, and so does
/// everything from the user's last message on.
fn oldest(messages: &[Message]) -> Vec<usize> {
    let is_user = |message: &Message| message.role == "user";
    let last = messages.iter().rposition(is_user).unwrap_or(messages.len().saturating_sub(1));
    (0..last).filter(|&at| messages[at].role != "system").collect()
}

/// Returns the conversation without its `count` oldest messages. It begins with the user again, as templates
/// expect.
fn without(system: Option<&String>, messages: &[Message], count: usize) -> PromptInput {
    let places = oldest(messages);
    let mut gone = places[..count.min(places.len())].to_vec();
    if count > 0 {
        let rest = places[gone.len()..].iter();
        gone.extend(rest.take_while(|&&at| messages[at].role != "user"));
    }
    let kept = messages.iter().enumerate().filter(|(at, _)| !gone.contains(at));
    PromptInput::Messages {
        system: system.cloned(),
        messages: kept.map(|(_, message)| message.clone()).collect(),
    }
}

/// Cuts `excess` tokens off the beginning of the last text.
fn cut(engine: &Engine, prompt: &mut PromptInput, excess: usize) -> Result<(), EngineError> {
    let tokenizer = engine.tokenizer();
    let text = match prompt {
        PromptInput::Text(text) => text,
        PromptInput::Messages { messages, .. } => match messages.last_mut() {
            Some(Message { content: Content::Text(text), .. }) => text,
            _ => return Ok(()),
        },
        PromptInput::Tokens(ids) => {
            ids.drain(..excess.min(ids.len().saturating_sub(1)));
            return Ok(());
        }
    };
    let ids = tokenizer.encode(text, false)?;
    let from = excess.min(ids.len().saturating_sub(1));
    *text = tokenizer.decode(&ids[from..], false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(prompt: &PromptInput) -> String {
        let PromptInput::Messages { messages, .. } = prompt else { panic!("it is one") };
        messages.iter().map(|message| &message.role[..1]).collect()
    }

    #[test]
    fn a_strict_server_shortens_only_what_it_is_told_to() {
        for (asked, strict, expected) in [
            (None, false, Allowed::Messages),
            (None, true, Allowed::Nothing),
            (Some(false), false, Allowed::Nothing),
            (Some(true), true, Allowed::Text),
        ] {
            assert_eq!(Allowed::of(asked, strict), expected);
        }
    }

    #[test]
    fn system_prompts_and_the_last_message_stay() {
        let messages: Vec<Message> = ["system", "user", "assistant", "user", "assistant", "user"]
            .map(|role| Message::new(role, "x"))
            .to_vec();
        for (count, expected) in [(0, "suauau"), (1, "suau"), (2, "suau"), (3, "su"), (9, "su")] {
            assert_eq!(roles(&without(None, &messages, count)), expected, "{count}");
        }
        // An answer that is to be continued keeps its question.
        let begun = [&messages[..], &[Message::new("assistant", "x")]].concat();
        assert_eq!(roles(&without(None, &begun, 9)), "sua");
    }
}
