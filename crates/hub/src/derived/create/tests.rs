use std::path::Path;

use super::*;
use crate::derived::Turn;
use crate::derived::error::DerivedError;
use crate::error::HubError;
use crate::health::finding::Problem;
use crate::info::{Look, info, places};
use crate::reference::error::ReferenceError;
use crate::resolution::Kind;
use crate::testing::{Fixture, tiny_gguf};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";

fn parsed(text: &str) -> Modelfile {
    Modelfile::parse(text.as_bytes()).unwrap()
}

/// Runs `mlxk create NAME -f FILE` for a file in the fixture's folder.
fn made(fixture: &Fixture, name: &str, text: &str) -> Result<Created> {
    let (file, pairs) = (parsed(text), PairTable::default());
    let from = base_of(&file.from, fixture.path(), &pairs, &fixture.locations)?;
    create(name, &from, file.overrides, &pairs, &fixture.locations)
}

fn found(fixture: &Fixture, name: &str) -> Resolved {
    let pairs = PairTable::default();
    let found = resolve(&name.parse().unwrap(), Matching::Exact, &pairs, &fixture.locations);
    found.unwrap().local().unwrap()
}

fn modelfile(fixture: &Fixture, name: &str) -> String {
    modelfile_of(&found(fixture, name), &fixture.locations).unwrap().text().unwrap()
}

#[test]
fn what_a_modelfile_says_holds_for_the_name_and_is_written_again() {
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Alpha-4bit", &[A]);
    let text = "FROM mlx-community/Alpha-4bit\nSYSTEM \"\"\"\nBe \"brief\".\n\"\"\"\nPARAMETER num_predict \
                -1\nPARAMETER temperature 0.2\nPARAMETER stop <end>\nPARAMETER stop \"\"\"\n\"\"\"\n\
                MESSAGE user Hi\nMESSAGE assistant Hello.\nLICENSE Apache-2.0\n";
    let created = made(&fixture, "coder:latest", text).unwrap();
    assert_eq!((created.name.as_str(), created.replaced), ("coder", false));
    let resolved = found(&fixture, "coder");
    assert_eq!(resolved.overrides, parsed(text).overrides);
    assert_eq!(resolved.base.as_deref(), Some("mlx-community/Alpha-4bit"));
    assert_eq!(modelfile(&fixture, "coder"), text);
    // Creating it again from its own Modelfile gives the same file.
    let before = fs_err::read_to_string(&created.path).unwrap();
    let again = made(&fixture, "coder", &modelfile(&fixture, "coder")).unwrap();
    assert!(again.replaced);
    assert_eq!(fs_err::read_to_string(&again.path).unwrap(), before);
    // The Modelfile of a model without settings has only `FROM`.
    assert_eq!(modelfile(&fixture, "Alpha-4bit"), "FROM mlx-community/Alpha-4bit\n");
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_system_prompt() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Alpha-4bit", &[A]);
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let created =
        made(&fixture, "coder", "FROM mlx-community/Alpha-4bit\nSYSTEM secret\n").unwrap();
    assert_eq!(mode(&created.path), 0o600);
    let stored = fixture.stored("tiny", "/x/tiny.gguf");
    crate::write_settings(&stored, &parsed("FROM x\nSYSTEM secret\n").overrides).unwrap();
    assert_eq!(mode(&stored.join("mlxk-settings.toml")), 0o600);
    assert_eq!(fs_err::read_dir(&stored).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn models_build_on_each_other_and_never_on_themselves() {
    let fixture = Fixture::new();
    fixture.cached("org/Base", &[A]);
    made(&fixture, "a", "FROM org/Base\nSYSTEM One.\nMESSAGE user x\nLICENSE MIT\n").unwrap();
    made(&fixture, "b", "FROM a:latest\nSYSTEM \"\"\nPARAMETER top_k 3\nLICENSE MIT\n").unwrap();
    let overrides = found(&fixture, "b").overrides;
    assert_eq!((overrides.system.as_deref(), overrides.parameters.top_k), (Some(""), Some(3)));
    assert_eq!(overrides.messages, [Turn { role: "user".into(), content: "x".into() }]);
    assert_eq!(overrides.license, ["MIT"]);
    assert_eq!(modelfile(&fixture, "b").lines().next(), Some("FROM a"));
    for from in ["a", "b"] {
        let error = made(&fixture, "a", &format!("FROM {from}\n")).unwrap_err();
        assert!(error.to_string().contains("which cannot build on itself"), "{error}");
    }
    for name in ["smollm2", "Base", "A", "x:", "a/b/c", "org/Base", ""] {
        let error = made(&fixture, name, "FROM org/Base\n").unwrap_err();
        let refused = matches!(
            error,
            HubError::Derived(DerivedError::NameTaken { .. })
                | HubError::Reference(ReferenceError::Malformed { .. })
        );
        assert!(refused, "{name}: {error}");
    }
    let error = made(&fixture, "c", "FROM org/nosuch\n").unwrap_err();
    assert_eq!(error.kind(), "model_not_found");
}

#[test]
fn from_means_what_is_on_this_machine() {
    let fixture = Fixture::new();
    let pairs = PairTable::default();
    let base = |from: &str| base_of(from, Path::new("/beside"), &pairs, &fixture.locations);
    let text = |from: &str| base(from).unwrap().to_string();
    for (from, expected) in [
        ("./model", "/beside/./model"),
        ("x.gguf", "/beside/x.gguf"),
        ("/x/y", "/x/y"),
        ("smollm2", "smollm2"),
        ("org/Base@v1", "org/Base@v1"),
        ("ollama:x", "ollama:x"),
        ("qwen2.5-coder:1.5b", "qwen2.5-coder:1.5b"),
        ("nosuch", "nosuch"),
        ("nosuch:1b", "nosuch:1b"),
    ] {
        assert_eq!(text(from), expected, "{from}");
    }
    // A file without the extension, next to the Modelfile.
    fs_err::write(fixture.path().join("sha256-1234"), tiny_gguf()).unwrap();
    let near = base_of("sha256-1234", fixture.path(), &pairs, &fixture.locations);
    assert_eq!(near.unwrap(), Reference::Gguf(fixture.path().join("sha256-1234")));
    fixture.ollama_model("phi3", "mini", &tiny_gguf());
    fixture.ollama_model("tiny", "latest", &tiny_gguf());
    // Ollama's copy is preferred to a download, until the pair's own model is here.
    assert_eq!(text("phi3:mini"), "ollama:phi3:mini");
    assert_eq!(text("tiny"), "ollama:tiny");
    fixture.cached("mlx-community/Phi-3-mini-4k-instruct-4bit", &[A]);
    assert_eq!(text("phi3:mini"), "phi3:mini");
    fixture.stored("tiny", "/x/m.gguf");
    assert_eq!((text("tiny"), text("tiny:latest")), ("tiny".into(), "tiny".into()));
}

#[test]
fn a_name_whose_model_is_gone_is_listed() {
    let fixture = Fixture::new();
    let repo = fixture.cached("org/Base", &[A]);
    made(&fixture, "mine", "FROM org/Base\nSYSTEM x\n").unwrap();
    fs_err::remove_dir_all(repo).unwrap();
    let places = places(&fixture.locations).unwrap();
    let [mine] = &places[..] else { panic!("{places:?}") };
    assert_eq!((mine.kind, mine.base.as_deref()), (Kind::Missing, Some("org/Base")));
    let described =
        info(mine, Look { judge: &|_| Ok(()), small_files: &|_| Vec::new(), thorough: false });
    let findings = &described.health.findings;
    assert_eq!(findings[0].problem, Problem::NoBase { base: "org/Base".to_owned() });
    assert_eq!(findings[0].repair.as_deref(), Some("mlxk pull org/Base"));
    assert!(!described.is_usable());
    let file = derived_modelfile("mine", &fixture.locations).unwrap().unwrap();
    assert_eq!(file.text().unwrap(), "FROM org/Base\nSYSTEM x\n");
}
