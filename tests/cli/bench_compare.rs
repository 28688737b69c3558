//! `mlxk bench` between engines, with servers that really answer. Our own server stands in for Ollama and
//! llama-server, because it speaks their dialects and their official clients accept it (`tests/api`).

use serde_json::{Value, json};

use crate::bench::report_in;
use crate::server::Running;
use crate::support::{World, streams};

const SHORT: [&str; 8] = ["--runs", "2", "--warmup", "0", "--max-tokens", "6", "--threads", "1"];

/// A world with one model and a folder for reports.
pub(crate) fn world() -> (World, String) {
    let world = World::new();
    world.cached("org/tiny");
    let report = world.home.path().join("report.json").to_str().unwrap().to_owned();
    (world, report)
}

pub(crate) fn read(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn positive(value: &Value) -> f64 {
    value.as_f64().filter(|value| *value > 0.0).unwrap_or_else(|| panic!("{value} is not positive"))
}

/// Checks the fields that every engine must have after it answered.
fn check_side(side: &Value, workload: &str) {
    assert_eq!(side["failure"], Value::Null, "{side}");
    let turns = &side["series"];
    for measure in ["load_seconds", "cold_first_token_seconds"] {
        assert_eq!(turns[measure]["samples"].as_array().unwrap().len(), 2, "{measure}");
    }
    assert!(
        positive(&turns["cold_first_token_seconds"]["median"])
            > positive(&turns["load_seconds"]["median"])
    );
    if cfg!(target_os = "linux") {
        // The server of a model of a few kilobytes takes more memory than an empty process, and less than
        // this test and the measuring program together.
        let peak = positive(&turns["memory_peak_bytes"]["median"]);
        assert!((2e6..400e6).contains(&peak), "{peak}");
        assert!(peak >= positive(&turns["memory_after_bytes"]["median"]));
    }
    let answered =
        side["workloads"].as_array().unwrap().iter().find(|it| it["workload"] == workload);
    let answered = answered.unwrap();
    let (series, tokens) = (&answered["series"], &answered["series"]["response_tokens"]["median"]);
    assert!((2.0..=6.0).contains(&positive(tokens)), "{tokens}");
    let (first, total) = (
        positive(&series["first_token_seconds"]["median"]),
        positive(&series["total_seconds"]["median"]),
    );
    assert!(first <= total);
    let speed = positive(&series["effective_tokens_per_second"]["maximum"]);
    assert!(speed * positive(&series["total_seconds"]["minimum"]) <= 6.0 + 1e-6);
    positive(&series["repeated_first_token_seconds"]["median"]);
    assert_eq!(answered["same_every_time"], true);
    assert!(answered["prompt_tokens"].as_u64().unwrap() > 20);
}

#[test]
fn ours_against_a_server_with_ollamas_dialect() {
    let (world, report) = world();
    let server = Running::start(&world, &["--threads", "1"], &[]);
    let page = report.replace(".json", ".html");
    let arguments = ["bench", "--model", "org/tiny", "--mlx-model", "org/tiny", "--skip-pull"];
    let files = ["--output", &report, "--output", &page, "--prompt", "Count <to> ten."];
    let mut command = world.mlxk(&[&arguments[..], &SHORT, &files].concat());
    command.env("OLLAMA_HOST", &server.address);
    let (text, notes) = streams(&command.assert().success());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "BENCHMARK RESULTS");
    assert_eq!(lines[1], "=".repeat(80));
    let mut rest = lines.iter().skip(2);
    for begin in [
        "OLLAMA RESULTS:",
        "  Success: True",
        "  Speed: ",
        "  First Token, warm: ",
        "  Memory Delta: ",
        "MLXK RESULTS:",
        "  Success: True",
        "  Model: org/tiny in mlxk ",
        "  Speed: ",
        "COMPARISON:",
        "  Speed: ",
        "  Load: ",
        "  First Token, warm: ",
        "  Memory: unknown, because there are too few turns",
        "  Agreement: the answers to `chat` are identical",
        "  Winner: ",
    ] {
        let skip = begin.contains("Memory") && !cfg!(target_os = "linux");
        assert!(skip || rest.any(|line| line.starts_with(begin)), "`{begin}` is not in:\n{text}");
    }
    // One fact is one line.
    for absent in ["Total Time", "Tokens/sec", "Prefill:", "  Time: ", "MLX-Knife"] {
        assert!(!text.contains(absent), "`{absent}` is in:\n{text}");
    }
    assert!(text.contains(" tokens in ") && text.contains("prefill at "), "{text}");
    assert!(notes.contains(&format!("Report: {page}")), "{notes}");
    check_report(&read(&report));
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    // Text keeps its size on every screen, so nothing scales with a view box.
    assert!(!html.contains("viewBox") && !html.contains("overflow-x"));
    assert!(html.contains("Count &lt;to&gt; ten.") && html.matches("<svg").count() > 5);
    for outside in ["<script", "<link", "http://", "https://", "url(", "<img"] {
        assert!(!html.contains(outside), "{outside} is in the page");
    }
    // Its model has been unloaded.
    let (_, note) = streams(
        &world
            .mlxk(&["ps", "--port", server.address.rsplit(':').next().unwrap()])
            .assert()
            .success(),
    );
    assert!(note.contains("no models loaded"), "{note}");
}

/// Checks the JSON report of two servers with the same model.
fn check_report(found: &Value) {
    assert_eq!(found["schema"], "mlxk-bench-compare/1");
    assert_eq!(
        (&found["prompt"], &found["ollama_model"]),
        (&json!("Count <to> ten."), &json!("org/tiny"))
    );
    for side in ["ollama_result", "mlx_result"] {
        let side = &found[side];
        assert_eq!(side["success"], true, "{side}");
        positive(&side["total_time"]);
        positive(&side["tokens_per_second"]);
        assert!(side["response"].is_string());
        if cfg!(target_os = "linux") {
            positive(&side["memory_after"]);
        }
    }
    assert_eq!(found["sides"][0]["engine"], "mlxk");
    assert_eq!(found["sides"][1]["engine"], "ollama");
    for side in found["sides"].as_array().unwrap() {
        check_side(side, "chat");
        positive(&side["weights"]["file_bytes"]);
    }
    // The same engine and weights give the same greedy answer.
    assert_eq!(found["agreements"][0]["common_prefix"], 1.0);
    let measures: Vec<&str> = found["comparisons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["measure"].as_str().unwrap())
        .collect();
    for measure in ["load_seconds", "decode_tokens_per_second", "effective_tokens_per_second"] {
        assert!(measures.contains(&measure), "{measures:?}");
    }
}

#[test]
fn every_workload_is_answered_and_one_program_is_no_better_than_itself() {
    let (world, report) = world();
    let program = world.mlxk(&[]).get_program().to_str().unwrap().to_owned();
    let this = format!("mlxk={program}");
    let workloads = "chat,code,document,prefix,clients";
    let arguments = ["bench", "--mlx-model", "org/tiny", "--vs", &this, "--workload", workloads];
    let lengths = ["--prompt-tokens", "100", "--concurrency", "3", "--output", &report, "--json"];
    let command = world.mlxk(&[&arguments[..], &SHORT, &lengths].concat()).assert().success();
    let (stdout, _) = streams(&command);
    let found = read(&report);
    assert_eq!(report_in(&stdout), found);
    assert_eq!((&found["ollama_model"], found.get("ollama_result")), (&Value::Null, None));
    for side in found["sides"].as_array().unwrap() {
        for workload in
            ["chat", "code", "document of 100 tokens", "second question about 100 tokens"]
        {
            check_side(side, workload);
        }
        let clients = &side["workloads"][4];
        assert_eq!(clients["workload"], "3 clients");
        assert!(positive(&clients["series"]["response_tokens"]["median"]) <= 18.0);
        // The second question had the text of the first in the cache.
        let prefix = &side["workloads"][3];
        assert!(prefix["cached_tokens"].as_u64().unwrap() >= 96, "{prefix}");
    }
    assert!(found["agreements"].as_array().unwrap().iter().all(|it| it["common_prefix"] == 1.0));
    // Two turns are too few for a significant difference.
    for comparison in found["comparisons"].as_array().unwrap() {
        assert!(positive(&comparison["ratio"]["interval"]["confidence"]) < 0.99);
    }
    // A report has no changes against itself, and has some after its first engine is slowed down.
    let compare = ["bench", "compare", &report, &report];
    let (table, _) = streams(&world.mlxk(&compare).assert().success());
    assert!(table.contains("unknown"), "{table}");
    // So few turns could never fail, which would be a check that is always green.
    let check = [&compare[..], &["--fail-below", "0.95"]].concat();
    let (_, error) = streams(&world.mlxk(&check).assert().code(2));
    assert!(error.contains("needs 5 or more samples"), "{error}");
}

#[test]
fn a_report_that_is_slower_fails() {
    let world = World::new();
    let path = |name: &str| world.home.path().join(name).to_str().unwrap().to_owned();
    let report = |factor: f64| {
        let samples: Vec<f64> = [100.0, 101.0, 99.0, 102.0, 98.0].map(|it| it * factor).to_vec();
        let mut report = example();
        report["sides"][0]["workloads"][0]["series"]["decode_tokens_per_second"]["samples"] =
            samples.into();
        report
    };
    let (base, slow) = (path("base.json"), path("slow.json"));
    std::fs::write(&base, report(1.0).to_string()).unwrap();
    std::fs::write(&slow, report(0.9).to_string()).unwrap();
    let compare = |arguments: &[&str], code| {
        let arguments = [&["bench", "compare"][..], arguments].concat();
        streams(&world.mlxk(&arguments).assert().code(code))
    };
    let (table, _) = compare(&[&base, &slow, "--fail-below", "0.95"], 1);
    assert!(table.contains("chat: decode"), "{table}");
    assert!(table.contains("slower than allowed") && table.contains("0.90"), "{table}");
    let (table, _) = compare(&[&base, &slow], 0);
    assert!(table.contains("worse") && !table.contains("inconclusive"), "{table}");
    let (json, _) = compare(&[&base, &slow, "--fail-below", "0.8", "--json"], 0);
    let json = report_in(&json);
    assert_eq!((&json["failed"], &json["fail_below"]), (&json!(false), &json!(0.8)));
    // Nothing can be concluded from a report of a busy machine.
    for (first, second) in [(1.0, 0.9), (0.9, 1.0)] {
        let mut busy = report(first);
        busy["machine"]["busy_cores"] = 1.5.into();
        busy["machine"]["logical_cores"] = 2.into();
        let mut quiet = report(second);
        quiet["machine"]["logical_cores"] = 2.into();
        std::fs::write(&base, busy.to_string()).unwrap();
        std::fs::write(&slow, quiet.to_string()).unwrap();
        let (table, _) = compare(&[&base, &slow, "--fail-below", "0.95"], 0);
        assert!(table.contains("  inconclusive\n"), "{table}");
        assert!(!table.contains("worse") && !table.contains("  better"), "{table}");
        assert!(table.contains("base.json`: The machine was busy"), "{table}");
        let (json, _) = compare(&[&base, &slow, "--fail-below", "0.95", "--json"], 0);
        let json = report_in(&json);
        assert_eq!((&json["failed"], &json["inconclusive"]), (&json!(false), &json!(true)));
        assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    }
    // What `--json` printed is a report, too, unless it is an error.
    let envelope =
        json!({"status": "success", "command": "bench", "data": report(0.9), "error": null});
    std::fs::write(&base, report(1.0).to_string()).unwrap();
    std::fs::write(&slow, envelope.to_string()).unwrap();
    let (table, _) = compare(&[&base, &slow, "--fail-below", "0.95"], 1);
    assert!(table.contains("slower than allowed") && table.contains("0.90"), "{table}");
    let error =
        json!({"status": "error", "command": "bench", "data": null, "error": {"message": "no"}});
    std::fs::write(&slow, error.to_string()).unwrap();
    let (_, told) = compare(&[&base, &slow], 1);
    assert!(told.contains("is not a report: it only has an error: no"), "{told}");
    std::fs::write(&slow, "no report").unwrap();
    let (_, error) = compare(&[&base, &slow], 1);
    assert!(error.contains("is not a report"), "{error}");
    let (_, error) = compare(&[&base, &path("nowhere.json")], 1);
    assert!(error.contains("Cannot read the report"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_program_with_llama_servers_flags_is_started_for_every_turn() {
    use std::os::unix::fs::PermissionsExt;

    let (world, report) = world();
    let at = |name: &str| world.home.path().join(name).to_str().unwrap().to_owned();
    let (gguf, program, log) = (at("tiny.gguf"), at("llama-server"), at("log"));
    let config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 264,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "tie_word_embeddings": true
    });
    std::fs::write(at("config.json"), config.to_string()).unwrap();
    let make = ["bench", "model", "--synthetic", &at("config.json"), "--gguf", &gguf, "--no-run"];
    world.mlxk(&make).assert().success();
    let mlxk = world.mlxk(&[]).get_program().to_str().unwrap().to_owned();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'version: 7 (abc)' >&2; exit; }}\n\
         echo \"$@\" >> {log}\nwhile [ $# -gt 0 ]; do\n\
         case $1 in --port) port=$2;; -m) model=$2;; esac; shift; done\n\
         {mlxk} server --port $port --model $model --threads 1 --log-level error & wait\n"
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let vs = format!("llama-server={program}");
    let arguments = ["bench", "--mlx-model", "org/tiny", "--vs", &vs, "--gguf", &gguf];
    let more = ["--ctx", "512", "--workload", "code", "--output", &report];
    world.mlxk(&[&arguments[..], &SHORT, &more].concat()).assert().success();
    let found = read(&report);
    assert_eq!(found["sides"][1]["version"], "7 (abc)");
    assert_eq!(found["sides"][1]["weights"]["quantization"], "Q4_0");
    for side in found["sides"].as_array().unwrap() {
        // The server is a child of the started program. It is measured, and it ends.
        check_side(side, "code");
    }
    let started = std::fs::read_to_string(log).unwrap();
    assert!(started.contains("-c 512 -np 1 -t 1 -tb 1"), "{started}");
    assert_eq!(started.lines().count(), 2, "{started}");
}

/// The pages in the documentation are those that this program makes of the reports next to them.
#[test]
fn the_example_pages_are_current() {
    let world = World::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    for name in ["smollm2-135m", "qwen2.5-coder-1.5b"] {
        let at = |end: &str| folder.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
        let (report, page) = (at("json"), world.home.path().join("page.html"));
        let words = ["bench", "show", &report, "--output", page.to_str().unwrap()];
        let (text, _) = streams(&world.mlxk(&words).assert().success());
        assert!(text.starts_with("BENCHMARK RESULTS\n") && text.contains("  Winner: "), "{text}");
        let made = std::fs::read_to_string(&page).unwrap();
        let kept = std::fs::read_to_string(at("html")).unwrap();
        assert!(made == kept, "write {name}.html again with `mlxk {}`", words.join(" "));
        // Reading and writing keeps every figure.
        let json = world.mlxk(&["bench", "show", &report, "--json"]).assert().success();
        let again = report_in(&streams(&json).0);
        let sides = |report: &Value| report["sides"].as_array().unwrap().len();
        assert_eq!(again["comparisons"], read(&report)["comparisons"]);
        assert_eq!(sides(&again), sides(&read(&report)));
    }
    let other = world.home.path().join("other.json");
    for (text, problem) in [
        (r#"{"schema": "other/1"}"#, "is not a report of `mlxk bench`"),
        (r#"{"schema": "mlxk-bench-model/1"}"#, "is damaged"),
        (r#"{"schema": "mlxk-bench-model/2"}"#, "a newer mlxk wrote it"),
        (r#"{"schema": "mlxk-bench-history/1"}"#, "it is a history and not a report"),
    ] {
        std::fs::write(&other, text).unwrap();
        let other = other.to_str().unwrap();
        for words in [&["bench", "show", other][..], &["bench", "compare", other, other]] {
            let (_, error) = streams(&world.mlxk(words).assert().code(1));
            assert!(error.contains(problem) && error.contains("other.json`"), "{error}");
        }
    }
}

/// Returns a report of a real measurement that nothing disturbed.
fn example() -> Value {
    let mut report: Value =
        serde_json::from_str(include_str!("../../docs/examples/smollm2-135m.json")).unwrap();
    report["warnings"] = json!([]);
    report["machine"]["busy_cores"] = 0.0.into();
    for side in report["sides"].as_array_mut().unwrap() {
        side["series"].as_object_mut().unwrap().remove("other_cores");
    }
    report
}

/// Returns a report as text, as a page, and as Markdown.
fn outputs(world: &World, report: &Value) -> (String, String, String) {
    let path = world.home.path().join("report.json");
    std::fs::write(&path, report.to_string()).unwrap();
    let page = world.home.path().join("report.html");
    let (path, html) = (path.to_str().unwrap(), page.to_str().unwrap());
    let show = ["bench", "show", path];
    let (text, _) =
        streams(&world.mlxk(&[&show[..], &["--output", html]].concat()).assert().success());
    let (markdown, _) =
        streams(&world.mlxk(&[&show[..], &["--markdown"]].concat()).assert().success());
    (text, std::fs::read_to_string(page).unwrap(), markdown)
}

#[test]
fn every_output_says_how_far_the_answers_to_each_workload_agree() {
    let world = World::new();
    let mut report = example();
    let against = report["sides"][1]["title"].clone();
    report["agreements"] = json!([
        {"against": against, "workload": "chat", "common_prefix": 1.0},
        {"against": against, "workload": "code", "common_prefix": 0.97},
    ]);
    let (text, page, markdown) = outputs(&world, &report);
    let alike =
        "the answers to <code>code</code> are identical for the first 97 % of their length.</p>";
    assert!(
        page.contains(&format!("<p>mlxk and {}: {alike}", against.as_str().unwrap())),
        "{page}"
    );
    for output in [text, markdown] {
        for sentence in [
            "Agreement: the answers to `chat` are identical",
            "Agreement: the answers to `code` are identical for the first 97 % of their length",
        ] {
            assert!(output.contains(sentence), "{output}");
        }
    }
}

#[test]
fn warnings_stand_before_the_figures() {
    let world = World::new();
    let mut report = example();
    report["warnings"] = json!(["The machine was busy."]);
    let (_, page, markdown) = outputs(&world, &report);
    for (output, figures) in [(page, "<h2>"), (markdown, "| measure |")] {
        let place = |text: &str| output.find(text).unwrap_or_else(|| panic!("{text}: {output}"));
        assert!(place("The machine was busy.") < place(figures), "{output}");
    }
}

#[test]
fn every_output_states_the_same_verdict() {
    let world = World::new();
    let mut report = example();
    report["machine"]["busy_cores"] = report["machine"]["logical_cores"].clone();
    let comparisons = report["comparisons"].as_array_mut().unwrap();
    let decode = comparisons
        .iter_mut()
        .find(|it| it["measure"] == "decode_tokens_per_second" && it["workload"] == "chat");
    let ratio = &mut decode.unwrap()["ratio"];
    ratio["of_medians"] = 1.98.into();
    ratio["interval"] = json!({"low": 0.99, "high": 3.97, "confidence": 0.992});
    let (text, page, markdown) = outputs(&world, &report);
    assert!(text.contains("is not significant (ratio 0.99 to 3.97 with 99 %)"), "{text}");
    assert!(page.contains("not significant, 0.99 to 3.97 with 99 %"), "{page}");
    assert!(markdown.contains("| 0.99 to 3.97 with 99 % | not significant |"), "{markdown}");
    assert!(page.contains("If it contains 1, the difference is not significant."), "{page}");
    let comparisons = report["comparisons"].as_array_mut().unwrap();
    let decode = comparisons.iter_mut().find(|it| it["ratio"]["interval"]["high"] == 3.97);
    decode.unwrap()["ratio"]["interval"]["low"] = 1.02.into();
    // A server that was already running keeps its own context and threads.
    report["sides"][1]["engine"] = "openai".into();
    let (text, page, markdown) = outputs(&world, &report);
    assert!(text.contains("was disturbed (ratio 1.02 to 3.97 with 99 %)"), "{text}");
    assert!(page.contains("inconclusive, 1.02 to 3.97 with 99 %"), "{page}");
    assert!(markdown.contains("| 1.02 to 3.97 with 99 % | inconclusive |"), "{markdown}");
    let own = format!("({} keeps its own)", report["sides"][1]["title"].as_str().unwrap());
    for output in [text, page, markdown] {
        assert!(output.contains(&own), "{output}");
    }
}

#[test]
fn a_repeated_text_has_no_prefill_speed_if_its_cached_tokens_are_unknown() {
    let (world, report) = world();
    let server = Running::start(&world, &["--threads", "1"], &[]);
    let arguments = ["bench", "--model", "org/tiny", "--mlx-model", "org/tiny", "--skip-pull"];
    let work = ["--workload", "document,prefix", "--prompt-tokens", "100", "--output", &report];
    let mut command = world.mlxk(&[&arguments[..], &SHORT, &work].concat());
    command.env("OLLAMA_HOST", &server.address);
    let (text, _) = streams(&command.assert().success());
    let found = read(&report);
    let [ours, theirs] = [0, 1].map(|side| found["sides"][side]["workloads"].clone());
    let prefill = |answered: &Value| answered["series"]["prefill_tokens_per_second"].is_object();
    assert!(prefill(&ours[0]) && prefill(&ours[1]) && prefill(&theirs[0]), "{found}");
    // Ollama's dialect has no field for cached tokens.
    assert_eq!(theirs[1]["cached_tokens"], Value::Null);
    assert!(!prefill(&theirs[1]), "{}", theirs[1]);
    assert_eq!(theirs[1]["native_prefill_tokens_per_second"], Value::Null);
    let ratios: Vec<&Value> = found["comparisons"].as_array().unwrap().iter().collect();
    let of_prefill = ratios.iter().filter(|it| it["measure"] == "prefill_tokens_per_second");
    let workloads: Vec<&Value> = of_prefill.map(|it| &it["workload"]).collect();
    assert_eq!(workloads, ["document of 100 tokens"]);
    let note = "Ollama doesn't say how many tokens of `second question about 100 tokens` it had in its \
                cache, so it has no prefill speed there";
    assert_eq!(text.matches(note).count(), 1, "{text}");
}

#[test]
fn a_report_that_lacks_a_figure_does_not_pass() {
    let world = World::new();
    let path = |name: &str| world.home.path().join(name).to_str().unwrap().to_owned();
    let (base, now) = (path("base.json"), path("now.json"));
    std::fs::write(&base, example().to_string()).unwrap();
    let compare = |report: &Value, more: &[&str], code| {
        std::fs::write(&now, report.to_string()).unwrap();
        let words = [&["bench", "compare", &base, &now][..], more].concat();
        streams(&world.mlxk(&words).assert().code(code))
    };
    let check = ["--fail-below", "0.5"];
    compare(&example(), &check, 0);
    let mut lacking = example();
    let series = &mut lacking["sides"][0]["workloads"][0]["series"];
    series.as_object_mut().unwrap().remove("decode_tokens_per_second");
    let (text, _) = compare(&lacking, &check, 1);
    assert!(text.contains("The second report lacks chat: decode\n"), "{text}");
    let (text, _) = compare(&lacking, &[], 0);
    assert!(text.contains("The second report lacks chat: decode\n"), "{text}");
    let (json, _) = compare(&lacking, &[&check[..], &["--json"]].concat(), 1);
    let json = report_in(&json);
    assert_eq!(json["missing"], json!(["chat / decode_tokens_per_second"]));
    assert_eq!(json["failed"], true);
    let mut damaged = example();
    damaged["sides"][0]["workloads"][0]["series"]["decode_tokens_per_second"]["median"] =
        "x".into();
    let (text, error) = compare(&damaged, &[], 1);
    assert!(text.is_empty() && error.contains("now.json`: it is damaged"), "{error}");
}
