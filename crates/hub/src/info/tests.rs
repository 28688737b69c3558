use super::*;
use crate::testing::{Fixture, Layout};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222";

const LOOK: Look<'static> =
    Look { judge: &|_| Ok(()), small_files: &|_| Vec::new(), thorough: true };

fn described(config: &str) -> ModelInfo {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("config.json"), config).unwrap();
    info(&checkpoints_in(folder.path()).unwrap()[0], LOOK)
}

#[test]
fn configs_as_they_come() {
    let plain = described(r#"{"model_type":"llama","architectures":["LlamaForCausalLM"]}"#);
    assert_eq!(plain.model_type(), Some("llama"));
    assert_eq!(plain.architecture(), Some("LlamaForCausalLM"));
    assert_eq!((plain.quantization, plain.context_length), (None, None));

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
    for config in [
        "",
        "[]",
        r#"{"model_type":1,"architectures":"x","quantization":{"bits":"4"}}"#,
        r#"{"quantization":{"bits":-4,"group_size":64},"max_position_embeddings":1.5}"#,
    ] {
        let found = described(config);
        assert!(!found.is_usable(), "{config}");
        assert_eq!((found.model_type(), found.architecture()), (None, None));
        assert_eq!((found.quantization, found.context_length), (None, None));
    }
}

#[test]
fn lists_everything_once() {
    let fixture = Fixture::new();
    assert!(list(&fixture.locations, LOOK).unwrap().is_empty());
    fixture.stored("imported", "pypi:x==1");
    fixture.cached("org/good", &[A, B]);
    fixture.set_ref("org/none", "main", A);
    fixture.snapshot("org/other-branch", A, &[("config.json", "{}")], Layout::Copied);
    fixture.set_ref("org/other-branch", "main", B);
    fixture.snapshot("org/part", A, &[("model.safetensors", "12345")], Layout::Moved);
    let models = list(&fixture.locations, LOOK).unwrap();
    let rows: Vec<_> =
        models.iter().map(|model| (model.name.as_str(), model.revision.as_deref())).collect();
    assert_eq!(
        rows,
        [
            ("imported", None),
            ("org/good", Some(B)),
            ("org/none", None),
            ("org/other-branch", Some(A)),
            ("org/part", Some(A)),
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
    let shown = info(&resolved.unwrap().local().unwrap(), LOOK);
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
