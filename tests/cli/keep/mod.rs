//! Managing models: `rm`, `cp`, `create`, the configuration, completions.

mod completions;
mod config;
mod cp;
mod create;
pub(crate) mod ollama;
mod rm;
mod terminal;

use crate::support::{World, streams};

/// Runs the commands one after the other. Returns a transcript.
fn transcript(world: &World, commands: &[&[&str]]) -> String {
    let mut transcript = String::new();
    let home = world.home.path().canonicalize().unwrap();
    for words in commands {
        let assert = world.mlxk(words).current_dir(&home).assert();
        let code = assert.get_output().status.code().unwrap();
        let (stdout, stderr) = streams(&assert);
        let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let block = format!("$ mlxk {}\n{stdout}{stderr}exit {code}\n\n", typed.join(" "));
        transcript.push_str(&block);
    }
    let transcript = transcript.replace(home.to_str().unwrap(), "[HOME]");
    transcript.replace(world.home.path().to_str().unwrap(), "[HOME]").trim_end().to_owned()
}

/// Puts a model of small fixed files into the cache, so that sizes are the same everywhere.
fn snapshot_of(world: &World, name: &str) {
    rm::snapshot(world, name, "0123456789abcdef0123456789abcdef01234567", "main");
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}
