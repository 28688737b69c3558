//! Conversations, on a real pseudo-terminal and through pipes.
//!
//! The screen is what a terminal of the given size would show (the `vt100` crate draws it).

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

use crate::starter;
use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// Timeout, longer than any step takes, so that a hang becomes a failure.
const PATIENCE: Duration = Duration::from_mins(1);

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
        let size = PtySize { rows: 40, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let model = starter::data().join("mlxk/models/smollm2");
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("mlxk"));
        command.args(["chat", path(&model), "--temperature", "0"]);
        command.args(more);
        command.env("TERM", "xterm-256color");
        command.env("XDG_DATA_HOME", home.path());
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(nonzero(40), nonzero(columns), 1000)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let drawn = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let mut session = Self { master: pair.master, writer, child, screen, home };
        session.wait_for(">>> ");
        session
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
    session.send("\x04");
    assert_eq!(session.end(), 0);
    let home = std::mem::replace(&mut session.home, tempfile::tempdir().unwrap());
    assert!(home.path().join("mlxk/chats/talk.json").exists());
    let mut session = Session::start_in(home, 100, &["--max-tokens", "10"]);
    session.say("/load talk");
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
    session.send("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A");
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
    let size = PtySize { rows: 40, cols: 72, pixel_width: 0, pixel_height: 0 };
    session.master.resize(size).unwrap();
    session.screen.lock().unwrap().screen_mut().set_size(nonzero(40), nonzero(72));
    session.say("/clear");
    session.send("Describe the sea in one long paragraph.\r");
    session
        .wait_until("a wide line", |screen| screen.lines().any(|line| line.chars().count() > 45));
    session.send("\x03");
    session.wait_until("an end", |screen| {
        screen.contains("Stopped") || screen.matches("after 60 tokens").count() > 1
    });
    session.send("\x04");
    assert_eq!(session.end(), 0);
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
        ("/load nosuch", "Cannot load the conversation"),
        ("/copy", "No answer to copy yet"),
        ("/set top_k 3", "`top_k` is now 3"),
        ("/show", "top_k                3"),
    ] {
        session.say(line);
        assert!(session.text().contains(answer), "{line}:\n{}", session.text());
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
