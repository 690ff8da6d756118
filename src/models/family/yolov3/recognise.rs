//! How a YOLOv3 is recognised by its outputs.

use crate::{
    models::{
        family::{Coordinates, tensors},
        import::{Proposal, Seen, SeenOutput},
    },
    vision::geometry::Resize,
};

/// Of YOLOv3 and YOLOv3-tiny on COCO, as their cfg files have them: the stride of a head and its anchors.
type Anchors = &'static [(u32, [[f32; 2]; 3])];
const ANCHORS: [(&str, Anchors); 2] = [
    (
        "YOLOv3",
        &[
            (32, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
            (16, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
            (8, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
        ],
    ),
    (
        "YOLOv3-tiny",
        &[(32, [[81.0, 82.0], [135.0, 169.0], [344.0, 319.0]]), (16, [[10.0, 14.0], [23.0, 27.0], [37.0, 58.0]])],
    ),
];

pub fn recognise(seen: &Seen) -> Option<Proposal> {
    selected(seen).or_else(|| decoded(seen)).or_else(|| heads(seen))
}

/// The Model Zoo's.
fn selected(seen: &Seen) -> Option<Proposal> {
    let [boxes, scores, indices] = seen.outputs.as_slice() else { return None };
    let ([rows, 4], [classes, each], [.., 3]) = (&boxes.shape[..], &scores.shape[..], &indices.shape[..]) else {
        return None;
    };
    let shape = seen.others.iter().find(|name| name.contains("image_shape"))?;
    let size = [f64::from(seen.size.height), f64::from(seen.size.width)];
    (rows == each && seen.others.len() == 1 && seen.has_labels(*classes)).then(|| Proposal {
        because: "boxes, scores and the indices of those that were kept, and an input `image_shape`".into(),
        classes: *classes,
        pad: 128,
        keys: tensors("selected", [("boxes", &boxes.name), ("scores", &scores.name), ("indices", &indices.name)]),
        constants: vec![(shape.clone(), size.to_vec())],
        ..seen.usual()
    })
}

/// One output of rows with probabilities. Three grids are YOLOv5's too, which takes other pictures; two are not.
fn decoded(seen: &Seen) -> Option<Proposal> {
    let output = seen.single()?;
    let [rows, length] = output.shape[..] else { return None };
    let each = |strides: &[u32]| seen.cells(strides).is_some_and(|cells| rows == 3 * cells);
    let tiny = each(&[16, 32]);
    let fits = (tiny || each(&[8, 16, 32])) && length > 5 && seen.has_labels(length - 5);
    if !fits || seen.is_ultralytics() || !output.are_probabilities(4..length) {
        return None;
    }
    let mut keys = tensors("decoded", [("output", &output.name)]);
    let normalized = output.values.chunks_exact(length).all(|row| row[..4].iter().all(|&value| value < 2.0));
    if let (true, Some(toml::Value::Table(table))) = (normalized, keys.get_mut("decoded")) {
        table.insert("coordinates".into(), toml::Value::try_from(Coordinates::Normalized).ok()?);
    }
    let grids = if tiny { "16 and 32" } else { "8, 16 and 32" };
    Some(Proposal {
        certain: tiny,
        because: format!(
            "three rows for each cell of strides {grids}, of a picture that was stretched, as Darknet does"
        ),
        classes: length - 5,
        resize: Resize::Stretch,
        keys,
        ..seen.usual()
    })
}

/// Raw heads: the file does not hold their anchors, so this is never certain.
fn heads(seen: &Seen) -> Option<Proposal> {
    let (name, anchors) = ANCHORS.iter().find(|(_, anchors)| anchors.len() == seen.outputs.len())?;
    let mut heads = Vec::new();
    let mut classes = None;
    for (stride, anchors) in *anchors {
        let (output, channels) =
            seen.outputs.iter().find_map(|output| Some((output, channels(seen, output, *stride)?)))?;
        if channels % 3 != 0 || channels <= 15 || classes.is_some_and(|classes| classes != channels / 3 - 5) {
            return None;
        }
        classes = Some(channels / 3 - 5);
        let mut head = toml::Table::new();
        head.insert("output".into(), output.name.clone().into());
        head.insert("stride".into(), (*stride).into());
        if output.are_probabilities(0..output.shape.last().copied().unwrap_or(0)) {
            head.insert("new_coords".into(), true.into());
        }
        head.insert("anchors".into(), toml::Value::try_from(anchors).ok()?);
        heads.push(toml::Value::from(head));
    }
    let classes = classes.filter(|&classes| seen.has_labels(classes) && !seen.is_ultralytics())?;
    Some(Proposal {
        certain: false,
        because: format!(
            "{} raw heads with three anchors each; which anchors, the file does not say: those of {name} on COCO are taken, so compare them with the cfg, and give others by --anchors",
            heads.len()
        ),
        classes,
        resize: Resize::Stretch,
        keys: toml::Table::from_iter([("heads".to_owned(), heads.into())]),
        ..seen.usual()
    })
}

/// Number of channels of all anchors, if the output is a grid of this stride.
fn channels(seen: &Seen, output: &SeenOutput, stride: u32) -> Option<usize> {
    seen.cells(&[stride])?;
    let (width, height) = ((seen.size.width / stride) as usize, (seen.size.height / stride) as usize);
    match output.shape[..] {
        [channels, h, w] if (h, w) == (height, width) => Some(channels),
        [h, w, channels] if (h, w) == (height, width) => Some(channels),
        [3, channels, h, w] if (h, w) == (height, width) => Some(3 * channels),
        [3, h, w, channels] if (h, w) == (height, width) => Some(3 * channels),
        [h, w, 3, channels] if (h, w) == (height, width) => Some(3 * channels),
        _ => None,
    }
}
