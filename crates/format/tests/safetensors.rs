//! The container: what is written is read, here and by the reference crate, and nothing that is
//! damaged passes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;
use std::sync::LazyLock;

use mlxk_format::safetensors::{Shard, TensorSpec, Writer};
use mlxk_format::{ElementType, FormatError};
use mlxk_memory::Bytes;
use proptest::prelude::*;

fn spec(name: &str, dtype: ElementType, shape: &[usize]) -> TensorSpec {
    TensorSpec { name: name.to_owned(), dtype, shape: shape.to_vec() }
}

fn file(tensors: &[(TensorSpec, Vec<u8>)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let specs: Vec<_> = tensors.iter().map(|(spec, _)| spec.clone()).collect();
    let mut writer = Writer::create(&path, &specs, &[("format", "mlx")]).unwrap();
    for (_, data) in tensors {
        writer.write(data).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

fn small() -> Vec<u8> {
    file(&[
        (spec("a.weight", ElementType::U32, &[2, 2]), (0..16).collect()),
        (spec("a.scales", ElementType::Bf16, &[2, 1]), vec![1, 2, 3, 4]),
        (spec("empty", ElementType::F32, &[0, 4]), Vec::new()),
        (spec("norm", ElementType::F32, &[3]), (0..12).collect()),
    ])
}

static SMALL: LazyLock<Vec<u8>> = LazyLock::new(small);

fn read(bytes: Vec<u8>) -> Result<Shard, FormatError> {
    Shard::from_bytes(Path::new("model.safetensors"), Bytes::from(bytes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        tensors in prop::collection::btree_map(
            "[a-z.\u{e9}\"\\\\]{1,12}",
            (prop::sample::select(ElementType::ALL), prop::collection::vec(0_usize..5, 0..4)),
            0..6,
        ),
        seed in any::<u8>(),
    ) {
        let tensors: Vec<(TensorSpec, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, (dtype, shape))| spec(&name, dtype, &shape))
            .filter_map(|spec| {
                let length = spec.size_bytes()?;
                Some((spec, (0..length).map(|index| seed.wrapping_add(index as u8)).collect()))
            })
            .collect();
        let bytes = file(&tensors);
        let reference = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let shard = read(bytes.clone()).unwrap();
        prop_assert_eq!(shard.tensors().count(), tensors.len());
        for (name, dtype, shape, data) in shard.tensors() {
            let (spec, written) = tensors.iter().find(|(spec, _)| spec.name == name).unwrap();
            prop_assert_eq!(dtype, spec.dtype);
            prop_assert_eq!(shape, &spec.shape);
            prop_assert_eq!(&data[..], &written[..]);
            prop_assert_eq!(reference.tensor(name).unwrap().data(), &written[..]);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn a_damaged_header_is_refused_or_harmless(
        flips in prop::collection::vec((0_usize..400, 0_u8..8), 1..4)
    ) {
        let mut bytes = SMALL.clone();
        for (at, bit) in flips {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        if let Ok(shard) = read(bytes.clone()) {
            let total: usize = shard.tensors().map(|(_, _, _, data)| data.len()).sum();
            prop_assert!(total < bytes.len());
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = small();
    assert!(read(bytes.clone()).is_ok());
    for length in 0..bytes.len() {
        assert!(read(bytes[..length].to_vec()).is_err(), "{length} of {} bytes", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = read(longer).unwrap_err().to_string();
    assert_eq!(error, "`model.safetensors` is damaged: 1 byte follows the last tensor");
}

#[test]
fn a_truncated_file_names_the_length_that_its_header_asks_for() {
    let bytes = small();
    let error = read(bytes[..bytes.len() - 5].to_vec()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "`model.safetensors` is truncated: its header asks for {} bytes, but the file has only {}; \
             the first tensor that is not complete is `norm`",
            bytes.len(),
            bytes.len() - 5
        )
    );
}

/// A file with this header and `data` bytes after it.
fn with_header(header: &str, data: usize) -> Result<Shard, FormatError> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    read(bytes)
}

#[test]
fn impossible_headers_are_refused_with_their_reason() {
    let cases = [
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "should start at 0"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "cannot have 4 bytes"),
        (r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4, "unknown type `F33`"),
        (r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#, 1, "cannot have 1 byte"),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#,
            8,
            "occurs twice",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            6,
            "should start at 4",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[18446744073709551615,2],"data_offsets":[0,18446744073709551614]}}"#,
            4,
            "cannot have",
        ),
        (r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1, "not valid"),
        (r#"{"a":{"dtype":"U8","shape":[1]}}"#, 1, "not valid"),
        ("[]", 0, "not valid"),
    ];
    for (header, data, reason) in cases {
        let error = with_header(header, data).unwrap_err().to_string();
        assert!(error.contains(reason), "{header}: {error}");
    }
    let huge = u64::MAX.to_le_bytes().to_vec();
    assert!(read(huge).unwrap_err().to_string().contains("more than the format allows"));
    assert!(with_header(r#"{"__metadata__":null}"#, 0).is_ok());
}
