//! The pickle in a file of PyTorch's. Changing it in a whole file, one could not get past the zip's checksum.

#![no_main]

#[path = "../../crates/formats/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::pickle(bytes));
