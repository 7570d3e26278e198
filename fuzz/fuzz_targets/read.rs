//! Reads any bytes as a plan and holds what comes of it against all that is promised.

#![no_main]

#[path = "../../tests/hostile/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|input: &[u8]| promises::keep(input));
