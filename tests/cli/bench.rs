//! `mlxk bench` on tiny checkpoints. The figures mean nothing, but they must be consistent.

use serde_json::{Value, json};

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

fn json_of(world: &World, arguments: &[&str]) -> Value {
    let assert = world.mlxk(arguments).arg("--json").assert().success();
    let (stdout, stderr) = streams(&assert);
    // Slow steps have lines such as `[1/4] Measuring the limits of the machine`.
    let notes: Vec<_> = stderr.lines().filter(|line| !line.starts_with('[')).collect();
    let is_import = |line: &&str| line.starts_with("Importing model from ");
    assert!(notes.first().is_none_or(is_import), "{stderr}");
    report_in(&stdout)
}

/// Returns the report in the envelope that `--json` prints.
pub(crate) fn report_in(stdout: &str) -> Value {
    let mut envelope: Value = serde_json::from_str(stdout).unwrap();
    assert_eq!((&envelope["status"], &envelope["command"]), (&json!("success"), &json!("bench")));
    assert_eq!(envelope["error"], Value::Null);
    envelope["data"].take()
}

fn positive(value: &Value) -> f64 {
    value.as_f64().filter(|value| *value > 0.0).unwrap_or_else(|| panic!("{value} is not positive"))
}

#[test]
fn kernels_are_measured_next_to_the_limits_of_the_machine() {
    let world = World::new();
    let base = ["bench", "kernels", "--mode", "4:64,bf16", "--shape", "64x128", "--runs", "2"];
    let small = ["--rows", "1,4", "--threads", "1"];
    let found = json_of(&world, &[&base[..], &small].concat());
    assert_eq!(found["schema"], "mlxk-bench-kernels/1");
    assert_eq!(found["limits"]["threads"], 1);
    let modes: Vec<_> = found["rows"].as_array().unwrap().iter().map(|row| &row["mode"]).collect();
    assert_eq!(modes, ["4:64", "4:64", "bf16", "bf16"]);
    for row in found["rows"].as_array().unwrap() {
        assert_eq!(row["seconds"]["samples"].as_array().unwrap().len(), 2);
        let read =
            positive(&row["bytes_per_second"]) / positive(&found["limits"]["read"]["maximum"]);
        assert!((positive(&row["share_of_read"]) / read - 1.0).abs() < 1e-9);
    }
    // The saved report is shown as it was printed.
    let report = world.home.path().join("kernels.json");
    std::fs::write(&report, found.to_string()).unwrap();
    assert_eq!(json_of(&world, &["bench", "show", path(&report)]), found);
    let arguments = [&base[..], &small, &["--markdown"]].concat();
    let (table, _) = streams(&world.mlxk(&arguments).assert().success());
    assert!(table.lines().any(|line| line.starts_with("| bf16 | 16.00 | 64×128 | 4 |")), "{table}");
}

#[cfg(feature = "gpu")]
#[test]
fn kernels_of_a_gpu_are_measured_next_to_its_limits() {
    let Some(name) = mlxk_engine::adapters().first().map(|adapter| adapter.name.clone()) else {
        eprintln!("skipped: there is no GPU, nor Mesa's software driver for Vulkan");
        return;
    };
    let world = World::new();
    let base = ["bench", "kernels", "--device", &name, "--mode", "4:64,bf16", "--shape", "64x128"];
    let small = ["--rows", "1,16", "--contexts", "40", "--runs", "2", "--json"];
    let measure = |more: &[&str]| -> Value {
        // Mesa's driver may print warnings.
        let assert = world.mlxk(&[&base[..], &small, more].concat()).assert().success();
        report_in(&streams(&assert).0)
    };
    let found = measure(&[]);
    assert_eq!(found["schema"], "mlxk-bench-gpu-kernels/1");
    assert_eq!(found["gpu"]["name"], name);
    let rows = found["rows"].as_array().unwrap();
    let names = rows.iter().map(|row| format!("{} {} {}", row["kernel"], row["mode"], row["rows"]));
    let names: Vec<_> = names.map(|name| name.replace('"', "")).collect();
    let expected = ["product 4:64", "product bf16", "attention 16 bits", "attention 8 bits"];
    let expected: Vec<_> =
        expected.iter().flat_map(|name| [1, 16].map(|rows| format!("{name} {rows}"))).collect();
    assert_eq!(names, expected);
    for row in rows {
        assert_eq!(row["seconds"]["samples"].as_array().unwrap().len(), 2);
        let copied = positive(&found["limits"]["copy"]["maximum"]);
        let share = positive(&row["bytes_per_second"]) / copied;
        assert!((positive(&row["share_of_copy"]) / share - 1.0).abs() < 1e-9);
        positive(&row["share_of_peak"]);
    }
    let report = world.home.path().join("kernels.json");
    std::fs::write(&report, found.to_string()).unwrap();
    assert_eq!(json_of(&world, &["bench", "show", path(&report)]), found);
    let (table, _) = streams(&world.mlxk(&["bench", "show", path(&report)]).assert().success());
    assert!(table.contains("attention") && table.contains("32/8/128"), "{table}");
}

#[test]
fn models_take_turns_and_are_compared() {
    let (world, first) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let second = checkpoint(Kind::Llama, Stored::Bits(8));
    let found = json_of(
        &world,
        &[
            "bench",
            "model",
            path(first.path()),
            path(second.path()),
            "--prompt-tokens",
            "40",
            "--max-tokens",
            "5",
            "--contexts",
            "3,70",
            "--runs",
            "2",
            "--warmup",
            "1",
            "--threads",
            "1",
        ],
    );
    assert_eq!(found["schema"], "mlxk-bench-model/1");
    let report = world.home.path().join("model.json");
    std::fs::write(&report, found.to_string()).unwrap();
    assert_eq!(json_of(&world, &["bench", "show", path(&report)]), found);
    let page = ["bench", "show", path(&report), "--output", "page.html"];
    let (_, error) = streams(&world.mlxk(&page).assert().code(2));
    assert!(error.contains("redirect the output of `--json` or `--markdown`"), "{error}");
    let models = found["models"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    for model in models {
        assert_eq!(model["model_type"], "llama");
        assert!(positive(&model["file_bytes"]) > positive(&model["weights_bytes"]));
        for series in ["load_seconds", "start_to_first_token_seconds", "prefill_tokens_per_second"]
        {
            assert_eq!(model[series]["samples"].as_array().unwrap().len(), 2, "{series}");
        }
        let decode = model["decode"].as_array().unwrap();
        assert_eq!((&decode[0]["context"], &decode[1]["context"]), (&json!(3), &json!(70)));
        let deeper = positive(&decode[1]["read_bytes_per_token"])
            - positive(&decode[0]["read_bytes_per_token"]);
        let positions = deeper / positive(&model["kv_bytes_per_position"]);
        assert!((positions - 67.0).abs() < 1e-9, "{positions}");
        positive(&decode[1]["tokens_per_second"]["median"]);
    }
    // Fewer bits take fewer bytes.
    assert!(positive(&models[0]["weights_bytes"]) < positive(&models[1]["weights_bytes"]));
    let measures: Vec<_> =
        found["comparisons"].as_array().unwrap().iter().map(|one| one["measure"].clone()).collect();
    assert_eq!(
        measures,
        [
            "load",
            "start to first token",
            "time to first token",
            "prefill",
            "decode at 3",
            "decode at 70"
        ]
    );
    if cfg!(target_os = "linux") {
        // The limits are measured with a buffer of 256 MiB, in another process.
        assert!(
            positive(&models[0]["peak_memory_bytes"]) < 200e6,
            "{}",
            models[0]["peak_memory_bytes"]
        );
    }
}

#[test]
fn a_synthetic_model_is_written_once_and_also_as_gguf() {
    let world = World::new();
    let file = |name: &str| world.home.path().join(name).to_str().unwrap().to_owned();
    let config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 300,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "tie_word_embeddings": true
    });
    std::fs::write(file("config.json"), config.to_string()).unwrap();
    let (shape, keep, gguf) = (file("config.json"), file("kept/model"), file("model.gguf"));
    let base = ["bench", "model", "--synthetic", &shape, "--keep", &keep];
    let write = [&base[..], &["--gguf", &gguf, "--gguf-type", "q8_0", "--no-run"]].concat();
    let (stdout, stderr) = streams(&world.mlxk(&write).assert().success());
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
    let made = std::fs::metadata(format!("{keep}/model.safetensors")).unwrap().modified().unwrap();
    let short = ["--prompt-tokens", "9", "--max-tokens", "3", "--runs", "1", "--warmup", "0"];
    let found = json_of(&world, &[&base[..], &short].concat());
    let bits = positive(&found["models"][0]["bits_per_weight"]);
    assert!((4.5..5.0).contains(&bits), "{bits}");
    let after = std::fs::metadata(format!("{keep}/model.safetensors")).unwrap().modified().unwrap();
    assert_eq!(made, after, "it was made once");
    // Our own import reads the other file.
    let imported = json_of(
        &world,
        &["bench", "model", &gguf, "--contexts", "4"]
            .iter()
            .chain(&short)
            .copied()
            .collect::<Vec<_>>(),
    );
    assert_eq!(imported["models"][0]["parameters"], found["models"][0]["parameters"]);
    let (_, stderr) =
        streams(&world.mlxk(&[&base[..], &["--bits", "8"]].concat()).assert().code(1));
    assert!(stderr.contains("contains another model"), "{stderr}");
    let left: Vec<_> = std::fs::read_dir(file("kept")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn invalid_options_are_one_sentence() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let model = path(model.path());
    let cases: [(&[&str], i32, &str); 8] = [
        (&["kernels", "--mode", "7"], 2, "unknown weight format"),
        (&["kernels", "--shape", "64"], 2, "malformed shape"),
        (&["kernels", "--mode", "4:64", "--shape", "64x96"], 1, "do not divide 96 columns"),
        (&["model"], 2, "needs MODEL"),
        (&["model", model, "--bits", "3"], 2, "--synthetic"),
        (&["model", model, "--contexts", "600"], 1, "supports 512 tokens"),
        (&["model", "nosuch", "--no-pull"], 1, "`nosuch`"),
        (&["model", "--synthetic", "nosuch"], 1, "smollm2-135m"),
    ];
    for (arguments, code, word) in cases {
        let arguments = [&["bench"][..], arguments].concat();
        let (stdout, stderr) = streams(&world.mlxk(&arguments).assert().code(code));
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in:\n{stderr}");
    }
    let bits = ["bench", "model", "--synthetic", "smollm2-135m", "--bits", "7"];
    let (_, stderr) = streams(&world.mlxk(&bits).assert().code(2));
    assert!(stderr.contains("must be 2, 3, 4, 5, 6 or 8"), "{stderr}");
    let (help, _) = streams(&world.mlxk(&["bench", "--help"]).assert().success());
    assert!(
        help.contains("kernels") && help.contains("model") && !help.contains("worker"),
        "{help}"
    );
}
