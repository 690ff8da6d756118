//! What an evaluation says: lines for people, JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::figures::{ClassResult, Figures, summarize};

/// The whole of it, as JSON; [`Report::text`] for people.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Over all classes.
    #[serde(flatten)]
    pub figures: Figures,
    pub per_class: Vec<ClassReport>,
    pub images: usize,
    /// Annotated things that are to be found.
    pub objects: usize,
    /// Of the categories that were evaluated.
    pub detections: usize,
    /// Categories that the model has no label for. Their objects count as not found.
    pub unknown_categories: Vec<String>,
    /// Labels of the model that are no category. What was found of them counts for nothing.
    pub dropped_labels: Vec<String>,
    /// Null where the detections come from a file, like the two below.
    pub settings: Option<Settings>,
    /// As `GET /api/models` describes it.
    pub model: Option<serde_json::Value>,
    pub speed: Option<Speed>,
}

/// One class. Figures are -1 where it has no objects.
#[derive(Debug, Serialize)]
pub struct ClassReport {
    pub name: String,
    pub category_id: i64,
    pub objects: usize,
    pub detections: usize,
    #[serde(flatten)]
    pub figures: Figures,
}

/// By what rules the model's outputs became detections.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Settings {
    /// Boxes of a lower score are dropped.
    pub score: f32,
    /// Boxes of one class that overlap by more are one object.
    pub iou: f32,
    /// Of one picture.
    pub max_detections: usize,
    /// Every class of a cell above the score, and not its best alone.
    pub multi_label: bool,
    /// Boxes are cut where the picture ends.
    pub clip: bool,
}

/// How long it took, the reading of the pictures included, several of which may be worked on at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    pub ms_per_image: f64,
}

impl Report {
    /// The figures of these classes; who knows more fills in the rest.
    pub fn new(images: usize, classes: &[ClassResult]) -> Self {
        let per_class = classes.iter().map(|class| ClassReport {
            name: class.category.name.clone(),
            category_id: class.category.id,
            objects: class.objects,
            detections: class.detections,
            figures: class.figures(),
        });
        Self {
            figures: summarize(classes),
            per_class: per_class.collect(),
            images,
            objects: classes.iter().map(|class| class.objects).sum(),
            detections: classes.iter().map(|class| class.detections).sum(),
            unknown_categories: Vec::new(),
            dropped_labels: Vec::new(),
            settings: None,
            model: None,
            speed: None,
        }
    }

    /// The twelve lines as pycocotools prints them, then a table of the classes that have objects.
    pub fn text(&self) -> String {
        let figures = &self.figures;
        let rows = [
            (true, "0.50:0.95", "all", 100, figures.AP),
            (true, "0.50", "all", 100, figures.AP50),
            (true, "0.75", "all", 100, figures.AP75),
            (true, "0.50:0.95", "small", 100, figures.APs),
            (true, "0.50:0.95", "medium", 100, figures.APm),
            (true, "0.50:0.95", "large", 100, figures.APl),
            (false, "0.50:0.95", "all", 1, figures.AR1),
            (false, "0.50:0.95", "all", 10, figures.AR10),
            (false, "0.50:0.95", "all", 100, figures.AR100),
            (false, "0.50:0.95", "small", 100, figures.ARs),
            (false, "0.50:0.95", "medium", 100, figures.ARm),
            (false, "0.50:0.95", "large", 100, figures.ARl),
        ];
        let mut text = String::new();
        // Writing to a String does not fail.
        for (precision, iou, area, most, value) in rows {
            let name = if precision { "Average Precision  (AP)" } else { "Average Recall     (AR)" };
            let _ = writeln!(text, " {name} @[ IoU={iou:<9} | area={area:>6} | maxDets={most:>3} ] = {value:.3}");
        }
        let there: Vec<&ClassReport> = self.per_class.iter().filter(|class| class.objects > 0).collect();
        let width = there.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max(5);
        let _ = writeln!(
            text,
            "\n{:<width$} {:>8} {:>10} {:>7} {:>7} {:>7} {:>7}",
            "class", "objects", "detections", "AP", "AP50", "AP75", "AR100"
        );
        for class in there {
            let ClassReport { name, objects, detections, figures, .. } = class;
            let Figures { AP, AP50, AP75, AR100, .. } = figures;
            let _ = writeln!(
                text,
                "{name:<width$} {objects:>8} {detections:>10} {AP:>7.3} {AP50:>7.3} {AP75:>7.3} {AR100:>7.3}"
            );
        }
        let empty = self.per_class.iter().filter(|class| class.objects == 0).count();
        let _ = write!(text, "\n{} images, {} objects, {} detections", self.images, self.objects, self.detections);
        if empty > 0 {
            let _ = write!(text, "; {empty} classes without objects");
        }
        if let Some(Speed { ms_per_image }) = self.speed {
            let _ = write!(text, "; {ms_per_image:.1} ms an image");
        }
        text + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{annotations, figures::evaluate, results::Found};

    #[test]
    fn people_and_programs_read_the_same() {
        let text = r#"{"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [{"id": 4, "name": "猫"},
            {"id": 5, "name": "dog"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 4, "bbox": [0, 0, 9, 9]}]}"#;
        let annotations = annotations::read(text.as_bytes()).expect("good annotations");
        let found = [Found { image_id: 1, category_id: 4, bbox: [0.0, 0.0, 9.0, 8.0], score: 0.5 }];
        let mut report = Report::new(1, &evaluate(&annotations, &found, &annotations.categories));
        report.speed = Some(Speed { ms_per_image: 12.34 });
        let text = report.text();
        // IoU 8/9: right at 8 of the 10 thresholds.
        assert!(text.starts_with(
            " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.800\n \
             Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 1.000\n"
        ));
        assert!(text.contains("| area= large | maxDets=100 ] = -1.000\n"), "{text}");
        assert!(text.contains("猫            1          1   0.800   1.000   1.000   0.800\n"), "{text}");
        assert!(text.ends_with("1 images, 1 objects, 1 detections; 1 classes without objects; 12.3 ms an image\n"));
        let json = serde_json::to_value(&report).expect("plain values");
        assert_eq!((json["AP50"].as_f64(), json["APl"].as_f64()), (Some(1.0), Some(-1.0)));
        assert_eq!(
            (json["per_class"][0]["name"].as_str(), json["per_class"][1]["AP"].as_f64()),
            (Some("猫"), Some(-1.0))
        );
        assert!(json["model"].is_null() && json["images"] == 1);
    }
}
