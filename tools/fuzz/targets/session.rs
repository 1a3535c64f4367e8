//! libFuzzer entry point of [`bedside_fuzz::session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedside_fuzz::session::run(input));
