//! Pictures in the terminal.
//!
//! kitty's and iTerm2's protocols take a PNG file, a sixel terminal takes 256 colours, and everything else draws two
//! pixels in each character cell. The environment alone tells what the terminal can do: after a query the program would
//! have to wait for an answer that may never come, and would take keys that the user types.
//!
//! Sources: <https://sw.kovidgoyal.net/kitty/graphics-protocol/>, <https://iterm2.com/documentation-images.html>.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_image::Picture;
use icy_sixel::{DiffusionMethod, MethodForLargest, MethodForRep, PixelFormat, Quality, sixel_string};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// `--preview`, and `generate --show`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Preview {
    /// As the terminal can
    Terminal,
    /// By kitty's protocol: kitty, Ghostty
    Kitty,
    /// By iTerm2's protocol: iTerm2, WezTerm, mintty
    Iterm,
    /// By sixels: foot, xterm -ti vt340, mlterm, Konsole, Windows Terminal
    Sixel,
    /// Two pixels in each character
    Blocks,
    /// Not at all
    Off,
}

impl Preview {
    /// Returns a note that `--preview` exists, if it would show something and was not given.
    pub(crate) fn hint(asked: Option<Self>, is_quiet: bool) -> Option<&'static str> {
        hint(asked, is_quiet, io::stderr().is_terminal(), Screen::new(asked).is_some())
    }
}

/// As [`Preview::hint`], for a standard error that is a terminal or not, and that shows faces or not.
fn hint(asked: Option<Preview>, is_quiet: bool, is_terminal: bool, shows: bool) -> Option<&'static str> {
    let is_off_by_default = asked.is_none() && !is_quiet && is_terminal && !shows;
    is_off_by_default.then_some("preview   off; --preview terminal shows the faces of each epoch here")
}

/// A way to show a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Kitty,
    Iterm,
    Sixel,
    Blocks(Colours),
}

/// Colours that characters can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    /// 24 bits.
    True,
    /// xterm's palette of 256.
    Palette,
}

/// Number of columns if the terminal does not tell.
const COLUMNS: usize = 80;
/// Approximate width of a character in pixels, for the size of a picture on the screen.
const CELL_WIDTH: usize = 8;
/// Largest number of bytes that kitty takes at a time.
const KITTY_CHUNK: usize = 4096;

/// Shows pictures on stderr.
#[derive(Debug)]
pub(crate) struct Screen {
    protocol: Protocol,
}

impl Screen {
    /// Returns the screen for `preview`; `None` to show nothing. If the option was not given, pictures are shown in
    /// terminals that have a protocol for them.
    pub(crate) fn new(preview: Option<Preview>) -> Option<Self> {
        let here = io::stderr().is_terminal();
        let environment = |name: &str| std::env::var(name).unwrap_or_default();
        let protocol = match preview {
            Some(Preview::Off) => None,
            Some(Preview::Terminal) => here.then(|| detect(environment)),
            None => here.then(|| detect(environment)).filter(|protocol| !matches!(protocol, Protocol::Blocks(_))),
            Some(Preview::Kitty) => Some(Protocol::Kitty),
            Some(Preview::Iterm) => Some(Protocol::Iterm),
            Some(Preview::Sixel) => Some(Protocol::Sixel),
            Some(Preview::Blocks) => Some(Protocol::Blocks(colours(environment))),
        }?;
        Some(Self { protocol })
    }

    /// Shows a sheet of faces. Errors are ignored: they must not end a training.
    pub(crate) fn show(&self, sheet: &Picture) {
        let columns = console::Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns));
        if let Ok(text) = encode(sheet, self.protocol, columns.max(1)) {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }
}

/// Returns what the terminal can show, by the environment variables it sets.
fn detect(environment: impl Fn(&str) -> String) -> Protocol {
    let (term, program) = (environment("TERM"), environment("TERM_PROGRAM"));
    let is_set = |name: &str| !environment(name).is_empty();
    // Terminal multiplexers do not pass on pictures.
    if is_set("TMUX") || is_set("STY") || term.starts_with("tmux") || term.starts_with("screen") {
        return Protocol::Blocks(colours(environment));
    }
    if term.contains("kitty") || term.contains("ghostty") || program == "ghostty" || is_set("KITTY_WINDOW_ID") {
        return Protocol::Kitty;
    }
    if ["iTerm.app", "WezTerm", "mintty"].contains(&program.as_str()) || environment("LC_TERMINAL") == "iTerm2" {
        return Protocol::Iterm;
    }
    // Konsole has sixels since 22.04.
    let konsole = environment("KONSOLE_VERSION").parse().is_ok_and(|version: u32| version >= 220_400);
    if konsole || ["foot", "mlterm", "contour", "yaft"].iter().any(|name| term.starts_with(name)) {
        return Protocol::Sixel;
    }
    Protocol::Blocks(colours(environment))
}

/// Returns whether the terminal states that it has 24-bit colours; the palette of 256 is assumed otherwise.
fn colours(environment: impl Fn(&str) -> String) -> Colours {
    let told = ["truecolor", "24bit"].contains(&environment("COLORTERM").as_str());
    if told || environment("TERM").ends_with("-direct") { Colours::True } else { Colours::Palette }
}

/// Returns the text that shows the sheet on a terminal of `columns` columns. Sheets are never enlarged.
fn encode(sheet: &Picture, protocol: Protocol, columns: usize) -> io::Result<String> {
    // Number of columns of the sheet at its own size, at most those of the screen.
    let cells = sheet.width.div_ceil(CELL_WIDTH).min(columns);
    match protocol {
        Protocol::Kitty => Ok(kitty(&sheet.to_png()?, cells)),
        Protocol::Iterm => Ok(iterm(&sheet.to_png()?, cells)),
        Protocol::Sixel => sixel(&shrink(sheet, columns * CELL_WIDTH)),
        Protocol::Blocks(colours) => Ok(blocks(&shrink(sheet, columns), colours)),
    }
}

/// Shrinks `picture` to at most `width` pixels in a row.
fn shrink(picture: &Picture, width: usize) -> Picture {
    if picture.width <= width {
        return picture.clone();
    }
    let height = (picture.height * width).div_ceil(picture.width);
    let mut small = Picture::black(width, height, picture.channels);
    let from = Extent { width: picture.width, height: picture.height };
    let (to, filter) = (Extent { width, height }, Filter::Bilinear);
    Resizer::new().resize(&mut small.pixels, to, &picture.pixels, from, from.into(), filter, picture.channels);
    small
}

/// Returns kitty's escape sequences for a PNG file that is shown `cells` columns wide. The data is sent in chunks.
fn kitty(png: &[u8], cells: usize) -> String {
    let data = BASE64_STANDARD.encode(png);
    let chunks = data.len().div_ceil(KITTY_CHUNK);
    let mut text = String::with_capacity(data.len() + 16 * chunks);
    for index in 0..chunks {
        // Transmit and display (a=T) a PNG (f=100), without a response (q=2), which would look like typed keys.
        let keys = if index == 0 { format!("a=T,f=100,q=2,c={cells},") } else { String::new() };
        let more = u8::from(index + 1 < chunks);
        let chunk = &data[index * KITTY_CHUNK..data.len().min((index + 1) * KITTY_CHUNK)];
        let _ = write!(text, "\x1b_G{keys}m={more};{chunk}\x1b\\");
    }
    text.push('\n');
    text
}

/// Returns iTerm2's escape sequence for a PNG file that is shown `cells` columns wide.
fn iterm(png: &[u8], cells: usize) -> String {
    let (size, data) = (png.len(), BASE64_STANDARD.encode(png));
    format!("\x1b]1337;File=inline=1;size={size};width={cells};preserveAspectRatio=1:{data}\x07\n")
}

/// Returns a picture as sixels, at its own size in pixels.
fn sixel(picture: &Picture) -> io::Result<String> {
    let side = |len: usize| i32::try_from(len).map_err(io::Error::other);
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let rgb: Vec<u8> = pixels(picture).flatten().collect();
    let (format, diffusion) = (PixelFormat::RGB888, DiffusionMethod::Auto);
    let (largest, representative) = (MethodForLargest::Auto, MethodForRep::Auto);
    let text = sixel_string(&rgb, width, height, format, diffusion, largest, representative, Quality::HIGH);
    text.map(|text| text + "\n").map_err(|error| io::Error::other(error.to_string()))
}

/// Writes two rows of pixels as a row of upper half blocks: the upper pixel is the character's colour, the lower one
/// its background.
fn blocks(picture: &Picture, colours: Colours) -> String {
    let rows: Vec<Vec<[u8; 3]>> = {
        let mut all: Vec<[u8; 3]> = pixels(picture).collect();
        if colours == Colours::Palette {
            dither(&mut all, picture.width);
        }
        all.chunks(picture.width).map(<[_]>::to_vec).collect()
    };
    let mut text = String::new();
    for pair in rows.chunks(2) {
        let mut last = None;
        for (x, &upper) in pair[0].iter().enumerate() {
            let lower = pair.get(1).map(|row| row[x]);
            if last != Some((upper, lower)) {
                text.push_str(&colour(38, upper, colours));
                text.push_str(&lower.map_or_else(|| "\x1b[49m".to_owned(), |lower| colour(48, lower, colours)));
                last = Some((upper, lower));
            }
            text.push('▀');
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// Values of a channel in the colour cube of the palette.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the index of the level in [`CUBE`] that is nearest to a value.
fn cube_level(value: u8) -> usize {
    if value < 48 { 0 } else { usize::from((value.max(75) - 35) / 40) }
}

/// Replaces every pixel by a colour of the palette's cube and diffuses the error to the next pixels (Floyd and
/// Steinberg 1976). Without this, skin becomes a few flat patches.
fn dither(pixels: &mut [[u8; 3]], width: usize) {
    for channel in 0..3 {
        // Errors in sixteenths, of this row and the next, with a place before the first and behind the last pixel.
        let (mut now, mut next) = (vec![0i32; width + 2], vec![0i32; width + 2]);
        for row in pixels.chunks_mut(width) {
            for (x, pixel) in row.iter_mut().enumerate() {
                let wanted = (i32::from(pixel[channel]) + (now[x + 1] + 8).div_euclid(16)).clamp(0, 255);
                pixel[channel] = CUBE[cube_level(wanted as u8)];
                let error = wanted - i32::from(pixel[channel]);
                now[x + 2] += error * 7;
                for (place, share) in next[x..].iter_mut().zip([3, 5, 1]) {
                    *place += error * share;
                }
            }
            now = std::mem::replace(&mut next, vec![0; width + 2]);
        }
    }
}

/// Returns the escape sequence that sets the foreground (`which` 38) or background (48).
fn colour(which: u8, [r, g, b]: [u8; 3], colours: Colours) -> String {
    match colours {
        Colours::True => format!("\x1b[{which};2;{r};{g};{b}m"),
        Colours::Palette => {
            let level = |v: u8| cube_level(v) as u16;
            format!("\x1b[{which};5;{}m", 16 + 36 * level(r) + 6 * level(g) + level(b))
        }
    }
}

/// Returns the pixels as RGB, whether the picture is gray or RGB.
fn pixels(picture: &Picture) -> impl Iterator<Item = [u8; 3]> {
    let channels = picture.channels;
    picture.pixels.chunks_exact(channels).map(move |p| [p[0], p[channels / 2], p[channels - 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(variables: &[(&str, &str)]) -> Protocol {
        detect(|name| {
            variables.iter().find(|(n, _)| *n == name).map_or(String::new(), |(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn terminals_are_known_by_their_variables() {
        use Protocol::{Blocks, Iterm, Kitty, Sixel};
        let table: [(&[(&str, &str)], Protocol); 10] = [
            (&[("TERM", "xterm-kitty")], Kitty),
            (&[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")], Kitty),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], Iterm),
            (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Iterm),
            (&[("TERM", "foot")], Sixel),
            (&[("TERM", "xterm-256color"), ("KONSOLE_VERSION", "230805")], Sixel),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Blocks(Colours::True)),
            (&[("TERM", "xterm-256color")], Blocks(Colours::Palette)),
            (&[("TERM", "tmux-256color"), ("TMUX", "x"), ("KITTY_WINDOW_ID", "1")], Blocks(Colours::Palette)),
            (&[], Blocks(Colours::Palette)),
        ];
        for (variables, expected) in table {
            assert_eq!(detected(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_preview_is_named_where_it_is_off() {
        assert!(hint(None, false, true, false).is_some_and(|text| text.contains("--preview terminal")));
        for (asked, is_quiet, is_terminal, shows) in [
            (Some(Preview::Off), false, true, false),
            (None, true, true, false),
            (None, false, false, false),
            (None, false, true, true),
        ] {
            assert_eq!(hint(asked, is_quiet, is_terminal, shows), None);
        }
    }

    #[test]
    fn half_blocks_hold_two_rows() {
        let pixels = vec![255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
        let picture = Picture { width: 2, height: 3, channels: 3, pixels };
        let expected = "\x1b[38;2;255;0;0m\x1b[48;2;0;255;0m▀▀\x1b[0m\n\
                        \x1b[38;2;0;0;255m\x1b[49m▀\x1b[38;2;9;9;9m\x1b[49m▀\x1b[0m\n";
        assert_eq!(blocks(&picture, Colours::True), expected);
        // xterm's 196 is (255, 0, 0), 46 is (0, 255, 0), 21 is (0, 0, 255), 16 is black.
        for (rgb, index) in [([255, 0, 0], 196), ([0, 255, 0], 46), ([0, 0, 250], 21), ([9, 9, 9], 16), ([95; 3], 59)] {
            assert_eq!(colour(38, rgb, Colours::Palette), format!("\x1b[38;5;{index}m"));
        }
    }

    #[test]
    fn colours_between_those_of_the_palette_are_dithered() {
        let mut pixels = vec![[115, 150, 20]; 40 * 40];
        dither(&mut pixels, 40);
        for (channel, value) in [115.0, 150.0, 20.0].into_iter().enumerate() {
            assert!(pixels.iter().all(|pixel| CUBE.contains(&pixel[channel])));
            let mean = pixels.iter().map(|pixel| f64::from(pixel[channel])).sum::<f64>() / pixels.len() as f64;
            // Errors are lost at the last row and column: a fraction of a step of 40 or 95 levels each.
            assert!((mean - value).abs() < 3.0, "{mean} for {value}");
        }
    }

    #[test]
    fn a_wide_sheet_fits_the_screen() {
        let sheet = Picture::black(530, 266, 1);
        let small = shrink(&sheet, 80);
        assert_eq!((small.width, small.height), (80, 41));
        assert_eq!(shrink(&sheet, 530), sheet);
        let text = encode(&sheet, Protocol::Blocks(Colours::True), 80).unwrap();
        assert_eq!(text.lines().count(), 21);
        assert!(text.lines().all(|line| line.matches('▀').count() == 80));
    }

    #[test]
    fn protocols_carry_the_picture() {
        let mut sheet = Picture::black(100, 60, 3);
        // Noise, so that the file takes more than one of kitty's chunks.
        let mut state = 1u32;
        sheet.pixels.fill_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let png = sheet.to_png().unwrap();

        let text = encode(&sheet, Protocol::Kitty, 80).unwrap();
        let mut data = String::new();
        let chunks: Vec<&str> = text.trim_end().split_terminator("\x1b\\").collect();
        assert!(chunks.len() > 2);
        for (index, chunk) in chunks.iter().enumerate() {
            let (keys, part) = chunk.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap();
            let more = u8::from(index + 1 < chunks.len());
            let expected = if index == 0 { format!("a=T,f=100,q=2,c=13,m={more}") } else { format!("m={more}") };
            assert_eq!(keys, expected);
            assert!(part.len() <= KITTY_CHUNK);
            data.push_str(part);
        }
        assert_eq!(BASE64_STANDARD.decode(&data).unwrap(), png);

        let text = encode(&sheet, Protocol::Iterm, 5).unwrap();
        let (keys, data) = text.split_once(':').unwrap();
        let size = png.len();
        assert_eq!(keys, format!("\x1b]1337;File=inline=1;size={size};width=5;preserveAspectRatio=1"));
        assert_eq!(BASE64_STANDARD.decode(data.strip_suffix("\x07\n").unwrap()).unwrap(), png);

        for channels in [1, 3] {
            let sheet = Picture::black(100, 60, channels);
            let text = encode(&sheet, Protocol::Sixel, 80).unwrap();
            assert!(text.starts_with("\x1bP") && text.ends_with("\x1b\\\n"), "{text:?}");
            // Width and height in the raster attributes.
            assert!(text.contains("\"1;1;100;60"), "{text:?}");
        }
    }
}
