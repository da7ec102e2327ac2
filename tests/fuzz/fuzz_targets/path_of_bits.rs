//! See `path_of_bits` in `tests/fuzz/targets.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stepgate::fuzz::path_of_bits(bytes));
