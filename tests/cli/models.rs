//! `mlxk list`, `mlxk show` and the help.

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

#[test]
fn an_empty_machine_is_told_where_to_start() {
    let (stdout, stderr) = streams(&World::new().mlxk(&["list"]).assert().success());
    assert_eq!(stdout, "");
    assert!(stderr.contains("mlxk run smollm2"), "{stderr}");
}

#[test]
fn list_shows_full_names_and_filters() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    world.cached("other/Beta");
    let (all, _) = streams(&world.mlxk(&["list"]).assert().success());
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 4, "{all}");
    assert!(lines[2].starts_with("mlx-community/Alpha-4bit | 0123456 | "), "{all}");
    assert!(lines[2].ends_with("| cache | chat"), "{all}");
    let (some, _) = streams(&world.mlxk(&["ls", "BETA"]).assert().success());
    assert_eq!(some.lines().count(), 3);
    assert!(some.contains("other/Beta") && !some.contains("Alpha"), "{some}");
}

#[test]
fn an_import_is_listed_with_its_name_in_ollama() {
    let world = World::new();
    let folder = world.home.path().join("data/mlxk/models/tiny-1b");
    std::fs::create_dir_all(&folder).unwrap();
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    for entry in std::fs::read_dir(model.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let origin = serde_json::json!({"source": "ollama:tiny:1b", "file": "sha256-0", "file_bytes": 1,
        "imported_unix_s": 1, "importer": "mlxk"});
    std::fs::write(folder.join("mlxk-origin.json"), origin.to_string()).unwrap();
    world.cached("other/Beta");
    // The name can be typed as Ollama has it.
    for (pattern, count) in [(&["list"][..], 2), (&["list", "tiny:1b"], 1), (&["list", "TINY"], 1)]
    {
        let (table, _) = streams(&world.mlxk(pattern).assert().success());
        assert_eq!(table.lines().count(), 2 + count, "{table}");
        assert!(table.contains("tiny-1b ") && table.contains("| ollama:tiny:1b |"), "{table}");
    }
    let (shown, _) = streams(&world.mlxk(&["show", "tiny:1b"]).assert().success());
    assert!(shown.contains("Imported from: ollama:tiny:1b"), "{shown}");
}

#[test]
fn a_file_of_ollamas_store_is_a_model_by_its_path() {
    let world = World::new();
    let blobs = world.home.path().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = blobs.join(format!("sha256-{}", "b179c952".repeat(8)));
    let golden = "../../crates/format/tests/golden/tiny-llama.gguf";
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(golden);
    std::fs::copy(golden, &blob).unwrap();
    let done = |words: &[&str]| streams(&world.mlxk(words).assert().success()).0;
    let (file, out) = (world.home.path().join("Modelfile"), world.home.path().join("out"));
    std::fs::write(&file, format!("FROM {}\nSYSTEM Be brief.\n", path(&blob))).unwrap();
    let made = done(&["create", "mine", "-f", path(&file)]);
    assert_eq!(made, "mine is based on sha256-b179c952b179\n");
    assert_eq!(done(&["show", "mine", "--system"]), "Be brief.\n");
    assert!(done(&["show", path(&blob)]).contains("sha256-b179c952b179"));
    done(&["run", path(&blob), "abc", "--no-chat-template", "--max-tokens", "1"]);
    done(&["convert", path(&blob), path(&out)]);
    assert!(out.join("config.json").is_file());
    // Without `./`, its folder looks like an organization.
    let name = path(blob.strip_prefix(world.home.path()).unwrap()).to_owned();
    let mut command = world.mlxk(&["run", &name, "Hi"]);
    let (_, stderr) = streams(&command.current_dir(world.home.path()).assert().code(1));
    assert!(stderr.contains(&format!("write `./{name}`")), "{stderr}");
}

#[test]
fn list_supported_prints_the_table_of_the_documentation() {
    let world = World::new();
    let (table, _) = streams(&world.mlxk(&["list", "--supported"]).assert().success());
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let page = std::fs::read_to_string(page).unwrap();
    let documented: Vec<Vec<&str>> = page
        .lines()
        .skip_while(|line| !line.starts_with("|---|"))
        .skip(1)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let printed: Vec<Vec<&str>> =
        table.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
    assert_eq!(printed, documented);
    assert!(printed.iter().any(|row| row[..2] == ["mistral", "Llama"]), "{table}");
    let (object, _) = streams(&world.mlxk(&["list", "--supported", "--json"]).assert().success());
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    let types = object["data"]["supported"].as_array().unwrap();
    assert_eq!(types.len(), documented.len());
    for (one, row) in types.iter().zip(&documented) {
        assert_eq!([&one["model_type"], &one["family"]], [row[0], row[1]]);
        let examples: Vec<&str> = row[2].split(", ").collect();
        assert_eq!(one["examples"], serde_json::json!(examples));
    }
    world.mlxk(&["list", "--supported", "--all"]).assert().code(2);
}

#[test]
fn show_describes_a_model() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    let (stdout, stderr) =
        streams(&world.mlxk(&["show", "alpha", "--files", "--config"]).assert().success());
    assert!(!stderr.contains("Model:"), "{stderr}");
    assert_eq!(stdout.matches("Model: mlx-community/Alpha-4bit@").count(), 1, "{stdout}");
    for word in ["Type: chat", "4-bit (group_size=64)", "model.safetensors", "hidden_size"] {
        assert!(stdout.contains(word), "`{word}` is not in:\n{stdout}");
    }
    let folder = checkpoint(Kind::Qwen2, Stored::Dense);
    let (stdout, _) = streams(&world.mlxk(&["show", path(folder.path())]).assert().success());
    assert!(stdout.contains("qwen2"), "{stdout}");
}

#[test]
fn help_and_version() {
    let world = World::new();
    let (help, _) = streams(&world.mlxk(&["run", "--help"]).assert().success());
    assert!(help.contains("Examples:") && help.contains("--max-tokens"), "{help}");
    let (version, _) = streams(&world.mlxk(&["--version"]).assert().success());
    assert_eq!(version.trim(), concat!("mlxk ", env!("CARGO_PKG_VERSION")));
    let (json, _) = streams(&world.mlxk(&["--version", "--json"]).assert().success());
    assert!(json.contains("\"json_api_spec_version\": \"0.2.3\""), "{json}");
    world.mlxk(&["nosuch"]).assert().code(2);
    let (script, _) = streams(&world.mlxk(&["completions", "bash"]).assert().success());
    assert!(
        script.contains("complete -o nospace") && script.contains("COMPLETE=\"bash\""),
        "{script}"
    );
    let manual = world.home.path().join("man");
    world.mlxk(&["man", path(&manual)]).assert().success();
    let page = std::fs::read_to_string(manual.join("mlxk-run.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("temperature"), "{page}");
}

#[test]
fn the_bare_command_welcomes() {
    let world = World::new();
    let (empty, _) = streams(&world.mlxk(&[]).assert().success());
    assert!(empty.contains("No models yet") && empty.contains("mlxk run smollm2"), "{empty}");
    for name in ["mlx-community/Alpha-4bit", "mlx-community/Beta-4bit"] {
        world.cached(name);
    }
    let (some, _) = streams(&world.mlxk(&[]).assert().success());
    for words in
        ["  mlx-community/Alpha-4bit", "  mlx-community/Beta-4bit", "mlxk chat mlx-community/"]
    {
        assert!(some.contains(words), "`{words}` is not in:\n{some}");
    }
}
