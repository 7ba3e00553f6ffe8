//! The table of `dcgan bench` that shows where the time of a training step goes: every pass of every convolution.

use super::Timings;
use dcgan_engine_cpu::{LayerTime, Pass};
use dcgan_model::{ModelConfig, Network, Role, Shape};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

/// Times of a step's parts, each the mean over the steps. The fields of these structs are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    layers: Vec<Row>,
    /// Milliseconds of a step that are in no row: input, what batch norm computes apart from convolutions, loss, Adam,
    /// noise.
    ms_elsewhere: f64,
}

/// One pass of one convolution, with the batch norm and activation that are computed with it.
#[derive(Debug, Serialize)]
struct Row {
    /// `generator` or `discriminator`.
    network: String,
    /// Index of the layer, as in the names of the state_dict.
    index: usize,
    /// The layer as PyTorch prints it.
    layer: String,
    /// Channels, height and width.
    input_shape: [usize; 3],
    output_shape: [usize; 3],
    #[serde(serialize_with = "pass_name")]
    pass: Pass,
    calls_per_step: f64,
    /// Milliseconds of all calls in a step.
    ms_per_step: f64,
    /// Operations that a direct convolution would take per second, as a fraction of the machine's FMA peak. An
    /// algorithm with fewer operations can be above 1.
    fraction_of_peak: f64,
}

/// The passes in the order of the columns, with their names.
const PASSES: [(Pass, &str); 3] =
    [(Pass::Forward, "forward"), (Pass::InputGradient, "input gradient"), (Pass::WeightGradient, "weight gradient")];

/// Serializes a pass as its name in [`PASSES`].
fn pass_name<S: serde::Serializer>(pass: &Pass, serializer: S) -> Result<S::Ok, S::Error> {
    let name = PASSES.iter().find(|(each, _)| each == pass).map_or("", |(_, name)| name);
    serializer.serialize_str(name)
}

impl Table {
    /// Makes the table from the times that were measured. `peak` is the machine's FMA peak in operations per second.
    pub(super) fn new(model: &ModelConfig, peak: f64, measured: &Timings) -> Self {
        let networks = [Network::discriminator(model), Network::generator(model)];
        let steps = measured.steps.len() as f64;
        let row = |time: &LayerTime| {
            let network = if time.role == Role::Discriminator { &networks[0] } else { &networks[1] };
            let (layer, input, output) = network.shapes()[time.layer];
            let seconds = time.time.as_secs_f64();
            let operations = 2.0 * time.direct_multiply_adds as f64 * time.images as f64;
            Row {
                network: time.role.to_string(),
                index: time.layer,
                layer: layer.to_string(),
                input_shape: dimensions(input),
                output_shape: dimensions(output),
                pass: time.pass,
                calls_per_step: time.calls as f64 / steps,
                ms_per_step: 1e3 * seconds / steps,
                fraction_of_peak: operations / seconds / peak,
            }
        };
        let layers: Vec<Row> = measured.layers.iter().map(row).collect();
        let whole = 1e3 * measured.steps.iter().sum::<Duration>().as_secs_f64() / steps;
        let ms_elsewhere = whole - layers.iter().map(|row| row.ms_per_step).sum::<f64>();
        Self { layers, ms_elsewhere }
    }

    /// Writes one line for each convolution, with one column for each pass, and the sums.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\nms of a step, and the rate of direct convolution's arithmetic as a fraction of the FMA peak")?;
        let heads = PASSES.map(|(_, name)| format!("{name:>18}")).concat();
        writeln!(out, "{:<35}{heads}", "")?;
        for rows in self.layers.chunk_by(|a, b| (&a.network, a.index) == (&b.network, b.index)) {
            let Row { network, index, input_shape, output_shape, .. } = &rows[0];
            let mut line = format!("{network:<13} {index:>2}  {:>7} → {:<7}", side(input_shape), side(output_shape));
            for (pass, _) in PASSES {
                let _ = match rows.iter().find(|row| row.pass == pass) {
                    Some(row) => write!(line, "{:>12.2}{:>6.2}", row.ms_per_step, row.fraction_of_peak),
                    None => write!(line, "{:>12}{:>6}", "", ""),
                };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        let sum = |pass| self.layers.iter().filter(|row| row.pass == pass).fold(0.0, |sum, row| sum + row.ms_per_step);
        let sums = PASSES.map(|(pass, _)| format!("{:>12.2}{:>6}", sum(pass), "")).concat();
        writeln!(out, "{:<35}{}", "all", sums.trim_end())?;
        writeln!(out, "{:<35}{:>12.2}", "input, norms, loss, Adam, noise", self.ms_elsewhere)
    }
}

fn dimensions(shape: Shape) -> [usize; 3] {
    [shape.channels, shape.height, shape.width]
}

/// Formats a shape (channels, height, width) as height squared and channels, such as `64²·3`.
fn side(&[channels, height, _]: &[usize; 3]) -> String {
    format!("{height}²·{channels}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_related_to_the_step_and_to_the_peak() {
        let second = Duration::from_secs(1);
        let time = LayerTime {
            role: Role::Generator,
            layer: 3,
            pass: Pass::Forward,
            time: second,
            calls: 4,
            images: 40,
            direct_multiply_adds: 50,
        };
        let measured =
            Timings { steps: vec![second; 2], faces: None, direct: 0, memory: None, layers: vec![time], ranks: None };
        let table = Table::new(&ModelConfig::default(), 1e4, &measured);
        let row = &table.layers[0];
        assert_eq!((row.network.as_str(), row.index), ("generator", 3));
        assert_eq!((row.input_shape, row.output_shape), ([512, 4, 4], [256, 8, 8]));
        assert_eq!((row.calls_per_step, row.ms_per_step), (2.0, 500.0));
        // 4 calls with 10 pictures of 100 operations in a second, of 10,000 that would have been possible.
        assert_eq!(row.fraction_of_peak, 0.4);
        assert_eq!(table.ms_elsewhere, 500.0);
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let time = |pass, ms| LayerTime {
            role: Role::Discriminator,
            layer: 0,
            pass,
            time: Duration::from_millis(ms),
            calls: 1,
            images: 1,
            direct_multiply_adds: 500_000,
        };
        let layers = vec![time(Pass::Forward, 10), time(Pass::WeightGradient, 20)];
        let measured = Timings {
            steps: vec![Duration::from_millis(42)],
            faces: None,
            direct: 0,
            memory: None,
            layers,
            ranks: None,
        };
        let mut out = Vec::new();
        Table::new(&ModelConfig::default(), 1e9, &measured).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "
ms of a step, and the rate of direct convolution's arithmetic as a fraction of the FMA peak
                                              forward    input gradient   weight gradient
discriminator  0    64²·3 → 32²·64        10.00  0.10                         20.00  0.05
all                                       10.00              0.00             20.00
input, norms, loss, Adam, noise           12.00
";
        assert_eq!(text, expected);
    }
}
