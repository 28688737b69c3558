use super::*;
use crate::testing::{Fixture, Layout};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222";

fn described(config: &str) -> ModelInfo {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("config.json"), config).unwrap();
    ModelInfo::of_folder("m".into(), Kind::Folder, folder.path().into())
}

#[test]
fn configs_as_they_come() {
    let plain = described(r#"{"model_type":"llama","architectures":["LlamaForCausalLM"]}"#);
    assert_eq!(plain.model_type.as_deref(), Some("llama"));
    assert_eq!(plain.architectures, ["LlamaForCausalLM"]);
    assert_eq!((plain.quantization, plain.context_length, plain.problem), (None, None, None));

    let affine = described(
        r#"{"quantization":{"group_size":64,"bits":4},
            "quantization_config":{"group_size":64,"bits":4},"max_position_embeddings":8192}"#,
    );
    let mut expected =
        QuantizationSummary { bits: 4, group_size: 64, mode: "affine".into(), mixed: false };
    assert_eq!(affine.quantization, Some(expected.clone()));
    assert_eq!(affine.context_length, Some(8192));

    let mixed = described(
        r#"{"quantization":{"group_size":32,"bits":4,"mode":"mxfp4","lm_head":{"bits":8}},
            "text_config":{"max_position_embeddings":131072}}"#,
    );
    expected.group_size = 32;
    expected.mode = "mxfp4".into();
    expected.mixed = true;
    assert_eq!(mixed.quantization, Some(expected));
    assert_eq!(mixed.context_length, Some(131_072));
}

#[test]
fn nonsense_is_no_failure() {
    for (config, problem) in [
        ("", Some("its `config.json` is no JSON object")),
        ("[]", Some("its `config.json` is no JSON object")),
        (r#"{"model_type":1,"architectures":"x","quantization":{"bits":"4"}}"#, None),
        (r#"{"quantization":{"bits":-4,"group_size":64},"max_position_embeddings":1.5}"#, None),
    ] {
        let found = described(config);
        assert_eq!(found.problem, problem, "{config}");
        assert_eq!(
            (found.model_type, found.quantization, found.context_length),
            (None, None, None)
        );
    }
}

#[test]
fn lists_everything_once() {
    let fixture = Fixture::new();
    assert!(list(&fixture.locations).unwrap().is_empty());
    fixture.stored("imported", "pypi:x==1");
    fixture.cached("org/good", &[A, B]);
    fixture.set_ref("org/none", "main", A);
    fixture.snapshot("org/other-branch", A, &[("config.json", "{}")], Layout::Copied);
    fixture.set_ref("org/other-branch", "main", B);
    fixture.snapshot("org/part", A, &[("model.safetensors", "12345")], Layout::Moved);
    let models = list(&fixture.locations).unwrap();
    let rows: Vec<_> = models
        .iter()
        .map(|model| (model.name.as_str(), model.revision.as_deref(), model.problem))
        .collect();
    assert_eq!(
        rows,
        [
            ("imported", None, None),
            ("org/good", Some(B), None),
            ("org/none", None, Some("it has no complete revision")),
            ("org/other-branch", Some(A), None),
            ("org/part", Some(A), Some("its `config.json` is missing")),
        ]
    );
    assert_eq!(models[0].origin.as_ref().unwrap().source, "pypi:x==1");
    let good = &models[1];
    assert_eq!(good.kind, Kind::HfCache);
    assert_eq!((good.size_bytes, good.disk_bytes), (22 + 40, 22 + 40 + 40));
    assert!(good.modified.is_some());
    assert_eq!(models[4].size_bytes, 5);

    let resolved = crate::resolve(
        &"org/good".parse().unwrap(),
        crate::Matching::Exact,
        &crate::PairTable::default(),
        &fixture.locations,
    );
    let shown = info(&resolved.unwrap().local().unwrap());
    assert_eq!((shown.size_bytes, shown.disk_bytes), (good.size_bytes, good.disk_bytes));
    assert_eq!(shown.revision, good.revision);
    assert_eq!(
        files(&shown.path),
        [
            FileInfo { name: "config.json".into(), size_bytes: 22 },
            FileInfo { name: "model.safetensors".into(), size_bytes: 40 },
        ]
    );
}
