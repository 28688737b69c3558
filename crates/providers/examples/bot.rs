//! A chat bot that can switch to another model while it runs.
//!
//! ```sh
//! cargo run -p mlxk-providers --features local --example bot -- ollama:qwen3:0.6b
//! ```
//!
//! `!llm` shows who answers, `!llm models` what it has, and `!llm mlxk:qwen3:0.6b` (or `openai:…`, `anthropic:…`,
//! `ollama://host/…`, `mlxk://host:8000/…`) switches. The conversation goes on with the next model.

#![expect(clippy::disallowed_methods, reason = "the bot talks to its user")]

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_chat::{Event, Message, Request};
use mlxk_providers::{Client, Factory, Limits, ProviderError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let factory = Factory::new(|name| std::env::var(name).ok());
    let first = std::env::args().nth(1).unwrap_or_else(|| "ollama:qwen3:0.6b".to_owned());
    let mut client = factory.from_config(&first)?;
    let mut conversation = vec![Message::new("system", "You are a helpful bot. Be brief.")];
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.trim().strip_prefix("!llm") {
            Some(command) => match switch(command.trim(), &factory, &mut client) {
                Ok(reply) => writeln!(out, "{reply}")?,
                Err(error) => writeln!(out, "error: {error}")?,
            },
            None if line.trim().is_empty() => {}
            None => {
                conversation.push(Message::new("user", line.as_str()));
                match reply(&client, &conversation) {
                    Ok(message) => conversation.push(message),
                    Err(error) => {
                        conversation.pop();
                        writeln!(out, "error: {error}")?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Answers a line that begins with `!llm`.
fn switch(command: &str, factory: &Factory, client: &mut Client) -> Result<String, ProviderError> {
    match command {
        "" => {}
        "models" => return Ok(client.provider.models()?.join("\n")),
        config => *client = factory.from_config(config)?,
    }
    Ok(format!("{} answers with {}", client.provider.label(), client.model))
}

/// Prints the answer while it arrives, and returns it as the next message.
fn reply(client: &Client, conversation: &[Message]) -> Result<Message, ProviderError> {
    let request = Request::chat(&client.model, conversation.to_vec());
    let limits = Limits::within(Duration::from_mins(2));
    let answer = client.provider.answer(&request, &limits, &mut |event| {
        if let Event::Text(text) = event {
            let mut out = std::io::stdout();
            let _ = write!(out, "{text}").and_then(|()| out.flush());
        }
        ControlFlow::Continue(())
    })?;
    let _ = writeln!(std::io::stdout());
    Ok(answer.message())
}
