//! A conversation on the terminal or through a pipe.

mod command;
mod compose;
mod copy;
mod editor;
mod input_wrap;
mod keep;
mod model;
mod saved;
mod settings;
mod turn;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use mlxk_engine::{Engine, Message};
use mlxk_hub::{Overrides, Resolved};

use self::command::Command;
use self::editor::{Editor, Line};
use self::keep::Keeper;
use self::settings::{Change, InEffect, Wish};
use crate::answer::{self, AnswerSettings, Screen, Show};
use crate::args::AnswerArgs;
use crate::commands::show::{self, Part};
use crate::conversations::{Folder, Loaded};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::format::count;
use crate::terminal::Silence;
use crate::{Context, failure, interrupt, output, terminal};

pub(crate) use model::chat_models;
pub(crate) use settings::restore;

/// The beginning of a chat.
#[derive(Default)]
pub(crate) struct Opening {
    /// The first message.
    pub first: Option<String>,
    /// The conversation to continue.
    pub loaded: Option<Loaded>,
    /// `true` to keep neither the conversation nor the input.
    pub no_history: bool,
    /// Hides what is typed before the first prompt.
    pub silence: Option<Silence>,
}

/// The model of a chat.
struct Model {
    /// Full name.
    name: String,
    /// The settings that belong to it.
    overrides: Overrides,
    path: PathBuf,
}

impl From<Resolved> for Model {
    fn from(resolved: Resolved) -> Self {
        Self { name: saved_name(&resolved), overrides: resolved.overrides, path: resolved.path }
    }
}

/// Returns the name of a model for a saved conversation. It does not depend on the working folder.
pub(crate) fn saved_name(resolved: &Resolved) -> String {
    // A name made by `create` has settings that the folder itself lacks.
    if resolved.kind == mlxk_hub::Kind::Folder
        && resolved.base.is_none()
        && let Ok(path) = std::path::absolute(&resolved.path)
    {
        return path.display().to_string();
    }
    resolved.name.clone()
}

/// A running conversation.
struct Chat<'a> {
    engine: Engine,
    model: Model,
    context: &'a Context,
    keeper: Keeper,
    /// The options of the command line, of `/set` and of the saved conversation.
    chosen: AnswerArgs,
    /// The options in effect.
    settings: AnswerSettings,
    messages: Vec<Message>,
    /// Number of messages that come from the model itself.
    begun: usize,
    /// Time of the first message of a conversation that continues.
    created: Option<String>,
    /// Files for the next message.
    files: Vec<String>,
    /// The last line, if it was not sent because it looks like a command.
    unsent: Option<String>,
    /// The command that has just listed things by number.
    listed: Option<&'static str>,
    /// Tokens of the conversation after the last answer.
    used_tokens: usize,
    /// `true` if the user knows that the context is nearly full.
    warned: bool,
    /// Hides typed text from a line to the next prompt.
    silence: Option<Silence>,
}

/// The step after a line.
enum Next {
    Continue,
    Leave,
    Switch(Box<Resolved>),
}

/// Chats until the user leaves. `chosen` are the options of the user, without those of the model.
pub(crate) fn start(
    engine: Engine,
    resolved: Resolved,
    chosen: AnswerArgs,
    opening: Opening,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    let model = Model::from(resolved);
    if engine.template().is_none() {
        let name = &model.name;
        return Err(UsageError(format!(
            "`{name}` has no chat template, so it cannot chat; continue a text with `mlxk run {name} \
             \"Some text\"`"
        ))
        .into());
    }
    let config = &context.settings.config;
    let settings = AnswerSettings::new(&chosen, model.overrides.clone(), config);
    // The same errors as in `run`, before the first message instead of after it.
    answer::request(&engine, &settings.options, turn::input(None, Vec::new()))?;
    settings::check(&engine, &settings.options, Some("format"))
        .map_err(|problem| UsageError(problem.replace("`format`", "`--format`")))?;
    let interactive = std::io::stdin().is_terminal();
    let data = &context.settings.locations.data_dir;
    let keeps = !opening.no_history && !config.flag("chat.no_history");
    // Scripts would push the conversations of people out, unless they continue one.
    let keeps_conversation = keeps && (interactive || opening.loaded.is_some());
    let folder = Folder::new(data);
    let mut editor = Editor::new(data.join("chat-history"), interactive, keeps, &folder, context)?;
    let mut chat = Chat {
        messages: settings.messages.clone(),
        begun: settings.messages.len(),
        engine,
        model,
        context,
        keeper: Keeper::new(folder, keeps_conversation),
        chosen,
        settings,
        created: None,
        files: Vec::new(),
        unsent: None,
        listed: None,
        used_tokens: 0,
        warned: false,
        silence: opening.silence,
    };
    if interactive {
        chat.welcome();
    }
    match opening.loaded {
        Some(loaded) => chat.take_up(loaded),
        None if interactive => chat.note_begun(),
        None => {}
    }
    let result = chat.run(opening.first, &mut editor);
    editor.save();
    match result {
        Err(_) if interrupt::requested() => Err(Interrupted.into()),
        result => {
            // Ctrl-C may have stopped an answer, but not the chat.
            interrupt::reset();
            result.map(|()| ExitStatus::Success)
        }
    }
}

impl Chat<'_> {
    fn welcome(&self) {
        self.note(format_args!(
            "Chat with {} · context of {} tokens · /help for help",
            self.model.name,
            self.engine.context()
        ));
    }

    /// Says which messages the conversation begins with before the user has said anything.
    fn note_begun(&self) {
        if self.begun == 0 {
            return;
        }
        let messages = count(self.begun, "message");
        // Another model's Modelfile may have begun it.
        let is_own = self.messages[..self.begun] == self.settings.messages[..];
        self.note(if is_own {
            format!("The model's own {messages} come first; /history shows them")
        } else {
            format!(
                "The conversation still begins with {messages} of another model; /history shows them"
            )
        });
    }

    /// Answers line by line.
    fn run(mut self, first: Option<String>, editor: &mut Editor) -> anyhow::Result<()> {
        if let Some(first) = first {
            self.say(&first)?;
        }
        loop {
            editor.set_keeps(self.keeper.is_on);
            self.silence = None;
            // Ctrl-C may also come after the answer and before the prompt.
            let line = if interrupt::requested() { Line::Cancelled } else { editor.read()? };
            match line {
                Line::End => {
                    self.keep_settings();
                    return Ok(());
                }
                Line::Cancelled => {
                    interrupt::reset();
                    self.note("To leave the chat, press Ctrl-D or type /bye");
                }
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => match self.take_line(&text, editor)? {
                    Next::Continue => {}
                    Next::Leave => {
                        self.keep_settings();
                        return Ok(());
                    }
                    Next::Switch(resolved) => {
                        let (old, wanted) = (self.model, Model::from(*resolved));
                        let old_name = old.name.clone();
                        // Both may not fit into memory together.
                        drop(self.engine);
                        let switched = model::load(&wanted, &self.chosen, self.context);
                        let (model, result) = match switched {
                            Ok(engine) => (wanted, Ok(engine)),
                            Err(error) => {
                                interrupt::reset();
                                self.context.printer.error(&error);
                                let again = model::load(&old, &self.chosen, self.context);
                                (old, again)
                            }
                        };
                        let before = if model.name == old_name { None } else { Some(old_name) };
                        (self.model, self.engine) = (model, result?);
                        self.fit_to_model(before.as_deref());
                    }
                },
            }
        }
    }

    /// Executes a line.
    fn take_line(&mut self, line: &str, editor: &mut Editor) -> anyhow::Result<Next> {
        let (unsent, listed) = (self.unsent.take(), self.listed.take());
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(problem) => {
                self.note(problem);
                return Ok(Next::Continue);
            }
        };
        // Most commands can take a while. The user's editor needs the terminal as it was.
        if editor.is_terminal() && !matches!(command, Command::Edit(_)) {
            self.silence.get_or_insert_with(Silence::begin);
        }
        match command {
            Command::Say(text) => {
                match command::instead(&text, listed).filter(|_| editor.is_terminal()) {
                    Some(meant) if unsent.as_deref() != Some(text.as_str()) => {
                        self.note(format_args!(
                        "Not sent: the command is `{meant}`. To send `{text}` as a message, type it again"
                    ));
                        self.unsent = Some(text);
                    }
                    _ => self.say(&text)?,
                }
            }
            Command::Help(None) => self.note(command::help(terminal::width())),
            Command::Help(Some(name)) => {
                let text = command::help_on(&name, terminal::width());
                self.note(text.unwrap_or_else(|| {
                    format!("No command is called `{name}`; `/help` lists the commands")
                }));
            }
            Command::Clear => self.clear(),
            Command::System(text) => self.system(text),
            Command::Set(text) => self.set(&text),
            Command::Show(name) => self.show(name.as_deref()),
            Command::Model(None) => self.list_models(),
            Command::Model(Some(name)) => return Ok(self.find_model(&name)),
            Command::File(path) => self.attach(path.as_deref()),
            Command::Edit(text) => self.edit(&text)?,
            Command::History => self.show_history()?,
            Command::Save(name) => self.save(&name, editor)?,
            Command::Load(None) => self.list_saved(),
            Command::Load(Some(name)) => self.load(&name),
            Command::Undo => self.undo(),
            Command::Retry => self.retry()?,
            Command::Copy => self.copy(),
            Command::Bye => return Ok(Next::Leave),
        }
        Ok(Next::Continue)
    }

    fn clear(&mut self) {
        self.messages.clone_from(&self.settings.messages);
        self.begun = self.messages.len();
        (self.used_tokens, self.warned) = (0, false);
        (self.keeper.file, self.created, self.keeper.is_private) = (None, None, false);
        self.files.clear();
        self.note("Started a new conversation");
    }

    fn system(&mut self, text: Option<String>) {
        match text {
            Some(text) => {
                let changed = self.change(&Change { name: "system", values: vec![text] });
                self.note(match changed {
                    Ok(()) if self.settings.options.system.is_none() => {
                        "Removed the system prompt from the next answers".to_owned()
                    }
                    Ok(()) => "Changed the system prompt for the next answers".to_owned(),
                    Err(problem) => problem,
                });
            }
            None => {
                self.note(self.settings.options.system.as_deref().unwrap_or("No system prompt"));
            }
        }
    }

    /// Fills the options of the user from the model and the configuration.
    fn fill(&self, chosen: &AnswerArgs) -> AnswerSettings {
        let config = &self.context.settings.config;
        AnswerSettings::new(chosen, self.model.overrides.clone(), config)
    }

    fn in_effect(&self) -> InEffect<'_> {
        InEffect {
            engine: &self.engine,
            model: &self.model.name,
            chosen: &self.chosen,
            settings: &self.settings,
            keeps_history: self.keeper.is_on,
        }
    }

    fn set(&mut self, text: &str) {
        let reply = settings::parse(text).and_then(|wish| self.fulfil(wish));
        self.note(reply.unwrap_or_else(|problem| problem));
    }

    /// Shows or changes settings. Returns what to print; the error is a sentence.
    fn fulfil(&mut self, wish: Wish) -> Result<String, String> {
        match wish {
            Wish::List => Ok(self.in_effect().list()),
            Wish::Show(name) => Ok(format!("`{name}` is {}", self.in_effect().value(name))),
            Wish::Change(change) => {
                self.change(&change)?;
                let later = if change.name == "history"
                    && self.keeper.is_on
                    && self.keeper.is_private
                {
                    ". This conversation has parts without it, so it begins with the next one (`/clear`)"
                } else {
                    settings::remark(&self.engine, change.name)
                };
                Ok(format!(
                    "`{}` is now {}{later}",
                    change.name,
                    self.in_effect().value(change.name)
                ))
            }
        }
    }

    /// Shows the settings, one of them, or a part of the model as Ollama's `/show` does.
    fn show(&mut self, name: Option<&str>) {
        let name = name.map(str::to_ascii_lowercase);
        if let Some(part) = name.as_deref().and_then(Part::of) {
            let shown = show::print(part, &self.model.name, self.context);
            return shown.unwrap_or_else(|error| self.note(failure::message(&error)));
        }
        if name.as_deref() == Some("parameters") {
            return self.note(self.in_effect().parameters());
        }
        let wish = match name.as_deref() {
            None => Ok(Wish::List),
            Some(name) => settings::find(name).map(Wish::Show),
        };
        let reply = wish.and_then(|wish| self.fulfil(wish));
        self.note(reply.unwrap_or_else(|problem| problem));
    }

    /// Changes a setting, if the model can honour it. The error is a sentence.
    fn change(&mut self, change: &Change) -> Result<(), String> {
        let mut changed = self.chosen.clone();
        settings::change(&mut changed, change)?;
        let filled = self.fill(&changed);
        settings::check(&self.engine, &filled.options, Some(change.name))?;
        (self.chosen, self.settings) = (changed, filled);
        if change.name == "history" {
            self.keeper.is_on = settings::is_on("history", &change.values.concat())?;
        }
        Ok(())
    }

    /// Puts a file into the next message, or lists those that are in it.
    fn attach(&mut self, path: Option<&str>) {
        let reply = match path {
            None if self.files.is_empty() => "No files yet; `/file PATH` adds one".to_owned(),
            None => format!("{} in the next message", count(self.files.len(), "file")),
            Some("off") => {
                self.files.clear();
                "Removed the files from the next message".to_owned()
            }
            Some(path) => {
                let path = &as_typed(path);
                match answer::file_part(&at_home(path, &self.context.settings.home), "/file") {
                    Ok(part) => {
                        self.files.push(part);
                        format!("`{path}` goes with your next message; `/file off` removes it")
                    }
                    Err(error) => failure::message(&error),
                }
            }
        };
        self.note(reply);
    }

    /// Lets the user write a message in an editor, and sends it.
    fn edit(&mut self, text: &str) -> anyhow::Result<()> {
        if !self.context.may_ask {
            self.note("`/edit` needs a terminal");
            return Ok(());
        }
        let written = compose::compose(&self.context.settings.editor, text);
        // Ctrl-C was for the editor.
        interrupt::reset();
        match written {
            Ok(text) if text.is_empty() => self.note("Nothing was written, so nothing was sent"),
            Ok(text) => {
                self.note(format_args!(">>> {text}"));
                self.say(&text)?;
            }
            Err(error) => self.note(failure::message(&error)),
        }
        Ok(())
    }

    fn show_history(&self) -> anyhow::Result<()> {
        if self.messages.is_empty() {
            self.note("No messages yet");
        }
        for message in &self.messages {
            let text = message.text().unwrap_or_default();
            if message.role == "user" {
                self.note(format_args!(">>> {text}"));
            } else {
                let mut screen =
                    Screen::new(Show::Answer, &self.settings.options, &self.context.printer);
                screen.text(&text)?;
                screen.end()?;
            }
        }
        Ok(())
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
        self.keep();
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

    fn note(&self, text: impl std::fmt::Display) {
        self.context.printer.note(text);
    }
}

/// Returns a path without the backslashes that Tab puts before spaces and the like, unless a file has such a name. On
/// Windows, a backslash is a part of the path.
fn as_typed(path: &str) -> String {
    if cfg!(windows) || Path::new(path).exists() {
        return path.to_owned();
    }
    let mut plain = String::new();
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

/// Returns a path whose `~` is the home folder, as a shell would pass it.
fn at_home(path: &str, home: &Path) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest))
}
