//! libFuzzer entry point of [`bedside_fuzz::signalling`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedside_fuzz::signalling::run(input));
