use std::ops::ControlFlow;

use serde_json::json;

use super::*;
use crate::import::{ImportInfo, import};
use crate::pairs::PairTable;
use crate::reference::Reference;
use crate::remove::Named;
use crate::remove::find::find_removal;
use crate::reporter::Quiet;
use crate::resolution::{Kind, Matching, Resolution, Resolved};
use crate::resolve::resolve;
use crate::testing::{Fixture, tiny_gguf};

fn ollama(fixture: &Fixture, path: &str, layers: &[(&str, &[u8])]) -> PathBuf {
    fixture.ollama(path, layers)
}

fn found(fixture: &Fixture, text: &str) -> Result<Resolution> {
    resolve(&text.parse()?, Matching::Exact, &PairTable::default(), &fixture.locations)
}

fn imported(fixture: &Fixture, text: &str) -> Result<Resolved> {
    match found(fixture, text)? {
        Resolution::NeedsImport(plan) => {
            let mut agree = |_: &ImportInfo| ControlFlow::Continue(());
            import(
                &plan,
                &mlxk_models::gguf_architectures(),
                &fixture.locations,
                &Quiet,
                &mut agree,
            )
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_ollama_has_is_imported_once() {
    let fixture = Fixture::new();
    let gguf = tiny_gguf();
    let params = br#"{"stop": ["x"], "temperature": 0.5, "num_gpu": 9}"#;
    let said = br#"[{"role": "user", "content": "Hi"}]"#;
    let layers: [(&str, &[u8]); 6] = [
        ("model", &gguf),
        ("template", b"{{ .Prompt }}"),
        ("params", params),
        ("system", b"Be brief."),
        ("messages", said),
        ("license", b"MIT"),
    ];
    let blob = ollama(&fixture, "registry.ollama.ai/library/tiny/1b", &layers);
    ollama(&fixture, "registry.ollama.ai/library/tiny/latest", &layers);
    let before = fs_err::read(&blob).unwrap();
    let model = imported(&fixture, "ollama:tiny:1b").unwrap();
    assert_eq!((model.name.as_str(), model.kind), ("tiny-1b", Kind::Imported));
    mlxk_format::Checkpoint::open(&model.path).unwrap();
    let overrides = &model.overrides;
    assert_eq!(overrides.system.as_deref(), Some("Be brief."));
    assert_eq!(overrides.parameters.stop, ["x"]);
    assert_eq!(overrides.parameters.temperature, Some(0.5));
    assert_eq!((overrides.messages[0].content.as_str(), overrides.license.len()), ("Hi", 1));
    let origin = crate::Origin::read(&model.path).unwrap();
    assert_eq!(origin.source, "ollama:tiny:1b");
    assert_eq!(origin.sha256, Some(crate::hash::sha256_of(&gguf)));
    assert_eq!(fs_err::read(&blob).unwrap(), before);
    for text in ["ollama:tiny:1b", "ollama:Tiny:1B", "tiny-1b", "tiny:1b", "Tiny:1B"] {
        assert_eq!(found(&fixture, text).unwrap(), Resolution::Local(model.clone()), "{text}");
    }
    assert_eq!(imported(&fixture, "ollama:tiny").unwrap().name, "tiny");
    assert_eq!(found(&fixture, "ollama:tiny:latest").unwrap().local().unwrap().name, "tiny");
    // A new file under the same name replaces the import.
    let longer = [gguf, vec![0; 32]].concat();
    ollama(&fixture, "registry.ollama.ai/library/tiny/1b", &[("model", &longer)]);
    assert_eq!(imported(&fixture, "ollama:tiny:1b").unwrap().name, "tiny-1b");
    assert_eq!(fixture.in_store(), [".lock", "tiny", "tiny-1b"]);
    // Ollama may delete its copy. Ours stays, under either name.
    fs_err::remove_dir_all(&fixture.locations.ollama_models[0]).unwrap();
    assert!(found(&fixture, "ollama:tiny:1b").unwrap().local().is_ok());
    for text in ["ollama:tiny:1b", "tiny:1b"] {
        let reference: Reference = text.parse().unwrap();
        let removal = find_removal(&reference, &PairTable::default(), &fixture.locations).unwrap();
        assert_eq!((removal.name.as_str(), removal.named), ("tiny-1b", Named::Full));
    }
    let reference: Reference = "tiny:2b".parse().unwrap();
    assert!(find_removal(&reference, &PairTable::default(), &fixture.locations).is_err());
}

#[test]
fn an_import_has_its_name_in_ollama_unless_the_checkpoint_of_that_name_is_here() {
    let fixture = Fixture::new();
    ollama(&fixture, "registry.ollama.ai/library/phi3/mini", &[("model", &tiny_gguf())]);
    imported(&fixture, "ollama:phi3:mini").unwrap();
    let name = || found(&fixture, "phi3:mini").unwrap().local().unwrap().name;
    assert_eq!(name(), "phi3-mini");
    let checkpoint = "mlx-community/Phi-3-mini-4k-instruct-4bit";
    fixture.cached(checkpoint, &["a".repeat(40).as_str()]);
    assert_eq!(name(), checkpoint);
}

#[test]
fn the_only_tag_is_taken_and_several_are_listed() {
    let fixture = Fixture::new();
    let gguf = tiny_gguf();
    ollama(&fixture, "registry.ollama.ai/library/tiny/135m", &[("model", &gguf)]);
    assert_eq!(imported(&fixture, "ollama:Tiny").unwrap().name, "tiny-135m");
    let again = found(&fixture, "ollama:tiny").unwrap().local().unwrap();
    assert_eq!((again.name.as_str(), again.changed), ("tiny-135m", true));
    assert!(!found(&fixture, "ollama:tiny:135m").unwrap().local().unwrap().changed);
    ollama(&fixture, "registry.ollama.ai/library/tiny/360m", &[("model", &gguf)]);
    let error = found(&fixture, "ollama:tiny").unwrap_err();
    assert_eq!(error.to_string(), "Ollama has 2 models called `tiny`: `tiny:135m`, `tiny:360m`");
    assert_eq!(error.hint().unwrap(), "Add the tag, as in `ollama:tiny:135m`");
    assert_eq!(error.candidates().unwrap(), ["ollama:tiny:135m", "ollama:tiny:360m"]);
    ollama(&fixture, "registry.ollama.ai/library/tiny/latest", &[("model", &gguf)]);
    assert_eq!(imported(&fixture, "ollama:tiny").unwrap().name, "tiny");
}

#[test]
fn the_only_import_is_found_without_ollamas_store() {
    let fixture = Fixture::new();
    assert!(found(&fixture, "ollama:smollm2").is_err());
    fixture.stored("smollm2-135m", "ollama:smollm2:135m");
    let model = found(&fixture, "ollama:smollm2").unwrap().local().unwrap();
    assert_eq!((model.name.as_str(), model.changed), ("smollm2-135m", true));
    assert!(found(&fixture, "ollama:smollm2:360m").is_err());
    fixture.stored("smollm2-360m", "ollama:smollm2:360m");
    let error = found(&fixture, "ollama:smollm2").unwrap_err();
    assert_eq!(error.candidates().unwrap(), ["smollm2-135m", "smollm2-360m"]);
}

#[test]
fn names_lead_to_manifests_and_nowhere_else() {
    let fixture = Fixture::new();
    let gguf = tiny_gguf();
    for path in [
        "registry.ollama.ai/library/phi3/mini",
        "registry.ollama.ai/me/mine/latest",
        "hf.co/org/Name-GGUF/Q4_K_M",
    ] {
        ollama(&fixture, path, &[("model", &gguf)]);
    }
    let known = ["hf.co/org/Name-GGUF:Q4_K_M", "me/mine:latest", "phi3:mini"];
    assert_eq!(names(&fixture.locations), known);
    for name in known.iter().chain(&["me/mine"]) {
        assert!(matches!(
            found(&fixture, &format!("ollama:{name}")).unwrap(),
            Resolution::NeedsImport(_)
        ));
    }
    for text in ["ollama:", "ollama:phi4", "ollama:nosuch:1b", "ollama:phi3:..", "ollama:a/b/c/d"] {
        let error = found(&fixture, text).unwrap_err();
        assert_eq!(error.kind(), "model_not_found", "{text}: {error}");
        let hint = error.hint().unwrap();
        assert_eq!(hint, "Ollama has `hf.co/org/Name-GGUF:Q4_K_M`, `me/mine:latest`, `phi3:mini`");
    }
    // A name in the pair table means the repository. The error says what Ollama has.
    let error = found(&fixture, "phi3:mini").unwrap().local().unwrap_err();
    assert!(error.hint().unwrap().starts_with("Use Ollama's copy with `ollama:phi3:mini`"));
    let hint = found(&fixture, "me:7b").unwrap_err().hint().unwrap();
    assert!(hint.starts_with("See the names with `mlxk search --ollama`"), "{hint}");
    let hint = found(&fixture, "qwen3:1b").unwrap_err().hint().unwrap();
    assert!(hint.starts_with("Did you mean `qwen3:0.6b`, `qwen3:1.7b` or `qwen3:4b`?"), "{hint}");
    let empty = Fixture::new();
    let error = found(&empty, "ollama:x").unwrap_err();
    assert!(error.hint().unwrap().contains("has no models in"), "{:?}", error.hint());
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_reason() {
    let fixture = Fixture::new();
    let gguf = tiny_gguf();
    let path = |name: &str| format!("registry.ollama.ai/library/{name}/latest");
    for (name, kinds, words) in [
        ("adapted", &["model", "adapter"][..], "adapter"),
        ("seeing", &["model", "projector"], "images"),
        ("tensors", &["tensor", "tensor"], "tensor by tensor"),
        ("nothing", &["template"], "one model file"),
        ("split", &["model", "model"], "one model file"),
    ] {
        let layers: Vec<(&str, &[u8])> = kinds.iter().map(|kind| (*kind, &gguf[..])).collect();
        ollama(&fixture, &path(name), &layers);
        let error = found(&fixture, &format!("ollama:{name}")).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    for (kind, content) in [("params", &b"[]"[..]), ("messages", b"{"), ("system", b"\xFF")] {
        ollama(&fixture, &path("odd"), &[("model", &gguf), (kind, content)]);
        let error = imported(&fixture, "ollama:odd").unwrap_err();
        assert!(error.to_string().contains(&format!("its layer `{kind}`")), "{error}");
    }
    let blob = ollama(&fixture, &path("damaged"), &[("model", &gguf)]);
    let mut bytes = gguf.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&blob, bytes).unwrap();
    let error = imported(&fixture, "ollama:damaged").unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    fs_err::write(&blob, "GGUF and no more").unwrap();
    let error = imported(&fixture, "ollama:damaged").unwrap_err();
    assert!(error.to_string().contains("has 16 bytes, expected"), "{error}");
    assert_eq!(error.hint().unwrap(), "Download it again with `ollama pull damaged:latest`");
    fs_err::remove_file(&blob).unwrap();
    assert!(found(&fixture, "ollama:damaged").unwrap_err().to_string().contains("is missing"));
    let manifest = fixture.locations.ollama_models[0].join("manifests").join(path("damaged"));
    for text in ["", "[]", "{\"layers\": 3}"] {
        fs_err::write(&manifest, text).unwrap();
        let error = found(&fixture, "ollama:damaged").unwrap_err();
        assert!(error.to_string().contains("is malformed"), "{error}");
    }
    let digest = json!({"mediaType": format!("{LAYER}model"), "digest": "sha256:../../etc"});
    fs_err::write(&manifest, json!({"layers": [digest]}).to_string()).unwrap();
    assert!(found(&fixture, "ollama:damaged").is_err());
    let left = fixture.in_store();
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");
}
