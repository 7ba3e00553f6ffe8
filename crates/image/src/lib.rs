//! Images of 8-bit values: from a network's values to pixels, sheets of many images, labels, charts and PNG files.
//!
//! ```
//! use dcgan_image::{Picture, compose};
//!
//! // Ten images of 3 × 4 × 4 values in [−1, 1], as a generator gives them.
//! let images = Picture::from_nchw(&vec![0.5; 10 * 3 * 4 * 4], 3, 4);
//! let sheet = compose(&images);
//! assert_eq!((sheet.width, sheet.height), (8 * 6 + 2, 2 * 6 + 2));
//! assert!(sheet.to_png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "charts")]
mod chart;
#[cfg(feature = "charts")]
mod font;
mod grid;
#[cfg(feature = "charts")]
mod label;
mod picture;

#[cfg(feature = "charts")]
pub use chart::{Area, Chart, Color, Curve, LineChart, PointChart, PointCurve, draw_charts};
#[cfg(feature = "charts")]
pub use font::drawable;
pub use grid::{COLUMNS, PADDING, compose, compose_columns, sheet_size};
#[cfg(feature = "charts")]
pub use label::{LABEL_HEIGHT, label, text_width, write_text};
pub use picture::{Picture, quantize};
