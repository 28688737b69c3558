//! `truncate`: shortens a prompt that is too long, if the request asks for it. Otherwise it is refused.

use mlxk_engine::{Engine, EngineError, PromptInput, Request};
use mlxk_text::{Content, Message};

/// Most tokens that are reserved for the answer. The limit of the request and a quarter of the context bound it,
/// too.
const ROOM: usize = 512;
/// Number of cuts. A cut may change the tokens around it, so that one is not always enough.
const ATTEMPTS: usize = 4;

/// Shortens a prompt that does not fit. Drops the oldest messages except for system prompts, then the beginning
/// of the last text.
pub(super) fn shorten(engine: &Engine, request: &mut Request) -> Result<(), EngineError> {
    let context = request.context.map_or(engine.context(), |most| most.min(engine.context()));
    let room = request.max_tokens.unwrap_or(ROOM).min(ROOM).min(context / 4).max(1);
    let most = context.saturating_sub(room).max(1);
    if length(engine, &request.prompt)? <= most {
        return Ok(());
    }
    if let PromptInput::Messages { system, messages } = &request.prompt {
        // A binary search, because a conversation may have many messages.
        let (mut few, mut many) = (0, oldest(messages).len());
        while few < many {
            let middle = usize::midpoint(few, many);
            let prompt = without(system.as_ref(), messages, middle);
            if length(engine, &prompt)? <= most { many = middle } else { few = middle + 1 }
        }
        let left_out = few.min(oldest(messages).len());
        request.prompt = without(system.as_ref(), messages, left_out);
    }
    for _ in 0..ATTEMPTS {
        let excess = length(engine, &request.prompt)?.saturating_sub(most);
        if excess == 0 {
            return Ok(());
        }
        cut(engine, &mut request.prompt, excess)?;
    }
    Ok(())
}

fn length(engine: &Engine, prompt: &PromptInput) -> Result<usize, EngineError> {
    Ok(engine.encode(prompt)?.len())
}

/// Returns the positions of the messages that may be dropped, the oldest first. The last one and system prompts
/// stay.
fn oldest(messages: &[Message]) -> Vec<usize> {
    let last = messages.len().saturating_sub(1);
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
        _ => return Ok(()),
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
    fn system_prompts_and_the_last_message_stay() {
        let messages: Vec<Message> = ["system", "user", "assistant", "user", "assistant", "user"]
            .map(|role| Message::new(role, "x"))
            .to_vec();
        for (count, expected) in [(0, "suauau"), (1, "suau"), (2, "suau"), (3, "su"), (9, "su")] {
            assert_eq!(roles(&without(None, &messages, count)), expected, "{count}");
        }
    }
}
