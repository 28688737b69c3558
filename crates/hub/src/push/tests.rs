use std::path::Path;

use mlxk_test_hub::{Fault, Hub, Repo};

use super::*;
use crate::http::error::HttpError;
use crate::http::settings::Token;
use crate::push::error::PushError;
use crate::reporter::Quiet;

const NAME: &str = "me/Model-4bit";

fn weights() -> Vec<u8> {
    vec![7; 70_001]
}

/// Folders that do not exist.
fn nowhere() -> Locations {
    Locations::from_values(|_| None, Path::new("/nowhere"))
}

/// A hub, and a folder to upload.
struct Scene {
    hub: Hub,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { hub: Hub::start(), folder: tempfile::tempdir().unwrap() };
        scene.write("config.json", b"{\"model_type\": \"llama\"}");
        scene.write("model.safetensors", &weights());
        scene.write("sub/notes.txt", "größe".as_bytes());
        scene
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    fn settings(&self, token: Option<&str>) -> HubSettings {
        HubSettings {
            endpoint: self.hub.endpoint().to_owned(),
            token: token
                .map(|secret| Token { secret: secret.to_owned(), source: "HF_TOKEN".into() }),
            retry_pause: std::time::Duration::from_millis(1),
            ..HubSettings::default()
        }
    }

    fn request(&self, create: Option<Visibility>) -> PushRequest {
        PushRequest {
            folder: self.folder.path().to_owned(),
            repo: RepoId::parse(NAME).unwrap(),
            branch: "main".to_owned(),
            message: "First".to_owned(),
            create,
        }
    }

    fn push(&self, create: Option<Visibility>) -> Result<Pushed> {
        push(&self.request(create), &nowhere(), &self.settings(Some("secret")), &Quiet)
    }

    fn uploaded(&self, name: &str) -> Option<Vec<u8>> {
        self.hub.content(NAME, "main", name)
    }
}

#[test]
fn a_folder_becomes_a_commit_and_only_changes_go_up_again() {
    let scene = Scene::new();
    let pushed = scene.push(Some(Visibility::Private)).unwrap();
    assert!(pushed.commit.is_some() && pushed.changes.repo_is_new);
    assert_eq!(pushed.changes.added, ["config.json", "model.safetensors", "sub/notes.txt"]);
    assert_eq!((pushed.sent_bytes, scene.hub.received_bytes()), (70_001, 70_001));
    assert_eq!(scene.hub.is_private(NAME), Some(true));
    for name in &pushed.changes.added {
        let local = fs_err::read(scene.folder.path().join(name)).unwrap();
        assert_eq!(scene.uploaded(name), Some(local), "{name}");
    }

    let again = scene.push(None).unwrap();
    assert_eq!((again.commit, again.changes.unchanged), (None, 3));
    assert_eq!(scene.hub.received_bytes(), 70_001);

    scene.write("sub/notes.txt", b"new");
    scene.write("copy.safetensors", &weights());
    let changed = scene.push(None).unwrap();
    assert_eq!(changed.changes.modified, ["sub/notes.txt"]);
    assert_eq!(changed.changes.added, ["copy.safetensors"]);
    // The hub already has the content of the copy.
    assert_eq!((changed.sent_bytes, scene.hub.received_bytes()), (0, 70_001));
    assert_eq!(scene.uploaded("sub/notes.txt").unwrap(), b"new");
    assert_eq!(scene.uploaded("copy.safetensors").unwrap(), weights());
}

#[test]
fn large_files_go_up_in_parts_and_survive_faults() {
    let scene = Scene::new();
    scene.hub.set_upload_parts(30_000);
    scene.hub.fault_upload(Fault::Status(503), 2);
    scene.hub.fault_upload(Fault::TooMany("0".to_owned()), 1);
    let pushed = scene.push(Some(Visibility::Public)).unwrap();
    assert!(scene.hub.faults_are_over());
    assert_eq!(pushed.sent_bytes, 70_001);
    assert_eq!(scene.uploaded("model.safetensors").unwrap(), weights());
    assert_eq!(scene.hub.is_private(NAME), Some(false));
}

#[test]
fn an_interrupted_upload_goes_on_and_leaves_no_half_commit() {
    let scene = Scene::new();
    scene.hub.add(Repo::new(NAME).file("old.txt", b"old"));
    scene.hub.fault_commit(Fault::Status(400), 1);
    let error = scene.push(None).unwrap_err();
    assert!(
        matches!(error, HubError::Http(HttpError::ServerStatus { status: 400, .. })),
        "{error}"
    );
    assert_eq!(scene.hub.names(NAME, "main"), ["old.txt"]);
    let pushed = scene.push(None).unwrap();
    assert_eq!((pushed.sent_bytes, scene.hub.received_bytes()), (0, 70_001));
    let names = ["config.json", "model.safetensors", "old.txt", "sub/notes.txt"];
    assert_eq!(scene.hub.names(NAME, "main"), names);
}

#[test]
fn what_is_not_the_models_stays_here() {
    let scene = Scene::new();
    for name in [
        ".git/HEAD",
        ".DS_Store",
        "__pycache__/a.pyc",
        "sub/b.pyc",
        ".mlxk_workspace.json",
        "venv/bin/python",
        "logs/today.log",
        "sub/secret.txt",
    ] {
        scene.write(name, b"x");
    }
    scene.write(".hfignore", b"logs/\nsecret.*\n!sub/keep.txt\n");
    scene.write(".gitattributes", b"*.safetensors filter=lfs\n");
    let names: Vec<_> = files_to_push(scene.folder.path(), &nowhere()).unwrap();
    let names: Vec<&str> = names.iter().map(|file| file.name.as_str()).collect();
    let expected = [".gitattributes", "config.json", "model.safetensors", "sub/notes.txt"];
    assert_eq!(names, expected);
}

#[test]
fn branches_are_made_where_that_is_asked_for() {
    let scene = Scene::new();
    scene.hub.add(Repo::new(NAME));
    let settings = scene.settings(Some("secret"));
    let with = |create| PushRequest { branch: "dev".to_owned(), ..scene.request(create) };
    let error = push(&with(None), &nowhere(), &settings, &Quiet).unwrap_err();
    assert!(matches!(error, HubError::Push(PushError::NoBranch { .. })), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("`--create`")), "{error:?}");
    let pushed = push(&with(Some(Visibility::Private)), &nowhere(), &settings, &Quiet).unwrap();
    assert!(pushed.changes.branch_is_new && !pushed.changes.repo_is_new);
    assert_eq!(scene.hub.names(NAME, "dev").len(), 3);
    assert!(scene.hub.names(NAME, "main").is_empty());
}

#[test]
fn refusals_name_what_is_missing() {
    let scene = Scene::new();
    let error = push(&scene.request(None), &nowhere(), &scene.settings(None), &Quiet).unwrap_err();
    assert!(matches!(error, HubError::Push(PushError::NoToken { .. })), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("HF_TOKEN")));
    let error = scene.push(None).unwrap_err();
    assert!(matches!(error, HubError::Push(PushError::NoRepo { .. })), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("`--create`")), "{error:?}");
    scene.hub.add(Repo::new(NAME));
    let error = push(&scene.request(None), &nowhere(), &scene.settings(Some("read-only")), &Quiet)
        .unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::Denied { status: 403, .. })), "{error}");
    let settings = HubSettings { offline: true, ..scene.settings(Some("secret")) };
    let error = push(&scene.request(None), &nowhere(), &settings, &Quiet).unwrap_err();
    assert!(matches!(error, HubError::Http(HttpError::Offline { .. })), "{error}");
    for folder in ["/nowhere/at/all", "config.json"] {
        let folder = scene.folder.path().join(Path::new(folder));
        assert!(files_to_push(&folder, &nowhere()).is_err());
    }
    let compared =
        compare(&scene.request(None), &nowhere(), &scene.settings(Some("secret")), &Quiet).unwrap();
    assert_eq!(compared.added.len(), 3);
    assert!(scene.hub.names(NAME, "main").is_empty());
}

#[test]
fn nothing_private_goes_to_a_repository_that_turns_out_public() {
    let scene = Scene::new();
    scene.hub.forget_privacy();
    let error = scene.push(Some(Visibility::Private)).unwrap_err();
    assert!(matches!(error, HubError::Push(PushError::NotPrivate { .. })), "{error}");
    assert_eq!((scene.hub.received_bytes(), scene.hub.names(NAME, "main").len()), (0, 0));
    // If it was meant to be public, there is no error.
    let other = Scene::new();
    other.hub.forget_privacy();
    other.push(Some(Visibility::Public)).unwrap();
    assert!(other.uploaded("config.json").is_some());
}

#[cfg(unix)]
#[test]
fn links_stay_in_the_folder_or_lead_to_blobs() {
    use std::os::unix::fs::symlink;
    let (scene, elsewhere) = (Scene::new(), tempfile::tempdir().unwrap());
    let folder = scene.folder.path();
    let key = elsewhere.path().join("id_ed25519");
    fs_err::write(&key, "private").unwrap();
    // Links inside the folder, to itself, and to nothing.
    symlink("config.json", folder.join("link.json")).unwrap();
    symlink(".", folder.join("self")).unwrap();
    symlink("gone", folder.join("dead")).unwrap();
    let names = |locations: &Locations| {
        let files = files_to_push(folder, locations);
        files.map(|files| files.into_iter().map(|file| file.name).collect::<Vec<_>>())
    };
    let inside = ["config.json", "link.json", "model.safetensors", "sub/notes.txt"];
    assert_eq!(names(&nowhere()).unwrap(), inside);
    scene.push(Some(Visibility::Private)).unwrap();
    // Links that lead out are named, and nothing is sent.
    symlink(&key, folder.join("sub/LICENSE")).unwrap();
    symlink(elsewhere.path(), folder.join("home")).unwrap();
    let error = names(&nowhere()).unwrap_err().to_string();
    assert!(error.ends_with("lead out of it: `home`, `sub/LICENSE`"), "{error}");
    assert!(scene.push(None).unwrap_err().to_string().contains("`sub/LICENSE`"));
    assert_eq!(scene.uploaded("sub/LICENSE"), None);
    // What is not uploaded may lead anywhere.
    scene.write(".hfignore", b"home\nLICENSE\n");
    assert_eq!(names(&nowhere()).unwrap(), inside);
    // The cache's own blobs are the cache's way, and nothing else in it.
    let cache = elsewhere.path().join("hub");
    let blob = cache.join("models--a--b/blobs/0123");
    fs_err::create_dir_all(blob.parent().unwrap()).unwrap();
    fs_err::write(&blob, "weights").unwrap();
    symlink(&blob, folder.join("extra.bin")).unwrap();
    let locations = Locations { hf_hub_cache: cache.clone(), ..nowhere() };
    assert!(names(&locations).unwrap().contains(&"extra.bin".to_owned()));
    assert!(names(&nowhere()).is_err());
    fs_err::write(cache.join("token"), "secret").unwrap();
    symlink(cache.join("token"), folder.join("token")).unwrap();
    assert!(names(&locations).unwrap_err().to_string().ends_with(": `token`"));
}
