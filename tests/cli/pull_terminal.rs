//! A pull on a terminal shows a bar with rate and remaining time, and removes it at the end.

use std::io::Read;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::pull::{NAME, Online, tiny};
use crate::support::path;

#[test]
fn a_bar_shows_rate_and_time_left_and_goes() {
    let online = Online::new();
    // Longer than the time before a bar appears.
    online.hub.add(tiny().file("model-extra.safetensors", &vec![7; 2 << 20]));
    online.hub.set_pace(Duration::from_millis(15));
    let size = PtySize { rows: 24, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("mlxk"));
    command.args(["pull", NAME, "--workers", "1"]);
    command.env_clear();
    command.env("HOME", path(online.world.home.path()));
    command.env("HF_HUB_CACHE", path(&online.world.cache()));
    command.env("HF_ENDPOINT", online.hub.endpoint());
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let drawn = std::thread::spawn(move || {
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        // Some systems report the end of a terminal as an error.
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            all.extend_from_slice(&bytes[..count]);
        }
        all
    });
    let status = child.wait().unwrap();
    drop(pair.master);
    let drawn = drawn.join().unwrap();
    let text = String::from_utf8_lossy(&drawn);
    assert!(status.success(), "{text}");
    let bar = text.split('\r').find(|line| line.contains("/s, ") && line.contains(" left"));
    let bar = bar.unwrap_or_else(|| panic!("no bar in {text}"));
    assert!(bar.contains(&format!("Downloading {NAME} [")) && bar.contains("of 2.1"), "{bar}");
    let mut screen = vt100::Parser::new(24.try_into().unwrap(), 120.try_into().unwrap(), 0);
    screen.process(&drawn);
    let left = screen.screen().contents();
    assert!(left.ends_with(&format!("pull: {NAME} — downloaded 2.2 MB")), "{left}");
    assert!(!left.contains(" left"), "the bar is still there: {left}");
}
