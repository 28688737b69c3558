//! Moving mapped bytes to huge pages: the same bytes, wherever they lie.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::Write;

use mlxk_memory::{Bytes, SmallPages, map_file, move_to_huge_pages};

/// A file that takes several strides, of a size that no page divides.
fn file() -> (tempfile::NamedTempFile, Vec<u8>) {
    let content: Vec<u8> =
        (0..9_000_001_u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content).unwrap();
    (file, content)
}

#[test]
fn what_is_moved_has_the_same_bytes_and_so_have_others() {
    let (file, content) = file();
    let map = map_file(file.path()).unwrap();
    let places = [7..5_000_000, 5_000_000..5_000_000, 5_000_001..5_000_100, 6_000_000..9_000_001];
    let mut parts = places.each_ref().map(|place| map.slice(place.clone()).unwrap());
    let before = parts.clone();
    let mut heap = Bytes::from(vec![1, 2, 3]);
    let mut all: Vec<&mut Bytes> = parts.iter_mut().chain([&mut heap]).collect();
    move_to_huge_pages(&mut all).unwrap();
    let small = SmallPages::find();
    for ((part, old), place) in parts.iter().zip(&before).zip(places) {
        assert!(**part == content[place.clone()], "{place:?} as moved");
        assert!(**old == content[place.clone()], "{place:?} as it was");
        assert!(part.is_empty() || part.as_ptr() != old.as_ptr());
        assert!(part.as_ptr().addr().is_multiple_of(64) && !small.hold(part));
    }
    assert!(*heap == [1, 2, 3] && *map == content[..]);
    // Once more: what belongs to no file must not be given back.
    move_to_huge_pages(&mut parts.each_mut().map(|part| part)).unwrap();
    assert!(*parts[3] == content[6_000_000..]);
}

#[test]
fn nothing_is_moved_nowhere() {
    move_to_huge_pages(&mut []).unwrap();
    let mut empty = Bytes::from(Vec::new());
    move_to_huge_pages(&mut [&mut empty]).unwrap();
    assert!(empty.is_empty());
}
