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
use dcgan::{FaceDistance, Neighbour, NeighbourReport, Neighbours, Picture};
use dcgan_data::Channels;
use dcgan_data::resize::Resizer;
use dcgan_image::{compose_columns, sheet_size};
use rayon::prelude::*;
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
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=1024)
    )]
    count: u64,
    #[command(flatten)]
    noise: NoiseArgs,
    /// Training pictures beside each face
    #[arg(
        short = 'k', long, value_name = "K", default_value_t = 7,
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
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

/// Largest number of faces: each is a row of the sheet.
const MAX_FACES: usize = 1024;
/// Largest size of the sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;

/// Draws faces, finds the training pictures nearest to each, writes the sheet and prints the distances. The size of the
/// sheet is checked before the pictures are read.
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
            rows.push(FaceDistance { face: name, nearest: names[index].clone(), distance });
            sheet.push(face);
            for neighbour in &found {
                sheet.push(dcgan::training_picture(&data, neighbour.index)?);
            }
        }
    }
    // There may be fewer pictures than were asked for.
    let columns = sheet.len() / rows.len();
    let sheet: Vec<Picture> =
        sheet.into_par_iter().map_init(Resizer::new, |resizer, picture| scale.apply(resizer, picture)).collect();
    picture_file::save(&compose_columns(&sheet, columns), format, output.path())?;

    let report = NeighbourReport::new(rows, &neighbours);
    if output.is_stdout() {
        let mut table = Vec::new();
        write_table(&report, &mut table)?;
        String::from_utf8_lossy(&table).lines().for_each(progress::say);
    } else {
        report::print(&report, args.json, write_table)?;
    }
    progress::say(&format!(
        "compared with {} pictures; each row of {} is a face and the {} nearest to it",
        thousands(data.len()),
        if output.is_stdout() { "the sheet".to_owned() } else { output.name() },
        columns - 1
    ));
    output.finish()
}

/// Writes a line per face, then the verdict.
fn write_table(report: &NeighbourReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:<12} {:>8}  nearest training picture", "face", "distance")?;
    for FaceDistance { face, nearest, distance } in &report.faces {
        writeln!(out, "{face:<12} {distance:>8.1}  {}", printable(nearest))?;
    }
    writeln!(out, "\n{}", report.verdict())
}
