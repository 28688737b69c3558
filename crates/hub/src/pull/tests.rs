mod faults;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlxk_test_hub::{Hub, Repo, git_sha1, sha256};
use serde_json::json;

use super::*;
use crate::error::HubError;
use crate::http::error::HttpError;
use crate::http::settings::Token;
use crate::pull::error::PullError;
use crate::reporter::Quiet;
use crate::resolution::{Kind, Matching};
use crate::testing::Fixture;

/// A hub, a home folder, and the settings to pull from one into the other.
pub(super) struct Scene {
    pub hub: Hub,
    pub home: Fixture,
    pub settings: HubSettings,
    pub options: PullOptions,
}

pub(super) const PART: u64 = 8 << 10;
pub(super) const NAME: &str = "mlx-community/Tiny-4bit";

/// Returns bytes that differ everywhere, so that a part in the wrong place is noticed.
pub(super) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub(super) fn tiny() -> Repo {
    let config = json!({"model_type": "llama", "quantization": {"bits": 4, "group_size": 64}});
    Repo::new(NAME)
        .file("config.json", config.to_string().as_bytes())
        .file("tokenizer.json", &bytes(20_000, 1))
        .file("chat_template.jinja", b"")
        .file("README.md", b"# Tiny")
        .file("model-00001-of-00002.safetensors", &bytes(100_000, 2))
        .file("model-00002-of-00002.safetensors", &bytes(30_001, 3))
        .file("extra/notes.json", b"{}")
        .file("pytorch_model.bin", &bytes(50_000, 4))
        .file("modeling.py", b"import os")
}

/// The files of `tiny` that a pull fetches.
pub(super) const CHOSEN: [&str; 7] = [
    "README.md",
    "chat_template.jinja",
    "config.json",
    "extra/notes.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "tokenizer.json",
];

impl Scene {
    pub(super) fn new() -> Self {
        let hub = Hub::start();
        hub.add(tiny());
        let settings = HubSettings {
            endpoint: hub.endpoint().to_owned(),
            stall_timeout: Duration::from_secs(1),
            retry_pause: Duration::from_millis(1),
            ..HubSettings::default()
        };
        let options = PullOptions { workers: 4, part_bytes: PART, ..PullOptions::default() };
        Self { hub, home: Fixture::new(), settings, options }
    }

    pub(super) fn pull(&self, reference: &str) -> Result<Pulled> {
        self.pull_with(reference, &Quiet, &mut |_| ControlFlow::Continue(()))
    }

    pub(super) fn pull_with(
        &self,
        reference: &str,
        reporter: &dyn Reporter,
        agree: &mut dyn FnMut(&PullPlan) -> ControlFlow<()>,
    ) -> Result<Pulled> {
        let crate::Reference::Repo { id, revision } = reference.parse()? else {
            panic!("`{reference}` is no repository")
        };
        let request = PullRequest { repo: id, revision, options: self.options.clone() };
        let inspect = |config: &serde_json::Value, _: u64| Inspection {
            problem: (config["model_type"] == "mamba")
                .then(|| "The type `mamba` does not run".to_owned()),
            memory_bytes: Some(1),
            context: Some(4096),
        };
        let mut decisions = Decisions { inspect: &inspect, agree };
        pull(&request, &self.home.locations, &self.settings, reporter, &mut decisions)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.home.locations.hf_hub_cache.join("models--mlx-community--Tiny-4bit")
    }

    /// Asserts that the snapshot has exactly these contents, and that nothing unfinished is left.
    pub(super) fn assert_whole(&self, snapshot: &Path) {
        for (name, content) in [
            ("model-00001-of-00002.safetensors", bytes(100_000, 2)),
            ("model-00002-of-00002.safetensors", bytes(30_001, 3)),
            ("tokenizer.json", bytes(20_000, 1)),
            ("extra/notes.json", b"{}".to_vec()),
            ("chat_template.jinja", Vec::new()),
        ] {
            assert!(fs_err::read(snapshot.join(name)).unwrap() == content, "{name} differs");
        }
        assert_eq!(self.unfinished(), [""; 0]);
    }

    pub(super) fn unfinished(&self) -> Vec<String> {
        names(&self.repo().join("blobs"))
            .into_iter()
            .filter(|name| name.contains(".incomplete"))
            .collect()
    }
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_pull_makes_the_layout_that_every_tool_knows() {
    let scene = Scene::new();
    let plans = RefCell::new(Vec::new());
    let pulled = scene
        .pull_with(NAME, &Quiet, &mut |plan| {
            plans.borrow_mut().push(plan.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    let commit = tiny().commit();
    let repo = scene.repo();
    assert_eq!(pulled.resolved.path, repo.join("snapshots").join(&commit));
    assert!(!pulled.already);
    scene.assert_whole(&pulled.resolved.path);
    assert_eq!(fs_err::read_to_string(repo.join("refs/main")).unwrap(), commit);
    assert_eq!(names(&repo), ["blobs", "refs", "snapshots"]);
    let weights = sha256(&bytes(100_000, 2));
    let blobs = names(&repo.join("blobs"));
    assert!(blobs.contains(&weights) && blobs.contains(&git_sha1(b"")), "{blobs:?}");
    // Includes `{}` and the empty template, each content once.
    assert_eq!(blobs.len(), CHOSEN.len());
    #[cfg(unix)]
    {
        let link = |name: &str| fs_err::read_link(pulled.resolved.path.join(name)).unwrap();
        let target = Path::new("../../blobs").join(&weights);
        assert_eq!(link("model-00001-of-00002.safetensors"), target);
        let nested = Path::new("../../../blobs").join(git_sha1(b"{}"));
        assert_eq!(link("extra/notes.json"), nested);
    }
    // The plan comes before any byte of weights.
    let plan = &plans.borrow()[0];
    let files: Vec<&str> = plan.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, CHOSEN);
    assert_eq!(plan.model_type.as_deref(), Some("llama"));
    assert_eq!(plan.quantization.as_ref().unwrap().bits, 4);
    assert_eq!((plan.weights_bytes, plan.total_bytes), (130_001, plan.download_bytes));
    assert_eq!(pulled.fetched_bytes, plan.download_bytes);
    assert!(scene.hub.served_bytes() <= plan.download_bytes + 200, "config.json alone comes twice");
    // The model can be resolved.
    let found = crate::resolve(
        &"Tiny-4bit".parse().unwrap(),
        Matching::Exact,
        &crate::PairTable::default(),
        &scene.home.locations,
    );
    assert_eq!(found.unwrap().local().unwrap().path, pulled.resolved.path);
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let mut scene = Scene::new();
    scene.pull(NAME).unwrap();
    scene.hub.reset_counts();
    let again = scene.pull(NAME).unwrap();
    assert!(again.already);
    assert_eq!((scene.hub.served_bytes(), scene.hub.log().len()), (0, 1));
    // It also works without a network.
    scene.settings.offline = true;
    for name in [NAME.to_owned(), format!("{NAME}@{}", tiny().commit())] {
        assert!(scene.pull(&name).unwrap().already);
    }
    assert_eq!(scene.hub.log().len(), 1);
    fs_err::remove_file(again.resolved.path.join("model-00001-of-00002.safetensors")).unwrap();
    fs_err::write(
        again.resolved.path.join("model.safetensors.index.json"),
        json!({"weight_map": {"a": "model-00001-of-00002.safetensors"}}).to_string(),
    )
    .unwrap();
    let error = scene.pull(NAME).unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::Offline { .. })), "{error}");
}

#[test]
fn revisions_are_branches_tags_and_commits_and_share_their_blobs() {
    let scene = Scene::new();
    let first = tiny();
    let second = tiny().tagged("v1").tagged("refs/pr/3").next_commit().file("README.md", b"# New");
    scene.hub.add(second.clone());
    let tag = scene.pull(&format!("{NAME}@v1")).unwrap();
    assert_eq!(tag.resolved.revision, Some(first.commit()));
    scene.hub.reset_counts();
    let main = scene.pull(NAME).unwrap();
    assert_eq!(main.resolved.revision, Some(second.commit()));
    assert_eq!(main.fetched_bytes, 5, "the new README alone");
    scene.assert_whole(&main.resolved.path);
    scene.assert_whole(&tag.resolved.path);
    let read = |pulled: &Pulled| fs_err::read_to_string(pulled.resolved.path.join("README.md"));
    assert_eq!((read(&tag).unwrap(), read(&main).unwrap()), ("# Tiny".into(), "# New".into()));
    assert!(scene.pull(&format!("{NAME}@{}", first.commit())).unwrap().already);
    assert!(scene.pull(&format!("{NAME}@refs/pr/3")).unwrap().already);
    assert_eq!(names(&scene.repo().join("refs")), ["main", "refs", "v1"]);
    assert_eq!(
        fs_err::read_to_string(scene.repo().join("refs/refs/pr/3")).unwrap(),
        first.commit()
    );
    let error = scene.pull(&format!("{NAME}@v9")).unwrap_err();
    assert_eq!(error.to_string(), format!("Repository `{NAME}` has no revision `v9`"));
}

#[test]
fn all_files_means_all() {
    let mut scene = Scene::new();
    scene.pull(NAME).unwrap();
    scene.options.all_files = true;
    let pulled = scene.pull(NAME).unwrap();
    assert_eq!(fs_err::read(pulled.resolved.path.join("pytorch_model.bin")).unwrap().len(), 50_000);
    assert!(pulled.resolved.path.join("modeling.py").is_file());
    assert_eq!(pulled.fetched_bytes, 50_009);
}

#[test]
fn what_cannot_work_is_refused_before_the_first_byte_and_forced_all_the_same() {
    let mut scene = Scene::new();
    scene.hub.add(
        Repo::new("org/Mamba")
            .file("config.json", br#"{"model_type":"mamba"}"#)
            .file("model.safetensors", &bytes(1000, 1)),
    );
    scene.hub.add(Repo::new("org/Gguf").file("model.gguf", &bytes(1000, 1)));
    for (name, words) in [
        ("org/Mamba", "was not downloaded: The type `mamba`"),
        ("org/Gguf", "was not downloaded: It has no usable `config.json`"),
    ] {
        let error = scene.pull(name).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap().contains("--force"));
    }
    assert_eq!(scene.hub.served("model.safetensors").bytes, 0);
    assert_eq!(names(&scene.home.locations.hf_hub_cache), [""; 0]);
    let declined = scene.pull_with(NAME, &Quiet, &mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(declined, HubError::Pull(PullError::Declined { .. })));
    assert_eq!(names(&scene.home.locations.hf_hub_cache), [""; 0]);
    scene.options.force = true;
    for (name, file) in [("org/Mamba", "model.safetensors"), ("org/Gguf", "model.gguf")] {
        let pulled = scene.pull(name).unwrap();
        assert_eq!(fs_err::read(pulled.resolved.path.join(file)).unwrap(), bytes(1000, 1));
    }
}

#[test]
fn gated_and_missing_repositories_write_nothing() {
    let mut scene = Scene::new();
    scene.hub.add(tiny().gated("hf_good"));
    let error = scene.pull(NAME).unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::Gated { .. })), "{error}");
    let error = scene.pull("org/None").unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::NoSuchRepo { .. })), "{error}");
    assert_eq!(names(&scene.home.locations.hf_hub_cache), [""; 0]);
    scene.settings.token = Some(Token { secret: "hf_good".into(), source: "a test".into() });
    let pulled = scene.pull(NAME).unwrap();
    scene.assert_whole(&pulled.resolved.path);
    let leaked = scene.hub.log().into_iter().find(|l| l.on_cdn && l.authorization.is_some());
    assert_eq!(leaked, None);
}

#[test]
fn a_hub_that_tells_no_hashes_is_asked_file_by_file() {
    let scene = Scene::new();
    scene.hub.add(tiny().without_blobs());
    let pulled = scene.pull(NAME).unwrap();
    scene.assert_whole(&pulled.resolved.path);
    assert!(scene.repo().join("blobs").join(sha256(&bytes(100_000, 2))).is_file());
}

#[test]
fn hostile_names_are_refused() {
    let scene = Scene::new();
    scene.hub.add(Repo::new("org/Evil").file("../../evil.json", b"{}").file("config.json", b"{}"));
    let error = scene.pull("org/Evil").unwrap_err();
    assert!(error.to_string().contains("could leave the cache"), "{error}");
    assert_eq!(names(&scene.home.locations.hf_hub_cache), [""; 0]);
}

#[test]
fn a_second_pull_waits_and_finds_the_work_done() {
    let scene = Scene::new();
    scene.hub.set_pace(Duration::from_millis(5));
    std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..3).map(|_| scope.spawn(|| scene.pull(NAME))).collect();
        for pull in pulls {
            scene.assert_whole(&pull.join().unwrap().unwrap().resolved.path);
        }
    });
    let weights = scene.hub.served("model-00001-of-00002.safetensors");
    assert_eq!(weights.bytes, 100_000, "fetched once");
}

#[test]
fn repair_fetches_what_is_damaged_and_nothing_else() {
    let scene = Scene::new();
    let pulled = scene.pull(NAME).unwrap();
    let snapshot = &pulled.resolved.path;
    let blobs = scene.repo().join("blobs");
    // Damage: a flipped byte, a truncated file, a missing link, a missing blob.
    let mut damaged = bytes(100_000, 2);
    damaged[50_000] ^= 1;
    fs_err::write(blobs.join(sha256(&bytes(100_000, 2))), damaged).unwrap();
    fs_err::write(blobs.join(git_sha1(&bytes(20_000, 1))), &bytes(20_000, 1)[..100]).unwrap();
    fs_err::remove_file(snapshot.join("README.md")).unwrap();
    fs_err::remove_file(blobs.join(git_sha1(b"{}"))).unwrap();
    scene.hub.reset_counts();
    let repaired = |suspects: Suspects<'_>| {
        let (model, home) = (&pulled.resolved, &scene.home.locations);
        repair(model, suspects, home, &scene.settings, &scene.options, &Quiet).unwrap()
    };
    // Missing files and wrong sizes are found at once, a flipped byte is not.
    let first = repaired(Suspects::Files(&["config.json".into(), "nosuch".into()]));
    assert_eq!(first.files, ["README.md", "extra/notes.json", "tokenizer.json"]);
    assert_eq!(first.fetched_bytes, 20_002);
    let second = repaired(Suspects::Files(&["model-00001-of-00002.safetensors".into()]));
    assert_eq!(second.files, ["model-00001-of-00002.safetensors"]);
    assert_eq!(second.fetched_bytes, 100_000);
    scene.assert_whole(snapshot);
    assert_eq!(repaired(Suspects::Everything), Repaired::default());
    let mut damaged = bytes(30_001, 3);
    damaged[0] ^= 1;
    fs_err::write(blobs.join(sha256(&bytes(30_001, 3))), damaged).unwrap();
    assert_eq!(repaired(Suspects::Everything).fetched_bytes, 30_001);
    let folder = Resolved { kind: Kind::Folder, ..pulled.resolved.clone() };
    let (everything, home) = (Suspects::Everything, &scene.home.locations);
    let error =
        repair(&folder, everything, home, &scene.settings, &scene.options, &Quiet).unwrap_err();
    assert!(matches!(error, HubError::Pull(PullError::NotRepairable { .. })), "{error}");
    scene.assert_whole(snapshot);
}
