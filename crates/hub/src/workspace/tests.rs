use std::collections::BTreeMap;

use super::*;
use crate::reporter::Quiet;
use crate::testing::Fixture;

fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let header = br#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend_from_slice(header);
    weights.extend_from_slice(b"abc");
    fs_err::write(folder.path().join("config.json"), "{}").unwrap();
    fs_err::write(folder.path().join("model.safetensors"), weights).unwrap();
    fs_err::create_dir(folder.path().join("extra")).unwrap();
    fs_err::write(folder.path().join("extra/Cafe\u{301}.txt"), "x").unwrap();
    fs_err::write(folder.path().join("run.log"), "left out").unwrap();
    fs_err::create_dir(folder.path().join(".git")).unwrap();
    fs_err::write(folder.path().join(".git/HEAD"), "left out").unwrap();
    folder
}

fn recorded(folder: &Path) -> Result<String> {
    record(folder, sentinel(), &BTreeMap::new(), &Quiet)
}

fn sentinel() -> Sentinel {
    Sentinel::new(Operation::Clone, "org/name", Some("abc"), "mlxk 1")
}

/// The value was computed by MLX-Knife 2.0.8 for this folder.
#[test]
fn the_hash_is_that_of_mlx_knife() {
    let folder = workspace();
    let hash = recorded(folder.path()).unwrap();
    assert_eq!(hash, "sha256:a1b418eeb860599ff99acd4085b0aed8fcc56898416b4735755a00e54a62b17e");
    let read = Sentinel::read(folder.path()).unwrap();
    assert_eq!(read.content_hash(), Some(hash.as_str()));
    assert_eq!((read.source_repo(), read.operation()), (Some("org/name"), Some("clone")));
    assert!(read.is_managed() && !read.metadata().contains_key("file_index"));
}

#[test]
fn clean_until_something_that_counts_changes() {
    let folder = workspace();
    let path = folder.path();
    assert_eq!(check(path), Check::default());
    let stored = recorded(path).unwrap();
    let clean = Check { clean: Some(true), current: Some(stored.clone()), stored: Some(stored) };
    assert_eq!(check(path), clean);
    fs_err::write(path.join("other.log"), "left out").unwrap();
    assert_eq!(check(path), clean);
    for (name, content) in [("config.json", "{ }"), ("new.txt", ""), ("extra/more", "x")] {
        let before = fs_err::read(path.join(name)).ok();
        fs_err::write(path.join(name), content).unwrap();
        let dirty = check(path);
        assert_eq!((dirty.clean, &dirty.stored), (Some(false), &clean.stored), "{name}");
        assert!(dirty.current.is_some() && dirty.current != dirty.stored, "{name}");
        match before {
            Some(content) => fs_err::write(path.join(name), content).unwrap(),
            None => fs_err::remove_file(path.join(name)).unwrap(),
        }
        assert_eq!(check(path), clean, "{name} is back, with another time");
    }
    fs_err::remove_file(path.join("model.safetensors")).unwrap();
    assert_eq!(check(path).clean, Some(false));
}

#[test]
fn another_time_alone_is_healed() {
    let folder = workspace();
    recorded(folder.path()).unwrap();
    let before = Sentinel::read(folder.path()).unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(folder.path().join("config.json"));
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.unwrap().file().set_modified(time).unwrap();
    assert_eq!(check(folder.path()).clean, Some(true));
    let after = Sentinel::read(folder.path()).unwrap();
    assert_ne!(before.index(), after.index());
    assert_eq!(before.metadata(), after.metadata());
}

#[test]
fn sentinels_that_lie_are_not_believed() {
    let folder = workspace();
    for bad in ["../x", "/etc/passwd", "a/../../x", "a\\b", "C:x", "", "a\0b"] {
        recorded(folder.path()).unwrap();
        let text = fs_err::read_to_string(folder.path().join(SENTINEL_FILE)).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["file_index"][0]["path"] = bad.into();
        fs_err::write(folder.path().join(SENTINEL_FILE), value.to_string()).unwrap();
        assert_eq!(check(folder.path()).clean, None, "{bad:?}");
    }
    for text in ["", "[]", "{", r#"{"hash_algorithm": "v1", "content_hash": "x"}"#] {
        fs_err::write(folder.path().join(SENTINEL_FILE), text).unwrap();
        assert_eq!(check(folder.path()).clean, None, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn links_count_inside_and_are_refused_outside() {
    let folder = workspace();
    let path = folder.path();
    let plain = recorded(path).unwrap();
    fs_err::os::unix::fs::symlink("config.json", path.join("link")).unwrap();
    assert_eq!(check(path).clean, Some(false));
    assert_ne!(recorded(path).unwrap(), plain);
    assert_eq!(check(path).clean, Some(true));
    fs_err::remove_file(path.join("link")).unwrap();
    fs_err::os::unix::fs::symlink("/etc/hosts", path.join("link")).unwrap();
    assert_eq!(check(path).clean, Some(false));
    let error = recorded(path).unwrap_err().to_string();
    assert!(error.contains("its link `link` leads outside"), "{error}");
}

#[test]
fn damaged_weights_have_no_hash() {
    let folder = workspace();
    fs_err::write(folder.path().join("model.safetensors"), [9, 0, 0, 0, 0, 0, 0, 0, b'{']).unwrap();
    let error = recorded(folder.path()).unwrap_err();
    assert!(error.to_string().contains("`model.safetensors` has a damaged header"), "{error}");
}

#[test]
fn discovery() {
    let mut fixture = Fixture::new();
    assert_eq!(workspaces(&fixture.locations).unwrap(), []);
    let home = fixture.path().join("work");
    fixture.locations.workspace_home = Some(home.clone());
    assert_eq!(workspaces(&fixture.locations).unwrap(), []);
    for name in ["b", "a", ".hidden"] {
        fs_err::create_dir_all(home.join(name)).unwrap();
        fs_err::write(home.join(name).join("config.json"), "{}").unwrap();
    }
    fs_err::create_dir_all(home.join("empty")).unwrap();
    let names: Vec<_> =
        workspaces(&fixture.locations).unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["a", "b"]);
}
