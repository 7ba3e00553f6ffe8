//! Draws a sheet of faces to look at:
//!
//! ```sh
//! cargo run -p dcgan-demo-faces --example contact_sheet -- sheet.png [SIZE] [COLUMNS] [ROWS] [SEED] [FIRST]
//! ```

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("say where to write the sheet: contact_sheet sheet.png")?;
    let mut numbers = [64_u64, 16, 10, 0, 0];
    for (number, argument) in numbers.iter_mut().zip(arguments) {
        *number = argument.parse().map_err(|error| format!("{argument}: {error}"))?;
    }
    let [size, columns, rows, seed, first] = numbers;

    let stride = (columns * size * 3) as usize;
    let mut sheet = vec![0; stride * (rows * size) as usize];
    for i in 0..columns * rows {
        let face = dcgan_demo_faces::draw(seed, first + i, size as u32);
        let (left, top) = ((i % columns * size * 3) as usize, (i / columns * size) as usize);
        for (y, row) in face.chunks_exact(size as usize * 3).enumerate() {
            let start = (top + y) * stride + left;
            sheet[start..start + row.len()].copy_from_slice(row);
        }
    }

    let mut encoder =
        png::Encoder::new(BufWriter::new(File::create(&path)?), (columns * size) as u32, (rows * size) as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&sheet)?;
    writer.finish()?;
    Ok(())
}
