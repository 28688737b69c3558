//! A conversation on the terminal or through a pipe.

mod command;
mod copy;
mod editor;
mod settings;
mod store;
mod turn;

use std::io::IsTerminal;
use std::path::PathBuf;

use mlxk_engine::{Engine, Message};

use self::command::Command;
use self::editor::{Editor, Line};
use crate::answer::{AnswerSettings, Screen, Show};
use crate::exit::{ExitStatus, UsageError};
use crate::format::count;
use crate::{Context, failure, interrupt, output, terminal};

/// The files for conversations and input history.
struct Places {
    history: Option<PathBuf>,
    chats: PathBuf,
}

/// A running conversation.
struct Chat<'a> {
    engine: &'a Engine,
    model: &'a str,
    context: &'a Context,
    places: Places,
    settings: AnswerSettings,
    messages: Vec<Message>,
    /// Number of messages that come from the model itself.
    begun: usize,
    /// Tokens of the conversation after the last answer.
    used_tokens: usize,
    /// `true` if the user knows that the context is nearly full.
    warned: bool,
}

/// Chats until the user leaves. `first` is the first message.
pub(crate) fn start(
    engine: &Engine,
    model: &str,
    settings: &AnswerSettings,
    first: Option<String>,
    keep_history: bool,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    if engine.template().is_none() {
        return Err(UsageError(format!(
            "`{model}` has no chat template, so it cannot chat; continue a text with `mlxk run {model} \
             \"Some text\"`"
        ))
        .into());
    }
    let data = &context.settings.locations.data_dir;
    let interactive = std::io::stdin().is_terminal();
    let places = Places {
        history: (keep_history && interactive).then(|| data.join("chat-history")),
        chats: data.join("chats"),
    };
    let mut chat = Chat {
        engine,
        model,
        context,
        places,
        settings: settings.clone(),
        messages: settings.messages.clone(),
        begun: settings.messages.len(),
        used_tokens: 0,
        warned: false,
    };
    let mut editor = Editor::new(chat.places.history.clone(), interactive, context)?;
    if interactive {
        context.printer.note(format_args!(
            "Chat with {model} · context of {} tokens · /help for help",
            engine.context()
        ));
        if chat.begun > 0 {
            context.printer.note(format_args!(
                "The model's own {} come first; /history shows them",
                count(chat.begun, "message")
            ));
        }
    }
    if let Some(first) = first {
        chat.say(&first)?;
    }
    loop {
        match editor.read()? {
            Line::End => break,
            Line::Cancelled => {
                context.printer.note("To leave the chat, press Ctrl-D or type /bye");
            }
            Line::Text(text) if text.trim().is_empty() => {}
            Line::Text(text) => {
                if !chat.take_line(&text)? {
                    break;
                }
            }
        }
    }
    editor.save();
    // Ctrl-C may have stopped an answer, but not the chat.
    interrupt::reset();
    Ok(ExitStatus::Success)
}

impl Chat<'_> {
    /// Executes a line. Returns `false` to end the chat.
    fn take_line(&mut self, line: &str) -> anyhow::Result<bool> {
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(problem) => {
                self.note(problem);
                return Ok(true);
            }
        };
        match command {
            Command::Say(text) => self.say(&text)?,
            Command::Help => self.note(command::help()),
            Command::Clear => self.clear(),
            Command::System(text) => self.system(text),
            Command::Set(words) => match settings::set(&mut self.settings.options, &words) {
                Ok(done) => self.note(done),
                Err(problem) => self.note(problem),
            },
            Command::Show => {
                self.note(settings::show(self.engine, self.model, &self.settings.options));
            }
            Command::History => self.show_history()?,
            Command::Save(name) => self.save(&name),
            Command::Load(name) => self.load(&name),
            Command::Undo => self.undo(),
            Command::Retry => self.retry()?,
            Command::Copy => self.copy(),
            Command::Bye => return Ok(false),
        }
        Ok(true)
    }

    fn clear(&mut self) {
        self.messages.clone_from(&self.settings.messages);
        self.begun = self.messages.len();
        (self.used_tokens, self.warned) = (0, false);
        self.note("Started a new conversation");
    }

    fn system(&mut self, text: Option<String>) {
        match text {
            Some(text) => {
                self.settings.options.system = (text != "off").then_some(text);
                self.note("Changed the system prompt for the next answers");
            }
            None => {
                self.note(self.settings.options.system.as_deref().unwrap_or("No system prompt"));
            }
        }
    }

    fn show_history(&self) -> anyhow::Result<()> {
        if self.messages.is_empty() {
            self.note("No messages yet");
        }
        for message in &self.messages {
            let text = message.content.as_text().unwrap_or_default();
            if message.role == "user" {
                self.note(format_args!(">>> {text}"));
            } else {
                let mut screen =
                    Screen::new(Show::Answer, &self.settings.options, &self.context.printer);
                screen.text(text)?;
                screen.end()?;
            }
        }
        Ok(())
    }

    fn save(&self, name: &str) {
        let path = store::path(&self.places.chats, name);
        let saved =
            store::save(&path, self.model, self.settings.options.system.as_deref(), &self.messages);
        match saved {
            Ok(()) => self.note(format_args!("Saved to `{}`", path.display())),
            Err(error) => self.note(failure::message(&error)),
        }
    }

    fn load(&mut self, name: &str) {
        let path = store::path(&self.places.chats, name);
        match store::load(&path) {
            Ok(saved) => {
                (self.messages, self.begun) = (saved.messages, 0);
                self.settings.options.system = saved.system;
                (self.used_tokens, self.warned) = (0, false);
                self.note(format_args!("Loaded {}", count(self.messages.len(), "message")));
                if saved.model != self.model {
                    self.note(format_args!("This conversation was with `{}`", saved.model));
                }
            }
            Err(error) => self.note(failure::message(&error)),
        }
    }

    /// Returns the index of the last message of the user.
    fn last_question(&self) -> Option<usize> {
        let last = self.messages.iter().rposition(|message| message.role == "user");
        last.filter(|last| *last >= self.begun)
    }

    fn undo(&mut self) {
        let Some(last) = self.last_question() else {
            return self.note("Nothing to undo");
        };
        self.messages.truncate(last);
        self.warned = false;
        self.note("Removed the last turn");
    }

    fn retry(&mut self) -> anyhow::Result<()> {
        let Some(last) = self.last_question() else {
            self.note("Nothing to answer yet");
            return Ok(());
        };
        self.messages.truncate(last + 1);
        self.answer()
    }

    fn copy(&self) {
        let last = self.messages.iter().rfind(|message| message.role == "assistant");
        match last.and_then(|message| message.content.as_text()) {
            None => self.note("No answer to copy yet"),
            Some(_) if !output::stdout_is_terminal() => {
                self.note("Copying needs a terminal");
            }
            Some(text) => match copy::to_clipboard(text) {
                Ok(()) => {
                    self.note("Copied the last answer, if your terminal allows it");
                }
                Err(problem) => self.note(problem),
            },
        }
    }

    /// Prints a note, wrapped on a terminal.
    fn note(&self, text: impl std::fmt::Display) {
        let text = text.to_string();
        if output::stderr_is_terminal() {
            self.context.printer.note(terminal::fold(&text, terminal::width()));
        } else {
            self.context.printer.note(text);
        }
    }
}
