#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| qix_fuzz::delta(text));
