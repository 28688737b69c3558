use super::*;
use crate::derived::error::DerivedError;
use crate::error::HubError;
use crate::pairs::PairTable;
use crate::reference::error::ReferenceError;
use crate::remove::Named;
use crate::remove::find::find_removal;
use crate::resolution::{Kind, Matching, Resolution, Resolved};
use crate::resolve::resolve;
use crate::testing::Fixture;

const A: &str = "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111";
const B: &str = "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222";

fn written(fixture: &Fixture, name: &str, text: &str) {
    let root = fixture.locations.models_dir();
    fs_err::create_dir_all(&root).unwrap();
    fs_err::write(root.join(format!("{name}.toml")), text).unwrap();
}

fn found(fixture: &Fixture, text: &str) -> Result<Resolved> {
    let resolution =
        resolve(&text.parse()?, Matching::Substring, &PairTable::default(), &fixture.locations)?;
    resolution.local()
}

fn cp(fixture: &Fixture, source: &str, name: &str) -> Result<Copied> {
    copy(&source.parse()?, name, false, &PairTable::default(), &fixture.locations)
}

#[test]
fn a_copy_is_a_name() {
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Alpha-4bit", &[A, B]);
    fixture.set_ref("mlx-community/Alpha-4bit", "v1", A);
    fixture.stored("imported", "/x/m.gguf");
    for (source, name, from, revision) in [
        ("alpha", "one", "mlx-community/Alpha-4bit", Some(B)),
        ("Alpha-4bit@v1", "two", "mlx-community/Alpha-4bit@v1", Some(A)),
        ("imported", "three", "imported", None),
    ] {
        let copied = cp(&fixture, source, name).unwrap();
        let text = fs_err::read_to_string(&copied.path).unwrap();
        assert_eq!(text, format!("from = \"{from}\"\n"));
        let resolved = found(&fixture, name).unwrap();
        assert_eq!(resolved.name, name);
        assert_eq!(resolved.path, found(&fixture, source).unwrap().path);
        assert_eq!(resolved.revision.as_deref(), revision);
        assert!(!resolved.changed);
    }
    assert_eq!(derived_names(&fixture.locations), ["one", "three", "two"]);
    let folder = fixture.stored("elsewhere", "/x/n.gguf");
    let moved = fixture.path().join("mine");
    fs_err::rename(folder, &moved).unwrap();
    cp(&fixture, moved.to_str().unwrap(), "four").unwrap();
    assert_eq!(found(&fixture, "four").unwrap().kind, Kind::Folder);
    // The underlying model is gone, and the error names it.
    fs_err::remove_dir_all(&moved).unwrap();
    assert!(found(&fixture, "four").unwrap_err().to_string().contains("mine"));
}

#[test]
fn chains_are_followed_and_the_outermost_wins() {
    let fixture = Fixture::new();
    fixture.cached("org/Base", &[A]);
    written(
        &fixture,
        "inner",
        "from = \"org/Base\"\nsystem = \"Inner.\"\n[parameters]\ntemperature = 0.5\ntop_k = 7\n",
    );
    written(
        &fixture,
        "outer",
        "from = \"inner\"\n[parameters]\ntemperature = 0.1\nstop = [\"END\"]\nctx = 512\n",
    );
    let resolved = found(&fixture, "outer").unwrap();
    assert_eq!((resolved.name.as_str(), resolved.base.as_deref()), ("outer", Some("org/Base")));
    let Overrides { system, parameters, .. } = &resolved.overrides;
    assert_eq!(system.as_deref(), Some("Inner."));
    assert_eq!((parameters.temperature, parameters.top_k), (Some(0.1), Some(7)));
    assert_eq!((parameters.stop.as_slice(), parameters.ctx), (&["END".to_owned()][..], Some(512)));
    // A copy does not depend on the original name.
    let copied = cp(&fixture, "outer", "second").unwrap();
    let original = fs_err::read_to_string(fixture.locations.models_dir().join("outer.toml"));
    let original: File = toml::from_str(&original.unwrap()).unwrap();
    assert_eq!(File::read(&copied.path).unwrap(), original);
    for (model, expected) in [("org/Base", &["inner"][..]), ("inner", &["outer", "second"])] {
        let removal =
            find_removal(&model.parse().unwrap(), &PairTable::default(), &fixture.locations);
        assert_eq!(removal.unwrap().dependents, expected, "{model}");
    }
}

#[test]
fn circles_and_nonsense_are_refused() {
    let fixture = Fixture::new();
    written(&fixture, "a", "from = \"b\"\n");
    written(&fixture, "b", "from = \"c\"\n");
    written(&fixture, "c", "from = \"b\"\n");
    let error = found(&fixture, "a").unwrap_err().to_string();
    assert_eq!(error, "Name `a` refers to itself in a loop: `a`, `b`, `c`, `b`");
    for (text, line, words) in [
        ("system = \"x\"\n", Some(1), "from"),
        ("from = \"x\"\n\n[parameters]\ntemprature = 1.0\n", Some(4), "temprature"),
        ("from = \"x\"\nmodel = 3\n", Some(2), "model"),
        ("from = 3\n", Some(1), "expected a string"),
        ("from = \"x\"\n[parameters]\ntop_k = -1\n", Some(3), "-1"),
        ("from = \"\n", Some(1), ""),
    ] {
        written(&fixture, "bad", text);
        let error = found(&fixture, "bad").unwrap_err();
        let HubError::Derived(DerivedError::BadFile { line: found, problem, .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!(*found, line, "{text}: {error}");
        assert!(problem.contains(words) && !problem.contains('\n'), "{error}");
    }
    written(&fixture, "missing", "from = \"org/nosuch\"\n");
    let resolution = resolve(
        &"missing".parse().unwrap(),
        Matching::Exact,
        &PairTable::default(),
        &fixture.locations,
    );
    let Resolution::NotLocal(missing) = resolution.unwrap() else { panic!("it is not here") };
    assert_eq!(missing.name, "org/nosuch");
}

#[test]
fn names_that_are_taken_or_none() {
    let fixture = Fixture::new();
    fixture.cached("mlx-community/Alpha-4bit", &[A]);
    fixture.cached("org/Beta", &[A]);
    fixture.stored("imported", "/x/m.gguf");
    cp(&fixture, "imported", "mine").unwrap();
    for name in ["smollm2", "imported", "IMPORTED", "Alpha-4bit", "alpha-4bit", "beta", "Mine"] {
        let error = cp(&fixture, "org/Beta", name).unwrap_err();
        assert!(
            matches!(error, HubError::Derived(DerivedError::NameTaken { .. })),
            "{name}: {error}"
        );
        // A built-in name cannot be removed, and the source of the copy must not be.
        let removed = match name {
            "smollm2" | "beta" => None,
            "Mine" => Some("mine"),
            "IMPORTED" => Some("imported"),
            "Alpha-4bit" | "alpha-4bit" => Some("mlx-community/Alpha-4bit"),
            name => Some(name),
        };
        let or = removed
            .map(|name| format!(", or delete the other model first with `mlxk rm {name}`"))
            .unwrap_or_default();
        assert_eq!(error.hint().unwrap(), format!("Choose another name{or}"), "{name}");
    }
    for (source, name) in
        [("imported", "imported"), ("mine", "MINE:latest"), ("smollm2", "smollm2")]
    {
        let error = cp(&fixture, source, name).unwrap_err().to_string();
        assert!(error.starts_with("The model and its copy have the same name: `"), "{error}");
    }
    for name in ["", "a/b/c", "a:", "a@b", "./a", "..", "a b", "x.gguf", "hf:a", "a\\b", "a:b:c"] {
        let error = cp(&fixture, "imported", name).unwrap_err();
        assert!(
            matches!(error, HubError::Reference(ReferenceError::Malformed { .. })),
            "{name}: {error}"
        );
    }
    assert_eq!(cp(&fixture, "nosuch", "new").unwrap_err().kind(), "model_not_found");
    assert_eq!(derived_names(&fixture.locations), ["mine"]);
}

#[test]
fn names_with_namespaces_and_tags() {
    let fixture = Fixture::new();
    fixture.cached("org/Alpha-4bit", &[A]);
    fixture.stored("imported", "/x/m.gguf");
    for (name, file) in [
        ("coder:v2", "coder@v2.toml"),
        ("me/coder", "me--coder.toml"),
        ("me/coder:v2", "me--coder@v2.toml"),
        // The model of this pair is not here, so the name is free.
        ("llama3.2:1b", "llama3.2@1b.toml"),
    ] {
        let copied = cp(&fixture, "org/Alpha-4bit", name).unwrap();
        assert!(copied.path.ends_with(file), "{name}");
        for written in [name.to_owned(), name.to_uppercase()] {
            let resolved = found(&fixture, &written).unwrap();
            assert_eq!(
                (resolved.name.as_str(), resolved.base.as_deref()),
                (name, Some("org/Alpha-4bit"))
            );
        }
        let error = cp(&fixture, "imported", &name.to_uppercase()).unwrap_err();
        assert!(error.to_string().contains("is already used by"), "{error}");
    }
    assert_eq!(found(&fixture, "me/coder:latest").unwrap().name, "me/coder");
    let removal = |text: &str| {
        let found = find_removal(&text.parse().unwrap(), &PairTable::default(), &fixture.locations);
        found.map(|removal| (removal.name, removal.named))
    };
    assert_eq!(removal("me/coder:v2").unwrap(), ("me/coder:v2".to_owned(), Named::Full));
    assert_eq!(removal("ME/coder:v2").unwrap(), ("me/coder:v2".to_owned(), Named::OtherCase));
    assert_eq!(removal("llama3.2:1b").unwrap().0, "llama3.2:1b");
    assert!(removal("me/coder:v3").is_err());
    // A pair whose model is here is taken.
    fixture.cached("mlx-community/Phi-3-mini-4k-instruct-4bit", &[A]);
    for name in ["phi3:mini", "ORG/alpha-4bit", "smollm2:135m"] {
        let error = cp(&fixture, "imported", name).unwrap_err();
        assert!(matches!(error, HubError::Derived(DerivedError::NameTaken { .. })), "{error}");
    }
}
