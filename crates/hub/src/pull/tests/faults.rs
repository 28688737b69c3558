//! Faults during a pull: each ends with the same bytes as a pull without faults, or with an error
//! after which the next pull resumes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mlxk_test_hub::Fault;
use proptest::prelude::*;

use super::super::*;
use super::{NAME, PART, Scene};
use crate::error::HubError;
use crate::pull::error::PullError;

const WEIGHTS: &str = "model-00001-of-00002.safetensors";

#[test]
fn every_fault_that_passes_ends_with_the_same_bytes() {
    for file in [WEIGHTS, "model-00002-of-00002.safetensors", "tokenizer.json"] {
        for fault in [
            Fault::Cut(0),
            Fault::Cut(1),
            Fault::Cut(5000),
            Fault::Short(1),
            Fault::Short(5000),
            Fault::Flip,
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(416),
            Fault::TooMany("0".into()),
            Fault::Drip(3000, Duration::from_millis(1)),
            Fault::IgnoreRange,
            Fault::WrongRange,
            Fault::OtherEtag,
        ] {
            let scene = Scene::new();
            scene.hub.fault(file, fault.clone(), 3);
            let pulled = scene.pull(NAME);
            let pulled = match (pulled, &fault) {
                // Three damaged copies of a file are more than the retries cover.
                (Err(HubError::Pull(PullError::Damaged { file: name, .. })), Fault::Flip) => {
                    assert_eq!(name, file);
                    scene.pull(NAME).unwrap()
                }
                (result, _) => result.unwrap_or_else(|error| panic!("{file} {fault:?}: {error}")),
            };
            scene.assert_whole(&pulled.resolved.path);
        }
    }
}

#[test]
fn silence_ends_and_the_rest_is_fetched() {
    let scene = Scene::new();
    scene.hub.fault(WEIGHTS, Fault::Stall(3000), 1);
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
}

#[test]
fn a_server_without_ranges_sends_the_file_once() {
    let scene = Scene::new();
    scene.hub.fault(WEIGHTS, Fault::IgnoreRange, 100);
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
    // One stream is read to its end. The others, which had begun, were abandoned.
    assert!(scene.hub.served(WEIGHTS).requests <= 5, "{:?}", scene.hub.served(WEIGHTS));
}

#[test]
fn links_that_expire_are_asked_for_again() {
    let scene = Scene::new();
    scene.hub.set_pace(Duration::from_millis(20));
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| scene.pull(NAME));
        while scene.hub.served(WEIGHTS).bytes < 20_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        scene.hub.expire_links();
        scene.assert_whole(&pulling.join().unwrap().unwrap().resolved.path);
    });
}

#[test]
fn what_does_not_pass_is_an_error_and_the_next_pull_goes_on() {
    for (fault, words) in [
        (Fault::Status(404), "404"),
        (Fault::Status(503), "503"),
        (Fault::Status(416), "416"),
        (Fault::TooMany("999".into()), "refuses more requests"),
        (Fault::RedirectLoop, "Too many redirects"),
        (Fault::Cut(0), "connection lost"),
        (Fault::WrongRange, "starts at byte"),
    ] {
        let scene = Scene::new();
        // All parts but the last two arrive. After that, the server always fails.
        for _ in 0..11 {
            scene.hub.fault(WEIGHTS, Fault::Drip(PART as usize, Duration::ZERO), 1);
        }
        scene.hub.fault(WEIGHTS, fault.clone(), 100);
        let error = scene.pull(NAME).expect_err(&format!("{fault:?}"));
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
        assert!(!scene.repo().join("refs/main").exists(), "no branch names a snapshot in pieces");
        scene.hub.reset_faults();
        scene.hub.reset_counts();
        scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
        let left = scene.hub.served(WEIGHTS).bytes;
        assert!(left <= 100_000 - 9 * PART, "{fault:?}: {left} bytes fetched again");
    }
}

#[test]
fn a_hash_that_stays_wrong_is_an_error_that_keeps_nothing() {
    let scene = Scene::new();
    scene.hub.fault(WEIGHTS, Fault::Flip, 100);
    let error = scene.pull(NAME).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let damaged = mlxk_test_hub::sha256(&super::bytes(100_000, 2));
    assert!(scene.unfinished().iter().all(|name| !name.contains(&damaged)));
    scene.hub.reset_faults();
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
}

#[test]
fn the_hub_itself_may_fail_and_redirect_in_circles() {
    let scene = Scene::new();
    scene.hub.fault_api(Fault::Status(502), 2);
    scene.hub.fault_resolve(WEIGHTS, Fault::TooMany("0".into()), 2);
    scene.hub.fault_resolve("config.json", Fault::Status(500), 2);
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
    assert!(scene.hub.faults_are_over());
    let scene = Scene::new();
    scene.hub.fault_resolve(WEIGHTS, Fault::RedirectLoop, 1000);
    let error = scene.pull(NAME).unwrap_err();
    assert!(error.to_string().contains("Too many redirects"), "{error}");
    let scene = Scene::new();
    scene.hub.fault_resolve(WEIGHTS, Fault::OtherEtag, 1);
    let error = scene.pull(NAME).unwrap_err();
    assert!(error.to_string().contains("has changed on the hub"), "{error}");
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
}

/// Asks to stop once this many bytes have arrived.
struct StopAt(u64, AtomicU64);

impl Reporter for StopAt {
    fn stage(&self, _label: &str) {}
    fn advance(&self, done: u64, _total: u64) {
        self.1.store(done, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

#[test]
fn a_cancelled_pull_goes_on_where_it_stopped() {
    let scene = Scene::new();
    // Slow enough that the pull is far from its end when it receives the request to stop.
    scene.hub.set_pace(Duration::from_millis(400));
    let stop = StopAt(60_000, AtomicU64::new(0));
    let error = scene.pull_with(NAME, &stop, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    assert!(!scene.unfinished().is_empty());
    let before = scene.hub.served_bytes();
    scene.hub.set_pace(Duration::ZERO);
    scene.assert_whole(&scene.pull(NAME).unwrap().resolved.path);
    let parts = scene.options.workers as u64 * PART;
    assert!(
        scene.hub.served_bytes() <= 150_100 + parts,
        "{before} of {}",
        scene.hub.served_bytes()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any sequence of faults, with any sizes of parts.
    #[test]
    fn any_faults_end_whole_or_resumable(
        faults in prop::collection::vec((0..7_u8, 0..20_000_u64), 0..12),
        part in 1000..40_000_u64,
        workers in 1..6_usize,
    ) {
        let mut scene = Scene::new();
        scene.options.part_bytes = part;
        scene.options.workers = workers;
        for (kind, at) in faults {
            let fault = match kind {
                0 | 1 => Fault::Cut(at),
                2 => Fault::Short(at),
                3 => Fault::Status(500),
                4 => Fault::IgnoreRange,
                5 => Fault::WrongRange,
                _ => Fault::Flip,
            };
            scene.hub.fault(WEIGHTS, fault, 1);
        }
        let mut result = scene.pull(NAME);
        for _ in 0..4 {
            if result.is_ok() {
                break;
            }
            result = scene.pull(NAME);
        }
        scene.assert_whole(&result.unwrap().resolved.path);
    }
}
