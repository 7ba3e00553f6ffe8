//! `dcgan neighbours`: generated faces beside the training pictures that are nearest to them.

use crate::device::DeviceArgs;
use crate::model_file;
use crate::noise::NoiseArgs;
use crate::picture_file::{self, PictureFormat};
use crate::pictures::{self, CacheArgs, FitArgs};
use crate::progress;
use crate::report;
use crate::text::thousands;
use crate::upscale::ScaleArgs;
use anyhow::{Context, Result};
use dcgan::{Neighbour, Neighbours, Picture};
use dcgan_data::resize::Resizer;
use dcgan_data::{Channels, Dataset};
use dcgan_train::compose_columns;
use rayon::prelude::*;
use serde::Serialize;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Arguments of `dcgan neighbours`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), or a run's folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The pictures it was trained on
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Number of faces
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1024))]
    count: u64,
    #[command(flatten)]
    noise: NoiseArgs,
    /// Training pictures beside each face
    #[arg(short = 'k', long, value_name = "K", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=64))]
    nearest: u16,
    #[command(flatten)]
    fit: FitArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Compare with the first N training pictures only
    #[arg(long, value_name = "N")]
    max_images: Option<NonZeroUsize>,
    /// File for the sheet: a face at the start of each row, then its nearest training pictures
    #[arg(long, value_name = "FILE", default_value = "neighbours.png")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// The most faces that are looked at: each is a row of the sheet.
const MAX_FACES: usize = 1024;
/// The largest sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;
/// Training pictures whose own nearest neighbour is looked for, to compare with.
const SAMPLE: usize = 256;

/// What is printed, in JSON under these names.
#[derive(Debug, Serialize)]
struct Report {
    faces: Vec<Row>,
    /// Median over the faces of the distance to the nearest training picture.
    median_distance: f64,
    /// Median over some training pictures of the distance to the nearest other one; there is none if there is no other.
    median_distance_between_pictures: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Row {
    face: String,
    /// Its file's name, with signs in the place of what is no text.
    nearest: String,
    distance: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let format = PictureFormat::from_path(&args.out)?;
    let device = args.device.start()?;
    let (path, model) = model_file::load(&args.model)?;
    let mut generator =
        device.generator(&model.network, &model.tensors).with_context(|| format!("cannot draw with {path:?}"))?;
    let config = *generator.config();
    let mut noise = args.noise.open(args.count, config.latent_dim, 1)?;
    if noise.count() > MAX_FACES as u64 {
        anyhow::bail!(crate::usage::UsageError::new(format_args!(
            "{} faces are too many to look at: choose {MAX_FACES} or fewer",
            noise.count()
        )));
    }

    let cell = config.image_len() * args.scale.factor * args.scale.factor;
    if noise.count() as usize * (1 + usize::from(args.nearest)) * cell > MAX_SHEET {
        anyhow::bail!(crate::usage::UsageError::new(
            "the sheet would be too large: choose a smaller -n, -k or --scale"
        ));
    }

    let channels = Channels::from_count(config.channels);
    let options = args.fit.options(false, args.cache.cache())?;
    let max_images = args.max_images.map(NonZeroUsize::get);
    let (data, loaded) = pictures::load(&args.data, config.image_size, channels, max_images, &options)?;
    let neighbours = Neighbours::new(&data);

    let (mut rows, mut sheet) = (Vec::new(), Vec::new());
    while let Some(batch) = noise.next(128)? {
        let faces = generator.draw(&batch.vectors)?;
        let found: Vec<Vec<Neighbour>> =
            faces.iter().map(|face| neighbours.nearest(face, args.nearest.into())).collect();
        for ((name, face), found) in batch.names.into_iter().zip(faces).zip(found) {
            let Neighbour { index, distance } = found[0];
            rows.push(Row { face: name, nearest: loaded.used[index].path.to_string_lossy().into_owned(), distance });
            sheet.push(face);
            sheet.extend(found.iter().map(|neighbour| training_picture(&data, neighbour.index)));
        }
    }
    // There may be fewer pictures than were asked for.
    let columns = sheet.len() / rows.len();
    let sheet: Vec<Picture> =
        sheet.into_par_iter().map_init(Resizer::new, |resizer, picture| args.scale.apply(resizer, picture)).collect();
    picture_file::create_parent(&args.out)?;
    picture_file::save(&compose_columns(&sheet, columns), format, &args.out)?;

    let report = Report {
        median_distance: median(rows.iter().map(|row| row.distance).collect()).unwrap_or_default(),
        median_distance_between_pictures: distance_between_pictures(&neighbours, data.len()),
        faces: rows,
    };
    report::print(&report, args.json, Report::write_table)?;
    progress::say(&format!(
        "compared with {} pictures; each row of {} is a face and the {} nearest to it",
        thousands(data.len()),
        args.out.display(),
        columns - 1
    ));
    Ok(())
}

fn training_picture(data: &Dataset, index: usize) -> Picture {
    let pixels = data.image(index).to_vec();
    Picture { width: data.size(), height: data.size(), channels: data.channels().count(), pixels }
}

/// How far apart training pictures themselves are: the median distance of some of them, evenly spread, to the nearest other one.
fn distance_between_pictures(neighbours: &Neighbours, count: usize) -> Option<f64> {
    let sample = count.min(SAMPLE);
    let distances = (0..sample).filter_map(|i| neighbours.nearest_other(i * count / sample)).map(|near| near.distance);
    median(distances.collect())
}

/// The middle value, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { (values[middle - 1] + upper) / 2.0 } else { *upper })
}

impl Report {
    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<12} {:>8}  nearest training picture", "face", "distance")?;
        for Row { face, nearest, distance } in &self.faces {
            writeln!(out, "{face:<12} {distance:>8.1}  {nearest}")?;
        }
        writeln!(out, "\n{}", self.verdict())
    }

    /// What the numbers mean, in words.
    fn verdict(&self) -> String {
        let faces = self.median_distance;
        let Some(pictures) = self.median_distance_between_pictures else {
            return format!("Faces are {faces:.1} from the only picture.");
        };
        let meaning = if pictures == 0.0 {
            "Most training pictures are there twice, so distances say little: look at the rows."
        } else if faces < 0.5 * pictures {
            "Many faces are copies: they are much nearer to a training picture than these are to each other."
        } else if faces < 0.8 * pictures {
            "Some faces may be copies: look at the rows with the least distances."
        } else {
            "Faces are no copies: they are about as far from the training pictures as these are from each other, or further."
        };
        format!(
            "Median distance to the nearest training picture: {faces:.1} from a face, {pictures:.1} from another \
             training picture.\n{meaning}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(faces: f64, pictures: Option<f64>) -> String {
        let report = Report { faces: Vec::new(), median_distance: faces, median_distance_between_pictures: pictures };
        report.verdict()
    }

    #[test]
    fn distances_are_judged_by_those_between_pictures() {
        assert!(verdict(1.0, Some(20.0)).contains("Many faces are copies"));
        assert!(verdict(12.0, Some(20.0)).contains("may be copies"));
        assert!(verdict(19.0, Some(20.0)).contains("no copies"));
        assert!(verdict(0.0, Some(0.0)).contains("there twice"));
        assert!(verdict(3.0, None).contains("the only picture"));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
