use super::*;

const IDS: [u32; 4] = [1, 2, 0, 1];

fn windows() -> Windows {
    Windows::new(3, 2, 1).unwrap()
}

fn rows() -> Vec<Row> {
    let shares = [[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.25, 0.25, 0.5]];
    let row = |(shares, &target): (&[f64; 3], &u32)| {
        Row::new(shares.iter().map(|share| share.ln() as f32).collect(), target)
    };
    shares.iter().zip(&IDS[1..]).map(row).collect()
}

fn save(path: &Path) {
    let mut writer = LogitsWriter::create(path, 3, &IDS, &windows()).unwrap();
    for row in rows() {
        writer.write(&row).unwrap();
        assert!(!path.exists(), "it appears when it is complete");
    }
    writer.finish().unwrap();
}

/// All rows, or the first sentence that refuses them.
fn read(path: &Path) -> Result<Vec<Row>, String> {
    let mut reader = LogitsReader::open(path).map_err(|error| error.to_string())?;
    reader.check(3, &IDS, &windows()).map_err(|error| error.to_string())?;
    let rows = IDS[1..].iter().map(|&target| reader.read(target));
    rows.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

#[test]
fn what_is_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logits");
    save(&path);
    for (found, expected) in read(&path).unwrap().iter().zip(&rows()) {
        assert_eq!((found.top, found.right), (expected.top, expected.right));
        for (a, b) in found.log_probabilities.iter().zip(&expected.log_probabilities) {
            assert!((a - b).abs() < 2e-3, "{a} is not {b}");
        }
        let sum: f32 = found.log_probabilities.iter().map(|value| value.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_unfinished_file_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logits");
    std::fs::write(&path, "older").unwrap();
    let mut writer = LogitsWriter::create(&path, 3, &IDS, &windows()).unwrap();
    writer.write(&rows()[0]).unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), b"older");
    let missing = folder.path().join("no/logits");
    let error = LogitsWriter::create(&missing, 3, &IDS, &windows()).unwrap_err().to_string();
    assert!(error.contains("logits"), "{error}");
}

#[test]
fn files_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logits");
    save(&path);
    let reader = LogitsReader::open(&path).unwrap();
    let refusal = |vocab, ids: &[u32], windows: Windows| {
        reader.check(vocab, ids, &windows).unwrap_err().to_string()
    };
    assert!(refusal(4, &IDS, windows()).contains("vocabulary of 3 tokens"));
    assert!(refusal(3, &IDS[..3], windows()).contains("4 tokens there, 3 here"));
    assert!(refusal(3, &[1, 2, 0, 0], windows()).contains("another text or tokenizer"));
    let other = Windows::new(3, 1, 1).unwrap();
    assert!(refusal(3, &IDS, other).contains("--window 3 --stride 2 --min-context 1"));
}

/// Every byte of a small file damaged in turn: refused in words, or numbers that are a little off.
#[test]
fn damage_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logits");
    save(&path);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        for flip in [0x80, 0x01, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(&path, bytes).unwrap();
            match read(&path) {
                Err(error) => {
                    assert!(error.contains("logits"), "{error}");
                    refused += 1;
                }
                Ok(found) => {
                    assert!(at >= HEADER_BYTES, "byte {at} of the header");
                    for (a, b) in found.iter().zip(&rows()) {
                        for (a, b) in a.log_probabilities.iter().zip(&b.log_probabilities) {
                            assert!((a.exp() - b.exp()).abs() < 0.02, "byte {at}: {a} is not {b}");
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 200, "only {refused}");
    for length in [0, 7, HEADER_BYTES - 1, HEADER_BYTES, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(read(&path).is_err(), "{length} bytes");
    }
    std::fs::write(&path, [whole.as_slice(), b"!"].concat()).unwrap();
    assert!(read(&path).unwrap_err().contains("truncated or damaged"));
    assert!(LogitsReader::open(folder.path()).is_err(), "a folder");
}
