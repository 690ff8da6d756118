//! Precision over recall, as lines that `vision::plot` draws.

use std::cmp::Reverse;

use super::figures::{ClassResult, Curve, RECALLS, recall_at};
use crate::vision::{
    draw::class_colour,
    plot::{Line, Plot},
};

/// So many classes get a line in colour and a name: those with the most objects.
const NAMED: usize = 12;

const DARK: [u8; 3] = [16, 24, 28];
const GREY: [u8; 3] = [120, 130, 138];
const PALE: [u8; 3] = [214, 219, 222];

/// Places of the IoU thresholds 0.50 and 0.75.
const AT_50: usize = 0;
const AT_75: usize = 5;

/// A picture of the curves: the mean over the classes at IoU 0.50 and 0.75, the classes with the most objects at IoU 0.50
/// in colour, the others in grey.
pub fn plot(title: &str, classes: &[ClassResult]) -> Plot {
    let mut there: Vec<(&ClassResult, &Curve)> =
        classes.iter().filter_map(|class| Some((class, class.curve()?))).collect();
    // Equals in the order of the categories.
    there.sort_by_key(|(class, _)| Reverse(class.objects));
    let mean = |threshold: usize| {
        let sum = |index: usize| there.iter().map(|(_, curve)| curve.precision[threshold][index]).sum::<f64>();
        std::array::from_fn(|index| sum(index) / there.len().max(1) as f64)
    };
    let mut lines: Vec<Line> = [(AT_50, "mean, IoU 0.50", DARK), (AT_75, "mean, IoU 0.75", GREY)]
        .into_iter()
        .map(|(threshold, name, colour)| line(name, &mean(threshold), colour, 4))
        .collect();
    lines.extend(there.iter().zip(0..).map(|((class, curve), place)| {
        let precision = &curve.precision[AT_50];
        match class.category.name.as_str() {
            _ if place >= NAMED => Line { name: String::new(), ..line("", precision, PALE, 1) },
            name => line(name, precision, class_colour(place as u32), 2),
        }
    }));
    let heading = if there.len() > NAMED { "AP; most frequent classes, IoU 0.50" } else { "AP; classes, IoU 0.50" };
    Plot { title: title.into(), x: "recall".into(), y: "precision".into(), heading: heading.into(), lines }
}

/// A curve, whose words begin with its average precision.
fn line(name: &str, precision: &[f64; RECALLS], colour: [u8; 3], width: i32) -> Line {
    let area = precision.iter().sum::<f64>() / RECALLS as f64;
    Line { name: format!("{area:.3}  {name}"), colour, width, points: points(precision) }
}

/// To the highest recall, and there straight down.
fn points(precision: &[f64; RECALLS]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = precision
        .iter()
        .enumerate()
        .filter(|(_, precision)| **precision > 0.0)
        .map(|(index, precision)| (recall_at(index), *precision))
        .collect();
    match points.last() {
        Some(&(recall, _)) if recall < 1.0 => points.push((recall, 0.0)),
        _ => {}
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{annotations, figures::evaluate, results::Found};

    #[test]
    fn a_curve_ends_where_nothing_more_is_found() {
        let text = r#"{"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [{"id": 1, "name": "cat"}, {"id": 2,
            "name": "\u732b"}, {"id": 3, "name": "none"}], "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}, {"image_id": 1, "category_id": 1, "bbox": [20, 0, 9, 9]},
            {"image_id": 1, "category_id": 2, "bbox": [0, 0, 9, 9]}]}"#;
        let annotations = annotations::read(text.as_bytes()).expect("good annotations");
        let found = [Found { image_id: 1, category_id: 1, bbox: [0.0, 0.0, 9.0, 9.0], score: 0.5 }];
        let plot = plot("title", &evaluate(&annotations, &found, &annotations.categories));
        let names: Vec<&str> = plot.lines.iter().map(|line| line.name.as_str()).collect();
        // Half of the cats, found rightly: 51 of the 101 recalls.
        assert_eq!(names, ["0.252  mean, IoU 0.50", "0.252  mean, IoU 0.75", "0.505  cat", "0.000  猫"]);
        let cats = &plot.lines[2].points;
        assert_eq!((cats[0], cats[50], cats[51], cats.len()), ((0.0, 1.0), (0.5, 1.0), (0.5, 0.0), 52));
        assert!(plot.lines[3].points.is_empty());
    }
}
