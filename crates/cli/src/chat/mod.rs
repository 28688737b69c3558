//! A conversation on the terminal, or with whatever writes lines into a pipe.

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
use crate::{Context, interrupt, terminal};

/// Where conversations and typed lines are kept.
struct Places {
    history: Option<PathBuf>,
    chats: PathBuf,
}

/// A conversation and how it goes on.
struct Chat<'a> {
    engine: &'a Engine,
    model: &'a str,
    context: &'a Context,
    places: Places,
    settings: AnswerSettings,
    messages: Vec<Message>,
    /// How many of them the model itself begins with.
    begun: usize,
    /// Tokens that the conversation holds, as far as the last answer told.
    used_tokens: usize,
    /// Whether a nearly full context was spoken of.
    warned: bool,
}

/// Talks until the user leaves; `first` is the first thing said.
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
            "`{model}` has no chat template, so it cannot chat; `mlxk run {model} \"Some text\"` \
             continues a text"
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
            "Chat with {model} · {} tokens of context · /help for help",
            engine.context()
        ));
        if chat.begun > 0 {
            context.printer.note(format_args!(
                "It begins with {} messages of the model's own; /history shows them",
                chat.begun
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
                context.printer.note("Ctrl-D or /bye leaves the chat");
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
    // Ctrl-C stopped an answer at most; the chat ended by itself.
    interrupt::reset();
    Ok(ExitStatus::Success)
}

impl Chat<'_> {
    /// Does what a line asks for; `false` ends the chat.
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
                self.note(settings::show(self.engine, self.model, &self.settings.options))
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
        self.note("The conversation starts anew");
    }

    fn system(&mut self, text: Option<String>) {
        match text {
            Some(text) => {
                self.settings.options.system = (text != "off").then_some(text);
                self.note("The system prompt holds from the next answer on");
            }
            None => self.note(
                self.settings.options.system.as_deref().unwrap_or("There is no system prompt"),
            ),
        }
    }

    fn show_history(&self) -> anyhow::Result<()> {
        if self.messages.is_empty() {
            self.note("Nothing was said yet");
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
            Err(error) => self.note(format_args!("{error:#}")),
        }
    }

    fn load(&mut self, name: &str) {
        let path = store::path(&self.places.chats, name);
        match store::load(&path) {
            Ok(saved) => {
                (self.messages, self.begun) = (saved.messages, 0);
                self.settings.options.system = saved.system;
                (self.used_tokens, self.warned) = (0, false);
                self.note(format_args!("Loaded {} messages", self.messages.len()));
                if saved.model != self.model {
                    self.note(format_args!("They were exchanged with `{}`", saved.model));
                }
            }
            Err(error) => self.note(format_args!("{error:#}")),
        }
    }

    /// The last thing that the user said.
    fn last_question(&self) -> Option<usize> {
        let last = self.messages.iter().rposition(|message| message.role == "user");
        last.filter(|last| *last >= self.begun)
    }

    fn undo(&mut self) {
        let Some(last) = self.last_question() else {
            return self.note("There is nothing to take back");
        };
        self.messages.truncate(last);
        self.warned = false;
        self.note("The last turn is taken back");
    }

    fn retry(&mut self) -> anyhow::Result<()> {
        let Some(last) = self.last_question() else {
            self.note("There is nothing to answer yet");
            return Ok(());
        };
        self.messages.truncate(last + 1);
        self.answer()
    }

    fn copy(&self) {
        let last = self.messages.iter().rfind(|message| message.role == "assistant");
        match last.and_then(|message| message.content.as_text()) {
            None => self.note("There is no answer to copy yet"),
            Some(_) if !std::io::stdout().is_terminal() => {
                self.note("Only a terminal has a clipboard");
            }
            Some(text) => match copy::to_clipboard(text) {
                Ok(()) => {
                    self.note("The last answer is in the clipboard, if the terminal allows it");
                }
                Err(problem) => self.note(problem),
            },
        }
    }

    /// Says something of our own, broken between words on a terminal.
    fn note(&self, text: impl std::fmt::Display) {
        let text = text.to_string();
        if std::io::stderr().is_terminal() {
            self.context.printer.note(terminal::fold(&text, terminal::width()));
        } else {
            self.context.printer.note(text);
        }
    }
}
