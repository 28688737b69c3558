#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mlxk_fuzz::bench_report(data));
