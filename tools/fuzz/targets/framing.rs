//! libFuzzer entry point of [`bedside_fuzz::framing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedside_fuzz::framing::run(input));
