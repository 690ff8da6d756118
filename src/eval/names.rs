//! Which label of a model is which category of the annotations: by their names.

use std::collections::HashMap;

use super::annotations::Category;
use crate::{error::Result, fault};

/// Classes that Darknet's `coco.names` and VOC spell otherwise than COCO, both without spaces. Case, spaces, underscores
/// and hyphens never count, so `pottedplant` and `diningtable` need no row.
const SPELLINGS: &[(&str, &str)] =
    &[("aeroplane", "airplane"), ("motorbike", "motorcycle"), ("sofa", "couch"), ("tvmonitor", "tv")];

/// A name by which spellings of the same class are equal.
pub fn plain(name: &str) -> String {
    let plain: String =
        name.chars().filter(|c| !c.is_whitespace() && !"_-".contains(*c)).flat_map(char::to_lowercase).collect();
    SPELLINGS.iter().find(|(other, _)| *other == plain).map_or(plain, |(_, usual)| (*usual).to_owned())
}

/// The labels of a model beside the categories of annotations.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The category's id of each label that has one.
    pub of_label: Vec<Option<i64>>,
    /// Categories that no label names.
    pub unknown: Vec<Category>,
    /// Labels that no category has.
    pub dropped: Vec<String>,
}

/// Matches labels with categories.
///
/// # Errors
/// Two categories have the same name: a label could be either.
pub fn match_labels(labels: &[String], categories: &[Category]) -> Result<Matched> {
    let mut by_name: HashMap<String, &Category> = HashMap::new();
    for category in categories {
        if let Some(other) = by_name.insert(plain(&category.name), category) {
            return Err(fault!(
                Unprocessable,
                "The categories {} (`{}`) and {} (`{}`) have the same name: which is it that the model finds?",
                other.id,
                other.name,
                category.id,
                category.name
            ));
        }
    }
    let of_label: Vec<Option<i64>> =
        labels.iter().map(|label| by_name.get(&plain(label)).map(|category| category.id)).collect();
    let unknown = categories.iter().filter(|category| !of_label.contains(&Some(category.id))).cloned().collect();
    let dropped = labels.iter().zip(&of_label).filter(|(_, id)| id.is_none()).map(|(label, _)| label.clone()).collect();
    Ok(Matched { of_label, unknown, dropped })
}

/// The categories that a person names, in the order of the annotations.
///
/// # Errors
/// One of the names is no category.
pub fn choose(categories: &[Category], wanted: &[String]) -> Result<Vec<Category>> {
    let wanted: Vec<String> = wanted.iter().map(|name| plain(name)).collect();
    if let Some(name) = wanted.iter().find(|name| !categories.iter().any(|category| plain(&category.name) == **name)) {
        let known: Vec<&str> = categories.iter().map(|category| category.name.as_str()).collect();
        return Err(fault!(BadRequest, "The annotations have no category `{name}`, but: {}.", known.join(", ")));
    }
    Ok(categories.iter().filter(|category| wanted.contains(&plain(&category.name))).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories(names: &[&str]) -> Vec<Category> {
        names.iter().zip(10..).map(|(name, id)| Category { id, name: (*name).to_owned() }).collect()
    }

    #[test]
    fn spellings_of_the_same_class_are_the_same() {
        let labels = ["aeroplane", "Dining_Table", "pottedplant", "sofa", "tvmonitor", "motorbike", "hot-dog", "robot"]
            .map(str::to_owned);
        let categories =
            categories(&["tv", "motorcycle", "couch", "potted plant", "dining table", "airplane", "hot dog", "person"]);
        let matched = match_labels(&labels, &categories).expect("distinct names");
        assert_eq!(matched.of_label, [Some(15), Some(14), Some(13), Some(12), Some(10), Some(11), Some(16), None]);
        assert_eq!(matched.dropped, ["robot"]);
        assert_eq!(matched.unknown, [Category { id: 17, name: "person".into() }]);
    }

    #[test]
    fn a_name_that_two_categories_have_is_refused() {
        let error = match_labels(&[], &categories(&["tv", "person", "TV monitor"])).expect_err("the same name twice");
        assert!(error.detail.contains("10 (`tv`) and 12 (`TV monitor`)"), "{}", error.detail);
    }

    #[test]
    fn categories_are_chosen_by_name() {
        let all = categories(&["person", "dining table", "car"]);
        let chosen = choose(&all, &["CAR".into(), "diningtable".into()]).expect("known names");
        assert_eq!(chosen, all[1..]);
        assert!(choose(&all, &["cat".into()]).expect_err("no such name").detail.contains("`cat`, but: person,"));
    }
}
