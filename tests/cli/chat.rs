//! Conversations, on a real pseudo-terminal and through pipes.
//!
//! The screen is what a terminal of the given size would show (the `vt100` crate draws it).

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::starter;
use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// Timeout, longer than any step takes, so that a hang becomes a failure.
const PATIENCE: Duration = Duration::from_mins(1);

/// Rows of the screen, so many that nothing leaves it.
const ROWS: u16 = 100;

/// A chat in a terminal.
struct Session {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    home: TempDir,
}

impl Session {
    /// A chat with the starter model, greedy.
    fn start(columns: u16, more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), columns, more)
    }

    fn start_in(home: TempDir, columns: u16, more: &[&str]) -> Self {
        let model = starter::data().join("mlxk/models/smollm2");
        let words = [&["chat", path(&model), "--temperature", "0"], more].concat();
        Self::start_with(home, columns, &words, &[])
    }

    /// Any command that begins a chat.
    fn start_with(home: TempDir, columns: u16, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut session = Self::spawn(home, columns, words, variables);
        session.wait_for(">>> ");
        session
    }

    fn spawn(home: TempDir, columns: u16, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("mlxk"));
        command.args(words);
        command.env("TERM", "xterm-256color");
        command.env("XDG_DATA_HOME", home.path());
        command.env_remove("NO_COLOR");
        command.env_remove("MLXK_NO_HISTORY");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen =
            Arc::new(Mutex::new(vt100::Parser::new(nonzero(ROWS), nonzero(columns), 1000)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let drawn = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { master: pair.master, writer, child, screen, home }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows the text.
    fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |screen| screen.contains(text));
    }

    fn wait_until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !holds(&self.text()) {
            assert!(started.elapsed() < PATIENCE, "no `{what}` on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Types a line, once the prompt is there, and waits for the next one.
    fn say(&mut self, line: &str) {
        self.wait_until("empty prompt", |screen| {
            let last = screen.trim_end().lines().next_back().unwrap_or_default();
            matches!(last.trim_end(), ">>>" | ">>> Type a message, or /help")
        });
        let before = self.text().matches(">>> ").count();
        self.send(&format!("{line}\r"));
        self.wait_until("next prompt", |screen| screen.matches(">>> ").count() > before);
    }

    /// Leaves, and returns the home folder for the next chat.
    fn leave(mut self) -> TempDir {
        self.send("\x04");
        assert_eq!(self.end(), 0);
        self.home
    }

    /// Waits for the end and returns the exit code.
    fn end(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

#[test]
fn a_message_of_several_lines_is_one_message() {
    let mut session = Session::start(80, &["--max-tokens", "8"]);
    session.send("\"\"\"First line\r");
    session.send("second line\"\"\"\r");
    session.wait_for("after 8 tokens");
    session.say("/history");
    let screen = session.text();
    assert!(screen.contains(">>> First line\nsecond line\n"), "{screen}");
    // Alt-Enter also begins a line.
    session.send("/system one\x1b\rtwo\r");
    session.wait_for("Changed the system prompt");
    session.say("/system");
    assert!(session.text().contains("\none\ntwo\n"), "{}", session.text());
    session.send("/bye\r");
    assert_eq!(session.end(), 0);
}

#[test]
fn ctrl_c_stops_the_answer_and_the_chat_continues() {
    let mut session = Session::start(80, &[]);
    session.send("Write a very long story about the sea and a captain.\r");
    // In the middle of the answer.
    session.wait_until("an answer", |screen| screen.lines().count() > 6);
    session.send("\x03");
    session.wait_for("Stopped");
    session.say("/set max_tokens 12");
    session.send("Write a long story about the moon and a fox.\r");
    session.wait_for("after 12 tokens");
    // At the prompt, Ctrl-C prints how to leave, and Ctrl-D leaves.
    session.send("\x03");
    session.wait_for("press Ctrl-D or type /bye");
    session.send("\x04");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_saved_conversation_continues_in_another_chat() {
    let mut session = Session::start(100, &["--max-tokens", "10", "--system", "Be brief."]);
    session.say("The word is heliotrope.");
    session.say("/save talk");
    let home = session.leave();
    assert!(home.path().join("mlxk/chats/talk.json").exists());
    let mut session = Session::start_in(home, 100, &["--max-tokens", "10"]);
    session.say("/set seed 7");
    session.say("/load talk");
    assert!(session.text().contains("`talk` stays as it is"), "{}", session.text());
    session.say("/set seed");
    assert!(session.text().contains("`seed` is random (default)"), "{}", session.text());
    assert!(session.text().contains("Loaded 2 messages"), "{}", session.text());
    session.say("/system");
    session.say("/history");
    let screen = session.text();
    assert!(screen.contains("Be brief.") && screen.contains(">>> The word is heliotrope."));
    session.say("/undo");
    session.say("/undo");
    session.say("/history");
    let screen = session.text();
    assert!(screen.contains("Nothing to undo") && screen.contains("No messages yet"));
    // The input history of the earlier chat is available.
    session.send(&"\x1b[A".repeat(10));
    session.wait_until("an earlier line", |screen| {
        screen.lines().last().is_some_and(|line| line.contains(">>> The word is heliotrope."))
    });
}

#[test]
fn narrow_and_resized_windows() {
    let mut session = Session::start(40, &["--max-tokens", "60"]);
    session.say("/help");
    session.send("Write a list of three fruits with a long description of each.\r");
    session.wait_for("after 60 tokens");
    // The screen joins lines that the terminal wrapped, so the remaining breaks are ours.
    for line in session.text().lines().filter(|line| !line.starts_with(">>> ")) {
        assert!(line.chars().count() <= 40, "{line}");
    }
    let size = PtySize { rows: ROWS, cols: 72, pixel_width: 0, pixel_height: 0 };
    session.master.resize(size).unwrap();
    session.screen.lock().unwrap().screen_mut().set_size(nonzero(ROWS), nonzero(72));
    session.say("/clear");
    session.send("Describe the sea in one long paragraph.\r");
    session
        .wait_until("a wide line", |screen| screen.lines().any(|line| line.chars().count() > 45));
    session.send("\x03");
    session.wait_until("an end", |screen| {
        screen.contains("Stopped") || screen.matches("after 60 tokens").count() > 1
    });
    // Ctrl-D ends a chat at its prompt, and means nothing before.
    session.wait_until("a prompt", |screen| {
        let last = screen.trim_end().lines().next_back().unwrap_or_default();
        last.starts_with(">>>") && !last.contains("Describe")
    });
    session.send("\x04");
    assert_eq!(session.end(), 0);
}

#[test]
fn input_breaks_between_words() {
    let mut session = Session::start(60, &["--max-tokens", "4"]);
    let question = "What is the name of the captain who once sailed across all the oceans?";
    session.send(question);
    session.wait_for("oceans?");
    let screen = session.text();
    let rows: Vec<&str> = screen.lines().map(str::trim_end).collect();
    assert!(
        rows.ends_with(&[
            ">>> What is the name of the captain who once sailed across",
            "all the oceans?"
        ]),
        "{screen}"
    );
    // A break goes with the space before it.
    session.send(&"\x7f".repeat("all the oceans?".len() + 1));
    session.send("?\r");
    session.wait_for("after 4 tokens");
    let home = session.leave();
    assert_eq!(
        kept(&home)[0]["content"],
        "What is the name of the captain who once sailed across?"
    );
    let typed = std::fs::read_to_string(home.path().join("mlxk/chat-history")).unwrap();
    assert!(typed.contains("once sailed across?"), "{typed}");
}

#[test]
fn commands_are_completed_and_mistakes_are_explained() {
    let mut session = Session::start(100, &["--max-tokens", "4"]);
    session.send("/ret\t");
    session.wait_for(">>> /retry");
    session.send("\r");
    session.wait_for("Nothing to answer yet");
    for (line, answer) in [
        ("/nosuch", "Unknown command `/nosuch`"),
        ("/set temperature hot", "hot"),
        ("/set ctx 5", "--ctx"),
        ("/load nosuch", "No conversation is called `nosuch`"),
        ("/set device cpu", "restart with `--device`"),
        ("/copy", "No answer to copy yet"),
        ("/set top_k 3", "`top_k` is now 3"),
        ("/show", "top_k                3"),
        ("/save 3", "`3` is a number in the list"),
        ("/set top_k", "`top_k` is 3"),
        ("/set seed", "`seed` is random (default)"),
        ("/set parameter num_predict 7", "`max_tokens` is now 7"),
        ("/set temp 300", "`temperature` must be a number from 0 to 100"),
        ("/set think", "`think`: this model has no thinking mode"),
        ("/set logit_bias nosuchword=1", "`logit_bias`: `nosuchword` is"),
        ("/set format {\"type\":7}", "`format` cannot be enforced"),
        ("/set num_ctx 4096", "restart with `--ctx`"),
        ("/set nowordwrap", "`wordwrap` is now off"),
        ("/set system You are a pirate", "`system` is now You are a pirate"),
        ("/system off", "Removed the system prompt from the next answers"),
        ("/set system", "`system` is none"),
        ("/model nosuch", "nosuch"),
        ("/model", "`/model NUMBER`"),
        ("1", "the command is `/model 1`"),
        ("exit", "the command is `/bye`"),
        ("?", "the command is `/help`"),
    ] {
        session.say(line);
        assert!(session.text().contains(answer), "{line}:\n{}", session.text());
    }
    session.say("/show parameters");
    let text = session.text();
    let shown = text.rsplit("/show parameters").next().unwrap();
    assert!(shown.contains("top_k                3") && shown.contains("stop "), "{text}");
    for other in ["device", "wordwrap", "history"] {
        assert!(!shown.contains(other), "{other}:\n{text}");
    }
}

#[test]
fn a_pipe_is_a_conversation_that_ends_with_it() {
    let model = starter::data().join("mlxk/models/smollm2");
    let chat = |input: &str| {
        let arguments = ["chat", path(&model), "--temperature", "0", "--max-tokens", "6"];
        let assert = World::new().mlxk(&arguments).write_stdin(input).assert().success();
        streams(&assert)
    };
    assert_eq!(chat(""), (String::new(), String::new()));
    let (one, _) = chat("What is the color of the sky?");
    assert!(!one.trim().is_empty() && !one.contains('\x1b'), "{one:?}");
    let (two, _) = chat("What is the color of the sky?\nAnd of grass?\n/bye\nnot reached\n");
    assert!(two.starts_with(&one) && two.len() > one.len(), "{two}");
    // After /undo, the second question gets the same answer as alone.
    let (undone, _) = chat("What is the color of the sky?\n/undo\nAnd of grass?");
    let (alone, _) = chat("And of grass?");
    assert_eq!(undone, format!("{one}{alone}"));
}

#[test]
fn a_model_without_a_template_cannot_chat() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    std::fs::write(model.path().join("tokenizer_config.json"), "{\"eos_token\": \"<|end|>\"}")
        .unwrap();
    let assert = world.mlxk(&["chat", path(model.path())]).assert().code(2);
    let (_, stderr) = streams(&assert);
    assert!(stderr.contains("no chat template") && stderr.contains("mlxk run"), "{stderr}");
}

/// A conversation with everything that is laid out.
const DEMO: &str = r#"Here is a table:

| Option | Meaning | Default |
|:-------|---------|--------:|
| `--temperature` | Randomness of the answer; 0 always takes the most probable token | 0.7 |
| `--top-p` | Sample from the most probable tokens that add up to this probability | 0.9 |

```python
def greet(name: str) -> str:
    """Returns a greeting."""
    return f"Hello, {name}!" if name else None  # or nothing
```

1. An item with **bold** words that is long enough to wrap at sixty columns of text.
   - An inner item.
"#;

#[test]
fn screens_of_several_widths() {
    let mut screens = Vec::new();
    for columns in [60, 80, 200] {
        let home = tempfile::tempdir().unwrap();
        let chats = home.path().join("mlxk/chats");
        std::fs::create_dir_all(&chats).unwrap();
        let question = "Show me a table and some code, and then a list with an item of many words.";
        let conversation = json!({
            "version": 1, "model": "org/model", "system": null, "updated": "2026-01-02T03:05:00Z",
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": DEMO},
            ],
        });
        std::fs::write(chats.join("demo.json"), conversation.to_string()).unwrap();
        let mut session = Session::spawn(home, columns, &["logs", "demo"], &[]);
        assert_eq!(session.end(), 0);
        session.wait_for("inner item");
        screens.push(format!("=== {columns} columns ===\n{}\n", session.text().trim_end()));
    }
    insta::assert_snapshot!("screens", screens.join("\n"));
}

/// Returns the messages of the only conversation that was kept by itself.
fn kept(home: &TempDir) -> Vec<Value> {
    let folder = home.path().join("mlxk/chats/kept");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let conversation: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    conversation["messages"].as_array().unwrap().clone()
}

fn smollm2() -> String {
    path(&starter::data().join("mlxk/models/smollm2")).to_owned()
}

#[cfg(unix)]
#[test]
fn what_is_typed_during_an_answer_waits_for_the_prompt() {
    let mut session = Session::start(80, &["--max-tokens", "150"]);
    session.send("Write a very long story about the sea and a captain.\r");
    session.wait_until("an answer", |screen| screen.lines().count() > 3);
    session.send("/history zebrx\x7fa");
    session.wait_for("after 150 tokens");
    session.wait_for(">>> /history zebra");
    assert_eq!(session.text().matches("zebra").count(), 1, "{}", session.text());
    // Ctrl-C leaves no mark in the answer.
    session.send("\x15Write a very long story about the moon and a fox.\r");
    session.wait_until("an answer", |screen| {
        screen.split("and a fox.").nth(1).is_some_and(|text| text.trim().len() > 20)
    });
    session.send("\x03");
    session.wait_for("Stopped");
    assert!(!session.text().contains("^C"), "{}", session.text());
    // Ctrl-D waits, too. The terminal echoes again afterwards.
    session.say("/set max_tokens 20");
    session.send("Write a very long story about the sun and a bear.\r\x04");
    assert_eq!(session.end(), 0);
    assert!(echoes(&*session.master));
}

#[cfg(unix)]
#[test]
fn lines_typed_before_the_first_prompt_are_sent_in_turn() {
    let home = tempfile::tempdir().unwrap();
    let model = smollm2();
    let words = ["chat", model.as_str(), "--max-tokens", "4"];
    let mut session = Session::spawn(home, 100, &words, &[]);
    let started = Instant::now();
    while echoes(&*session.master) {
        assert!(started.elapsed() < PATIENCE, "the chat never hides what is typed");
        std::thread::sleep(Duration::from_millis(1));
    }
    session.send("/set seed 7\r/set seed\r");
    session.wait_for("`seed` is 7");
    let screen = session.text();
    assert!(screen.starts_with("Chat with "), "{screen}");
    assert!(screen.contains(">>> /set seed 7\n`seed` is now 7"), "{screen}");
    session.leave();
    // A command that fails restores the terminal.
    let home = tempfile::tempdir().unwrap();
    let mut session = Session::spawn(home, 100, &["run", "./nosuch"], &[]);
    session.wait_for("does not exist");
    session.child.wait().unwrap();
    assert!(echoes(&*session.master));
}

/// Returns `true` if a terminal shows what is typed, and reads lines.
#[cfg(unix)]
fn echoes(master: &dyn MasterPty) -> bool {
    let flags = master.get_termios().unwrap().local_flags;
    ["ECHO", "ICANON"].iter().all(|name| flags.iter_names().any(|(set, _)| set == *name))
}

#[cfg(unix)]
#[test]
fn the_terminal_is_restored_by_a_signal() {
    for during_an_answer in [false, true] {
        let mut session = Session::start(80, &[]);
        if during_an_answer {
            session.send("Write a very long story about the sea and a captain.\r");
            session.wait_until("an answer", |screen| screen.lines().count() > 3);
            assert!(!echoes(&*session.master));
        }
        let id = session.child.process_id().unwrap().to_string();
        std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        if during_an_answer {
            session.wait_for("Stopped");
            session.send("\x04");
        }
        session.end();
        assert!(echoes(&*session.master), "during an answer: {during_an_answer}");
    }
}

#[test]
fn a_chat_is_kept_and_continues() {
    let model = smollm2();
    let more = ["--max-tokens", "5", "--seed", "3"];
    let mut session = Session::start(100, &more);
    session.say("The word is heliotrope.");
    let home = session.leave();
    assert_eq!(kept(&home).len(), 2);
    let mut session = Session::start_with(home, 100, &["chat", "-c"], &[]);
    assert!(session.text().contains("Loaded 2 messages"), "{}", session.text());
    // The settings are those of the first chat.
    session.say("/set max_tokens");
    session.say("/set seed");
    let screen = session.text();
    assert!(screen.contains("`max_tokens` is 5") && screen.contains("`seed` is 3"), "{screen}");
    session.say("Say it again.");
    session.say("/undo");
    session.say("Say it backwards.");
    let home = session.leave();
    let messages = kept(&home);
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert_eq!(messages[2]["content"], "Say it backwards.");
    // `run` without a prompt is a chat, too. Options of the command line win over the saved ones.
    let mut session = Session::start_with(home, 100, &["chat", "-c", &model, "--seed", "9"], &[]);
    session.say("/set seed");
    assert!(session.text().contains("`seed` is 9"), "{}", session.text());
    session.say("/undo");
    session.say("/undo");
    let home = session.leave();
    // Nothing is left of a conversation without messages.
    assert_eq!(std::fs::read_dir(home.path().join("mlxk/chats/kept")).unwrap().count(), 0);
}

#[test]
fn no_history_keeps_nothing() {
    let model = smollm2();
    for (words, variables) in [
        (&["chat", model.as_str(), "--max-tokens", "4", "--no-history"][..], &[][..]),
        (&["run", model.as_str(), "--max-tokens", "4"], &[("MLXK_NO_HISTORY", "1")]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut session = Session::start_with(home, 80, words, variables);
        session.say("Hello");
        let home = session.leave();
        assert!(!home.path().join("mlxk").exists(), "{words:?}");
    }
    let mut session = Session::start(80, &["--max-tokens", "4"]);
    session.say("/set nohistory");
    session.say("A secret");
    // Only what the user saves is on disk, and it is the last conversation.
    session.say("/save notes");
    session.say("/set history on");
    session.say("Hello");
    let home = session.leave();
    let typed = std::fs::read_to_string(home.path().join("mlxk/chat-history")).unwrap();
    assert!(typed.contains("Hello") && !typed.contains("secret"), "{typed}");
    assert!(!home.path().join("mlxk/chats/kept").exists());
    let session = Session::start_with(home, 80, &["chat", "-c"], &[]);
    assert!(session.text().contains("Loaded 2 messages of `notes`"), "{}", session.text());
    session.leave();
}

#[test]
fn a_saved_name_is_only_replaced_after_a_question() {
    let mut session = Session::start(100, &["--max-tokens", "4"]);
    session.say("The first question.");
    session.say("/save talk");
    let file = session.home.path().join("mlxk/chats/talk.json");
    let saved = || std::fs::read_to_string(&file).unwrap();
    // More of the same conversation replaces it without a question.
    session.say("The next question.");
    session.say("/save talk");
    assert!(!session.text().contains("[y/N]") && saved().contains("next"), "{}", session.text());
    session.say("/undo");
    session.send("/save talk\r");
    session.wait_for("Replace it? [y/N]");
    session.send("n\r");
    session.wait_for("Not saved");
    assert!(saved().contains("next"));
    session.say("/clear");
    session.say("The second question.");
    for (keys, asked) in [("\x03", 2), ("\x04", 3)] {
        session.send("/save talk\r");
        session.wait_until("a question", |screen| screen.matches("[y/N]").count() == asked);
        session.send(keys);
        session.wait_until("a no", |screen| screen.matches("Not saved").count() == asked);
        assert!(saved().contains("first"));
    }
    session.say("The third question.");
    session.send("/save talk\r");
    session.wait_until("a question", |screen| screen.matches("[y/N]").count() == 4);
    session.send("y\r");
    session.wait_until("a new file", |screen| screen.matches("Saved to").count() == 3);
    assert!(saved().contains("third") && !saved().contains("first"));
    // A saved conversation is continued as a copy.
    session.say("/load");
    assert!(session.text().contains("talk · just now · 2 turns"), "{}", session.text());
    session.send("/load ta\t");
    session.wait_for(">>> /load talk");
    session.send("\r");
    session.wait_for("Loaded 4 messages of `talk`");
    session.say("A heliotrope.");
    let home = session.leave();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("heliotrope"));
    let words = ["chat", "--load", "1"];
    let session = Session::start_with(home, 100, &words, &[]);
    assert!(session.text().contains("Loaded 6 messages"), "{}", session.text());
}

#[test]
fn words_of_other_programs_are_sent_only_when_repeated() {
    let mut session = Session::start(80, &["--max-tokens", "4"]);
    session.say("help");
    assert!(session.text().contains("the command is `/help`"), "{}", session.text());
    session.say("help");
    session.wait_for("after 4 tokens");
    session.say("exit");
    session.say("/history");
    let home = session.leave();
    assert_eq!(kept(&home)[0]["content"], "help");
    // In a pipe, words are messages.
    let words = ["chat", &smollm2(), "--max-tokens", "4"];
    let assert = World::new().mlxk(&words).write_stdin("help").assert().success();
    assert!(!streams(&assert).1.contains("/help"));
}

#[test]
fn another_model_continues_the_conversation() {
    let other = checkpoint(Kind::Llama, Stored::Bits(4));
    let mut session = Session::start(100, &["--max-tokens", "4", "--top-k", "7"]);
    session.say("The word is heliotrope.");
    session.say("/model nosuch");
    session.say("/model");
    assert!(session.text().contains(&format!("*   1  {}", smollm2())), "{}", session.text());
    session.say("/model 1");
    assert!(session.text().contains("already with"), "{}", session.text());
    session.say("/model 99");
    assert!(session.text().contains("No model has the number 99"), "{}", session.text());
    session.say(&format!("/model {}", path(other.path())));
    session.say("/set top_k");
    assert!(session.text().contains("`top_k` is 7"), "{}", session.text());
    session.say("And now?");
    // A model that cannot be loaded leaves the old one in place.
    std::fs::write(other.path().join("tokenizer_config.json"), "{\"eos_token\": \"<|end|>\"}")
        .unwrap();
    session.say(&format!("/model {}", smollm2()));
    session.say(&format!("/model {}", path(other.path())));
    assert!(session.text().contains("no chat template"), "{}", session.text());
    session.say("And again?");
    let home = session.leave();
    let messages = kept(&home);
    let asked: Vec<_> = messages.iter().filter(|it| it["role"] == "user").collect();
    assert_eq!(asked.len(), 3, "{messages:?}");
}

#[test]
fn messages_of_the_model_before_are_not_the_new_ones_own() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("Modelfile");
    let base = smollm2();
    let text =
        format!("FROM {base}\nSYSTEM Be brief.\nMESSAGE user Hi\nMESSAGE assistant Hello.\n");
    std::fs::write(&file, text).unwrap();
    let mut create = World::new().mlxk(&["create", "polite", "-f", path(&file)]);
    create.env("XDG_DATA_HOME", home.path()).assert().success();
    let other = checkpoint(Kind::Llama, Stored::Bits(4));
    let words = ["chat", "polite", "--max-tokens", "4"];
    let mut session = Session::start_with(home, 110, &words, &[]);
    let own = "The model's own 2 messages come first";
    assert!(session.text().contains(own), "{}", session.text());
    session.say("The word is heliotrope.");
    let home = session.leave();
    // A conversation that continues has its own beginning.
    let mut session = Session::start_with(home, 110, &["chat", "-c", "polite"], &[]);
    let screen = session.text();
    assert!(screen.contains("Loaded 4 messages") && !screen.contains(own), "{screen}");
    session.say(&format!("/model {}", path(other.path())));
    let screen = session.text();
    assert!(!screen.contains(own), "{screen}");
    assert!(screen.contains("still begins with 2 messages of another model"), "{screen}");
    assert!(screen.contains("The system prompt of `polite` no longer applies"), "{screen}");
    session.leave();
}

#[test]
fn files_go_with_the_next_message() {
    let mut session = Session::start(100, &["--max-tokens", "4"]);
    let file = session.home.path().join("a note.txt");
    std::fs::write(&file, "The word is heliotrope.\n").unwrap();
    session.say("/file nosuch.txt");
    assert!(session.text().contains("Cannot read `nosuch.txt` for `/file`"), "{}", session.text());
    if cfg!(unix) {
        // Tab writes a space like this.
        session.say(&format!("/file {}", path(&file).replace(' ', "\\ ")));
        session.say("/file off");
        assert!(session.text().contains("goes with your next message"), "{}", session.text());
    }
    session.say(&format!("/file \"{}\"", path(&file)));
    session.say("What is the word?");
    session.say("And now?");
    let home = session.leave();
    let messages = kept(&home);
    let expected = format!(
        "File `{}`:\n\n```txt\nThe word is heliotrope.\n```\n\nWhat is the word?",
        file.display()
    );
    assert_eq!(messages[0]["content"], expected);
    assert_eq!(messages[2]["content"], "And now?");
}

#[cfg(unix)]
#[test]
fn messages_can_be_written_in_an_editor() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("editor.sh");
    std::fs::write(&script, "#!/bin/sh\nprintf 'from the %s\\nsecond line\\n' \"$1\" >> \"$2\"\n")
        .unwrap();
    let editor = format!("sh {} editor", path(&script));
    let words = ["chat", &smollm2(), "--max-tokens", "4"];
    let mut session = Session::start_with(home, 100, &words, &[("VISUAL", &editor)]);
    session.send("/edit Begun. \r");
    session.wait_for("after 4 tokens");
    let mut session = Session::start_with(session.leave(), 100, &words, &[("EDITOR", "false")]);
    session.say("/edit");
    assert!(session.text().contains("The editor `false` failed"), "{}", session.text());
    let home = session.leave();
    assert_eq!(kept(&home)[0]["content"], "Begun.from the editor\nsecond line");
}

#[test]
fn conversations_are_listed_and_printed() {
    let world = World::new();
    let logs =
        |words: &[&str]| streams(&world.mlxk(&[&["logs"], words].concat()).assert().success());
    let (stdout, stderr) = logs(&[]);
    assert_eq!(stdout, "");
    assert!(stderr.contains("`mlxk chat` starts one"), "{stderr}");
    let chats = world.home.path().join("data/mlxk/chats");
    std::fs::create_dir_all(chats.join("kept")).unwrap();
    let conversation = json!({
        "version": 1, "model": "org/model", "system": "Be brief.", "settings": {"top_k": 3},
        "created": "2026-01-02T03:04:05Z", "updated": "2026-01-02T03:05:00Z",
        "messages": [
            {"role": "user", "content": "What is \u{1b}[31mred?\n\nAnd why?"},
            {"role": "assistant", "content": "**A** color."},
        ],
    });
    std::fs::write(chats.join("notes.json"), conversation.to_string()).unwrap();
    std::fs::write(chats.join("kept/2026-01-02-030405.json"), "{").unwrap();
    let (stdout, stderr) = logs(&[]);
    let row: Vec<&str> = stdout.lines().nth(2).unwrap().split('|').map(str::trim).collect();
    assert_eq!(row[1..], ["notes", "just now", "1", "org/model", "What is [31mred? And why?"]);
    assert!(stderr.contains("warning: Cannot load the conversation"), "{stderr}");
    let (stdout, _) = logs(&["notes"]);
    let expected = "# notes\n\norg/model · 2026-01-02T03:05:00Z\n\nSystem prompt: Be brief.\n\n\
                    ## You\n\nWhat is [31mred?\n\nAnd why?\n\n## org/model\n\n**A** color.\n";
    assert_eq!(stdout, expected);
    let printed: Value = serde_json::from_str(&logs(&["notes", "--json"]).0).unwrap();
    assert_eq!(printed["data"]["conversation"]["messages"], conversation["messages"]);
    // The chat keeps a copy of a saved conversation, which goes with it.
    let copy = chats.join("kept/2026-01-02-030406.json");
    std::fs::write(&copy, conversation.to_string()).unwrap();
    logs(&["notes", "--delete"]);
    assert!(!copy.exists());
    assert!(!logs(&[]).0.contains("red?"));
    let assert = world.mlxk(&["logs", "notes"]).assert().code(1);
    assert!(streams(&assert).1.contains("No conversation is called `notes`"));
    let assert = world.mlxk(&["chat", "--load", "nosuch"]).assert().code(1);
    assert!(streams(&assert).1.contains("`mlxk logs` lists them"));
    let assert = World::new().mlxk(&["chat", "-c"]).assert().code(1);
    assert!(streams(&assert).1.contains("No conversation to continue"));
}

/// Text that is typed while `run` answers waits for the shell, and does not appear in the answer.
#[test]
fn typed_text_stays_out_of_a_single_answer() {
    let model = starter::data().join("mlxk/models/smollm2");
    let words = [
        "run",
        path(&model),
        "--temperature",
        "0",
        "--max-tokens",
        "120",
        "Tell me about the sea.",
    ];
    let mut session = Session::spawn(tempfile::tempdir().unwrap(), 80, &words, &[]);
    session.wait_for("sea");
    session.writer.write_all(b"XYZZY").unwrap();
    let status = session.child.wait().unwrap();
    assert!(status.success(), "{status:?}");
    let shown = session.screen.lock().unwrap().screen().contents();
    assert!(!shown.contains("XYZZY"), "{shown}");
}
