use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::{spec_of, supported};

#[test]
fn every_type_occurs_once_and_has_examples() {
    let all = supported();
    assert!(all.windows(2).all(|pair| pair[0].model_type < pair[1].model_type));
    assert!(all.iter().all(|one| !one.family.is_empty() && !one.examples.is_empty()));
}

/// Keys whose default in mlx-lm is the size of one model, or whose absence we read from the tensors. If they are wrong,
/// a tensor is missing or has another shape, so loading fails. The last is a limit, which changes no result.
const CHECKED_BY_TENSORS: [&str; 10] = [
    "head_dim",
    "num_attention_heads",
    "num_key_value_heads",
    "q_lora_rank",
    "n_routed_experts",
    "n_shared_experts",
    "first_k_dense_replace",
    "mamba_d_ssm",
    "tie_word_embeddings",
    "max_position_embeddings",
];

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Returns the descriptions of a model without a key and with its default. A model that is refused without the
/// key has none.
fn both(config: &Value, nested: bool, key: &str, default: &Value) -> Option<[String; 2]> {
    let of = |value: Option<&Value>| {
        let mut config = config.clone();
        let place = if nested { &mut config["text_config"] } else { &mut config };
        let keys = place.as_object_mut().unwrap();
        match value {
            Some(value) => keys.insert(key.to_owned(), value.clone()),
            None => keys.remove(key),
        };
        spec_of(&config)
    };
    let absent = format!("{:?}", of(None).ok()?);
    let stated = match of(Some(default)) {
        Ok(spec) => format!("{spec:?}"),
        Err(error) => error.to_string(),
    };
    Some([absent, stated])
}

#[test]
fn an_absent_key_has_the_default_of_mlx_lm() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity"));
    let defaults = read(&folder.join("defaults.json"));
    let (mut compared, mut different) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(folder.join("fixtures")).unwrap() {
        let config = read(&entry.unwrap().path())["config"].take();
        let model_type = config["model_type"].as_str().unwrap().to_owned();
        let mut check = |keys: &Map<String, Value>, nested: bool| {
            for (key, default) in keys {
                if key == "text_config" || CHECKED_BY_TENSORS.contains(&key.as_str()) {
                    continue;
                }
                let Some([absent, stated]) = both(&config, nested, key, default) else { continue };
                compared += 1;
                if absent != stated {
                    different.insert(format!("{model_type}: `{key}` is {default} in mlx-lm"));
                }
            }
        };
        let Some(keys) = defaults[&model_type].as_object() else { continue };
        if config.get("text_config").is_none() {
            check(keys, false);
        } else if let Some(keys) = keys.get("text_config").and_then(Value::as_object) {
            check(keys, true);
        }
    }
    assert!(compared > 1000, "only {compared} defaults were compared");
    assert!(different.is_empty(), "{different:#?}");
}
