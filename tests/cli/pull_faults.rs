//! Pulls interrupted by Ctrl-C, and by SIGKILL at random moments.

#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mlxk_test_hub::Repo;

use crate::pull::{NAME, Online, tiny};
use crate::support::path;

const PART: u64 = 64 << 10;
const WORKERS: u64 = 4;

/// A model that is large and slow enough to interrupt its download.
fn slow(online: &Online, bytes: usize, pause: Duration) -> Vec<u8> {
    let mut state = 1_u32;
    let mut content: Vec<u8> = (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    content.truncate(bytes);
    let repo: Repo = tiny().file("model-extra.safetensors", &content);
    online.hub.add(repo);
    online.hub.set_pace(pause);
    content
}

fn start(online: &Online) -> Child {
    let home = online.world.home.path();
    Command::new(assert_cmd::cargo::cargo_bin("mlxk"))
        .args(["pull", NAME, "--workers", &WORKERS.to_string()])
        .args(["--part-size", &(PART >> 10).to_string()])
        .env_clear()
        .env("HOME", home)
        .env("HF_HUB_CACHE", path(&online.world.cache()))
        .env("HF_ENDPOINT", online.hub.endpoint())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn snapshot(online: &Online) -> std::path::PathBuf {
    let repo = online.world.cache().join("models--mlx-community--Tiny-4bit");
    repo.join("snapshots").join(tiny().commit())
}

#[test]
fn ctrl_c_keeps_downloaded_parts_and_names_the_command_to_resume() {
    let online = Online::new();
    let content = slow(&online, 2 << 20, Duration::from_millis(20));
    let child = start(&online);
    while online.hub.served("model-extra.safetensors").bytes < (1 << 20) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains(&format!("Resume with `mlxk pull {NAME}`")), "{stderr}");
    online.hub.set_pace(Duration::ZERO);
    assert!(start(&online).wait_with_output().unwrap().status.success());
    assert!(std::fs::read(snapshot(&online).join("model-extra.safetensors")).unwrap() == content);
    let served = online.hub.served("model-extra.safetensors").bytes;
    assert!(served <= (2 << 20) + WORKERS * PART, "{served}");
}

/// `MLXK_TEST_KILLS` sets the number of kills; the acceptance run uses fifty.
#[test]
fn a_pull_killed_at_random_moments_completes_and_wastes_little() {
    let kills: u64 = std::env::var("MLXK_TEST_KILLS").map_or(5, |text| text.parse().unwrap());
    let online = Online::new();
    // Enough data that the last kill still hits a running pull.
    let bytes = (kills.max(5) * 10 * PART) as usize;
    let content = slow(&online, bytes, Duration::from_millis(4));
    let mut random = 12_345_u64;
    let mut done = 0;
    while done < kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = Duration::from_millis((random >> 33) % 120);
        let mut child = start(&online);
        let began = Instant::now();
        while began.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        done += 1;
    }
    assert_eq!(done, kills, "the pull ended before the last kill");
    online.hub.set_pace(Duration::ZERO);
    let output = start(&online).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = snapshot(&online).join("model-extra.safetensors");
    assert!(std::fs::read(file).unwrap() == content, "the model is not whole");
    let served = online.hub.served("model-extra.safetensors").bytes;
    let wasted = served - bytes as u64;
    println!("{kills} kills: {served} bytes served of {bytes}, {wasted} of them again");
    assert!(wasted <= kills * WORKERS * PART, "{wasted} bytes were fetched again");
}
