#![no_main]
//! The cache of decoded pictures.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcgan_data::fuzzing::cache(bytes));
