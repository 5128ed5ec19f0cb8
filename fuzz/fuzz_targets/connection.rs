#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|steps: &[u8]| qix_fuzz::connection(steps, Instant::now()));
