//! COCO's results: detections as a JSON list, read and written.

use std::{collections::HashSet, io::Write};

use serde::{Deserialize, Serialize};

use super::annotations::{Annotations, check_box};
use crate::{error::Result, event::Detection, fault};

/// One detection of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub image_id: i64,
    pub category_id: i64,
    pub bbox: [f64; 4],
    pub score: f64,
}

impl Found {
    /// A detection as it will be read again: the numbers are the decimals that are written.
    pub fn new(image_id: i64, category_id: i64, detection: &Detection) -> Self {
        Self { image_id, category_id, bbox: detection.bbox.map(decimal), score: decimal(detection.score) }
    }
}

/// The shortest decimal that names this number among those of single precision: 0.1f32 is 0.1 and not 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Reads a list of results.
///
/// # Errors
/// It is no such list, or a box cannot be; in words without the file's name.
pub fn read(bytes: &[u8]) -> Result<Vec<Found>> {
    let list: Vec<Found> = serde_json::from_slice(bytes)
        .map_err(|error| fault!(Unprocessable, "This is no list of boxes as COCO writes results: {error}."))?;
    for (index, found) in list.iter().enumerate() {
        check_box(&found.bbox).map_err(|words| fault!(Unprocessable, "Result {} of the list: {words}.", index + 1))?;
    }
    Ok(list)
}

/// Are these detections of these pictures?
///
/// # Errors
/// One names a picture that is not listed: the files do not belong together.
pub fn check(list: &[Found], annotations: &Annotations) -> Result<()> {
    let known: HashSet<i64> = annotations.images.iter().map(|image| image.id).collect();
    match list.iter().find(|found| !known.contains(&found.image_id)) {
        None => Ok(()),
        Some(found) => Err(fault!(
            Unprocessable,
            "The detections name the image {}, which the annotations do not list: the two files do not belong together.",
            found.image_id
        )),
    }
}

/// Writes a list while it grows.
pub struct Writer<W: Write> {
    out: W,
    empty: bool,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(b"[")?;
        Ok(Self { out, empty: true })
    }

    pub fn push(&mut self, found: &Found) -> Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        serde_json::to_writer(&mut self.out, found).map_err(std::io::Error::from)?;
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        self.out.write_all(b"\n]\n")?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let detection = |score| Detection { bbox: [0.1, 236.98, 1e-3, 7.0], class_id: 0, label: "x".into(), score };
        let list = [Found::new(139, 1, &detection(0.1)), Found::new(-2, 90, &detection(0.7))];
        assert_eq!((list[0].score, list[0].bbox[1]), (0.1, 236.98));
        for list in [&list[..], &list[..1], &[]] {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes).expect("memory");
            list.iter().for_each(|found| writer.push(found).expect("memory"));
            writer.finish().expect("memory");
            assert_eq!(read(&bytes).expect("our own list"), list);
        }
    }

    #[test]
    fn broken_lists_are_refused_in_words() {
        let result = |bbox: &str, score: &str| {
            format!(r#"[{{"image_id": 1, "category_id": 1, "bbox": {bbox}, "score": {score}}}]"#)
        };
        for (text, wanted) in [
            ("{}".to_owned(), "no list"),
            ("[1]".to_owned(), "no list"),
            (r#"[{"image_id": 1, "category_id": 1, "score": 0.5}]"#.to_owned(), "`bbox`"),
            (result("[1, 2, 3]", "0.5"), "length 3"),
            (result("[1, 2, 3, -4]", "0.5"), "Result 1 of the list: the box [1.0, 2.0, 3.0, -4.0] has a negative"),
            (result("[1, 2, 3, 4]", "\"high\""), "high"),
            (result("[1, 2, 3, 4]", "NaN"), "no list"),
        ] {
            let words = read(text.as_bytes()).expect_err("a broken list").detail;
            assert!(words.contains(wanted), "{text}: {words}");
        }
    }
}
