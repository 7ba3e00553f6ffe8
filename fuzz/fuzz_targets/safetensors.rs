//! safetensors.

#![no_main]

#[path = "../../crates/formats/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::model_file(bytes));
