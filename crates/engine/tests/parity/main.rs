//! Parity with mlx-lm: every family and mode in exact mode against its own model code in f32, and
//! the proof that the comparison notices what goes wrong. `cargo xtask parity` prints the table.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod bans;
mod compare;
mod encoders;
mod faults;
mod gguf;
mod golden;
#[cfg(feature = "gpu")]
mod gpu;
mod made;
mod mlx;
mod published;
#[path = "../common/runner.rs"]
mod runner;
mod windows;

use std::sync::Mutex;

use compare::{BOUND, Outcome, agreement, assert_equivalent};
use faults::Fault;
use made::Made;

/// Does `work` with every case, `workers` at a time, and gives the results in order.
fn for_every_case<T: Send>(
    names: Vec<String>,
    workers: usize,
    work: impl Fn(&str) -> T + Sync,
) -> Vec<(String, T)> {
    let names = Mutex::new(names);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(name) = names.lock().unwrap().pop() else { return };
                    let result = work(&name);
                    done.lock().unwrap().push((name, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by(|a, b| a.0.cmp(&b.0));
    done
}

/// Largest errors of the fast mode without experts, with experts or rounded keys, and with an indexer, over the standard
/// deviation of the logits. A router or an indexer of random weights chooses others after a small change; logits of
/// another model differ by 4.
const FAST_BOUNDS: [f32; 3] = [0.5, 2.5, 3.5];

/// `true` if a family or mode that this build doesn't run is a failure.
const STRICT: bool = true;

#[test]
fn every_case_agrees_with_mlx_lm() {
    let results = for_every_case(golden::names(), 2, |name| {
        let golden = golden::read(name);
        agreement(&golden, &Made::new(&golden))
    });
    let (mut ran, mut refused, mut failed) = (0, Vec::new(), Vec::new());
    println!("{:<24} {:<12} {:>8}  greedy tokens", "model", "mode", "error");
    for (name, outcome) in &results {
        let (model, mode) = name.rsplit_once('-').unwrap();
        let (error, greedy, passes, verdict) = match outcome {
            Outcome::NotYet(reason) => {
                let verdict = if STRICT { "  MISS" } else { "" };
                ("not yet".to_owned(), reason.clone(), !STRICT, verdict.to_owned())
            }
            Outcome::Ran(found) => {
                ran += 1;
                (format!("{:.1e}", found.error), found.greedy(), found.passes(), found.verdict())
            }
        };
        println!("{model:<24} {mode:<12} {error:>8}  {greedy}{verdict}");
        match outcome {
            _ if passes => {}
            Outcome::NotYet(reason) => refused.push(format!("{name}: {reason}")),
            Outcome::Ran(_) => failed.push(name),
        }
    }
    println!("{ran} of {} cases ran; bound {BOUND:e}", results.len());
    assert!(refused.is_empty(), "did not run: {refused:#?}");
    assert!(failed.is_empty(), "beyond the bound: {failed:?}");
    assert!(ran >= 483 || golden::filter().is_some(), "only {ran} cases ran");
}

#[test]
fn every_case_has_the_same_bits_however_it_is_divided() {
    // Every mode of one model, and one mode of every other. Models that compute in two threads themselves.
    let mut names = golden::names();
    let model = |name: &str| name.rsplit_once('-').unwrap().0.to_owned();
    names.dedup_by(|next, kept| model(next) == model(kept) && model(kept) != "llama-plain");
    for_every_case(names, 1, |name| {
        let golden = golden::read(name);
        let made = Made::new(&golden);
        if compare::known(&made) {
            assert_equivalent(&golden, &made);
        }
    });
}

#[test]
fn every_model_has_the_same_bits_on_two_devices() {
    // One mode of every model. The second device is another processor's, so that the bits can be the same.
    let mut names = golden::names();
    let model = |name: &str| name.rsplit_once('-').unwrap().0.to_owned();
    names.dedup_by(|next, kept| model(next) == model(kept));
    for_every_case(names, 2, |name| {
        let golden = golden::read(name);
        let made = Made::new(&golden);
        if compare::known(&made) {
            compare::assert_splittable(&golden, &made);
        }
    });
}

#[test]
fn the_fast_mode_is_close() {
    let mut names = golden::names();
    names.retain(|name| name.ends_with("-affine4g64"));
    let errors = for_every_case(names, 2, |name| {
        let golden = golden::read(name);
        // A small change makes a router choose others, and a key that is rounded jump to the next step.
        let jumps = ["experts", "switch_mlp", "quant_key_scale"];
        let has = |word: &&str| golden.tensors.iter().any(|tensor| tensor.name.contains(word));
        let has_indexer = golden.config.get("index_topk").is_some();
        let kind = if has_indexer { 2 } else { usize::from(jumps.iter().any(has)) };
        (compare::fast_error(&golden, &Made::new(&golden)), kind)
    });
    for (name, (error, _)) in &errors {
        println!("{name:<36} {error:.1e}");
    }
    let is_far = |error: f32, kind: usize| error.is_nan() || error > FAST_BOUNDS[kind];
    let far: Vec<_> = errors.iter().filter(|(_, (error, kind))| is_far(*error, *kind)).collect();
    assert!(far.is_empty(), "{far:?}");
}

#[test]
fn planted_faults_are_noticed() {
    let cases = [
        ("llama-llama3-f32", Fault::RopeBase),
        ("llama-plain-affine4g64", Fault::RopeBase),
        ("llama-plain-affine4g64", Fault::SwappedKvHead),
        ("qwen3-plain-f32", Fault::NoQNorm),
        ("mistral-window-f32", Fault::Window(1)),
        ("mistral-window-f32", Fault::Window(-1)),
        ("llama-plain-affine4g64", Fault::ScaleSign),
        ("llama-plain-nvfp4", Fault::ScaleSign),
        ("llama-plain-affine4g64", Fault::SwappedNibble),
        ("llama-plain-mxfp4", Fault::SwappedNibble),
        ("llama4-plain-f32", Fault::Chunk(1)),
        ("llama4-plain-f32", Fault::Chunk(-1)),
        ("mamba2-plain-f32", Fault::ReversedFilter),
        ("mamba-plain-f32", Fault::ReversedFilter),
        ("kimi_linear-plain-f32", Fault::NoDecayBias),
        ("gemma3n-plain-f32", Fault::SwappedStreams),
        ("prism_hadamard_qwen35-plain-f32", Fault::FlippedSign),
        ("deepseek_v32-plain-f32", Fault::Keep(1)),
        ("deepseek_v32-plain-f32", Fault::Keep(-1)),
        ("dbrx-plain-f32", Fault::Clip),
        ("longcat_flash_ngram-plain-f32", Fault::SwappedNgrams),
    ];
    for (name, fault) in cases {
        let golden = golden::read(name);
        let mut made = Made::new(&golden);
        fault.plant(&mut made);
        match agreement(&golden, &made) {
            Outcome::NotYet(reason) => println!("{name:<24} {fault:<16?} not yet: {reason}"),
            Outcome::Ran(found) => {
                println!("{name:<24} {:<16} {:.1e}", format!("{fault:?}"), found.error);
                assert!(found.error > BOUND, "{name} with {fault:?} passes: {found:?}");
            }
        }
    }
}
