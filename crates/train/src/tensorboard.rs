//! TensorBoard's event file: the metrics of `metrics.jsonl` as scalars, the sheets of faces as images, and the
//! settings.
//!
//! The file is a sequence of TFRecords, each a protobuf `Event` between checksums:
//!
//! ```text
//! length (u64, little endian)   masked CRC-32C of the length   Event   masked CRC-32C of the event
//! mask(crc) = rotate_right(crc, 15) + 0xa282ead8
//! ```
//!
//! Sources: `tensorflow/core/lib/io/record_writer.h`, `tensorboard/compat/proto/{event,summary}.proto`. TensorBoard
//! takes a folder's event files in the order of their names and expects each process to write one of its own. A file
//! that goes on from step s says so in a `SessionLog`; TensorBoard then forgets what earlier files say of later steps.

mod hparams;
mod proto;

use crate::{Evaluation, Event, Listener, ListenerError, RunFolderError, StepMetrics};
use crc::{CRC_32_ISCSI, Crc, Table};
use dcgan_files::free_name;
use dcgan_image::{Picture, compose};
use prost::Message;
use proto::{EventContent, EventProto, Image, OneValue, SessionLog, SessionStatus, Summary, Value};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Start of the names of event files. TensorBoard looks for "tfevents" in the name and sorts by what follows.
const FILE_PREFIX: &str = "events.out.tfevents.";

/// A listener that writes an event file for TensorBoard.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
    /// Number of steps taken.
    step: u64,
}

impl TensorBoard {
    /// Creates a new event file in a run's folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let now = since_1970();
        let (seconds, milliseconds, process) = (now.as_secs(), now.subsec_millis(), std::process::id());
        let path = folder.join(format!("{FILE_PREFIX}{seconds:010}.{milliseconds:03}.{process}"));
        let file = File::create_new(&path)?;
        let mut writer = Self { path, file, step: 0 };
        writer.write(EventContent::FileVersion("brain.Event:2".to_owned()))?;
        Ok(writer)
    }

    /// Tells TensorBoard to drop the events of steps after `step`, which come again.
    fn go_on_from(&mut self, step: u64) -> io::Result<()> {
        self.step = step + 1;
        self.write(EventContent::SessionLog(SessionLog { status: SessionStatus::Start.into() }))?;
        self.step = step;
        Ok(())
    }

    /// Appends an event of the current step.
    fn write(&mut self, what: EventContent) -> io::Result<()> {
        let wall_time = since_1970().as_secs_f64();
        let event = EventProto { wall_time, step: self.step as i64, what: Some(what) };
        // One write for each record, so that a reader sees whole records only.
        self.file.write_all(&record(&event.encode_to_vec()))
    }

    fn write_value(&mut self, value: Value) -> io::Result<()> {
        self.write(EventContent::Summary(Summary { value: vec![value] }))
    }

    /// Appends one event with several scalars, each a tag and a value.
    fn write_scalars(&mut self, scalars: &[(&str, f64)]) -> io::Result<()> {
        let value = |&(tag, value): &(&str, f64)| Value {
            tag: tag.to_owned(),
            metadata: None,
            value: Some(OneValue::SimpleValue(value as f32)),
        };
        self.write(EventContent::Summary(Summary { value: scalars.iter().map(value).collect() }))
    }

    fn write_step(&mut self, metrics: &StepMetrics) -> io::Result<()> {
        let StepMetrics {
            step,
            epoch,
            d_loss_real,
            d_loss_fake,
            g_loss,
            d_x,
            d_g_z1,
            d_g_z2,
            d_gradient_real,
            d_gradient_fake,
            images_per_second,
            data_seconds,
        } = *metrics;
        self.step = step;
        let gradients = [("d_gradient_real", d_gradient_real), ("d_gradient_fake", d_gradient_fake)];
        let gradients = gradients.into_iter().filter_map(|(tag, norm)| Some((tag, f64::from(norm?))));
        let scalars = [
            ("d_loss_real", d_loss_real.into()),
            ("d_loss_fake", d_loss_fake.into()),
            ("g_loss", g_loss.into()),
            ("d_x", d_x.into()),
            ("d_g_z1", d_g_z1.into()),
            ("d_g_z2", d_g_z2.into()),
            ("epoch", epoch as f64),
            ("images_per_second", images_per_second.into()),
            ("data_seconds", data_seconds.into()),
        ];
        self.write_scalars(&scalars.into_iter().chain(gradients).collect::<Vec<_>>())
    }

    fn write_evaluation(&mut self, evaluation: &Evaluation) -> io::Result<()> {
        let Evaluation { swd, kid, fd, precision, recall, authenticity, .. } = evaluation;
        self.write_scalars(&[
            ("swd/mean", swd.mean),
            ("kid", *kid),
            ("fd", *fd),
            ("precision", *precision),
            ("recall", *recall),
            ("authenticity", *authenticity),
        ])
    }

    /// Appends a sheet of faces as an image.
    fn write_faces(&mut self, faces: &[Picture]) -> io::Result<()> {
        let sheet = compose(faces);
        let image = Image {
            height: sheet.height as i32,
            width: sheet.width as i32,
            colorspace: sheet.channels as i32,
            encoded_image_string: sheet.to_png()?,
        };
        let value = Value { tag: "samples".to_owned(), metadata: None, value: Some(OneValue::Image(image)) };
        self.write_value(value)
    }
}

impl Listener for TensorBoard {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        let written = match event {
            // In a new run too: TensorBoard takes the first `SessionLog` for a start, and only later ones for a
            // restart.
            Event::Started { config, progress, .. } => self
                .go_on_from(progress.step)
                .and_then(|()| self.write_value(hparams::session_start(config, since_1970().as_secs_f64()))),
            Event::RolledBack(rollback) => self.go_on_from(rollback.step),
            Event::Step(metrics) => self.write_step(metrics),
            Event::EpochDone(summary) => {
                self.write_scalars(&[("epoch/d_loss", summary.d_loss), ("epoch/g_loss", summary.g_loss)])
            }
            Event::Preview { faces, .. } | Event::Sample { faces, .. } => self.write_faces(faces),
            Event::Evaluated { evaluation, .. } => self.write_evaluation(&evaluation.evaluation),
            Event::Saving { .. } => self.file.sync_data(),
            Event::Finished { .. } => self.write_value(hparams::session_end(since_1970().as_secs_f64())),
            _ => Ok(()),
        };
        Ok(written.map_err(|source| RunFolderError::Io { path: self.path.clone(), source })?)
    }
}

/// Returns the time since the Unix epoch.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Repairs the event files in a run's folder, because TensorBoard reads a file up to its first damaged record and no
/// further. Returns each file that had readable records after a damaged place, and where its copy is. The name of the
/// copy is not one that TensorBoard reads.
pub(crate) fn repair_event_files(folder: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut repaired = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(FILE_PREFIX));
        let Some(name) = name.filter(|_| path.is_file()) else { continue };
        let bytes = fs::read(&path)?;
        let (records, is_damaged) = readable_records(&bytes);
        if is_damaged {
            let copy = free_name(&folder.join(format!("events-{name}")), "damaged");
            dcgan_files::copy(&path, &copy)?;
            dcgan_files::write_durable(&path, &records)?;
            repaired.push((path, copy));
        }
    }
    Ok(repaired)
}

/// Returns the readable records of a file, and whether any of them are behind a damaged place.
fn readable_records(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut records, mut place, mut is_damaged) = (Vec::new(), 0, false);
    while place < bytes.len() {
        match record_length(&bytes[place..]) {
            Some(length) => {
                is_damaged |= records.len() < place;
                records.extend(&bytes[place..place + length]);
                place += length;
            }
            // The next record begins at the next length with a valid checksum.
            None => place += 1,
        }
    }
    (records, is_damaged)
}

/// Returns the length of the record at the start of `bytes`; `None` if it is damaged.
fn record_length(bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_crc, rest) = rest.split_first_chunk::<4>()?;
    let event_len = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&len| len <= rest.len())?;
    if masked_crc(length) != u32::from_le_bytes(*length_crc) {
        return None;
    }
    let (event, rest) = rest.split_at(event_len);
    let event_crc = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (masked_crc(event) == event_crc).then_some(event_len + 16)
}

/// Returns an event as a record of the TFRecord format: length, checksum of the length, event, checksum of the event.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked_crc(event).to_le_bytes());
    record
}

/// Returns the masked CRC-32C of the TFRecord format.
fn masked_crc(bytes: &[u8]) -> u32 {
    /// Castagnoli's polynomial; sixteen tables, because a sheet of faces has a hundred thousand bytes.
    static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Progress, TrainConfig};

    const METRICS: StepMetrics = StepMetrics {
        step: 8,
        epoch: 1,
        d_loss_real: 0.25,
        d_loss_fake: 0.5,
        g_loss: 2.0,
        d_x: 0.75,
        d_g_z1: 0.125,
        d_g_z2: 0.375,
        images_per_second: 99.0,
        data_seconds: 0.0,
        d_gradient_real: None,
        d_gradient_fake: None,
    };

    /// Returns the events of the only file in `folder`.
    fn read(folder: &Path) -> Vec<EventProto> {
        let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let bytes = fs::read(path).unwrap();
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = &rest[12..12 + length];
            assert_eq!(rest[8..12], masked_crc(&rest[..8]).to_le_bytes());
            assert_eq!(rest[12 + length..][..4], masked_crc(event).to_le_bytes());
            events.push(EventProto::decode(event).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn the_first_record_is_tensorflows() {
        // A file that TensorFlow writes begins with these bytes; the time is in the next nine, and the tag and the text
        // of the version follow.
        let event =
            EventProto { wall_time: 1.5, step: 0, what: Some(EventContent::FileVersion("brain.Event:2".to_owned())) };
        let record = record(&event.encode_to_vec());
        assert_eq!(record[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(record[12], 0x09);
        assert_eq!(&record[21..36], b"\x1a\x0dbrain.Event:2");
    }

    #[test]
    fn scalars_and_faces_are_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path()).unwrap();
        let faces = [Picture::black(4, 4, 3)];
        board.on_event(&Event::Preview { epoch: 0, faces: &faces }).unwrap();
        board.on_event(&Event::Step(&METRICS)).unwrap();
        // The file is still open.
        let events = read(folder.path());
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 0, 8]);
        let values = |event: &EventProto| match &event.what {
            Some(EventContent::Summary(summary)) => summary.value.clone(),
            other => panic!("{other:?}"),
        };
        let Some(OneValue::Image(image)) = values(&events[1])[0].value.clone() else { panic!("no picture") };
        assert_eq!((image.width, image.height, image.colorspace), (8, 8, 3));
        assert_eq!(image.encoded_image_string, compose(&faces).to_png().unwrap());
        let scalars: Vec<_> = values(&events[2]).into_iter().map(|value| (value.tag, value.value)).collect();
        assert_eq!(scalars[0], ("d_loss_real".to_owned(), Some(OneValue::SimpleValue(0.25))));
        assert_eq!(scalars[5], ("d_g_z2".to_owned(), Some(OneValue::SimpleValue(0.375))));
        assert_eq!(scalars.len(), 9);
    }

    #[test]
    fn a_new_run_says_that_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path()).unwrap();
        let plan =
            Plan { pictures: 1, batches_per_epoch: 1, steps: 1, data_bytes: 0, engine_bytes: 0, engine: String::new() };
        let (config, progress) = (&TrainConfig::default(), &Progress::default());
        board.on_event(&Event::Started { config, plan: &plan, progress }).unwrap();
        let faces = [Picture::black(4, 4, 3)];
        board.on_event(&Event::Preview { epoch: 0, faces: &faces }).unwrap();
        let events = read(folder.path());
        assert_eq!(events[1].what, Some(EventContent::SessionLog(SessionLog { status: 1 })));
        let Some(EventContent::Summary(settings)) = &events[2].what else { panic!("{:?}", events[2]) };
        assert_eq!(settings.value[0].tag, "_hparams_/session_start_info");
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 1, 0, 0]);
    }

    #[test]
    fn a_run_that_goes_on_takes_back_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        TensorBoard::create(folder.path()).unwrap().go_on_from(7).unwrap();
        let events = read(folder.path());
        assert_eq!(events[1].what, Some(EventContent::SessionLog(SessionLog { status: 1 })));
        assert_eq!(events[1].step, 8);
    }

    /// Every byte of a record in the middle, its length and its checksums included.
    #[test]
    fn a_damaged_byte_costs_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let board = &mut TensorBoard::create(folder.path()).unwrap();
        (1..=4).for_each(|step| board.on_event(&Event::Step(&StepMetrics { step, ..METRICS })).unwrap());
        let whole = fs::read(&board.path).unwrap();
        let starts: Vec<usize> = {
            let next = |place: &usize| Some(place + record_length(&whole[*place..])?);
            std::iter::successors(Some(0), next).collect()
        };
        assert_eq!(starts.len(), 6);
        assert_eq!(repair_event_files(folder.path()).unwrap(), []);
        for place in starts[2]..starts[3] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&board.path, &damaged).unwrap();
            let repaired = repair_event_files(folder.path()).unwrap();
            let [(path, copy)] = &repaired[..] else { panic!("byte {place}: {repaired:?}") };
            assert_eq!(fs::read(path).unwrap(), [&whole[..starts[2]], &whole[starts[3]..]].concat(), "byte {place}");
            assert_eq!(fs::read(copy).unwrap(), damaged);
            assert!(!copy.to_str().unwrap().contains("tfevents"));
            assert_eq!(repair_event_files(folder.path()).unwrap(), [], "it is done once");
            fs::remove_file(copy).unwrap();
        }
        // An incomplete record of a killed process does not affect those before it.
        fs::write(&board.path, &whole[..starts[3] + 20]).unwrap();
        assert_eq!(repair_event_files(folder.path()).unwrap(), []);
    }
}
