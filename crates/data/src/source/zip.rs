//! A zip read in place, by the `zip` crate.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use zip::read::ZipArchive;

use super::archive_file::ArchiveFile;
use super::listing::{EntryPath, Item, Listing, entry_path, has_picture_extension};
use super::stamp::Stamp;
use crate::error::{DataError, SkipReason, SkippedFile};

pub(super) type Archive = ZipArchive<ArchiveFile>;

/// Opens a zip whose file has this stamp and lists its files, in no order.
pub(super) fn open(path: &Path, file: ArchiveFile, stamp: Stamp) -> Result<(Archive, Listing), DataError> {
    let broken =
        |error: zip::result::ZipError| DataError::BrokenArchive { path: path.to_owned(), detail: error.to_string() };
    let archive = dcgan_zip::open(file).map_err(broken)?;
    let mut listing = Listing::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(broken)?;
        let name = with_slashes(entry.name_raw());
        if name.ends_with(b"/") && (entry.name_raw() == &*name || entry.size() == 0) {
            continue;
        }
        let name = text_of(&name);
        let skip = |path: PathBuf, reason| SkippedFile { path, reason };
        match entry_path(Path::new(&name)) {
            EntryPath::Hidden => {}
            EntryPath::Outside => {
                listing.skipped.push(skip(path.join(name.trim_start_matches('/')), SkipReason::OutsideArchive))
            }
            EntryPath::Inside(inside) => {
                let (path, has_picture_extension) = (path.join(inside), has_picture_extension(Path::new(&name)));
                let readable = !entry.is_symlink() && !entry.encrypted();
                match readable {
                    true => listing.items.push(Item {
                        path,
                        has_picture_extension,
                        len: entry.size(),
                        stamp,
                        place: index as u64,
                    }),
                    false if !has_picture_extension => listing.count_other(&path),
                    false if entry.encrypted() => {
                        listing.skipped.push(skip(path, SkipReason::Entry("it is encrypted".to_owned())))
                    }
                    false => listing.skipped.push(skip(path, SkipReason::NotAFile)),
                }
            }
        }
    }
    Ok((archive, listing))
}

/// Replaces backslashes by slashes in a name that has no slash: some programs on Windows separate folders with them.
///
/// In a name that is not UTF-8, a backslash may be the second byte of a character: in Shift-JIS, GBK and Big5 these go
/// from 0x40 on. Which of them it is, the archive does not say. So a backslash is a separator only if it is one in all
/// three. Otherwise a folder may be taken for a part of a name, but no two files get one name and none becomes hidden.
fn with_slashes(name: &[u8]) -> Cow<'_, [u8]> {
    if name.contains(&b'/') || !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let mut name = name.to_owned();
    let is_utf8 = std::str::from_utf8(&name).is_ok();
    // Single bytes from 0xa1 to 0xdf are letters in Shift-JIS and begin a character of two bytes in the others.
    let shift_jis = second_bytes(&name, |byte| matches!(byte, 0x81..=0x9f | 0xe0..=0xfc));
    let others = second_bytes(&name, |byte| matches!(byte, 0x81..=0xfe));
    for (at, byte) in name.iter_mut().enumerate() {
        if *byte == b'\\' && (is_utf8 || !shift_jis[at] && !others[at]) {
            *byte = b'/';
        }
    }
    Cow::Owned(name)
}

/// Whether each byte is the second one of a character, if the bytes that `is_first` tells begin characters of two
/// bytes.
fn second_bytes(name: &[u8], is_first: impl Fn(u8) -> bool) -> Vec<bool> {
    let mut after_first = false;
    let is_second = |&byte: &u8| {
        let is_second = after_first;
        after_first = !is_second && is_first(byte);
        is_second
    };
    name.iter().map(is_second).collect()
}

/// A name as text: UTF-8, or else code page 437, as in Python. Different names give different texts.
fn text_of(name: &[u8]) -> String {
    const UPPER_HALF: [char; 128] = [
        'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö', 'ò',
        'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½',
        '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐', '└', '┴',
        '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫',
        '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ',
        'ε', '∩', '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
    ];
    let letter = |&byte: &u8| if byte < 0x80 { byte.into() } else { UPPER_HALF[usize::from(byte - 0x80)] };
    std::str::from_utf8(name).map_or_else(|_| name.iter().map(letter).collect(), str::to_owned)
}

/// Hands the content of an entry to `read`.
pub(super) fn with_entry<T>(
    archive: &Archive,
    index: u64,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SkipReason>,
) -> Result<T, SkipReason> {
    // A clone has a position of its own and shares the list of entries.
    let mut archive = archive.clone();
    let mut entry = archive.by_index(index as usize).map_err(|error| SkipReason::Entry(error.to_string()))?;
    read(&mut entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slashes(name: &[u8]) -> Vec<u8> {
        with_slashes(name).into_owned()
    }

    #[test]
    fn backslashes_separate_folders_unless_they_are_half_of_a_character() {
        assert_eq!(slashes(b"a\\b.png"), b"a/b.png");
        assert_eq!(slashes(b"a/b\\c.png"), b"a/b\\c.png");
        assert_eq!(slashes("画\\é\\x.png".as_bytes()), "画/é/x.png".as_bytes());
        // 表, 能, 十, ソ in Shift-JIS; 許, 功 in Big5; 乗 in GBK: each ends with 0x5c.
        for name in
            [b"\x95\\.png", b"\x94\\.png", b"\x8f\\.png", b"\x83\\.png", b"\xb3\\.png", b"\xa5\\.png", b"\x81\\.png"]
        {
            assert_eq!(slashes(name), name);
        }
        // 画像\\顔.png, and 画像\\表.png.
        assert_eq!(slashes(b"\x89\xe6\x91\x9c\\\x8a\xe7.png"), b"\x89\xe6\x91\x9c/\x8a\xe7.png");
        assert_eq!(slashes(b"\x89\xe6\x91\x9c\\\x95\\.png"), b"\x89\xe6\x91\x9c/\x95\\.png");
    }

    #[test]
    fn names_of_another_code_page_are_pythons_and_differ() {
        // Python: bytes(range(128, 256)).decode("cp437")[:3], and the last three.
        assert_eq!(text_of(b"\x80\x81\x82"), "Çüé");
        assert_eq!(text_of(b"\xfd\xfe\xff"), "²■\u{a0}");
        assert_eq!(text_of("表".as_bytes()), "表");
        let all: std::collections::HashSet<String> = (0x80..=0xff).map(|byte| text_of(&[byte])).collect();
        assert_eq!(all.len(), 128);
    }
}
