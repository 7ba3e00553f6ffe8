//! The font of labels and charts.

use plotters::style::{FontStyle, register_font};
use std::sync::Once;

/// Name of the font for the plotting library.
pub(crate) const FONT: &str = "DejaVu Sans";

/// Makes the font known to the plotting library, which knows none of the system's fonts.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that cannot be read makes drawing fail, and that is reported.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
}
