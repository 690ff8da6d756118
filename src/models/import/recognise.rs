//! Which family a network is of, and the `model.toml` that follows.

use std::fmt::Write;

use super::{Proposal, Seen};
use crate::{
    event::Task,
    models::family::{FAMILIES, Row},
};

/// A family that would read the network.
pub struct Match {
    pub family: &'static str,
    pub task: Task,
    pub proposal: Proposal,
}

/// What each family says of the network.
pub fn matches(seen: &Seen) -> Vec<Match> {
    let of = |row: &'static Row| Some(Match { family: row.name, task: row.task, proposal: (row.recognise)(seen)? });
    FAMILIES.iter().filter_map(of).collect()
}

/// The one that is meant: by name, or the only one that is certain.
///
/// # Errors
/// None fits, or several do; as whole sentences that say what to do.
pub fn choose(seen: &Seen, named: Option<&str>) -> Result<Match, String> {
    let known = FAMILIES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    if let Some(name) = named
        && FAMILIES.iter().all(|row| row.name != name)
    {
        return Err(format!("The family `{name}` is not known; known are: {known}."));
    }
    let mut found = matches(seen);
    if let Some(name) = named {
        let at = found.iter().position(|one| one.family == name);
        return at.map(|at| found.swap_remove(at)).ok_or_else(|| {
            let others: Vec<&str> = found.iter().map(|other| other.family).collect();
            let others =
                if others.is_empty() { String::new() } else { format!(" They look like: {}.", others.join(", ")) };
            format!("The outputs are not what `{name}` has: {}.{others}{}", outputs(seen), labels(seen))
        });
    }
    let certain: Vec<usize> = (0..found.len()).filter(|&at| found[at].proposal.certain).collect();
    match (certain.as_slice(), found.is_empty()) {
        ([one], _) => Ok(found.swap_remove(*one)),
        (_, true) => Err(format!(
            "No family reads these outputs: {}.{} Known are: {known}. Another one is a file and a row: docs/guide/add-a-model-family.md.",
            outputs(seen),
            labels(seen)
        )),
        _ => {
            let each = found.iter().map(|one| format!("\n  --family {}: {}", one.family, one.proposal.because));
            Err(format!("It is not certain what these outputs mean; say it:{}", each.collect::<String>()))
        }
    }
}

/// Number of labels may be what does not fit.
fn labels(seen: &Seen) -> String {
    let Some(count) = seen.labels else { return String::new() };
    let without = matches(&Seen { labels: None, ..seen.clone() });
    match without.iter().find(|one| one.proposal.classes != count && one.proposal.classes > 0) {
        Some(one) => {
            format!(" There are {count} labels, but `{}` would see {} classes.", one.family, one.proposal.classes)
        }
        None => String::new(),
    }
}

/// Names and shapes.
pub fn outputs(seen: &Seen) -> String {
    let each = seen.outputs.iter().map(|output| format!("`{}` {:?}", output.name, output.shape));
    each.collect::<Vec<_>>().join(", ")
}

impl Match {
    /// The text of `model.toml`, for labels in `labels.txt`.
    pub fn manifest(&self, seen: &Seen, description: &str) -> String {
        let Self { family, task, proposal } = self;
        let text = |text: &str| toml::Value::from(text).to_string();
        let word = |value: Result<toml::Value, _>| {
            value.map_or_else(|_: toml::ser::Error| String::new(), |value| value.to_string())
        };
        let mut out = format!(
            "family = \"{family}\"\ntask = \"{}\"\ndescription = {}\nlabels = \"labels.txt\"\n\n[input]\nname = {}\nwidth = {}\nheight = {}\nlayout = {}\nchannels = {}\n",
            task.as_str(),
            text(description),
            text(&seen.input),
            seen.size.width,
            seen.size.height,
            word(toml::Value::try_from(seen.layout)),
            word(toml::Value::try_from(proposal.channels)),
        );
        let scale = if proposal.scale == 1.0 / 255.0 {
            "0.00392156862745098 # 1/255".to_owned()
        } else {
            proposal.scale.to_string()
        };
        let _ = writeln!(out, "scale = {scale}");
        if proposal.mean != [0.0; 3] || proposal.std != [1.0; 3] {
            let _ = writeln!(out, "mean = {:?}\nstd = {:?}", proposal.mean, proposal.std);
        }
        let _ = writeln!(
            out,
            "resize = {}\npad = {}\n\n[thresholds]\nscore = {}\niou = {}\n",
            word(toml::Value::try_from(proposal.resize)),
            proposal.pad,
            proposal.score,
            proposal.iou
        );
        for (input, values) in &proposal.constants {
            let _ = writeln!(out, "[[constants]]\ninput = {}\nvalues = {values:?}\n", text(input));
        }
        out + &proposal.keys.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::Size,
        models::{Manifest, import::SeenOutput},
        vision::tensor::Layout,
    };

    fn seen(shape: &[usize], labels: Option<usize>) -> Seen {
        let values = vec![0.1; shape.iter().product()];
        Seen {
            input: "images \"x\"".into(),
            size: Size::new(416, 416),
            layout: Layout::Nchw,
            bytes: false,
            others: Vec::new(),
            outputs: vec![SeenOutput { name: "out".into(), shape: shape.to_vec(), values }],
            metadata: Default::default(),
            producer: String::new(),
            labels,
        }
    }

    #[test]
    fn a_proposal_becomes_a_manifest() {
        let seen = seen(&[3549, 85], Some(80));
        let mut chosen = choose(&seen, Some("yolox")).expect("a YOLOX");
        chosen.proposal.constants = vec![("shape".into(), vec![416.0, 1.5])];
        (chosen.proposal.mean, chosen.proposal.std) = ([0.485, 0.0, 1.0], [0.229, 1.0, 2.0]);
        let text = chosen.manifest(&seen, "from \"a\"\nfile");
        let manifest = Manifest::parse(&text).unwrap_or_else(|words| panic!("{words}: {text}"));
        assert_eq!((manifest.family.as_str(), manifest.input.name.as_str()), ("yolox", "images \"x\""));
        assert_eq!((manifest.input.mean, manifest.input.std), ([0.485, 0.0, 1.0], [0.229, 1.0, 2.0]));
        assert_eq!(manifest.constants[0].values, [416.0, 1.5]);
        assert!(crate::models::family::of(&manifest, 80).is_ok(), "{text}");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let odd = seen(&[7, 7, 7], None);
        let words = |outcome: Result<Match, String>| outcome.err().unwrap_or_default();
        let none = words(choose(&odd, None));
        assert!(none.contains("`out` [7, 7, 7]") && none.contains("add-a-model-family.md"), "{none}");
        assert!(words(choose(&odd, Some("yolo99"))).contains("not known"));
        assert!(words(choose(&odd, Some("yolox"))).contains("not what `yolox` has"));
    }
}
