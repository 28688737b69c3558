//! `mlxk perplexity` on a tiny checkpoint whose tokens are bytes.

use serde_json::{Value, json};

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint, checkpoint_with};

const TEXT: &str = "A text to be scored: let x = 1;\n";

/// Returns the `data` of the envelope.
fn json_of(world: &World, arguments: &[&str]) -> Value {
    let assert = world.mlxk(arguments).arg("--json").write_stdin(TEXT).assert().success();
    let (stdout, stderr) = streams(&assert);
    assert_eq!(stderr, "");
    let mut envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&envelope["status"], &envelope["command"], &envelope["error"]),
        (&json!("success"), &json!("perplexity"), &Value::Null)
    );
    envelope["data"].take()
}

#[test]
fn the_table_and_the_object_say_the_same() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let file = world.home.path().join("text.txt");
    std::fs::write(&file, TEXT).unwrap();
    let base = ["perplexity", path(model.path()), path(&file), "--window", "16", "--against-exact"];
    let work = json_of(&world, &base);
    assert_eq!((&work["window"], &work["stride"]), (&json!(16), &json!(8)));
    let found = &work["models"][0];
    assert_eq!(found["text_tokens"], TEXT.len());
    assert_eq!(found["scored_tokens"], TEXT.len() - 1);
    assert_eq!(found["scored_bytes"], TEXT.len() - 1);
    let number = |value: &Value| value.as_f64().unwrap();
    assert!((number(&found["perplexity"]) - number(&found["nll"]).exp()).abs() < 1e-6);
    let against = &found["against"];
    assert_eq!(against["exact"], true);
    let ratio = number(&found["perplexity"]) / number(&against["perplexity"]);
    assert!((number(&against["perplexity_ratio"]) - ratio).abs() < 1e-9);
    assert!(number(&against["kl_mean"]) > 0.0 && number(&against["top1_agreement"]) > 0.5);
    let (table, stderr) = streams(&world.mlxk(&base).assert().success());
    assert_eq!(stderr, "");
    for (name, value) in [
        ("Perplexity", format!("{:.4} ± ", number(&found["perplexity"]))),
        ("Mean KL", format!("{:.6} ± ", number(&against["kl_mean"]))),
        ("Same top token", format!("{:.2} %", 100.0 * number(&against["top1_agreement"]))),
    ] {
        let starts = |line: &str| line.starts_with(name) && line.contains(&value);
        assert!(table.lines().any(starts), "`{name} {value}` is not in:\n{table}");
    }
}

#[test]
fn standard_input_saved_logits_and_another_checkpoint() {
    let world = World::new();
    let (small, large) =
        (checkpoint(Kind::Llama, Stored::Bits(4)), checkpoint(Kind::Llama, Stored::Bits(8)));
    let saved = world.home.path().join("large.logits");
    let base = ["perplexity", path(small.path()), "-", "--window", "16"];
    let live = json_of(&world, &[&base[..], &["--against", path(large.path())]].concat());
    json_of(
        &world,
        &["perplexity", path(large.path()), "-", "--window", "16", "--save-logits", path(&saved)],
    );
    let later = json_of(&world, &[&base[..], &["--against-logits", path(&saved)]].concat());
    for key in ["perplexity", "perplexity_ratio", "top1_agreement"] {
        assert_eq!(live["models"][0]["against"][key], later["models"][0]["against"][key], "{key}");
    }
    let kl = |value: &Value| value["models"][0]["against"]["kl_mean"].as_f64().unwrap();
    assert!((kl(&live) / kl(&later) - 1.0).abs() < 5e-4, "{live}\n{later}");
    let same = json_of(&world, &[&base[..], &["--exact", "--max-tokens", "9"]].concat());
    let same = &same["models"][0];
    assert_eq!((&same["scored_tokens"], &same["against"]), (&json!(8), &Value::Null));
}

#[test]
fn several_models_in_one_table() {
    let world = World::new();
    let (dense, small) =
        (checkpoint(Kind::Llama, Stored::Dense), checkpoint(Kind::Llama, Stored::Bits(2)));
    let other = checkpoint_with(Kind::Llama, Stored::Dense, &json!({}));
    swap_letters(other.path());
    let another = checkpoint(Kind::Mistral, Stored::Dense);
    let models = [&dense, &dense, &small, &other, &another].map(|folder| path(folder.path()));
    let arguments = [&["perplexity"][..], &models, &["-", "--window", "16"]].concat();
    let found = json_of(&world, &arguments);
    let model = |index: usize| &found["models"][index];
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!((&found["window"], &found["stride"]), (&json!(16), &json!(8)));
    assert_eq!(
        (&model(0)["against_first"], &model(0)["verdict"]),
        (&Value::Null, &json!("reference"))
    );
    // The same checkpoint again.
    let same = &model(1)["against_first"];
    assert_eq!((&same["ratio"], &same["top1_agreement"]), (&json!(1.0), &json!(1.0)));
    assert_eq!((&same["same_model"], &model(1)["verdict"]), (&json!(true), &json!("no loss")));
    // A conversion, as its own run and with `--against`.
    let alone =
        json_of(&world, &["perplexity", models[2], "-", "--window", "16", "--against", models[0]]);
    // One model has the same members as several.
    let names = |value: &Value| {
        value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&alone), names(&found));
    let alone = &alone["models"][0];
    assert_eq!(names(alone), names(model(2)));
    assert_eq!(model(2)["perplexity"], alone["perplexity"]);
    let (ratio, expected) =
        (&model(2)["against_first"]["ratio"], &alone["against"]["perplexity_ratio"]);
    assert!((number(ratio) - number(expected)).abs() < 1e-9, "{found}");
    assert_eq!(model(2)["against_first"]["top1_agreement"], alone["against"]["top1_agreement"]);
    // Another tokenizer is compared by bytes, another architecture is not a conversion.
    let by_bytes = &model(3)["against_first"];
    assert_eq!((&by_bytes["by"], &by_bytes["top1_agreement"]), (&json!("byte"), &Value::Null));
    let ratio = number(&model(3)["bits_per_byte"]) / number(&model(0)["bits_per_byte"]);
    assert!((number(&by_bytes["ratio"]) / ratio - 1.0).abs() < 0.05, "{by_bytes}");
    assert_eq!(model(4)["against_first"]["same_model"], false);
    let assert = world.mlxk(&arguments).write_stdin(TEXT).assert().success();
    let (table, stderr) = streams(&assert);
    assert_eq!(stderr, "");
    for words in
        ["Verdict", "no loss", "compared by bits per byte", "Smallest with at most a small loss: "]
    {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
}

/// Swaps the letters `a` and `b` of a tokenizer.
fn swap_letters(model: &std::path::Path) {
    let tokenizer = model.join("tokenizer.json");
    let changed = std::fs::read_to_string(&tokenizer).unwrap();
    let changed = changed.replace("\"a\":97", "\"a\":98").replace("\"b\":98", "\"b\":97");
    std::fs::write(&tokenizer, changed).unwrap();
}

#[test]
fn invalid_options_are_one_sentence() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let other = checkpoint_with(Kind::Llama, Stored::Dense, &json!({}));
    swap_letters(other.path());
    let folder = world.home.path();
    for (name, bytes) in
        [("text", TEXT.as_bytes()), ("empty", b""), ("one", b"A"), ("binary", b"ab\xFFcd")]
    {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let name = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let cases: [(&str, &[&str], i32, &[&str]); 15] = [
        ("empty", &[], 1, &["empty` is empty"]),
        ("one", &[], 1, &["at least 2 tokens are needed to score one, but it has 1"]),
        ("binary", &[], 1, &["binary`", "not UTF-8", "byte 2"]),
        ("missing", &[], 1, &["Cannot read", "missing`"]),
        ("text", &["--window", "600"], 2, &["600", "at most 512"]),
        ("text", &["--window", "8", "--stride", "9"], 2, &["`--stride` is 9"]),
        ("text", &["--window", "1"], 2, &["`--window` is 1"]),
        ("text", &["--min-context", "0"], 2, &["`--min-context` is 0"]),
        ("text", &["--max-tokens", "1"], 2, &["`--max-tokens` is 1"]),
        ("text", &["--threads", "0"], 2, &["`--threads`"]),
        ("text", &["--exact", "--against-exact"], 2, &["with itself"]),
        ("text", &["--against", path(other.path())], 1, &["different tokenizers", "token "]),
        ("text", &["--against-logits", &name("text")], 1, &["text`", "not a file of saved logits"]),
        ("text", &["--against-logits", &name("none")], 1, &["Cannot read the logits", "none`"]),
        ("text", &["--save-logits", &name("no/file")], 1, &["Cannot write the logits", "no/file`"]),
    ];
    for (file, more, code, words) in cases {
        let file = name(file);
        let arguments = [&["perplexity", path(model.path()), &file][..], more].concat();
        let (stdout, stderr) = streams(&world.mlxk(&arguments).assert().code(code));
        assert_eq!(stdout, "", "{arguments:?}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in:\n{stderr}");
        }
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}:\n{stderr}");
    }
    let twice =
        ["perplexity", path(model.path()), path(model.path()), &name("text"), "--against-exact"];
    let (_, stderr) = streams(&world.mlxk(&twice).assert().code(2));
    assert!(stderr.contains("`--against-exact` works with one model"), "{stderr}");
    let left = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("partial")));
}

#[test]
fn damaged_logits_are_refused() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let saved = world.home.path().join("logits");
    let base = ["perplexity", path(model.path()), "-", "--window", "16"];
    json_of(&world, &[&base[..], &["--save-logits", path(&saved)]].concat());
    let whole = std::fs::read(&saved).unwrap();
    let against = |bytes: &[u8], more: &[&str]| {
        std::fs::write(&saved, bytes).unwrap();
        let arguments = [&base[..], &["--against-logits", path(&saved)], more].concat();
        streams(&world.mlxk(&arguments).write_stdin(TEXT).assert().code(1)).1
    };
    let truncated = against(&whole[..whole.len() - 5], &[]);
    assert!(truncated.contains("truncated or damaged"), "{truncated}");
    let mut broken = whole.clone();
    broken[70] ^= 0x40;
    broken[71] ^= 0x7F;
    let broken = against(&broken, &[]);
    assert!(broken.contains("damaged at its token 1"), "{broken}");
    let windows = against(&whole, &["--stride", "3"]);
    assert!(windows.contains("--window 16 --stride 8 --min-context 1"), "{windows}");
    let shorter = against(&whole, &["--max-tokens", "20"]);
    assert!(shorter.contains("another text"), "{shorter}");
}
