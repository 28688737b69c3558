use super::*;
use crate::testing::{Fixture, Layout};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "aaaa2222bbbb2222bbbb2222bbbb2222bbbb2222";
const C: &str = "cccc3333cccc3333cccc3333cccc3333cccc3333";

fn only_repo(fixture: &Fixture) -> CachedRepo {
    let mut repos = HfCache::new(&fixture.locations.hf_hub_cache).repos().unwrap();
    assert_eq!(repos.len(), 1);
    repos.pop().unwrap()
}

fn hash_of(repo: &CachedRepo, revision: Option<&str>) -> Option<String> {
    repo.snapshot(revision).unwrap().map(|snapshot| snapshot.hash)
}

#[test]
fn a_missing_cache_is_empty() {
    assert_eq!(HfCache::new("/no/such/folder").repos().unwrap(), []);
}

#[test]
fn revisions_by_ref_and_by_hash() {
    let fixture = Fixture::new();
    fixture.cached("org/m", &[A, B, C]);
    fixture.set_ref("org/m", "v1.0", A);
    fixture.set_ref("org/m", "refs/pr/1", &format!("{B}\n"));
    let repo = only_repo(&fixture);
    for (revision, expected) in [
        (None, Some(C)),
        (Some("main"), Some(C)),
        (Some("v1.0"), Some(A)),
        (Some("refs/pr/1"), Some(B)),
        (Some("pr/1"), Some(B)),
        (Some(A), Some(A)),
        (Some("aaaa1"), Some(A)),
        (Some("AAAA2"), Some(B)),
        (Some("cccc"), Some(C)),
        (Some("ccc"), None),
        (Some("dddd"), None),
        (Some("v2"), None),
    ] {
        assert_eq!(hash_of(&repo, revision).as_deref(), expected, "{revision:?}");
    }
    let error = repo.snapshot(Some("aaaa")).unwrap_err();
    let expected = format!("Revision `aaaa` of `org/m` matches 2 snapshots: `{A}`, `{B}`");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn main_needs_its_ref_unless_there_is_one_snapshot() {
    let fixture = Fixture::new();
    let files = [("config.json", "{}")];
    fixture.snapshot("org/m", A, &files, Layout::Copied);
    assert_eq!(hash_of(&only_repo(&fixture), None).as_deref(), Some(A));
    fixture.snapshot("org/m", B, &files, Layout::Copied);
    assert_eq!(hash_of(&only_repo(&fixture), None), None);
    // A ref to an unfinished snapshot wins over a finished snapshot without a ref.
    fixture.set_ref("org/m", "main", C);
    assert_eq!(hash_of(&only_repo(&fixture), None), None);
}

#[test]
fn refs_are_untrusted() {
    let fixture = Fixture::new();
    fixture.cached("org/m", &[A]);
    for content in ["../../../../etc", "", "a/b", "..", &"a".repeat(300)] {
        fixture.set_ref("org/m", "bad", content);
        let repo = only_repo(&fixture);
        assert_eq!(hash_of(&repo, Some("bad")), None, "{content}");
        assert_eq!(repo.refs().len(), 1, "main alone");
    }
}

#[test]
fn broken_entries_do_not_hide_others() {
    let fixture = Fixture::new();
    fixture.cached("org/good", &[A]);
    let cache = fixture.locations.hf_hub_cache.clone();
    for folder in
        ["models--org--empty", "models--", "models--a--..--b", "datasets--org--d", ".locks"]
    {
        fs_err::create_dir_all(cache.join(folder)).unwrap();
    }
    fs_err::create_dir_all(cache.join("models--org--half/blobs")).unwrap();
    fs_err::write(cache.join("models--org--half/blobs/x.incomplete"), "12345").unwrap();
    fs_err::write(cache.join("models--org--file"), "").unwrap();
    fs_err::create_dir_all(cache.join("models--org--odd/snapshots/not-a-hash")).unwrap();
    fs_err::create_dir_all(cache.join("models--org--odd/refs/main")).unwrap();
    let repos = HfCache::new(&cache).repos().unwrap();
    let names: Vec<_> = repos.iter().map(|repo| repo.id.to_string()).collect();
    assert_eq!(names, ["org/empty", "org/good", "org/half", "org/odd"]);
    for repo in &repos {
        assert_eq!(hash_of(repo, None).is_some(), repo.id.name() == "good");
    }
    assert_eq!(repos[2].size_bytes(), 5);
}

#[test]
fn sizes_count_each_content_once() {
    let files = [("config.json", "{}"), ("model.safetensors", "0123456789")];
    let more = [("config.json", "{}"), ("model.safetensors", "0123456789abc")];
    let layouts = [
        (Layout::Copied, 25),
        (Layout::Moved, 27),
        #[cfg(unix)]
        (Layout::Linked, 25),
    ];
    for (layout, both) in layouts {
        let fixture = Fixture::new();
        fixture.snapshot("org/m", A, &files, layout);
        assert_eq!(only_repo(&fixture).size_bytes(), 12);
        fixture.snapshot("org/m", B, &more, layout);
        let repo = only_repo(&fixture);
        assert_eq!(repo.size_bytes(), both);
        let snapshot = repo.snapshot(Some(B)).unwrap().unwrap();
        assert_eq!(snapshot.size_bytes(), 15);
        assert!(snapshot.has_config() && snapshot.modified().is_some());
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_circles() {
    use fs_err::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let repo = fixture.snapshot("org/m", A, &[("config.json", "{}")], Layout::Linked);
    let snapshot = repo.join("snapshots").join(A);
    symlink("../../blobs/gone", snapshot.join("model.safetensors")).unwrap();
    symlink(".", snapshot.join("circle")).unwrap();
    symlink("../../blobs", snapshot.join("folder")).unwrap();
    // Two names of the same blob.
    let blob = fs_err::read_link(snapshot.join("config.json")).unwrap();
    symlink(blob, snapshot.join("again.json")).unwrap();
    let repo = only_repo(&fixture);
    assert_eq!(repo.size_bytes(), 2);
    assert_eq!(repo.snapshots()[0].size_bytes(), 2);
    fs_err::remove_file(snapshot.join("config.json")).unwrap();
    assert!(!repo.snapshots()[0].has_config());
}
