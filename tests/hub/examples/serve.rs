//! Serves a folder as a repository until the process ends, for trying out commands: `cargo run -p
//! mlxk-test-hub --example serve -- org/NAME FOLDER [MILLISECONDS]`, then `HF_ENDPOINT=… mlxk pull
//! org/NAME`. With `MILLISECONDS`, it pauses after every 16 KiB of content.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::path::Path;
use std::time::Duration;

use mlxk_test_hub::{Hub, Repo};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [id, folder, pause @ ..] = arguments.as_slice() else {
        println!("usage: serve org/NAME FOLDER [MILLISECONDS]");
        return;
    };
    let hub = Hub::start();
    hub.add(Repo::new(id).folder(Path::new(folder)));
    if let Some(pause) = pause.first() {
        hub.set_pace(Duration::from_millis(pause.parse().unwrap()));
    }
    println!("HF_ENDPOINT={}", hub.endpoint());
    loop {
        std::thread::park();
    }
}
