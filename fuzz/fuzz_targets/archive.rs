#![no_main]
//! Zip and tar.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcgan_data::fuzzing::archive(bytes, &std::env::temp_dir()));
