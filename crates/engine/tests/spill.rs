//! Beginnings of prompts on disk: they save work, change no answer, and a bad file costs nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Answer, Kind, Stored, answer, checkpoint, load, options, processor, request};
use mlxk_engine::{CpuOptions, DeviceChoice, EngineError, KvFormat, LoadOptions, SpillOptions};
use tempfile::TempDir;

const FIRST: &str =
    "Once upon a time there was a model that remembered all it had ever been told, ";
const SECOND: &str =
    "The quick brown fox jumps over the lazy dog, who sleeps in the sun of the yard, ";

struct Place {
    model: TempDir,
    spill: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::of(Kind::Llama)
    }

    fn of(kind: Kind) -> Self {
        let model = checkpoint(kind, Stored::Bits(4));
        Self { model, spill: TempDir::new().unwrap() }
    }

    fn options(&self) -> LoadOptions {
        let folder = self.spill.path().join("prefixes");
        let spill = SpillOptions { folder, max_bytes: 1 << 30 };
        LoadOptions { spill: Some(spill), ..options(&self.model) }
    }

    /// Returns the answer without any cache.
    fn expected(&self, prompt: &str) -> Answer {
        let fresh = LoadOptions { reuse_prefixes: false, ..options(&self.model) };
        new_engine(&fresh, prompt)
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.spill.path().join("prefixes"))
    }
}

/// Returns the answer of a new engine, which is dropped afterwards.
fn new_engine(options: &LoadOptions, prompt: &str) -> Answer {
    answer(&load(options), request(prompt, 12))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_new_engine_takes_up_what_an_earlier_one_computed() {
    let place = Place::new();
    let options = place.options();
    let first = new_engine(&options, FIRST);
    assert_eq!(first.usage.cached_tokens, 0);
    let [file] = &place.files()[..] else { panic!("{:?}", place.files()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    }

    let longer = format!("{FIRST}and so it spoke");
    let found = new_engine(&options, &longer);
    assert_eq!(found.usage.cached_tokens, FIRST.len());
    assert_eq!(found.essence(), place.expected(&longer).essence());
    // The answer of the first is not in the second, so both stay.
    assert_eq!(place.files().len(), 2);

    // Too little in common to read a file for.
    let other = format!("{}something else, as long as that and so on, and on", &FIRST[..40]);
    let found = new_engine(&options, &other);
    assert_eq!(found.usage.cached_tokens, 0);
    assert_eq!(found.essence(), place.expected(&other).essence());
}

/// States go to disk with the checkpoints that they can be taken back to.
#[test]
fn states_are_taken_up_at_their_checkpoints() {
    for kind in [Kind::ShortConv, Kind::DeltaNet] {
        let place = Place::of(kind);
        let options = place.options();
        assert_eq!(new_engine(&options, FIRST).usage.cached_tokens, 0);
        let same = new_engine(&options, FIRST);
        assert_eq!(same.usage.cached_tokens, FIRST.len() - 1);
        let longer = format!("{FIRST}and so it spoke");
        let found = new_engine(&options, &longer);
        assert_eq!(found.usage.cached_tokens, FIRST.len());
        assert_eq!(found.essence(), place.expected(&longer).essence());
    }
}

#[test]
fn a_file_with_a_prompt_holds_its_states() {
    for kind in [Kind::ShortConv, Kind::DeltaNet] {
        let place = Place::of(kind);
        let file = place.spill.path().join("prompt");
        let plain = options(&place.model);
        let engine = load(&plain);
        answer(&engine, request(FIRST, 12));
        engine.save_prompt_cache(&file, FIRST.len()).unwrap();
        let other = load(&plain);
        assert_eq!(other.load_prompt_cache(&file).unwrap(), FIRST.len());
        let longer = format!("{FIRST}and so it spoke");
        let found = answer(&other, request(&longer, 12));
        assert_eq!(found.usage.cached_tokens, FIRST.len());
        assert_eq!(found.essence(), place.expected(&longer).essence());
    }
}

#[test]
fn what_memory_has_no_room_for_comes_back_from_the_disk() {
    let place = Place::new();
    let engine = load(&LoadOptions { context: Some(128), ..place.options() });
    for (prompt, cached) in
        [(FIRST, 0), (SECOND, 0), (FIRST, FIRST.len() - 1), (SECOND, SECOND.len() - 1)]
    {
        let found = answer(&engine, request(prompt, 12));
        assert_eq!(found.usage.cached_tokens, cached);
        assert_eq!(found.essence(), place.expected(prompt).essence());
    }
}

#[test]
fn other_weights_and_representations_do_not_take_it() {
    let place = Place::new();
    new_engine(&place.options(), FIRST);
    let codes =
        CpuOptions { threads: Some(2), kv: Some(KvFormat::Affine8), ..CpuOptions::default() };
    let codes = LoadOptions { device: DeviceChoice::Cpu(codes), ..place.options() };
    let exact = LoadOptions { device: processor(2, true), ..place.options() };
    let other = checkpoint(Kind::Llama, Stored::Bits(8));
    let weights = LoadOptions { path: other.path().to_owned(), ..place.options() };
    for options in [codes, exact, weights] {
        assert_eq!(new_engine(&options, FIRST).usage.cached_tokens, 0);
    }
    // Each has a file of its own now, in addition to the first.
    assert_eq!(place.files().len(), 4);
    assert!(new_engine(&place.options(), FIRST).usage.cached_tokens > 0);
}

#[test]
fn a_damaged_file_goes_and_changes_no_answer() {
    let place = Place::new();
    new_engine(&place.options(), FIRST);
    let file = place.files().remove(0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    // One of an earlier format, whose values were arranged in another way.
    let older = [b"MLXKKV1\n".as_slice(), &whole[8..]].concat();
    for damaged in [flipped, cut, older, whole[..40].to_vec(), Vec::new(), b"not one".to_vec()] {
        fs::write(&file, &damaged).unwrap();
        let found = new_engine(&place.options(), FIRST);
        assert_eq!(found.usage.cached_tokens, 0);
        assert_eq!(found.essence(), place.expected(FIRST).essence());
        // In its place is a good one again.
        assert!(new_engine(&place.options(), FIRST).usage.cached_tokens > 0);
    }
    // One that goes while the engine runs.
    let engine = load(&place.options());
    fs::remove_file(&file).unwrap();
    assert_eq!(answer(&engine, request(FIRST, 12)).usage.cached_tokens, 0);
}

#[test]
fn the_files_stay_below_their_bound() {
    let place = Place::new();
    new_engine(&place.options(), FIRST);
    let size = fs::metadata(&place.files()[0]).unwrap().len();
    let room = |max_bytes| {
        let mut options = place.options();
        options.spill.as_mut().unwrap().max_bytes = max_bytes;
        options
    };
    // For one: the older one goes.
    let options = room(size * 3 / 2);
    new_engine(&options, SECOND);
    assert_eq!(place.files().len(), 1);
    assert_eq!(new_engine(&options, FIRST).usage.cached_tokens, 0);
    assert!(new_engine(&options, FIRST).usage.cached_tokens > 0);
    // The latest of two that are written at the end stays.
    let engine = load(&options);
    for prompt in [SECOND, FIRST, SECOND] {
        answer(&engine, request(prompt, 12));
    }
    drop(engine);
    assert_eq!(place.files().len(), 1);
    assert_eq!(new_engine(&room(0), FIRST).usage.cached_tokens, 0);
    assert!(new_engine(&room(0), SECOND).usage.cached_tokens > 0);
    // For none: what is there stays.
    new_engine(&room(size / 2), SECOND);
    assert_eq!(place.files().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let place = Place::new();
    let mut options = place.options();
    let file = place.spill.path().join("file");
    fs::write(&file, "").unwrap();
    options.spill.as_mut().unwrap().folder = file.join("prefixes");
    let error =
        mlxk_engine::Engine::load(&options, &mut |_, _| std::ops::ControlFlow::Continue(()));
    assert!(matches!(error, Err(EngineError::Spill { .. })), "{error:?}");
}
