#![no_main]
//! PNG, JPEG, WebP, GIF, BMP, TIFF, PNM, EXIF and XMP.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = dcgan_data::fuzzing::picture(bytes);
});
