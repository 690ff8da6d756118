//! Reading COCO's annotations (`instances_val2017.json` and the like).

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use crate::{error::Result, fault};

/// No picture is so large; beyond it areas would lose their digits.
const FARTHEST: f64 = 1e9;

/// What a set of pictures shows. Images and categories are in the order of their ids, each of which is there once.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    pub images: Vec<Image>,
    pub categories: Vec<Category>,
    /// In the file's order; of images and categories that are listed.
    pub objects: Vec<Object>,
    /// Annotations of images or categories that are not listed; they count for nothing.
    pub strays: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Image {
    pub id: i64,
    /// Below the folder of pictures.
    pub file_name: String,
    /// In pixels, where the file tells.
    pub width: Option<u32>,
    pub height: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Category {
    pub id: i64,
    pub name: String,
}

/// One annotated thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub id: i64,
    pub image_id: i64,
    pub category_id: i64,
    pub bbox: [f64; 4],
    /// Of its outline in pixels, which is less than its box's; by this it is small, medium or large.
    pub area: f64,
    /// The box holds many of its kind: none is asked for, and what is found there is neither right nor wrong.
    pub crowd: bool,
}

#[derive(Deserialize)]
struct File {
    images: Option<Vec<Image>>,
    categories: Option<Vec<Category>>,
    annotations: Option<Vec<Annotation>>,
}

#[derive(Deserialize)]
struct Annotation {
    id: Option<i64>,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: Flag,
}

/// 0 and 1, or what other tools make of them.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Flag {
    Number(f64),
    Truth(bool),
    #[default]
    Nothing,
}

/// Reads a file of annotations. What it says of segments, licences and the like is passed over; so is `ignore`, which
/// COCO's own evaluation sets anew from `iscrowd`.
///
/// # Errors
/// It is no such file, or what it says cannot be; in words without the file's name.
pub fn read(bytes: &[u8]) -> Result<Annotations> {
    let file: File = serde_json::from_slice(bytes)
        .map_err(|error| fault!(Unprocessable, "These are no annotations as COCO writes them: {error}."))?;
    let lacks = |what: &str, so: &str| fault!(Unprocessable, "The file has no `{what}`{so}");
    let images = file.images.filter(|images| !images.is_empty()).ok_or_else(|| lacks("images", "."))?;
    let categories =
        file.categories.filter(|categories| !categories.is_empty()).ok_or_else(|| lacks("categories", "."))?;
    let annotations = file
        .annotations
        .filter(|annotations| !annotations.is_empty())
        .ok_or_else(|| lacks("annotations", ": there is nothing to measure by."))?;
    let (images, categories) = (
        by_id(images, "images", |image: &Image| image.id)?,
        by_id(categories, "categories", |category: &Category| category.id)?,
    );
    let known_images: HashSet<i64> = images.iter().map(|image| image.id).collect();
    let known_categories: HashSet<i64> = categories.iter().map(|category| category.id).collect();
    let mut found = Annotations { images, categories, ..Annotations::default() };
    for (index, annotation) in annotations.into_iter().enumerate() {
        let object = object(index, annotation)?;
        if known_images.contains(&object.image_id) && known_categories.contains(&object.category_id) {
            found.objects.push(object);
        } else {
            found.strays += 1;
        }
    }
    Ok(found)
}

fn by_id<T>(items: Vec<T>, what: &str, id: impl Fn(&T) -> i64) -> Result<Vec<T>> {
    let count = items.len();
    let sorted: BTreeMap<i64, T> = items.into_iter().map(|item| (id(&item), item)).collect();
    match sorted.len() == count {
        true => Ok(sorted.into_values().collect()),
        false => Err(fault!(Unprocessable, "Two of the `{what}` have the same `id`: give each its own.")),
    }
}

fn object(index: usize, annotation: Annotation) -> Result<Object> {
    let Annotation { id, image_id, category_id, bbox, area, iscrowd } = annotation;
    let id = id.unwrap_or(index as i64 + 1);
    check_box(&bbox).map_err(|words| fault!(Unprocessable, "The annotation with the id {id}: {words}."))?;
    let crowd = match iscrowd {
        Flag::Number(number) => number != 0.0,
        Flag::Truth(truth) => truth,
        Flag::Nothing => false,
    };
    Ok(Object { id, image_id, category_id, bbox, area: area.unwrap_or(bbox[2] * bbox[3]), crowd })
}

/// Is this a box that can be calculated with?
///
/// # Errors
/// Why not, in words.
pub fn check_box(bbox: &[f64; 4]) -> Result<(), String> {
    if bbox[2] < 0.0 || bbox[3] < 0.0 {
        return Err(format!("the box {bbox:?} has a negative width or height; it is [x, y, width, height]"));
    }
    match bbox.iter().all(|length| length.abs() <= FARTHEST) {
        true => Ok(()),
        false => Err(format!("the box {bbox:?} lies beyond every picture")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(annotation: &str) -> String {
        format!(
            r#"{{"info": {{}}, "licenses": [], "images": [{{"id": 7, "file_name": "b.jpg"}}, {{"id": 3, "file_name": "a.jpg",
            "width": 4, "height": 5, "coco_url": ""}}], "categories": [{{"supercategory": "x", "id": 1, "name": "cat"}}],
            "annotations": [{annotation}]}}"#
        )
    }

    fn words(text: &str) -> String {
        read(text.as_bytes()).expect_err("a broken file").detail
    }

    #[test]
    fn what_counts_is_read_and_the_rest_passed_over() {
        let text = file(
            r#"{"id": 9, "image_id": 3, "category_id": 1, "bbox": [1, 2.5, 3, 4], "segmentation": [[1, 2]], "ignore": 1},
            {"id": 10, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 5.5, "iscrowd": 1,
             "segmentation": {"counts": "x", "size": [1, 2]}},
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 0, 0], "iscrowd": false},
            {"id": 11, "image_id": 8, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 12, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4]}"#,
        );
        let read = read(text.as_bytes()).expect("a good file");
        assert_eq!(read.images.iter().map(|image| image.id).collect::<Vec<_>>(), [3, 7], "in the order of the ids");
        assert_eq!((read.objects.len(), read.strays), (3, 2));
        let first = Object { id: 9, image_id: 3, category_id: 1, bbox: [1.0, 2.5, 3.0, 4.0], area: 12.0, crowd: false };
        assert_eq!(read.objects[0], first);
        assert_eq!((read.objects[1].area, read.objects[1].crowd), (5.5, true));
        assert_eq!((read.objects[2].id, read.objects[2].crowd), (3, false));
    }

    #[test]
    fn broken_files_are_refused_in_words() {
        let annotation = |bbox: &str| file(&format!(r#"{{"id": 5, "image_id": 3, "category_id": 1, "bbox": {bbox}}}"#));
        for (text, wanted) in [
            ("".to_owned(), "no annotations as COCO"),
            ("not JSON".to_owned(), "no annotations as COCO"),
            ("[1]".to_owned(), "no annotations as COCO"),
            ("{}".to_owned(), "no `images`"),
            (r#"{"images": [], "categories": [], "annotations": []}"#.to_owned(), "no `images`"),
            (file(""), "no `annotations`"),
            (file("").replace("annotations", "notes"), "no `annotations`"),
            (file("").replace("categories", "classes"), "no `categories`"),
            (annotation(r#"["a", 1, 2, 3]"#), "expected f64"),
            (annotation("[1, 2, 3]"), "length 3"),
            (annotation("[1, 2, 3, null]"), "null"),
            (annotation("[1, 2, 3, NaN]"), "line 3"),
            (annotation("[1, 2, 3, 1e999]"), "out of range"),
            (annotation("[1, 2, 3, 1e200]"), "id 5: the box [1.0, 2.0, 3.0, 1e200] lies beyond"),
            (annotation("[1, 2, -3, 4]"), "negative"),
            (annotation("[1, 2, 3, 4]").replace("\"id\": 7", "\"id\": 3"), "Two of the `images`"),
        ] {
            let words = words(&text);
            assert!(words.contains(wanted), "{text}: {words}");
        }
    }
}
