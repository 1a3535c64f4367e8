//! libFuzzer entry point of [`bedside_fuzz::sdp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedside_fuzz::sdp::run(input));
