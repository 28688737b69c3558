//! Chat templates: turn a conversation into the text that the model was trained to continue.
//!
//! Templates are Jinja programs inside a checkpoint, written for Python's jinja2 with the settings of
//! transformers. They are untrusted, so work, time, depth and sizes are bounded.

mod bounds;
mod clock;
mod environment;
mod generation;
mod instrument;
mod json;
mod methods;
mod normalize;
mod number;
mod settle;
mod source;
mod values;

use std::path::Path;

use minijinja::value::Serde;
use mlxk_chat::{Content, Message};
use serde_json::{Map, Value};

use self::bounds::Deadline;
pub use self::clock::Clock;
use self::environment::Size;
pub use self::normalize::ends_in_answer;
pub use self::settle::settled;
use self::source::Source;
use crate::error::TextError;
use crate::special::SpecialTokens;
use crate::thinking::Thinking;

/// The chat templates of a checkpoint. They are compiled on first use.
#[derive(Debug)]
pub struct ChatTemplate {
    sources: Vec<Source>,
    /// Variables such as `bos_token`.
    names: Map<String, Value>,
}

/// Input of a template in addition to the messages.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// `true` to end the text with the beginning of the assistant's turn.
    pub add_generation_prompt: bool,
    /// `true` to end the text inside the last message instead, so that the model continues it.
    pub continue_final_message: bool,
    /// Tool definitions, a list of JSON objects.
    pub tools: Option<Value>,
    /// Further variables such as `enable_thinking`. They override the checkpoint's own.
    pub variables: Map<String, Value>,
    /// Text of the BOS token, if not the checkpoint's.
    pub bos_token: Option<String>,
    /// Text of the EOS token, if not the checkpoint's.
    pub eos_token: Option<String>,
    /// Clock behind `strftime_now`.
    pub clock: Clock,
}

impl Default for RenderOptions {
    /// A prompt for the assistant's next turn, without tools.
    fn default() -> Self {
        Self {
            add_generation_prompt: true,
            continue_final_message: false,
            tools: None,
            variables: Map::new(),
            bos_token: None,
            eos_token: None,
            clock: Clock::default(),
        }
    }
}

impl ChatTemplate {
    /// Reads the templates of the checkpoint in `dir`. Returns `None` if it has none.
    pub fn open(dir: &Path) -> Result<Option<Self>, TextError> {
        let special = SpecialTokens::open_names(dir)?;
        let sources = source::find(dir, special.chat_template.as_ref())?;
        Ok((!sources.is_empty()).then_some(Self { sources, names: special.names }))
    }

    /// Makes a template from its text.
    pub fn from_text(text: impl Into<String>) -> Self {
        let source = Source::new(source::DEFAULT, Path::new("chat template").into(), &text.into());
        Self { sources: vec![source], names: Map::new() }
    }

    /// Returns the text of the template for conversations with or without tools.
    pub fn source_text(&self, with_tools: bool) -> &str {
        &self.source(with_tools).text
    }

    /// Checks that all templates compile.
    pub fn check(&self) -> Result<(), TextError> {
        self.sources.iter().try_for_each(Source::check)
    }

    /// Returns what the template says about thinking.
    pub fn thinking(&self) -> Thinking {
        Thinking::of_template(self.source_text(false))
    }

    /// Renders a conversation.
    pub fn render(
        &self,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<String, TextError> {
        let deadline = Deadline::start();
        let tools = normalize::tools(options.tools.as_ref());
        let source = self.source(tools.is_some());
        let typed = !messages.is_empty() && source.wants_parts(&self.names, deadline)?;
        let moved = settle::has_late_system(messages)
            && !source.takes_late_system(&self.names, deadline)?;
        let moved = moved.then(|| settle::without_late_system(messages));
        let messages = moved.as_deref().unwrap_or(messages);
        let render = |parse_arguments| {
            let mut messages = normalize::normalized(messages, parse_arguments);
            if options.continue_final_message {
                mark_final(&mut messages);
            }
            let values = values::to_values(&messages, typed)?;
            self.render_values(source, &values, tools.as_ref(), options, deadline)
        };
        let rendered = match render(true) {
            // Most templates expect a call's arguments as an object, a few as text.
            Err(TextError::Template { .. }) if messages.iter().any(values::has_argument_text) => {
                render(false)
            }
            other => other,
        }?;
        if options.continue_final_message {
            return cut_at_mark(rendered).ok_or_else(|| source.drops_final());
        }
        Ok(rendered)
    }

    fn source(&self, with_tools: bool) -> &Source {
        let named = |name| self.sources.iter().find(|source| source.name == name);
        with_tools
            .then(|| named(source::TOOL_USE))
            .flatten()
            .or_else(|| named(source::DEFAULT))
            .unwrap_or(&self.sources[0])
    }

    fn render_values(
        &self,
        source: &Source,
        messages: &[Value],
        tools: Option<&Value>,
        options: &RenderOptions,
        deadline: Deadline,
    ) -> Result<String, TextError> {
        let mut variables = self.names.clone();
        let tokens = [("bos_token", &options.bos_token), ("eos_token", &options.eos_token)];
        for (name, token) in tokens {
            if let Some(token) = token {
                variables.insert(name.to_owned(), token.as_str().into());
            }
        }
        variables.extend(options.variables.clone());
        let mut size = Size::default();
        messages.iter().chain(variables.values()).chain(tools).for_each(|value| size.add(value));
        let add_generation_prompt =
            options.add_generation_prompt && !options.continue_final_message;
        source.render(size, deadline, || {
            let own = [
                ("messages", serde(messages)),
                ("tools", serde(&tools)),
                ("documents", options.variables.get("documents").map_or(().into(), serde)),
                ("add_generation_prompt", add_generation_prompt.into()),
                ("strftime_now", options.clock.function()),
            ];
            let given = variables.iter().map(|(name, value)| (name.as_str(), serde(value)));
            minijinja::Value::from_pairs(given.chain(own))
        })
    }
}

fn serde<T: serde::Serialize + ?Sized>(value: &T) -> minijinja::Value {
    minijinja::Value::from(Serde(value))
}

/// Mark at the end of a message that the model continues. The space tells if the template trims messages.
const MARK: &str = "final-7d2e91c4 ";

/// Appends the mark to the last message.
fn mark_final(messages: &mut [Message]) {
    let Some(last) = messages.last_mut() else { return };
    if let Some(text) = last.text() {
        last.content = Content::Text(text + MARK);
    }
}

/// Drops the mark and everything after it. Returns `None` if there is no mark.
fn cut_at_mark(mut rendered: String) -> Option<String> {
    let at = rendered.rfind(MARK.trim_end())?;
    let is_trimmed = !rendered[at..].starts_with(MARK);
    rendered.truncate(at);
    if is_trimmed {
        rendered.truncate(rendered.trim_end().len());
    }
    Some(rendered)
}
