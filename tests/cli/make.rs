//! `mlxk convert` and `mlxk clone`: the files they write, and their errors word for word.

use std::path::Path;

use mlxk_format::safetensors::{Shard, TensorSpec, Writer};
use mlxk_format::{Checkpoint, ElementType};
use mlxk_tensor::Mode;
use serde_json::Value;

use crate::pull::{NAME, Online};
use crate::support::{World, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// A folder `model` with a dense checkpoint in the world's home.
fn dense(world: &World) {
    let model = checkpoint(Kind::Llama, Stored::Dense);
    let folder = world.home.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(model.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.join("LICENSE"), "ours").unwrap();
}

/// Runs a command in the home folder. Returns its exit code and streams.
fn run(world: &World, words: &[&str]) -> (i32, String, String) {
    let mut command = world.mlxk(words);
    command.env("HF_HUB_OFFLINE", "1").current_dir(world.home.path());
    let assert = command.assert();
    let (stdout, stderr) = streams(&assert);
    (assert.get_output().status.code().unwrap(), stdout, stderr)
}

fn json(world: &World, words: &[&str]) -> (i32, Value) {
    let (code, stdout, _) = run(world, &[words, &["--json"]].concat());
    (code, serde_json::from_str(&stdout).unwrap())
}

fn mode_of(folder: &Path) -> Option<Mode> {
    Checkpoint::open(folder).unwrap().quantization().default
}

#[test]
fn a_conversion_is_a_clean_workspace_that_runs() {
    let world = World::new();
    dense(&world);
    let home = world.home.path();
    let (code, envelope) =
        json(&world, &["convert", "./model", "./small", "-q", "8", "--q-group-size", "32"]);
    assert_eq!(code, 0, "{envelope}");
    let data = &envelope["data"];
    assert_eq!((&data["mode"], &data["bits"]), (&"quantize".into(), &8.into()));
    assert_eq!(data["health_status"], "healthy");
    assert!(data["content_hash"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(mode_of(&home.join("small")), Mode::affine(8, 32));
    assert_eq!(std::fs::read_to_string(home.join("small/LICENSE")).unwrap(), "ours");
    let sentinel = std::fs::read(home.join("small/.mlxk_workspace.json")).unwrap();
    let sentinel: Value = serde_json::from_slice(&sentinel).unwrap();
    assert_eq!((&sentinel["operation"], &sentinel["managed"]), (&"convert".into(), &true.into()));
    assert_eq!(sentinel["quantization"]["bits"], 8);
    let (code, answer, stderr) = run(&world, &["run", "./small", "hello", "--max-tokens", "2"]);
    assert_eq!(code, 0, "{answer}{stderr}");

    let (code, _, stderr) = run(&world, &["convert", "./small", "./dense", "--dequantize"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(mode_of(&home.join("dense")), None);
    // Quantizing the dequantized model gives the same weights.
    let (code, _, stderr) = run(
        &world,
        &["convert", "./small", "./other", "--mode", "mxfp4", "--module", "lm_head=dense"],
    );
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(mode_of(&home.join("other")), Some(Mode::Mxfp4));
}

/// Flips the last byte of the weights in `folder`.
fn flip(folder: &Path) {
    let weights = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(weights, bytes).unwrap();
}

#[test]
fn damaged_weights_of_a_conversion_are_found_and_it_is_made_again() {
    let world = World::new();
    dense(&world);
    let home = world.home.path();
    let convert = ["convert", "./model", "./small", "-q", "8", "--q-group-size", "32"];
    assert_eq!(run(&world, &convert).0, 0);
    let (code, stdout, _) = run(&world, &["health", "./small", "--deep"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("1 file compared"), "{stdout}");
    flip(&home.join("small"));
    assert_eq!(run(&world, &["health", "./small"]).0, 0);
    let (code, stdout, _) = run(&world, &["health", "./small", "--deep"]);
    assert!(code == 1 && stdout.contains("`model.safetensors` is damaged: its hash"), "{stdout}");
    let source = std::fs::canonicalize(home.join("model")).unwrap();
    let repair =
        format!("mlxk convert {} ./repaired -q 8 --q-group-size 32", source.to_str().unwrap());
    assert!(stdout.contains(&format!("repair: {repair}\n")), "{stdout}");
    let words: Vec<&str> = repair.split(' ').skip(1).collect();
    assert_eq!(run(&world, &words).0, 0);
    assert_eq!(run(&world, &["health", "./repaired", "--deep"]).0, 0);
    assert_eq!(mode_of(&home.join("repaired")), Mode::affine(8, 32));
    // A copy of damaged weights is damaged, too.
    assert_eq!(run(&world, &["clone", "./small", "./copy"]).0, 0);
    let (code, stdout, _) = run(&world, &["health", "./copy", "--deep"]);
    assert!(code == 1 && stdout.contains("repair: mlxk clone "), "{stdout}");
    // If you changed the weights on purpose, record them again.
    let (code, _, stderr) = run(&world, &["show", "./small", "--recalc-hash"]);
    assert!(code == 0 && stderr.contains("warning: `model.safetensors` has changed"), "{stderr}");
    assert_eq!(run(&world, &["health", "./small", "--deep"]).0, 0);
}

#[test]
fn a_truncated_folder_is_not_recorded_and_its_repair_is_named() {
    let world = World::new();
    dense(&world);
    let small = world.home.path().join("small");
    assert_eq!(run(&world, &["convert", "./model", "./small", "-q", "4"]).0, 0);
    let weights = small.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 9]).unwrap();
    let before = std::fs::read(small.join(".mlxk_workspace.json")).unwrap();
    let (code, _, stderr) = run(&world, &["show", "./small", "--recalc-hash"]);
    assert!(code == 1 && stderr.contains("so its content hash was not recalculated"), "{stderr}");
    assert_eq!(std::fs::read(small.join(".mlxk_workspace.json")).unwrap(), before);
    let (code, _, stderr) = run(&world, &["run", "./small", "hello"]);
    assert!(code == 1 && !stderr.contains("download"), "{stderr}");
    assert!(stderr.contains("hint: Find out how to repair it with `mlxk health "), "{stderr}");
}

#[test]
fn quantizing_twice_is_warned_about() {
    let world = World::new();
    dense(&world);
    let (_, _, stderr) = run(&world, &["convert", "./model", "./q4", "-q", "4"]);
    assert_eq!(stderr, "");
    let (code, _, stderr) = run(&world, &["convert", "./q4", "./q2", "-q", "2"]);
    assert!(code == 0 && stderr.contains("already quantized to 4 bits"), "{stderr}");
}

#[test]
fn an_index_is_rewritten() {
    let world = World::new();
    dense(&world);
    let model = world.home.path().join("model");
    std::fs::rename(
        model.join("model.safetensors"),
        model.join("model-00001-of-00001.safetensors"),
    )
    .unwrap();
    std::fs::write(
        model.join("model.safetensors.index.json"),
        r#"{"weight_map": {"nosuch": "model-00002-of-00002.safetensors"}}"#,
    )
    .unwrap();
    // The index is of other files, so it is ignored, and `health` proposes to repair it.
    let (code, _, stderr) = run(&world, &["run", "./model", "hello", "--max-tokens", "1"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, _) = run(&world, &["health", "./model"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("does not fit the weights") && stdout.contains("--repair-index"));
    for target in ["./repaired", "./model"] {
        let (code, envelope) = json(&world, &["convert", "./model", target, "--repair-index"]);
        assert_eq!((code, &envelope["data"]["mode"]), (0, &"repair-index".into()), "{envelope}");
        let (code, _, stderr) = run(&world, &["run", target, "hello", "--max-tokens", "1"]);
        assert_eq!(code, 0, "{stderr}");
    }
}

#[test]
fn a_clone_of_the_cache_or_the_hub() {
    let online = Online::new();
    let home = online.world.home.path();
    let work = home.join("work");
    let clone = |words: &[&str]| {
        let mut command = online.mlxk(words);
        command.env("MLXK_WORKSPACE_HOME", &work).current_dir(home);
        let assert = command.assert();
        (assert.get_output().status.code().unwrap(), streams(&assert))
    };
    let (code, (stdout, stderr)) = clone(&["clone", &format!("{NAME}@main"), "--json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    let target = work.join("Tiny-4bit");
    assert_eq!(envelope["data"]["clone_status"], "success");
    assert_eq!(envelope["data"]["target_dir"], target.to_str().unwrap());
    assert_eq!(envelope["data"]["health"], "healthy");
    assert!(target.join("model.safetensors").symlink_metadata().unwrap().is_file());
    let sentinel = std::fs::read(target.join(".mlxk_workspace.json")).unwrap();
    let sentinel: Value = serde_json::from_slice(&sentinel).unwrap();
    assert_eq!(sentinel["source_repo"], NAME);
    assert_eq!(sentinel["source_revision"].as_str().unwrap().len(), 40);

    // Offline, the model comes from the cache. By its own name, the copy is found first.
    let (code, (_, stderr)) = clone(&["clone", "Tiny-4bit", "./second", "--quiet"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (code, (stdout, stderr)) = clone(&["run", "Tiny-4bit", "hello", "--max-tokens", "1"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, (stdout, _)) = clone(&["clone", NAME, "Tiny-4bit", "--json"]);
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &envelope["error"]["type"]), (1, &"InvalidTargetError".into()));
    assert_eq!(envelope["data"]["clone_status"], "error");
}

/// The words after `mlxk`.
const REFUSED: [&[&str]; 19] = [
    &["convert", "./model"],
    &["convert", "./nosuch", "./out"],
    &["convert", "nosuch", "./out"],
    &["convert", "./model", "./model"],
    &["convert", "./model", "./no/where"],
    &["convert", "./model", "./hub/out"],
    &["convert", "./model", "./out", "-q", "7"],
    &["convert", "./model", "./out", "-q", "4", "--q-group-size", "48"],
    &["convert", "./model", "./out", "--mode", "mxfp4", "-q", "8"],
    &["convert", "./model", "./out", "-q", "4", "--dequantize"],
    &["convert", "./model", "./out", "--recipe", "mixed_9_9"],
    &["convert", "./model", "./out", "--recipe", "mixed_4_6", "--mode", "nvfp4"],
    &["convert", "./model", "./out", "--module", "lm_head"],
    &["convert", "./model", "./out", "--module", "lm_head=9"],
    &["convert", "nosuch.gguf", "./out"],
    &["convert", "./mamba", "./out", "-q", "4"],
    &["convert", "./model", "./out", "--repair-index", "-q", "4"],
    &["clone", "nosuch"],
    &["clone", "./model", "./model"],
];

#[cfg(unix)]
#[test]
fn refusals_are_as_they_were() {
    let world = World::new();
    dense(&world);
    let home = world.home.path();
    std::fs::create_dir_all(world.cache()).unwrap();
    std::fs::create_dir(home.join("mamba")).unwrap();
    std::fs::copy(home.join("model/model.safetensors"), home.join("mamba/model.safetensors"))
        .unwrap();
    std::fs::write(home.join("mamba/config.json"), r#"{"model_type": "plamo3"}"#).unwrap();
    let mut transcript = String::new();
    for words in REFUSED {
        let (code, stdout, stderr) = run(&world, words);
        assert_ne!(code, 0, "{words:?}");
        let text = format!("$ mlxk {}\n{stdout}{stderr}exit {code}\n\n", words.join(" "));
        transcript += &text.replace(home.to_str().unwrap(), "[HOME]");
    }
    let left: Vec<_> = std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("out") || name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    insta::assert_snapshot!(transcript);
}

/// Makes a model of the type `gemma3`, whose parts for images are named in `parts`.
fn with_vision(folder: &Path, parts: &[&str], format: &str) {
    let model = checkpoint(Kind::Llama, Stored::Dense);
    std::fs::create_dir(folder).unwrap();
    for entry in std::fs::read_dir(model.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let config = serde_json::json!({
        "model_type": "mistral3",
        "vision_config": {"hidden_size": 8},
        "text_config": serde_json::from_slice::<Value>(
            &std::fs::read(model.path().join("config.json")).unwrap()).unwrap(),
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("preprocessor_config.json"), r#"{"size": 8}"#).unwrap();
    let old = Shard::open(&model.path().join("model.safetensors")).unwrap();
    let mut tensors: Vec<(String, ElementType, Vec<usize>, Vec<u8>)> = old
        .tensors()
        .map(|(name, kind, shape, bytes)| {
            (format!("language_model.{name}"), kind, shape.to_vec(), bytes.to_vec())
        })
        .collect();
    for part in parts {
        let bytes: Vec<u8> = (0..64 * 64 * 4).map(|n| (n % 251) as u8 & 0x3f).collect();
        tensors.push(((*part).to_owned(), ElementType::F32, vec![64, 64], bytes));
    }
    let specs: Vec<TensorSpec> = tensors
        .iter()
        .map(|(name, dtype, shape, _)| TensorSpec {
            name: name.clone(),
            dtype: *dtype,
            shape: shape.clone(),
        })
        .collect();
    let path = folder.join("model.safetensors");
    let mut file = Writer::create(&path, &specs, &[("format", format)]).unwrap();
    for (.., bytes) in &tensors {
        file.write(bytes).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn parts_for_images_are_kept_or_refused_and_never_lost() {
    let world = World::new();
    let home = world.home.path();
    let parts = ["vision_tower.layers.0.q_proj.weight", "multi_modal_projector.linear_1.weight"];
    with_vision(&home.join("eyes"), &parts, "mlx");
    let bytes = |folder: &str, name: &str| {
        let shard = Shard::open(&home.join(folder).join("model.safetensors")).unwrap();
        let mut tensors = shard.tensors();
        let found = tensors.find(|(found, ..)| *found == name);
        found.map(|(_, kind, shape, bytes)| (kind, shape.to_vec(), bytes.to_vec()))
    };
    for (words, target) in [
        (&["-q", "4", "--q-group-size", "32"][..], "quantized"),
        (&["--mode", "mxfp8"], "mxfp8"),
        (&[], "plain"),
    ] {
        let target_path = format!("./{target}");
        let (code, stdout, stderr) =
            run(&world, &[&["convert", "./eyes", &target_path], words].concat());
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(stdout.contains("2 tensors for images or sound kept unchanged"), "{stdout}");
        for part in parts {
            assert_eq!(bytes(target, part), bytes("eyes", part), "{target} {part}");
        }
        assert!(home.join(target).join("preprocessor_config.json").exists());
        let (_, shown) = json(&world, &["show", &target_path]);
        let capabilities = shown["data"]["model"]["capabilities"].to_string();
        assert!(capabilities.contains("vision"), "{shown}");
        let words = ["run", &target_path, "hello", "--max-tokens", "1"];
        assert_eq!(run(&world, &words).0, 0, "the language model runs");
    }
    let (code, stdout, stderr) =
        run(&world, &["convert", "./eyes", "./blind", "-q", "8", "--text-only"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("2 tensors for images or sound left out"), "{stdout}");
    assert_eq!(bytes("blind", parts[0]), None);
    assert!(!home.join("blind/preprocessor_config.json").exists());
    let (_, shown) = json(&world, &["show", "./blind"]);
    assert!(!shown["data"]["model"]["capabilities"].to_string().contains("vision"), "{shown}");

    // Parts in PyTorch's layout cannot be brought into MLX's, so they are not kept silently either.
    with_vision(&home.join("torch"), &parts, "pt");
    let (code, _, stderr) = run(&world, &["convert", "./torch", "./out", "-q", "4"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("`--text-only`"), "{stderr}");
    assert!(!home.join("out").exists());
    let (code, ..) = run(&world, &["convert", "./torch", "./out", "-q", "4", "--text-only"]);
    assert_eq!(code, 0);
}
