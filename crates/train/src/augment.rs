//! DiffAugment: random changes of the images that the discriminator sees.

use dcgan_model::{Augmentation, TorchRng};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Kinds of transforms of DiffAugment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Augment {
    /// Brightness, saturation and contrast.
    pub colour: bool,
    /// Translation by up to an eighth of the image.
    pub translation: bool,
    /// A square with half the image's side is set to 0 in [−1, 1], which is gray.
    pub cutout: bool,
}

impl Augment {
    /// No transforms.
    pub const NONE: Self = Self { colour: false, translation: false, cutout: false };

    /// Draws the transforms of `count` images of `size` × `size` pixels, in the order of the authors' program
    /// (`DiffAugment_pytorch.py`, policy "color,translation,cutout"): for each kind, the numbers of all images.
    pub fn draw(self, rng: &mut TorchRng, count: usize, size: usize) -> Vec<Augmentation> {
        let mut changes = vec![Augmentation::NONE; count];
        if self.colour {
            let mut uniform = |set: fn(&mut Augmentation, f32)| {
                let mut numbers = vec![0.0; count];
                rng.fill_uniform(&mut numbers, 0.0, 1.0);
                changes.iter_mut().zip(numbers).for_each(|(change, number)| set(change, number));
            };
            uniform(|change, number| change.brightness = number - 0.5);
            uniform(|change, number| change.saturation = number * 2.0);
            uniform(|change, number| change.contrast = number + 0.5);
        }
        // `torch.randint(0, range, (count,))`
        let mut integers =
            |range: usize| -> Vec<usize> { (0..count).map(|_| (rng.next_u32() % range as u32) as usize).collect() };
        if self.translation {
            let most = (size as f64 * 0.125 + 0.5) as usize;
            for axis in 0..2 {
                for (change, number) in changes.iter_mut().zip(integers(2 * most + 1)) {
                    change.translation[axis] = number as isize - most as isize;
                }
            }
        }
        if self.cutout {
            let side = (size as f64 * 0.5 + 0.5) as usize;
            for axis in 0..2 {
                for (change, middle) in changes.iter_mut().zip(integers(size + (1 - side % 2))) {
                    change.cutout[axis] = [middle.saturating_sub(side / 2), (middle + side - side / 2).min(size)];
                }
            }
        }
        changes
    }
}

impl FromStr for Augment {
    type Err = String;

    /// Reads `colour`, `translation` and `cutout` in any order and number, with commas between them, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut augment = Self::NONE;
        if text == "none" {
            return Ok(augment);
        }
        for name in text.split(',') {
            match name.trim() {
                "colour" | "color" => augment.colour = true,
                "translation" => augment.translation = true,
                "cutout" => augment.cutout = true,
                other => return Err(format!("{other:?} is none of colour, translation, cutout (or none at all)")),
            }
        }
        Ok(augment)
    }
}

impl TryFrom<String> for Augment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { colour, translation, cutout } = *self;
        let names = [(colour, "colour"), (translation, "translation"), (cutout, "cutout")];
        let names: Vec<&str> = names.into_iter().filter_map(|(is_on, name)| is_on.then_some(name)).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_written() {
        for text in ["none", "colour", "translation,cutout", "colour,translation,cutout"] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
        assert_eq!("cutout, color".parse::<Augment>().unwrap().to_string(), "colour,cutout");
        assert!("colour,flip".parse::<Augment>().unwrap_err().contains("\"flip\""));
        assert!("".parse::<Augment>().is_err());
    }

    #[test]
    fn changes_stay_within_the_papers_ranges() {
        let all: Augment = "colour,translation,cutout".parse().unwrap();
        let changes = all.draw(&mut TorchRng::seed_from_u64(5), 4000, 32);
        let range = |get: &dyn Fn(&Augmentation) -> f64| {
            changes.iter().map(get).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        // Of 4,000 uniform numbers of a range of 2 or less, none is in a given 0.01 with a probability of 0.995⁴⁰⁰⁰ =
        // 2e-9.
        let within = |(low, high): (f64, f64), from: f64, to: f64| {
            assert!(low >= from && high <= to && low < from + 0.01 && high > to - 0.01, "{low} to {high}");
        };
        within(range(&|c| c.brightness.into()), -0.5, 0.5);
        within(range(&|c| c.saturation.into()), 0.0, 2.0);
        within(range(&|c| c.contrast.into()), 0.5, 1.5);
        for axis in 0..2 {
            within(range(&|c| c.translation[axis] as f64), -4.0, 4.0);
            within(range(&|c| c.cutout[axis][0] as f64), 0.0, 24.0);
            within(range(&|c| c.cutout[axis][1] as f64), 8.0, 32.0);
            within(range(&|c| (c.cutout[axis][1] - c.cutout[axis][0]) as f64), 8.0, 16.0);
        }
    }

    #[test]
    fn numbers_are_those_of_the_authors_program() {
        // In PyTorch 2.11: torch.manual_seed(3), then for 2 pictures of 32 × 32 rand(2) − 0.5; rand(2) · 2; rand(2) +
        // 0.5; randint(−4, 5, [2]) twice; randint(0, 33, [2]) twice.
        let all: Augment = "colour,translation,cutout".parse().unwrap();
        let expected = [
            Augmentation {
                brightness: -0.495_736_48,
                saturation: 0.571_684_96,
                contrast: 0.971_614_36,
                translation: [2, 3],
                cutout: [[11, 27], [15, 31]],
            },
            Augmentation {
                brightness: -0.394_430_64,
                saturation: 0.053_909_66,
                contrast: 0.560_116_3,
                translation: [-2, -3],
                cutout: [[4, 20], [18, 32]],
            },
        ];
        assert_eq!(all.draw(&mut TorchRng::seed_from_u64(3), 2, 32), expected);
    }

    #[test]
    fn what_is_off_draws_nothing() {
        let mut rng = TorchRng::seed_from_u64(1);
        assert_eq!(Augment::NONE.draw(&mut rng, 3, 32), [Augmentation::NONE; 3]);
        assert_eq!(rng, TorchRng::seed_from_u64(1));
    }
}
