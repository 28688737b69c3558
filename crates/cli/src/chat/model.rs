//! `/model`: lists the models, and switches to another one.

use mlxk_engine::Engine;
use mlxk_hub::Role;

use super::{Chat, Model, Next, saved_name, settings};
use crate::answer::{self, AnswerSettings};
use crate::args::AnswerArgs;
use crate::exit::{Interrupted, UsageError};
use crate::models::{resolve, supported};
use crate::{Context, failure, interrupt};

/// Loads a model for a chat.
pub(super) fn load(
    model: &Model,
    chosen: &AnswerArgs,
    context: &Context,
) -> anyhow::Result<Engine> {
    let settings = AnswerSettings::new(chosen, model.overrides.clone(), &context.settings.config);
    let engine = answer::load(&settings, &model.path, context)?;
    if engine.template().is_none() {
        let problem = format!("`{}` has no chat template, so it cannot chat", model.name);
        return Err(UsageError(problem).into());
    }
    Ok(engine)
}

/// Returns the names of the chat models on this machine.
pub(crate) fn chat_models(context: &Context) -> anyhow::Result<Vec<String>> {
    let models = mlxk_hub::list(&context.settings.locations, supported::quick())?;
    let chats = models.into_iter().filter(|model| model.is_usable() && model.role == Role::Chat);
    Ok(chats.map(|model| model.name).collect())
}

impl Chat<'_> {
    /// Returns the chat models on this machine, and that of this conversation if it is from elsewhere.
    fn models(&self) -> anyhow::Result<Vec<String>> {
        let mut names = chat_models(self.context)?;
        if !names.contains(&self.model.name) {
            names.insert(0, self.model.name.clone());
        }
        Ok(names)
    }

    pub(super) fn list_models(&mut self) {
        self.listed = Some("/model");
        let names = match self.models() {
            Ok(names) => names,
            Err(error) => return self.note(failure::message(&error)),
        };
        let line = |(index, name): (usize, &String)| {
            let mark = if *name == self.model.name { '*' } else { ' ' };
            format!("{mark} {:>3}  {name}", index + 1)
        };
        let mut lines: Vec<String> = names.iter().enumerate().map(line).collect();
        lines.push("To switch, type `/model NAME` or `/model NUMBER`".to_owned());
        self.note(lines.join("\n"));
    }

    /// Finds the model to switch to, by its name or its number in the list.
    pub(super) fn find_model(&self, name: &str) -> Next {
        let Ok(number) = name.parse::<usize>() else { return self.find_named(name) };
        let names = self.models().unwrap_or_default();
        // A model may be called `3`.
        if names.iter().any(|known| known == name) {
            return self.find_named(name);
        }
        let Some(name) = number.checked_sub(1).and_then(|index| names.get(index)) else {
            self.note(format_args!("No model has the number {name}; `/model` lists them"));
            return Next::Continue;
        };
        self.find_named(name)
    }

    fn find_named(&self, name: &str) -> Next {
        let pull = !self.chosen.engine.compute.no_pull;
        match resolve::find(name, pull, self.context) {
            Ok(resolved) if saved_name(&resolved) == self.model.name => {
                self.note(format_args!("This conversation is already with `{}`", self.model.name));
                Next::Continue
            }
            Ok(resolved) => Next::Switch(Box::new(resolved)),
            Err(error) => {
                // Ctrl-C may have stopped a download, but not the chat.
                interrupt::reset();
                if !error.is::<Interrupted>() {
                    let hint = failure::hint(&error);
                    let hint = hint.map(|hint| hint.replace("`mlxk list`", "`/model`"));
                    self.context.printer.error_with(&error, hint);
                }
                Next::Continue
            }
        }
    }

    /// Adapts the settings and the beginning of the conversation to a model that was just loaded. `before` is the name of
    /// the model before, if it was another one.
    pub(super) fn fit_to_model(&mut self, before: Option<&str>) {
        for problem in settings::drop_refused(&self.engine, &mut self.chosen) {
            self.note(format_args!("{problem}. It is back at its default"));
        }
        let system = self.settings.options.system.take();
        self.settings = self.fill(&self.chosen);
        if self.messages.len() == self.begun {
            self.messages.clone_from(&self.settings.messages);
            self.begun = self.messages.len();
        }
        (self.used_tokens, self.warned) = (0, false);
        self.welcome();
        self.note_begun();
        let new = self.settings.options.system.as_deref();
        if let Some(before) = before
            && let Some(note) = system_note(system.as_deref(), new, before, &self.model.name)
        {
            self.note(note);
        }
    }
}

/// Says that the system prompt of the model `before` no longer applies, if that is so.
fn system_note(old: Option<&str>, new: Option<&str>, before: &str, name: &str) -> Option<String> {
    match (old, new) {
        (old, new) if old == new => None,
        (None, _) => None,
        (Some(_), None) => Some(format!(
            "The system prompt of `{before}` no longer applies, and `{name}` has none; `/system` sets one"
        )),
        (Some(_), Some(_)) => Some(format!(
            "The system prompt of `{name}` replaces that of `{before}`; `/system` shows it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::system_note;

    #[test]
    fn a_system_prompt_that_goes_is_named() {
        let note = |old, new| system_note(old, new, "a", "b").unwrap_or_default();
        assert_eq!(note(None, None) + &note(Some("x"), Some("x")) + &note(None, Some("x")), "");
        assert!(note(Some("x"), None).starts_with("The system prompt of `a` no longer applies"));
        assert!(
            note(Some("x"), Some("y")).starts_with("The system prompt of `b` replaces that of `a`")
        );
    }
}
