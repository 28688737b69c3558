use super::*;
use crate::hash::sha256_of as sha256_hex;
use crate::import::error::ImportError;
use crate::reporter::Quiet;
use crate::testing::{WheelFile, write_wheel};

const MODEL: &[u8] = b"GGUF and then some";

fn wheel(files: &[WheelFile<'_>]) -> Result<Wheel> {
    let folder = tempfile::tempdir().unwrap();
    Wheel::open(&write_wheel(folder.path(), "My_Model-1.2-py3-none-any.whl", files))
}

fn extract(files: &[WheelFile<'_>], pinned: Option<&str>) -> Result<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = write_wheel(folder.path(), "My_Model-1.2-py3-none-any.whl", files);
    let target = folder.path().join("out");
    let hash = Wheel::open(&path)?.extract(&target, pinned, &Quiet)?;
    Ok((hash, fs_err::read(target).unwrap()))
}

fn problem<T: std::fmt::Debug>(result: Result<T>) -> String {
    let text = result.unwrap_err().to_string();
    text.trim_start_matches("Package file `My_Model-1.2-py3-none-any.whl` ").to_owned()
}

#[test]
fn a_good_wheel() {
    let files = [WheelFile::new("pkg/__init__.py", b"boom()"), WheelFile::new("pkg/m.GGUF", MODEL)];
    let opened = wheel(&files).unwrap();
    assert_eq!((opened.package.as_str(), opened.version.as_str()), ("my-model", "1.2"));
    assert_eq!((opened.member.as_str(), opened.size_bytes), ("pkg/m.GGUF", 18));
    let hash = sha256_hex(MODEL);
    let extracted = extract(&files, Some(&hash)).unwrap();
    assert_eq!(extracted, (hash, MODEL.to_vec()));
    let odd = [WheelFile::new("pkg/a, \"b\".gguf", MODEL)];
    assert_eq!(extract(&odd, None).unwrap().1, MODEL);
}

#[test]
fn tampered_content() {
    let mut file = WheelFile::new("pkg/m.gguf", MODEL);
    file.recorded = Some((sha256_of(b"something else here"), MODEL.len()));
    let error = extract(&[file], None).unwrap_err();
    let HubError::Import(ImportError::Damaged { ref expected, ref found, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((expected, found), (&sha256_hex(b"something else here"), &sha256_hex(MODEL)));
    // The index serves a file other than the one that the alias pins.
    let other = sha256_hex(b"pinned");
    let error = extract(&[WheelFile::new("pkg/m.gguf", MODEL)], Some(&other)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`pkg/m.gguf` in `My_Model-1.2-py3-none-any.whl` is damaged: its SHA-256 is \
             {}, not {other}",
            sha256_hex(MODEL)
        )
    );
}

fn sha256_of(bytes: &[u8]) -> String {
    format!("sha256={}", base64url(&Sha256::digest(bytes)))
}

#[test]
fn wheels_without_one_model() {
    assert_eq!(
        problem(wheel(&[WheelFile::new("pkg/x.py", b"")])),
        "contains no model (no `.gguf` file)"
    );
    assert_eq!(
        problem(wheel(&[WheelFile::new("a.gguf", MODEL), WheelFile::new("b.gguf", MODEL)])),
        "contains 2 models instead of one: `a.gguf`, `b.gguf`"
    );
    assert_eq!(
        problem(wheel(&[WheelFile::new("../../m.gguf", MODEL)])),
        "contains a path that leads outside: `../../m.gguf`"
    );
}

#[test]
fn records_that_do_not_vouch() {
    let with = |hash: &str, size| {
        let mut file = WheelFile::new("m.gguf", MODEL);
        file.recorded = Some((hash.to_owned(), size));
        problem(wheel(&[file]))
    };
    assert_eq!(with("", 18), "has no SHA-256 of `m.gguf` in its RECORD");
    assert_eq!(with("md5=abc", 18), "has no SHA-256 of `m.gguf` in its RECORD");
    assert_eq!(with("sha256=abc", 17), "disagrees with its RECORD on the size of `m.gguf`");
    let mut unlisted = WheelFile::new("m.gguf", MODEL);
    unlisted.listed = false;
    assert_eq!(problem(wheel(&[unlisted])), "does not list `m.gguf` in its RECORD");
    let second = WheelFile::new("other-1.dist-info/RECORD", b"");
    assert_eq!(
        problem(wheel(&[WheelFile::new("m.gguf", MODEL), second])),
        "has 2 RECORD files instead of one"
    );
}

#[test]
fn bombs_and_rubbish() {
    let zeros = vec![0; 70 << 20];
    let mut bomb = WheelFile::new("m.gguf", &zeros);
    bomb.deflated = true;
    assert_eq!(problem(wheel(&[bomb])), "would expand `m.gguf` more than 64 times");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a-1-py3-none-any.whl");
    let good =
        write_wheel(folder.path(), "b-1-py3-none-any.whl", &[WheelFile::new("m.gguf", MODEL)]);
    let bytes = fs_err::read(good).unwrap();
    for length in [0, 1, 30, bytes.len() / 2, bytes.len() - 1] {
        fs_err::write(&path, &bytes[..length]).unwrap();
        assert!(
            matches!(Wheel::open(&path), Err(HubError::Import(ImportError::BadWheel { .. }))),
            "{length}"
        );
    }
    // Any flipped byte is noticed, unless it is outside the model file.
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs_err::write(&path, flipped).unwrap();
        let target = folder.path().join("out");
        if Wheel::open(&path).and_then(|mut wheel| wheel.extract(&target, None, &Quiet)).is_ok() {
            assert_eq!(fs_err::read(&target).unwrap(), MODEL, "byte {at}");
        }
    }
}

#[test]
fn a_cancelled_extraction_stops() {
    struct Stop;
    impl Reporter for Stop {
        fn stage(&self, _label: &str) {}
        fn advance(&self, _done: u64, _total: u64) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path =
        write_wheel(folder.path(), "b-1-py3-none-any.whl", &[WheelFile::new("m.gguf", MODEL)]);
    let result = Wheel::open(&path).unwrap().extract(&folder.path().join("out"), None, &Stop);
    assert!(matches!(result, Err(HubError::Cancelled)));
}

#[test]
fn base64_of_the_rfc() {
    for (plain, coded) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64url(plain.as_bytes()), coded);
        assert_eq!(unbase64url(coded).unwrap(), plain.as_bytes());
    }
    assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    assert_eq!(unbase64url("a+b"), None);
}
