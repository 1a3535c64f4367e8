//! libFuzzer entry point of [`bedside_fuzz::datagrams`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedside_fuzz::datagrams::run(input));
