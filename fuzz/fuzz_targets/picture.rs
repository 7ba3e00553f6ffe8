#![no_main]
//! PNG, JPEG, WebP, GIF, BMP, TIFF and EXIF.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = dcgan_data::fuzzing::picture(bytes);
});
