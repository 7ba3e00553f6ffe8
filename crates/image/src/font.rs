//! The font of labels and charts.

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
