//! JPEG, by the `jpeg-decoder` crate. Which colors the samples are, and which tables a frame without any means, is
//! decided here, as libjpeg decides it.

use super::error::{DecodeError, broken, check_size, unsupported};
use super::format::ImageFormat;
use super::image::ColorType;
use super::orientation;
use super::raw::{Layout, Raw};
use jpeg_decoder::{ColorTransform, Decoder, ImageInfo, PixelFormat, UnsupportedFeature};
use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

/// A progressive picture has about ten scans. One of a few bytes can make the decoder walk over all pixels, so a small
/// file with very many of them would keep it busy for hours.
const MAX_SCANS: usize = 200;

/// The number of scans: markers FF DA outside of other segments. Within a scan, FF is followed by 0 or a restart
/// marker.
fn count_scans(bytes: &[u8]) -> usize {
    let (mut at, mut scans) = (2, 0);
    while let Some(&[first, marker]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match (first, marker) {
            (0xff, 0x01 | 0xc0..=0xcf | 0xda..=0xfe) => {
                scans += usize::from(marker == 0xda);
                let length = bytes
                    .get(at + 2..)
                    .and_then(|rest| rest.first_chunk())
                    .map_or(2, |bytes| u16::from_be_bytes(*bytes));
                at += 2 + usize::from(length.max(2));
            }
            _ => at += 1,
        }
    }
    scans
}

/// What stands before the first scan.
#[derive(Debug, Default, PartialEq)]
struct Markers<'a> {
    /// Whether there is a JFIF marker.
    is_jfif: bool,
    /// The color transform that an Adobe marker states.
    adobe: Option<u8>,
    /// The number of the frame's marker, 0 to 15: 2 is progressive, 3 is lossless.
    frame: Option<u8>,
    components: Vec<u8>,
    /// Which Huffman tables are defined: bit 0 and 1 for the first two of DC, 2 and 3 for those of AC.
    tables: u8,
    /// Whether the first scan refers to one of those that is not defined.
    misses_tables: bool,
    /// EXIF data, of all segments that have any, one after the other.
    exif: Option<Cow<'a, [u8]>>,
    /// XMP data of the last segment that has any.
    xmp: Option<&'a [u8]>,
}

impl<'a> Markers<'a> {
    /// Collects the segments of a file that matter here.
    fn read(file: &'a [u8]) -> Self {
        let mut markers = Markers::default();
        let mut at = 2;
        while let Some(&[first, marker]) = file.get(at..).and_then(|rest| rest.first_chunk()) {
            // What is no marker is skipped, fill bytes included.
            if first != 0xff || matches!(marker, 0 | 1 | 0xd0..=0xd8 | 0xff) {
                at += if first == 0xff && !matches!(marker, 0xff) { 2 } else { 1 };
                continue;
            }
            let length = file.get(at + 2..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes));
            let Some(segment) = length.and_then(|length| file.get(at + 4..at + 2 + usize::from(length))) else { break };
            match marker {
                0xda => {
                    markers.misses_tables = markers.misses_tables_of(segment);
                    break;
                }
                0xd9 => break,
                _ => markers.add(marker, segment),
            }
            at += 4 + segment.len();
        }
        markers
    }

    /// Takes over the segment after a marker.
    fn add(&mut self, marker: u8, segment: &'a [u8]) {
        const EXIF: &[u8] = b"Exif\0\0";
        const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
        match marker {
            0xc4 => self.tables |= defined_tables(segment),
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                self.frame = Some(marker - 0xc0);
                self.components = segment.get(6..).unwrap_or_default().chunks_exact(3).map(|part| part[0]).collect();
            }
            // Shorter ones do not count for libjpeg.
            0xe0 => self.is_jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0"),
            0xee if segment.len() >= 12 && segment.starts_with(b"Adobe") => self.adobe = Some(segment[11]),
            0xe1 if segment.starts_with(EXIF) => match &mut self.exif {
                Some(exif) => exif.to_mut().extend(&segment[EXIF.len()..]),
                None => self.exif = Some(Cow::Borrowed(segment)),
            },
            0xe1 if segment.starts_with(XMP) => self.xmp = Some(&segment[XMP.len()..]),
            _ => {}
        }
    }

    /// Whether a scan with this header refers to a table that is not defined.
    fn misses_tables_of(&self, scan: &[u8]) -> bool {
        let count = scan.first().map_or(0, |&count| usize::from(count));
        let components = scan.get(1..).unwrap_or_default().chunks_exact(2).take(count);
        let mut needed = components.flat_map(|component| [component[1] >> 4, component[1] & 15 | 0x10]);
        needed.any(|table| table_bit(table).is_some_and(|bit| self.tables & bit == 0))
    }

    /// libjpeg's choice of colors: `default_decompress_parms`.
    fn color_transform(&self) -> Option<ColorTransform> {
        let is_lossless = self.frame == Some(3);
        match *self.components.as_slice() {
            [_] => Some(ColorTransform::Grayscale),
            [first, second, third] => Some(match (self.is_jfif, self.adobe, [first, second, third]) {
                (true, ..) => ColorTransform::YCbCr,
                (false, Some(0), _) => ColorTransform::RGB,
                (false, Some(_), _) => ColorTransform::YCbCr,
                (false, None, [b'R', b'G', b'B']) => ColorTransform::RGB,
                (false, None, _) if is_lossless => ColorTransform::RGB,
                (false, None, _) => ColorTransform::YCbCr,
            }),
            [_, _, _, _] => Some(match self.adobe {
                None | Some(0) => ColorTransform::CMYK,
                Some(_) => ColorTransform::YCCK,
            }),
            _ => None,
        }
    }
}

/// The bit in [`Markers::tables`] of a table, whose class (0 for DC, 1 for AC) is in the upper four bits and whose
/// number is in the lower ones.
fn table_bit(table: u8) -> Option<u8> {
    match table {
        0x00 | 0x01 => Some(1 << table),
        0x10 | 0x11 => Some(4 << (table & 1)),
        _ => None,
    }
}

/// The bits of the tables that a segment defines: each has a byte for class and number, 16 counts, and as many values
/// as they add up to.
fn defined_tables(mut segment: &[u8]) -> u8 {
    let mut bits = 0;
    while let Some((&table, rest)) = segment.split_first()
        && let Some((counts, rest)) = rest.split_first_chunk::<16>()
    {
        bits |= table_bit(table).unwrap_or(0);
        let values: usize = counts.iter().map(|&count| usize::from(count)).sum();
        segment = rest.get(values..).unwrap_or_default();
    }
    bits
}

/// The Huffman tables of ITU T.81, annex K.3.3, as a segment: those that a frame of Motion JPEG leaves out.
const STANDARD_TABLES: &[u8] = &[
    0xff, 0xc4, 0x01, 0xa2, //
    // DC, luminance.
    0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, //
    // AC, luminance.
    0x10, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d, 0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31,
    0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15,
    0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54,
    0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77,
    0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9,
    0xfa, //
    // DC, chrominance.
    0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, //
    // AC, chrominance.
    0x11, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77, 0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06,
    0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23,
    0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53,
    0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76,
    0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
    0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9,
    0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Reads the frame header.
fn read_info(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<ImageInfo, DecodeError> {
    decoder.read_info().map_err(error)?;
    decoder.info().ok_or_else(|| broken(ImageFormat::Jpeg, "no frame header"))
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let info = read_info(&mut Decoder::new(Cursor::new(bytes)))?;
    Ok((info.width.into(), info.height.into()))
}

/// Decodes a JPEG to gray, RGB or CMYK.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let markers = Markers::read(bytes);
    let Samples { width, height, components, samples } =
        decode_samples(bytes, &markers, markers.color_transform(), check_size)?;
    let (layout, color) = match components {
        1 => (Layout::Gray, ColorType::Gray),
        3 => (Layout::Rgb, ColorType::Rgb),
        _ => (Layout::Cmyk, ColorType::Cmyk),
    };
    let orientation = orientation::of_metadata(markers.exif.as_deref(), markers.xmp);
    Ok(Raw { width, height, layout, pixels: samples, color, bits: 8, orientation })
}

/// A decoded JPEG whose samples have no meaning yet.
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Samples of a pixel: 1, 3 or 4.
    pub(super) components: usize,
    /// Height × width × components.
    pub(super) samples: Vec<u8>,
}

/// Decodes a JPEG within a file of another format, which says whether its three components are YCbCr that is to become
/// RGB, or are to stay as they are. `check` looks at width and height before anything is decoded.
pub(super) fn decode_embedded(
    bytes: &[u8],
    is_ycbcr: bool,
    check: impl FnOnce(u32, u32) -> Result<(usize, usize), DecodeError>,
) -> Result<Samples, DecodeError> {
    let markers = Markers::read(bytes);
    let transform = match markers.components.len() {
        3 if is_ycbcr => Some(ColorTransform::YCbCr),
        3 => Some(ColorTransform::RGB),
        4 => Some(ColorTransform::CMYK),
        _ => None,
    };
    let mut decoded = decode_samples(bytes, &markers, transform, check)?;
    if decoded.components == 4 {
        // The decoder takes CMYK for Adobe's, which is inverted.
        decoded.samples.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    Ok(decoded)
}

fn decode_samples(
    bytes: &[u8],
    markers: &Markers<'_>,
    transform: Option<ColorTransform>,
    check: impl FnOnce(u32, u32) -> Result<(usize, usize), DecodeError>,
) -> Result<Samples, DecodeError> {
    // libjpeg fills in the standard tables where a sequential frame has none. Those that it has follow and replace
    // them.
    let with_tables = (markers.misses_tables && matches!(markers.frame, Some(0 | 1)))
        .then(|| [&bytes[..2], STANDARD_TABLES, &bytes[2..]].concat());
    let bytes = with_tables.as_deref().unwrap_or(bytes);
    let mut decoder = Decoder::new(Cursor::new(bytes));
    if let Some(transform) = transform {
        decoder.set_color_transform(transform);
    }
    let info = read_info(&mut decoder)?;
    let (width, height) = check(info.width.into(), info.height.into())?;
    let components = match info.pixel_format {
        PixelFormat::L8 => 1,
        PixelFormat::RGB24 => 3,
        PixelFormat::CMYK32 => 4,
        PixelFormat::L16 => return Err(unsupported(ImageFormat::Jpeg, "samples of 16 bits")),
    };
    let scans = count_scans(bytes);
    if scans > MAX_SCANS {
        return Err(broken(ImageFormat::Jpeg, format!("{scans} scans")));
    }
    let samples = decoder.decode().map_err(error)?;
    if samples.len() != width * height * components {
        return Err(broken(ImageFormat::Jpeg, "its pixels do not fill it"));
    }
    Ok(Samples { width, height, components, samples })
}

/// What people call what the decoder does not do.
fn name_of(feature: &UnsupportedFeature) -> String {
    match feature {
        UnsupportedFeature::Hierarchical => "the hierarchical process".to_owned(),
        UnsupportedFeature::ArithmeticEntropyCoding => "arithmetic coding".to_owned(),
        UnsupportedFeature::SamplePrecision(bits) => format!("samples of {bits} bits"),
        UnsupportedFeature::ComponentCount(count) => format!("{count} components"),
        UnsupportedFeature::DNL => "a number of lines that follows them".to_owned(),
        UnsupportedFeature::SubsamplingRatio | UnsupportedFeature::NonIntegerSubsamplingRatio => {
            "components subsampled in an unusual ratio".to_owned()
        }
        UnsupportedFeature::ColorTransform(transform) => format!("colours of the kind {transform:?}"),
    }
}

/// Converts an error of the decoder.
fn error(error: jpeg_decoder::Error) -> DecodeError {
    match error {
        jpeg_decoder::Error::Io(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(ImageFormat::Jpeg),
        jpeg_decoder::Error::Format(detail) => broken(ImageFormat::Jpeg, detail),
        jpeg_decoder::Error::Unsupported(feature) => unsupported(ImageFormat::Jpeg, name_of(&feature)),
        other => broken(ImageFormat::Jpeg, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive-33x17.jpg");

    #[test]
    fn scans_are_counted_and_limited() {
        assert_eq!(count_scans(include_bytes!("../../tests/fixtures/420-97x61.jpg")), 1);
        assert_eq!(count_scans(PROGRESSIVE), 10);
        let last = PROGRESSIVE.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).unwrap();
        let (start, scan) = (&PROGRESSIVE[..last], &PROGRESSIVE[last..PROGRESSIVE.len() - 2]);
        let bomb = [start, &scan.repeat(1000)].concat();
        assert_eq!(count_scans(&bomb), 1009);
        assert!(decode(&bomb).err().unwrap().to_string().contains("1009 scans"));
        // The marker in a comment is none.
        let comment = [&PROGRESSIVE[..2], &[0xff, 0xfe, 0, 6, 0xff, 0xda, 0xff, 0xda], &PROGRESSIVE[2..]].concat();
        assert_eq!(count_scans(&comment), 10);
    }

    /// A frame of these components, after markers.
    fn markers(segments: &[(u8, &[u8])], frame: u8, ids: &[u8]) -> Option<ColorTransform> {
        let mut file = vec![0xff, 0xd8];
        let mut add = |marker: u8, segment: &[u8]| {
            file.extend([0xff, 0xff, marker]);
            file.extend((segment.len() as u16 + 2).to_be_bytes());
            file.extend(segment);
        };
        segments.iter().for_each(|(marker, segment)| add(*marker, segment));
        let components: Vec<u8> = ids.iter().flat_map(|&id| [id, 0x11, 0]).collect();
        add(0xc0 + frame, &[&[8, 0, 1, 0, 1, ids.len() as u8][..], &components].concat());
        add(0xda, &[]);
        // Markers behind the first scan do not count.
        add(0xee, b"Adobe\0\0\0\0\0\0\x02");
        Markers::read(&file).color_transform()
    }

    /// What Pillow makes of such files, tools/check/pictures_read.py compares.
    #[test]
    fn colors_are_those_that_libjpeg_decides_for() {
        use ColorTransform::{CMYK, Grayscale, RGB, YCCK, YCbCr};
        const JFIF: (u8, &[u8]) = (0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let adobe = [0, 1, 2].map(|transform| [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
        let [adobe0, adobe1, adobe2] = &adobe;
        let (adobe0, adobe1, adobe2) = ((0xee, &**adobe0), (0xee, &**adobe1), (0xee, &**adobe2));
        let short: (u8, &[u8]) = (0xe0, b"JFIF\0\x01\x01");
        for (segments, frame, ids, expected) in [
            (&[][..], 0, &[1][..], Grayscale),
            (&[], 0, &[1, 2, 3], YCbCr),
            (&[], 0, b"RGB", RGB),
            (&[], 0, &[0, 1, 2], YCbCr),
            (&[], 2, b"rgb", YCbCr),
            (&[], 3, &[1, 2, 3], RGB),
            (&[JFIF], 3, &[1, 2, 3], YCbCr),
            (&[JFIF], 0, b"RGB", YCbCr),
            (&[short], 0, b"RGB", RGB),
            (&[JFIF, adobe0], 0, &[1, 2, 3], YCbCr),
            (&[adobe0], 0, &[1, 2, 3], RGB),
            (&[adobe1], 0, b"RGB", YCbCr),
            (&[adobe2], 0, b"RGB", YCbCr),
            (&[(0xee, b"Adobe\0\x64\0")], 0, b"RGB", RGB),
            (&[], 0, &[1, 2, 3, 4], CMYK),
            (&[adobe0], 0, &[1, 2, 3, 4], CMYK),
            (&[adobe1], 0, &[1, 2, 3, 4], YCCK),
            (&[JFIF, adobe2], 0, b"CMYK", YCCK),
        ] {
            assert_eq!(markers(segments, frame, ids), Some(expected), "{segments:?} {frame} {ids:?}");
        }
        assert_eq!(markers(&[], 0, &[1, 2]), None);
    }

    #[test]
    fn metadata_are_gathered_from_their_segments() {
        let xmp = |text: &str| ["http://ns.adobe.com/xap/1.0/\0", text].concat().into_bytes();
        let (first, second) = (xmp("first"), xmp("second"));
        let segments = [&b"Exif\0\0II"[..], &first, b"Exif\0\0*\0", &second];
        let mut file = vec![0xff, 0xd8];
        for segment in segments {
            file.extend([&[0xff, 0xe1][..], &(segment.len() as u16 + 2).to_be_bytes(), segment].concat());
        }
        let found = Markers::read(&file);
        assert_eq!((found.exif.as_deref(), found.xmp), (Some(&b"Exif\0\0II*\0"[..]), Some(&b"second"[..])));
        for end in 0..file.len() {
            Markers::read(&file[..end]);
        }
    }

    #[test]
    fn a_frame_without_tables_has_the_standard_ones() {
        let file = include_bytes!("../../tests/fixtures/420-40x30.jpg");
        let mut without = file[..2].to_vec();
        let mut at = 2;
        // Segment by segment, up to the scan.
        while file[at + 1] != 0xda {
            let length = 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            if file[at + 1] != 0xc4 {
                without.extend(&file[at..at + length]);
            }
            at += length;
        }
        without.extend(&file[at..]);
        assert!(!Markers::read(file).misses_tables && Markers::read(&without).misses_tables);
        assert_eq!(Markers::read(file).tables, 0b1111);
        assert_eq!(decode(&without).unwrap().pixels, decode(file).unwrap().pixels);
    }
}
