//! Bad input gives one clear sentence on stderr, nothing on stdout, and the right exit code.

use serde_json::json;

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint, checkpoint_with};

/// Runs a command that must fail with `code` and one error that contains all `words`.
fn fails(world: &World, arguments: &[&str], code: i32, words: &[&str]) {
    let (stdout, stderr) = streams(&world.mlxk(arguments).assert().code(code));
    assert_eq!(stdout, "", "{arguments:?}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in:\n{stderr}");
    }
    assert_eq!(stderr.matches("error: ").count(), 1, "{arguments:?}:\n{stderr}");
    assert!(!stderr.contains("panicked"), "{arguments:?}:\n{stderr}");
}

#[test]
fn models_that_are_not_there() {
    let world = World::new();
    world.cached("mlx-community/Alpha-Instruct-4bit");
    world.cached("mlx-community/Alpha-Base-4bit");
    fails(&world, &["run", "nosuch", "Hi", "--no-pull"], 1, &["`nosuch`", "hint: "]);
    fails(&world, &["show", "nosuch"], 1, &["`nosuch`"]);
    fails(&world, &["run", "org/nosuch", "Hi", "--no-pull"], 1, &["`org/nosuch`"]);
    fails(
        &world,
        &["run", "alpha", "Hi"],
        1,
        &["mlx-community/Alpha-Instruct-4bit", "mlx-community/Alpha-Base-4bit"],
    );
    fails(&world, &["run", "./nosuch", "Hi"], 1, &["nosuch", "does not exist"]);
    fails(&world, &["run", "../../etc/passwd", "Hi"], 1, &[]);
    fails(&world, &["run", "", "Hi"], 1, &["model name"]);
    fails(&world, &["run", "smollm2", "Hi", "--no-pull"], 1, &["smollm2", "not been imported"]);
}

#[test]
fn invalid_limits() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let model = path(model.path());
    fails(&world, &["run", model, "Hi", "--max-tokens", "0"], 2, &["`--max-tokens` is 0"]);
    fails(&world, &["run", model, "Hi", "--threads", "0"], 2, &["`--threads` is 0"]);
    fails(&world, &["run", model, "Hi", "--ctx", "0"], 2, &["`--ctx` is 0"]);
    fails(&world, &["run", model, "Hi", "--ctx", "100000"], 2, &["`--ctx`", "100000", "512"]);
    fails(&world, &["run", model, "Hi", "--temperature=-1"], 2, &["`--temperature` is -1"]);
    fails(&world, &["run", model, "Hi", "--top-p", "2"], 2, &["`--top-p` is 2"]);
    fails(&world, &["run", model, "Hi", "--stop", ""], 2, &["`--stop`", "empty"]);
    fails(&world, &["run", model, "--max-tokens", "many", "Hi"], 2, &["--max-tokens"]);
    let long = "word ".repeat(200);
    fails(&world, &["run", model, &long], 1, &["tokens", "context of 512"]);
    let (_, stderr) = streams(&world.mlxk(&["run", model]).write_stdin("").assert().code(2));
    assert!(stderr.contains("There is no prompt"), "{stderr}");
    let invalid = world.mlxk(&["run", model]).write_stdin(vec![0x80, 0xFE]).assert().code(2);
    assert!(streams(&invalid).1.contains("UTF-8"));
}

#[cfg(feature = "gpu")]
#[test]
fn mlx_that_cannot_be_used() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let on_mlx = |more: &[&str], words: &[&str]| {
        let base = ["run", path(model.path()), "Hi", "--device", "mlx"];
        let mut command = world.mlxk(&[&base[..], more].concat());
        command.env("MLXK_MLX_LIBRARY", "/no/such/library");
        let (stdout, stderr) = streams(&command.assert().code(1));
        assert_eq!(stdout, "");
        assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    };
    on_mlx(&[], &["`/no/such/library` can't be loaded"]);
    on_mlx(&["--kv-bits", "8"], &["16 or 32 bits; 8 bits need another device"]);
    on_mlx(&["--gpu-layers", "3"], &["leave `--gpu-layers` out"]);
}

#[test]
fn damaged_files() {
    type Damage = fn(&mut Vec<u8>);
    let world = World::new();
    let cases: [(&str, Damage, &[&str]); 8] = [
        ("model.safetensors", |bytes| bytes.truncate(bytes.len() - 1000), &["truncated"]),
        ("model.safetensors", |bytes| bytes.truncate(5), &["model.safetensors"]),
        ("model.safetensors", |bytes| bytes[3] = 0xFF, &["model.safetensors"]),
        ("model.safetensors", |bytes| bytes[20] ^= 0x80, &["model.safetensors"]),
        ("config.json", |bytes| bytes.truncate(bytes.len() / 2), &["config.json"]),
        ("config.json", Vec::clear, &["config.json"]),
        ("tokenizer.json", |bytes| bytes.truncate(100), &["tokenizer.json"]),
        (
            "model.safetensors",
            |bytes| {
                *bytes =
                    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec();
            },
            &["model.safetensors", "LFS"],
        ),
    ];
    for (file, damage, words) in cases {
        let model = checkpoint(Kind::Qwen2, Stored::Bits(4));
        let target = model.path().join(file);
        let mut bytes = std::fs::read(&target).unwrap();
        damage(&mut bytes);
        std::fs::write(&target, bytes).unwrap();
        fails(&world, &["run", path(model.path()), "Hi"], 1, words);
    }
    for file in ["model.safetensors", "config.json", "tokenizer.json"] {
        let model = checkpoint(Kind::Llama, Stored::Dense);
        std::fs::remove_file(model.path().join(file)).unwrap();
        fails(&world, &["run", path(model.path()), "Hi"], 1, &[]);
    }
    let gguf = world.home.path().join("broken.gguf");
    std::fs::write(&gguf, b"GGUF\x03\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F").unwrap();
    fails(&world, &["run", path(&gguf), "Hi"], 1, &["broken.gguf"]);
    let left: Vec<_> = std::fs::read_dir(world.home.path().join("data/mlxk/models"))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
        .unwrap_or_default();
    assert!(
        left.iter().all(|name| name.to_string_lossy().starts_with('.')),
        "a failed import left {left:?}"
    );
}

#[test]
fn configurations_that_do_not_run() {
    let world = World::new();
    let cases = [
        (json!({"model_type": "plamo3"}), &["plamo3", "mlxk list --supported"][..]),
        (json!({"hidden_act": "gelu"}), &["hidden_act", "gelu"]),
        (json!({"num_attention_heads": 0}), &["num_attention_heads"]),
        (json!({"hidden_size": 1_000_000_000}), &[]),
        (json!({"rope_scaling": {"rope_type": "spiral", "factor": 4.0}}), &["spiral"]),
        (json!({"vocab_size": 999}), &["model.embed_tokens"]),
    ];
    for (changes, words) in cases {
        let model = checkpoint_with(Kind::Llama, Stored::Bits(8), &changes);
        fails(&world, &["run", path(model.path()), "Hi"], 1, words);
    }
}
