//! Precision over recall, as lines that `vision::plot` draws.

use super::figures::{ClassResult, Curve, RECALLS, recall_at};
use crate::vision::{
    draw::class_colour,
    plot::{Line, Plot},
};

/// So many of the best and of the worst classes get a line in colour; of fewer than twice as many, all.
const TOLD: usize = 5;

const DARK: [u8; 3] = [16, 24, 28];
const GREY: [u8; 3] = [120, 130, 138];
const PALE: [u8; 3] = [214, 219, 222];

/// Places of the IoU thresholds 0.50 and 0.75.
const AT_50: usize = 0;
const AT_75: usize = 5;

/// A picture of the curves: all classes at IoU 0.50 in grey, the best and the worst in colour, and the mean over the
/// classes at IoU 0.50 and 0.75.
pub fn plot(title: &str, classes: &[ClassResult]) -> Plot {
    let mut told: Vec<(usize, &ClassResult, &Curve)> =
        classes.iter().enumerate().filter_map(|(index, class)| Some((index, class, class.curve()?))).collect();
    let mut lines: Vec<Line> = [(AT_50, "mean, IoU 0.50", DARK), (AT_75, "mean, IoU 0.75", GREY)]
        .into_iter()
        .map(|(threshold, name, colour)| {
            let mean = std::array::from_fn(|index| {
                told.iter().map(|(_, _, curve)| curve.precision[threshold][index]).sum::<f64>() / told.len() as f64
            });
            Line { name: entry(name, &mean), colour, width: 4, points: points(&mean) }
        })
        .collect();
    // Best first; equals in the order of the categories.
    told.sort_by(|a, b| area(&b.2.precision[AT_50]).total_cmp(&area(&a.2.precision[AT_50])));
    let worst = told.len().saturating_sub(TOLD).max(TOLD);
    for (place, (index, class, curve)) in told.iter().enumerate() {
        if place < TOLD || place >= worst {
            let (precision, colour) = (&curve.precision[AT_50], class_colour(*index as u32));
            // OpenCV's letters are ASCII; any other name is told by its number.
            let name = match class.category.name.is_ascii() {
                true => class.category.name.clone(),
                false => format!("#{}", class.category.id),
            };
            lines.push(Line { name: entry(&name, precision), colour, width: 2, points: points(precision) });
        }
    }
    lines.extend(told.iter().map(|(_, _, curve)| Line {
        name: String::new(),
        colour: PALE,
        width: 1,
        points: points(&curve.precision[AT_50]),
    }));
    let heading = format!("AP; the {} best and worst classes at IoU 0.50", TOLD);
    Plot { title: title.into(), x: "recall".into(), y: "precision".into(), heading, lines }
}

/// A line of the legend.
fn entry(name: &str, precision: &[f64; RECALLS]) -> String {
    format!("{:.3}  {name}", area(precision))
}

/// Average precision: the area below the curve.
fn area(precision: &[f64; RECALLS]) -> f64 {
    precision.iter().sum::<f64>() / RECALLS as f64
}

/// To the highest recall, and there straight down.
fn points(precision: &[f64; RECALLS]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = precision
        .iter()
        .enumerate()
        .filter(|(_, precision)| **precision > 0.0)
        .map(|(index, precision)| (recall_at(index), *precision))
        .collect();
    if let Some(&(recall, _)) = points.last() {
        points.push((recall, 0.0));
    }
    points
}
