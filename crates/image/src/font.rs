//! The font of labels and charts.

use ab_glyph::{Font, FontRef};
use any_ascii::any_ascii_char;
use plotters::style::{FontStyle, register_font};
use std::sync::Once;

/// Name of the font for the plotting library.
pub(crate) const FONT: &str = "DejaVu Sans";

/// Registers the font with the plotting library, which does not use the system's fonts.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If the font cannot be read, drawing returns an error.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
}

/// Returns a text as the font can draw it: characters of scripts that it lacks, such as Chinese, are written in Latin
/// letters (pinyin), and what has none is a question mark.
pub fn drawable(text: &str) -> String {
    let Ok(font) = FontRef::try_from_slice(dejavu::sans::regular()) else { return text.to_owned() };
    let mut drawn = String::new();
    for character in text.chars() {
        match any_ascii_char(character) {
            _ if font.glyph_id(character).0 != 0 => drawn.push(character),
            "" => drawn.push('?'),
            latin => drawn.push_str(latin),
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::drawable;

    #[test]
    fn names_in_other_scripts_are_readable() {
        assert_eq!(drawable("café-Ж-α × 2.png"), "café-Ж-α × 2.png");
        assert_eq!(drawable("头像/小红.jpg"), "TouXiang/XiaoHong.jpg");
        assert_eq!(drawable("アニメ"), "anime");
        assert_eq!(drawable("\u{10ffff}"), "?");
    }
}
