//! What `dcgan neighbours` tells: how far faces are from the training images nearest to them.

use crate::Neighbours;
use dcgan_data::{DataError, Dataset};
use dcgan_image::Picture;
use serde::Serialize;
use std::collections::HashSet;

/// Number of faces from which shared nearest pictures are reported.
const FEW_FACES: usize = 4;
/// Mean number of faces with the same nearest picture from which this is reported.
const SAME: usize = 4;
/// Number of training pictures whose distance to their own nearest neighbour is computed, for comparison.
const SAMPLE: usize = 256;

/// Distances of faces to training images; JSON has these names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeighbourReport {
    /// The faces, each with its nearest image.
    pub faces: Vec<FaceDistance>,
    /// Median over the faces of the distance to the nearest training picture.
    pub median_distance: f64,
    /// Number of training pictures that are nearest to at least one face.
    pub distinct_nearest: usize,
    /// Median over some training pictures of the distance to the nearest other one; `None` if there is only one
    /// picture.
    pub median_distance_between_pictures: Option<f64>,
}

/// Distance of a face to its nearest training image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaceDistance {
    /// Name of the face, such as `seed-0007`.
    pub face: String,
    /// File name of the nearest picture; bytes that are not UTF-8 are replaced.
    pub nearest: String,
    /// The distance, from 0 to 255.
    pub distance: f64,
}

/// Returns image `index` of a data set.
///
/// # Errors
/// If it cannot be read.
pub fn training_picture(data: &Dataset, index: usize) -> Result<Picture, DataError> {
    let pixels = data.image(index)?.into_owned();
    Ok(Picture { width: data.size(), height: data.size(), channels: data.channels().count(), pixels })
}

/// Returns the median distance of some training pictures, evenly spread, to the nearest other one.
fn distance_between_pictures(neighbours: &Neighbours) -> Option<f64> {
    let count = neighbours.len();
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

impl NeighbourReport {
    /// Makes a report of faces that were compared with the images of `neighbours`.
    pub fn new(faces: Vec<FaceDistance>, neighbours: &Neighbours) -> Self {
        Self {
            median_distance: median(faces.iter().map(|face| face.distance).collect()).unwrap_or_default(),
            median_distance_between_pictures: distance_between_pictures(neighbours),
            distinct_nearest: faces.iter().map(|face| &face.nearest).collect::<HashSet<_>>().len(),
            faces,
        }
    }

    /// Returns a sentence that interprets the distances.
    pub fn verdict(&self) -> String {
        let faces = self.median_distance;
        let Some(pictures) = self.median_distance_between_pictures else {
            return format!("Faces are {faces:.1} from the only picture.");
        };
        let (all, distinct) = (self.faces.len(), self.distinct_nearest);
        let meaning = if all >= FEW_FACES && distinct * SAME <= all {
            // Any noise is nearest to the grayest picture.
            "Faces share their nearest pictures, so distances say little: the faces are alike, or no faces yet. Look \
             at the sheet."
        } else if pictures == 0.0 {
            "Most training pictures are there twice, so distances say little: look at the rows."
        } else if faces < 0.5 * pictures {
            "Many faces are copies: they are much nearer to a training picture than these are to each other."
        } else if faces < 0.8 * pictures {
            "Some faces may be copies: look at the rows with the least distances."
        } else if faces > 2.0 * pictures {
            "Faces are no copies, but they are much further from the training pictures than these are from each other: \
             they may be no faces yet. Look at the sheet."
        } else {
            "Faces are no copies: they are about as far from the training pictures as these are from each other, or \
             further."
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
        let report = NeighbourReport {
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
        let row =
            |i: usize, nearest: &str| FaceDistance { face: i.to_string(), nearest: nearest.to_owned(), distance: 40.0 };
        let verdict = |distinct: usize| {
            let faces = (0..8).map(|i| row(i, "a")).collect();
            let between = Some(20.0);
            let report = NeighbourReport {
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
