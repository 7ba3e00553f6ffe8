//! Checkpoints.

#![no_main]

#[path = "../../crates/formats/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::checkpoint(bytes));
