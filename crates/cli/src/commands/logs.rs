//! `mlxk logs`: lists the conversations on this machine, and prints one.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::table;
use crate::answer::{Screen, Show};
use crate::args::LogsArgs;
use crate::conversations::{Conversation, Entry, Folder, Loaded, read};
use crate::exit::ExitStatus;
use crate::format::{age, count};
use crate::terminal::{fold, sanitize, sanitize_line, width};
use crate::{Context, failure, json, output};

/// Characters of a question in a list.
const MAX_FIRST: usize = 40;

/// Lists the conversations, or prints or deletes one.
pub(crate) fn run(args: &LogsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let folder = Folder::new(&context.settings.locations.data_dir);
    match &args.name {
        None => list(args, &folder, context)?,
        Some(name) if args.delete => delete(args, &folder.find(name)?, &folder, context)?,
        Some(name) => {
            let loaded = folder.load(name)?;
            if args.json {
                let object = object(&loaded.entry, &loaded.conversation, true);
                json::print("logs", &json!({"conversation": object}))?;
            } else {
                print(&loaded, context)?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

fn list(args: &LogsArgs, folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let entries = folder.distinct().context("Cannot list the conversations")?;
    let most = args.count.unwrap_or(usize::MAX);
    let mut rows = vec![
        ["#", "Name", "Changed", "Turns", "Model", "First message"].map(str::to_owned).to_vec(),
    ];
    let mut objects = Vec::new();
    for (index, entry) in entries.iter().take(most).enumerate() {
        let conversation = match read(&entry.path) {
            Ok(conversation) => conversation,
            Err(error) => {
                context.printer.note(format_args!("warning: {}", failure::message(&error)));
                continue;
            }
        };
        rows.push(vec![
            (index + 1).to_string(),
            entry.name.clone(),
            age(entry.modified),
            conversation.turns().to_string(),
            conversation.model.clone(),
            shortened(&conversation.first()),
        ]);
        objects.push(object(entry, &conversation, false));
    }
    if args.json {
        let count = objects.len();
        return json::print("logs", &json!({"conversations": objects, "count": count}));
    }
    if entries.is_empty() {
        context.printer.note("No conversations yet; `mlxk chat` starts one");
        return Ok(());
    }
    // Kept conversations are named by their time.
    table::print_most(&rows, &rows, &["Changed"], "mlxk logs | less -S", &context.printer)
}

/// Describes a conversation in a line, for a list.
pub(crate) fn line(number: usize, entry: &Entry) -> String {
    let (name, age) = (&entry.name, age(entry.modified));
    match read(&entry.path) {
        Ok(conversation) => format!(
            "  {number:>3}  {name} · {age} · {} · {}",
            count(conversation.turns(), "turn"),
            shortened(&conversation.first())
        ),
        Err(_) => format!("  {number:>3}  {name} · {age} · cannot be read"),
    }
}

/// Returns the beginning of a text, in one line.
fn shortened(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MAX_FIRST {
        return words;
    }
    words.chars().take(MAX_FIRST - 1).chain(['…']).collect()
}

fn object(entry: &Entry, conversation: &Conversation, with_messages: bool) -> Value {
    let mut object = json!({
        "name": entry.name,
        "path": entry.path,
        "saved": entry.is_named,
        "model": conversation.model,
        "created": conversation.created,
        "updated": conversation.updated,
        "turns": conversation.turns(),
        "first": conversation.first(),
    });
    if with_messages {
        object["system"] = json!(conversation.system);
        object["settings"] = json!(conversation.settings);
        object["messages"] = json!(conversation.messages);
    }
    object
}

fn delete(
    args: &LogsArgs,
    entry: &Entry,
    folder: &Folder,
    context: &Context,
) -> anyhow::Result<()> {
    folder.delete(entry).with_context(|| format!("Cannot delete `{}`", entry.path.display()))?;
    if args.json {
        return json::print("logs", &json!({"deleted": entry.name}));
    }
    context.printer.note(format_args!("Deleted the conversation `{}`", entry.name));
    Ok(())
}

/// Prints a conversation: rendered on a terminal, otherwise as Markdown with a heading before every message.
fn print(loaded: &Loaded, context: &Context) -> anyhow::Result<()> {
    let Loaded { entry, conversation } = loaded;
    let mut out = output::stdout();
    let is_terminal = output::stdout_is_terminal();
    let time = conversation.updated.clone().unwrap_or_else(|| age(entry.modified));
    let (name, model) = (&entry.name, &conversation.model);
    if is_terminal {
        let cells = [name, model, &time].map(|cell| sanitize_line(cell));
        show(&mut out, &table::joined(cells.into_iter(), width()))?;
    } else {
        show(&mut out, &format!("# {name}\n\n{model} · {time}"))?;
    }
    if let Some(system) = conversation.system.as_deref().filter(|text| !text.is_empty()) {
        let gap = if is_terminal { "" } else { "\n" };
        show(&mut out, &format!("{gap}System prompt: {system}"))?;
    }
    drop(out);
    for message in &conversation.messages {
        let text = message.text().unwrap_or_default();
        let mut out = output::stdout();
        out.line("")?;
        if !is_terminal {
            show(
                &mut out,
                &format!("## {}\n\n{}", heading(&message.role, model), text.trim_end()),
            )?;
        } else if message.role == "assistant" {
            drop(out);
            let mut screen = Screen::of_text(Show::Answer, &context.printer);
            screen.text(&text)?;
            screen.end()?;
        } else {
            let mark = if message.role == "user" { ">>>" } else { message.role.as_str() };
            // Lines after the first are marked, too, because an answer has no marks.
            show(&mut out, &format!("{mark} {}", text.trim_end().replace('\n', "\n... ")))?;
        }
    }
    Ok(())
}

/// Returns the name of the author of a message.
fn heading<'a>(role: &'a str, model: &'a str) -> &'a str {
    match role {
        "user" => "You",
        "assistant" => model,
        other => other,
    }
}

/// Prints text, wrapped on a terminal.
fn show(out: &mut output::Output, text: &str) -> std::io::Result<()> {
    let text = sanitize(text);
    let text = if output::stdout_is_terminal() { fold(&text, width()) } else { text };
    out.text(format_args!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_question_fits_into_a_line() {
        assert_eq!(shortened("a\n  b"), "a b");
        assert_eq!(shortened(&"é".repeat(50)), "é".repeat(39) + "…");
    }
}
