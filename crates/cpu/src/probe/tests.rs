use super::*;

#[test]
fn every_byte_is_read_whatever_the_length() {
    let bytes: Vec<u8> =
        (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for set in InstructionSet::available() {
        for length in [0, 1, 63, 64, 127, 129, 255, 256, 257, 4999] {
            let before = read(set, &bytes[..length]);
            // Every single byte changes the result.
            for index in 0..length {
                let mut changed = bytes[..length].to_vec();
                changed[index] ^= 1;
                assert_ne!(read(set, &changed), before, "{set:?}, byte {index} of {length}");
            }
        }
    }
}

#[test]
fn more_rounds_are_more_work_with_another_result() {
    for set in InstructionSet::available() {
        let mut probe = Probe::new(Some(2), Some(set)).unwrap();
        assert_eq!(probe.read(&vec![7; 3 << 20]).amount, 3 << 20);
        let Some(some) = probe.integer_multiply_adds(1000) else {
            assert_eq!((set, probe.integer_instructions()), (InstructionSet::Portable, None));
            continue;
        };
        assert!(probe.integer_instructions().is_some());
        let more = probe.integer_multiply_adds(2000).unwrap();
        assert_eq!(more.amount, 2 * some.amount);
        assert_eq!(some.amount % (1000 * 8 * 12 * 32), 0, "threads, pieces, chains, bytes");
        assert_ne!(integer(set, 1000), integer(set, 1001));
        assert_ne!(float(set, 3), float(set, 4));
    }
}
