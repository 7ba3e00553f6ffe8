//! `dcgan neighbours`: generated faces beside the training pictures that are nearest to them.

use crate::demo;
use crate::device::DeviceArgs;
use crate::model_file::{self, NetworkArgs};
use crate::noise::NoiseArgs;
use crate::output::ForceArgs;
use crate::picture_file::{self, PictureFormat};
use crate::pictures::{self, CacheArgs, FitArgs};
use crate::progress;
use crate::report;
use crate::text::{printable, thousands};
use crate::upscale::ScaleArgs;
use anyhow::{Context, Result};
use dcgan::{Neighbour, Neighbours, Picture};
use dcgan_data::resize::Resizer;
use dcgan_data::{Channels, DataError, Dataset};
use dcgan_image::{compose_columns, sheet_size};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan neighbours`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), or a run's folder [default: latest, the newest
    /// run in runs/]
    #[arg(value_name = "MODEL")]
    first: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// The pictures it was trained on: a folder, .zip or .tar
    #[arg(value_name = "DATA", conflicts_with = "demo")]
    second: Option<PathBuf>,
    /// Compare with the built-in faces instead of DATA
    #[arg(long)]
    demo: bool,
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
    /// File for the sheet: a face at the start of each row, then its nearest training pictures; - for standard
    /// output [default: neighbours.png]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Number of faces from which shared nearest pictures are reported.
const FEW_FACES: usize = 4;
/// Mean number of faces with the same nearest picture from which this is reported.
const SAME: usize = 4;
/// Largest number of faces: each is a row of the sheet.
const MAX_FACES: usize = 1024;
/// Largest size of the sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;
/// Number of training pictures whose distance to their own nearest neighbour is computed, for comparison.
const SAMPLE: usize = 256;

/// The result; JSON has these names.
#[derive(Debug, Serialize)]
struct Comparison {
    faces: Vec<Row>,
    /// Median over the faces of the distance to the nearest training picture.
    median_distance: f64,
    /// Number of training pictures that are nearest to at least one face.
    distinct_nearest: usize,
    /// Median over some training pictures of the distance to the nearest other one; `None` if there is only one
    /// picture.
    median_distance_between_pictures: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Row {
    face: String,
    /// File name of the nearest picture; bytes that are not UTF-8 are replaced.
    nearest: String,
    distance: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let output = args.force.output("--out", args.out.as_deref(), Path::new("neighbours.png"))?;
    if args.json && output.is_stdout() {
        anyhow::bail!(crate::usage::UsageError::new(
            "--json and --out - both write to standard output: name a file for the sheet"
        ));
    }
    let format = PictureFormat::from_path(output.path())?;
    let (model, data) = model_file::locate_with_data(args.first.as_deref(), args.second.as_deref(), args.demo)?;
    let device = args.device.start()?;
    let (path, model) = model_file::load(&model, &args.network)?;
    let generator =
        device.generator(&model.network, &model.tensors).with_context(|| format!("cannot draw with {path:?}"))?;
    let config = *generator.config();
    let mut noise = args.noise.open(args.count, config.latent_dim, 1)?;
    if noise.count() > MAX_FACES as u64 {
        anyhow::bail!(crate::usage::UsageError::new(format_args!(
            "{} faces are too many to look at: choose {MAX_FACES} or fewer",
            noise.count()
        )));
    }

    let scale = args.scale.of_sheet(sheet_size(1 + usize::from(args.nearest), usize::MAX, config.image_size).0);
    let cell = config.image_len() * scale.factor() * scale.factor();
    if noise.count() as usize * (1 + usize::from(args.nearest)) * cell > MAX_SHEET {
        anyhow::bail!(crate::usage::UsageError::new(
            "the sheet would be too large: choose a smaller -n, -k or --scale"
        ));
    }

    let faces = noise.count() as usize;
    let columns = 1 + usize::from(args.nearest);
    format.check_size(sheet_size(faces * columns, columns, config.image_size * scale.factor()))?;
    picture_file::prepare_output(output.path())?;

    let channels = Channels::from_count(config.channels);
    let options = args.fit.options(false, args.cache.cache());
    let max_images = args.max_images.map(NonZeroUsize::get);
    let (data, names) = match data {
        Some(path) => {
            let (data, loaded) = pictures::load(&path, config.image_size, channels, max_images, &options)?;
            (data, loaded.images.into_iter().map(|used| used.path.to_string_lossy().into_owned()).collect())
        }
        None => {
            let count = max_images.unwrap_or(demo::FACES);
            let names: Vec<String> = (0..count).map(|index| format!("built-in face {index}")).collect();
            (demo::dataset(count, config.image_size, channels, |_| {})?, names)
        }
    };
    let neighbours = Neighbours::new(&data)?;

    let (mut rows, mut sheet) = (Vec::new(), Vec::new());
    while let Some(batch) = noise.next(128)? {
        let faces = generator.draw(&batch.vectors)?;
        let found: Vec<Vec<Neighbour>> =
            faces.iter().map(|face| neighbours.nearest(face, args.nearest.into())).collect();
        for ((name, face), found) in batch.names.into_iter().zip(faces).zip(found) {
            let Neighbour { index, distance } = found[0];
            rows.push(Row { face: name, nearest: names[index].clone(), distance });
            sheet.push(face);
            for neighbour in &found {
                sheet.push(training_picture(&data, neighbour.index)?);
            }
        }
    }
    // There may be fewer pictures than were asked for.
    let columns = sheet.len() / rows.len();
    let sheet: Vec<Picture> =
        sheet.into_par_iter().map_init(Resizer::new, |resizer, picture| scale.apply(resizer, picture)).collect();
    picture_file::save(&compose_columns(&sheet, columns), format, output.path())?;

    let report = Comparison {
        median_distance: median(rows.iter().map(|row| row.distance).collect()).unwrap_or_default(),
        median_distance_between_pictures: distance_between_pictures(&neighbours, data.len()),
        distinct_nearest: rows.iter().map(|row| &row.nearest).collect::<HashSet<_>>().len(),
        faces: rows,
    };
    if output.is_stdout() {
        let mut table = Vec::new();
        report.write_table(&mut table)?;
        String::from_utf8_lossy(&table).lines().for_each(progress::say);
    } else {
        report::print(&report, args.json, Comparison::write_table)?;
    }
    progress::say(&format!(
        "compared with {} pictures; each row of {} is a face and the {} nearest to it",
        thousands(data.len()),
        if output.is_stdout() { "the sheet".to_owned() } else { output.name() },
        columns - 1
    ));
    output.finish()
}

fn training_picture(data: &Dataset, index: usize) -> Result<Picture, DataError> {
    let pixels = data.image(index)?.into_owned();
    Ok(Picture { width: data.size(), height: data.size(), channels: data.channels().count(), pixels })
}

/// Returns the median distance of some training pictures, evenly spread, to the nearest other one.
fn distance_between_pictures(neighbours: &Neighbours, count: usize) -> Option<f64> {
    let sample = count.min(SAMPLE);
    let distances = (0..sample).filter_map(|i| neighbours.nearest_other(i * count / sample)).map(|near| near.distance);
    median(distances.collect())
}

/// Returns the median: the middle value, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { (values[middle - 1] + upper) / 2.0 } else { *upper })
}

impl Comparison {
    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<12} {:>8}  nearest training picture", "face", "distance")?;
        for Row { face, nearest, distance } in &self.faces {
            writeln!(out, "{face:<12} {distance:>8.1}  {}", printable(nearest))?;
        }
        writeln!(out, "\n{}", self.verdict())
    }

    /// Returns a sentence that interprets the distances.
    fn verdict(&self) -> String {
        let faces = self.median_distance;
        let Some(pictures) = self.median_distance_between_pictures else {
            return format!("Faces are {faces:.1} from the only picture.");
        };
        let (all, distinct) = (self.faces.len(), self.distinct_nearest);
        let meaning = if all >= FEW_FACES && distinct * SAME <= all {
            // Any noise is nearest to the grayest picture.
            "Faces share their nearest pictures, so distances say little: the faces are alike, or no faces yet. Look at the sheet."
        } else if pictures == 0.0 {
            "Most training pictures are there twice, so distances say little: look at the rows."
        } else if faces < 0.5 * pictures {
            "Many faces are copies: they are much nearer to a training picture than these are to each other."
        } else if faces < 0.8 * pictures {
            "Some faces may be copies: look at the rows with the least distances."
        } else if faces > 2.0 * pictures {
            "Faces are no copies, but they are much further from the training pictures than these are from each other: they may be no faces yet. Look at the sheet."
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
        let report = Comparison {
            faces: Vec::new(),
            distinct_nearest: 0,
            median_distance: faces,
            median_distance_between_pictures: pictures,
        };
        report.verdict()
    }

    #[test]
    fn distances_are_judged_by_those_between_pictures() {
        assert!(verdict(1.0, Some(20.0)).contains("Many faces are copies"));
        assert!(verdict(12.0, Some(20.0)).contains("may be copies"));
        assert!(verdict(19.0, Some(20.0)).contains("no copies"));
        assert!(verdict(50.0, Some(20.0)).contains("no faces yet"));
        assert!(verdict(0.0, Some(0.0)).contains("there twice"));
        assert!(verdict(3.0, None).contains("the only picture"));
    }

    #[test]
    fn faces_that_share_their_nearest_picture_are_told_of() {
        let row = |i: usize, nearest: &str| Row { face: i.to_string(), nearest: nearest.to_owned(), distance: 40.0 };
        let verdict = |distinct: usize| {
            let faces = (0..8).map(|i| row(i, "a")).collect();
            let between = Some(20.0);
            let report = Comparison {
                faces,
                distinct_nearest: distinct,
                median_distance: 40.0,
                median_distance_between_pictures: between,
            };
            report.verdict()
        };
        assert!(verdict(1).contains("Faces share") && verdict(2).contains("Faces share"));
        assert!(verdict(3).contains("no copies"));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
