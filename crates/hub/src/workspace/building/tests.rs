use super::*;
use crate::reporter::Quiet;
use crate::store::Store;
use crate::testing::Fixture;
use crate::workspace::error::WorkspaceError;
use crate::workspace::{Operation, check};

fn sentinel() -> Sentinel {
    Sentinel::new(Operation::Clone, "org/name", None, "mlxk 1")
}

fn model(fixture: &Fixture) -> Resolved {
    let path = fixture.stored("tiny", "/x/tiny.gguf");
    fs_err::create_dir(path.join("extra")).unwrap();
    fs_err::write(path.join("extra/a.txt"), "a").unwrap();
    let models = Store::new(&fixture.locations).models().unwrap();
    Resolved::imported(&models[0]).unwrap()
}

#[test]
fn a_copy_appears_whole_and_clean() {
    let fixture = Fixture::new();
    let target = fixture.path().join("mine");
    fs_err::create_dir(&target).unwrap();
    let mut building = Building::begin(&target, 0, &fixture.locations).unwrap();
    building.copy_model(&model(&fixture), &fixture.locations, &Quiet).unwrap();
    assert!(fs_err::read_dir(&target).unwrap().next().is_none(), "nothing there until the end");
    let (path, hash) = building.finish(sentinel(), &Quiet).unwrap();
    assert_eq!(path, target);
    let mut names: Vec<_> = fs_err::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".mlxk_workspace.json", "config.json", "extra"]);
    assert_eq!((check(&target).clean, check(&target).current), (Some(true), Some(hash)));
}

#[test]
fn a_dropped_one_leaves_nothing() {
    let fixture = Fixture::new();
    let target = fixture.path().join("mine");
    drop(Building::begin(&target, 0, &fixture.locations).unwrap());
    let left: Vec<_> = fs_err::read_dir(fixture.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| *path != fixture.locations.data_dir)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_are_not_copied() {
    use std::os::unix::fs::symlink;
    let (fixture, elsewhere) = (Fixture::new(), tempfile::tempdir().unwrap());
    let model = model(&fixture);
    fs_err::write(elsewhere.path().join("key"), "private").unwrap();
    symlink("config.json", model.path.join("same.json")).unwrap();
    symlink(".", model.path.join("self")).unwrap();
    let target = fixture.path().join("mine");
    let mut building = Building::begin(&target, 0, &fixture.locations).unwrap();
    building.copy_model(&model, &fixture.locations, &Quiet).unwrap();
    assert!(building.folder().join("same.json").is_file());
    drop(building);
    symlink(elsewhere.path().join("key"), model.path.join("extra/LICENSE")).unwrap();
    let mut building = Building::begin(&target, 0, &fixture.locations).unwrap();
    let error = building.copy_model(&model, &fixture.locations, &Quiet).unwrap_err();
    assert!(error.to_string().ends_with("lead out of it: `extra/LICENSE`"), "{error}");
    assert!(!building.folder().join("extra").exists());
}

#[test]
fn bad_targets() {
    let fixture = Fixture::new();
    let base = fixture.path();
    fs_err::create_dir_all(fixture.locations.hf_hub_cache.join("models--a--b")).unwrap();
    fs_err::create_dir_all(base.join("full")).unwrap();
    fs_err::write(base.join("full/file"), "").unwrap();
    for (target, part, advice) in [
        ("full", "is not empty", "does not exist yet"),
        ("full/file", "is not a folder", "does not exist yet"),
        ("no/where", "is in a folder that does not exist", "Create `"),
        ("hub/models--a--b/mine", "is inside a cache", "such as `./mine`"),
        ("hub/mine", "is inside a cache", "outside the cache"),
    ] {
        let error = Building::begin(&base.join(target), 0, &fixture.locations).unwrap_err();
        assert!(error.to_string().contains(part), "{target}: {error}");
        assert_eq!(error.kind(), "InvalidTargetError");
        assert!(error.hint().is_some_and(|hint| hint.contains(advice)), "{target}: {error:?}");
    }
    let error = Building::begin(&base.join("huge"), u64::MAX, &fixture.locations).unwrap_err();
    assert!(matches!(error, HubError::Workspace(WorkspaceError::NoRoom { .. })), "{error}");
}

#[test]
fn bare_names_go_to_the_folder_of_workspaces() {
    let mut fixture = Fixture::new();
    let named = |text: &str, fixture: &Fixture| target_folder(text, &fixture.locations);
    assert_eq!(named("mine", &fixture), Path::new("mine"));
    let home = fixture.path().join("work");
    fixture.locations.workspace_home = Some(home.clone());
    assert_eq!(named("mine", &fixture), home.join("mine"));
    for path in ["./mine", "a/mine", "/mine", "..", "."] {
        assert_eq!(named(path, &fixture), Path::new(path));
    }
}
