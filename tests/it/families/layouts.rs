//! Every output layout that a family reads, with two known boxes among thousands of silent cells.

use sightglass::models::onnx::DataType::{self, Float, Float16, Int32, Int64, Uint8};

use super::graph::{Known, Taken};

/// Of the networks, in pixels.
pub const WIDTH: usize = 128;
pub const HEIGHT: usize = 64;

/// A box of a class: centre and size in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Box {
    pub class: usize,
    pub score: f32,
    pub at: [f32; 4],
}

pub const A: Box = Box { class: 1, score: 0.9, at: [40.0, 24.0, 20.0, 16.0] };
pub const B: Box = Box { class: 0, score: 0.6, at: [96.0, 32.0, 24.0, 40.0] };

/// A network of one layout, and what must be seen in it.
pub struct Layout {
    pub what: &'static str,
    /// One that is certain, or all that it could be.
    pub families: Vec<&'static str>,
    pub certain: bool,
    pub labels: Option<usize>,
    pub taken: Taken,
    pub others: Vec<(&'static str, DataType)>,
    pub outputs: Vec<Known>,
    pub metadata: Vec<(&'static str, &'static str)>,
    pub found: Vec<Box>,
}

impl Layout {
    fn new(what: &'static str, family: &'static str, outputs: Vec<Known>) -> Self {
        Self {
            what,
            families: vec![family],
            certain: true,
            labels: None,
            taken: Taken::default(),
            others: Vec::new(),
            outputs,
            metadata: Vec::new(),
            found: vec![A, B],
        }
    }
}

/// The same numbers in each run.
struct Noise(u32);

impl Noise {
    fn between(&mut self, from: f32, to: f32) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        from + (self.0 >> 8) as f32 / 16_777_216.0 * (to - from)
    }
}

fn known(name: &str, shape: &[usize], values: Vec<f32>) -> Known {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "{name}");
    Known { name: name.into(), shape: shape.to_vec(), values, kind: Float, bare: false }
}

/// Rows of centre, size, perhaps an objectness, and classes; the two boxes are the rows 30 and 70.
fn rows(count: usize, objectness: Option<f32>, classes: usize, unit: (f32, f32)) -> Vec<f32> {
    let mut noise = Noise(7);
    let mut rows = Vec::new();
    for row in 0..count {
        let seen = [(30, A), (70, B)].into_iter().find(|(at, _)| *at == row).map(|(_, seen)| seen);
        let [x, y, w, h] = seen.map_or_else(
            || {
                [
                    noise.between(0.0, 128.0),
                    noise.between(0.0, 64.0),
                    noise.between(4.0, 40.0),
                    noise.between(4.0, 30.0),
                ]
            },
            |seen| seen.at,
        );
        rows.extend([x / unit.0, y / unit.1, w / unit.0, h / unit.1]);
        match (objectness, seen) {
            (Some(1.0), _) | (Some(_), Some(_)) => rows.push(1.0),
            (Some(_), None) => rows.push(noise.between(0.001, 0.04)),
            (None, _) => {}
        }
        rows.extend((0..classes).map(|class| match seen {
            Some(seen) if seen.class == class => seen.score,
            _ => noise.between(0.001, 0.04),
        }));
    }
    rows
}

const PIXELS: (f32, f32) = (1.0, 1.0);

fn turned(rows: &[f32], length: usize) -> Vec<f32> {
    (0..length).flat_map(|channel| rows.iter().skip(channel).step_by(length).copied()).collect()
}

fn logit(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}

/// Raw heads of two classes: each box in the head of stride 16, by one of its anchors.
fn heads(anchors: &[(usize, [[f32; 2]; 3])], last: bool) -> Vec<Known> {
    let mut noise = Noise(3);
    let heads = anchors.iter().map(|(stride, anchors)| {
        let (w, h) = (WIDTH / stride, HEIGHT / stride);
        let mut values: Vec<f32> = (0..21 * w * h).map(|_| noise.between(-9.0, -6.0)).collect();
        for (seen, anchor, cell, offset) in [(A, 0, (2, 1), 0.0), (B, 1, (6, 2), -20.0)] {
            if *stride == 16 {
                let size = anchors[anchor];
                let told = [offset, offset, (seen.at[2] / size[0]).ln(), (seen.at[3] / size[1]).ln(), 20.0];
                let classes = (0..2).map(|class| if class == seen.class { logit(seen.score) } else { -8.0 });
                for (channel, value) in told.into_iter().chain(classes).enumerate() {
                    values[(anchor * 7 + channel) * w * h + cell.1 * w + cell.0] = value;
                }
            }
        }
        let name = format!("head{stride}");
        match last {
            true => known(&name, &[h, w, 21], {
                let cells = w * h;
                (0..cells).flat_map(|cell| values.iter().skip(cell).step_by(cells).copied()).collect()
            }),
            false => known(&name, &[21, h, w], values),
        }
    });
    heads.collect()
}

/// Logits of a distribution over 8 numbers with this mean, of each side.
fn distributions(sides: [f32; 4]) -> Vec<f32> {
    let logit = |mean: f32, number: usize| {
        let part = 1.0 - (mean - number as f32).abs();
        if part > 0.0 { part.ln() } else { -60.0 }
    };
    sides.into_iter().flat_map(|mean| (0..8).map(move |number| logit(mean, number))).collect()
}

/// Classes and distributions of each cell of a grid.
fn distances(stride: usize, offset: f32, boxes: &[(Box, (usize, usize))]) -> Vec<(Vec<f32>, Vec<f32>)> {
    let (columns, mut noise) = (WIDTH / stride, Noise(5));
    let mut cell = |at: usize| match boxes.iter().find(|(_, (x, y))| y * columns + x == at) {
        Some((seen, (x, y))) => {
            let step = stride as f32;
            let (cx, cy) = ((*x as f32 + offset) * step, (*y as f32 + offset) * step);
            let [x, y, w, h] = seen.at;
            let sides = [cx - (x - w / 2.0), cy - (y - h / 2.0), x + w / 2.0 - cx, y + h / 2.0 - cy];
            let classes = (0..2).map(|class| if class == seen.class { seen.score } else { 0.01 });
            (classes.collect(), distributions(sides.map(|side| side / step)))
        }
        None => {
            let classes = vec![noise.between(0.001, 0.04), noise.between(0.001, 0.04)];
            (classes, (0..32).map(|_| noise.between(-3.0, 3.0)).collect())
        }
    };
    (0..columns * (HEIGHT / stride)).map(&mut cell).collect()
}

fn nanodet() -> Vec<Known> {
    let grid = |stride: usize, boxes: &[(Box, (usize, usize))]| {
        let (classes, sides): (Vec<_>, Vec<_>) = distances(stride, 0.5, boxes).into_iter().unzip();
        let classes = known(&format!("cls_pred_stride_{stride}"), &[sides.len(), 2], classes.concat());
        (classes, known(&format!("dis_pred_stride_{stride}"), &[sides.len(), 32], sides.concat()))
    };
    let grids = [grid(8, &[(A, (4, 2))]), grid(16, &[(B, (5, 1))]), grid(32, &[])];
    let (mut classes, distances): (Vec<_>, Vec<_>) = grids.into_iter().unzip();
    classes.extend(distances);
    classes
}

fn nanodet_plus() -> Vec<Known> {
    let grids = [
        distances(8, 0.0, &[(A, (5, 3))]),
        distances(16, 0.0, &[(B, (6, 2))]),
        distances(32, 0.0, &[]),
        distances(64, 0.0, &[]),
    ];
    let rows = grids.concat().into_iter().flat_map(|(classes, sides)| [classes, sides].concat()).collect();
    vec![known("output", &[170, 34], rows)]
}

fn fastestdet() -> Vec<Known> {
    let (mut noise, cells) = (Noise(9), 8 * 4);
    let mut values: Vec<f32> = (0..5 * cells).map(|_| noise.between(0.001, 0.04)).collect();
    values.resize(7 * cells, 0.5);
    for (seen, cell, offset) in [(A, 8 + 2, 0.5_f32), (B, 2 * 8 + 6, 0.0)] {
        let size = [logit(seen.at[2] / 128.0), logit(seen.at[3] / 64.0)];
        let mut told =
            vec![seen.score, offset.atanh(), offset.atanh(), size[0], size[1], 1.0 - seen.score, 1.0 - seen.score];
        told[5 + seen.class] = seen.score;
        told.into_iter().enumerate().for_each(|(channel, value)| values[channel * cells + cell] = value);
    }
    vec![known("758", &[7, 4, 8], values)]
}

fn corners(seen: Box) -> [f32; 4] {
    let [x, y, w, h] = seen.at;
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

/// Rows of corners, score and class.
fn detections(silent: usize, noisy: bool) -> Vec<f32> {
    let mut rows: Vec<f32> =
        [A, B].iter().flat_map(|seen| [&corners(*seen)[..], &[seen.score, seen.class as f32]].concat()).collect();
    let mut noise = Noise(11);
    for _ in 0..silent {
        let (x, y, score) = (noise.between(0.0, 90.0), noise.between(0.0, 40.0), noise.between(0.001, 0.01));
        rows.extend(if noisy { [x, y, x + 20.0, y + 10.0, score, 1.0] } else { [0.0; 6] });
    }
    rows
}

/// Boxes, scores and the indices of what was kept.
fn selected(indices: &[[f32; 3]], shape: &[usize], kind: DataType) -> Vec<Known> {
    let mut noise = Noise(13);
    let mut boxes: Vec<f32> = (0..40 * 4).map(|_| noise.between(0.0, 60.0)).collect();
    let mut scores: Vec<f32> = (0..2 * 40).map(|_| noise.between(0.0, 0.2)).collect();
    for (seen, row) in [(A, 7), (B, 31)] {
        let [left, top, right, bottom] = corners(seen);
        boxes[4 * row..4 * row + 4].copy_from_slice(&[top, left, bottom, right]);
        scores[seen.class * 40 + row] = seen.score;
    }
    let indices = Known { kind, bare: true, ..known("indices", shape, indices.concat()) };
    vec![known("boxes", &[40, 4], boxes), known("scores", &[2, 40], scores), indices]
}

fn rtdetr() -> Vec<f32> {
    rows(300, None, 2, (128.0, 64.0))
}

const ULTRALYTICS: [(&str, &str); 2] = [("names", "{0: 'b', 1: 'a'}"), ("stride", "32")];
const TINY: [(usize, [[f32; 2]; 3]); 2] =
    [(16, [[10.0, 14.0], [23.0, 27.0], [37.0, 58.0]]), (32, [[81.0, 82.0], [135.0, 169.0], [344.0, 319.0]])];
const LARGE: [(usize, [[f32; 2]; 3]); 3] = [
    (32, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
    (16, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
    (8, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
];

/// 128x64 has 128, 32, 8 and 2 cells of the strides 8, 16, 32 and 64, and 512 of 4.
pub fn all() -> Vec<Layout> {
    let one = |shape: &[usize], values: Vec<f32>| vec![known("output0", shape, values)];
    let v8 = || one(&[6, 168], turned(&rows(168, None, 2, PIXELS), 6));
    let mut all = vec![
        Layout { certain: false, ..Layout::new("YOLOv3-tiny's raw heads", "yolov3", heads(&TINY, false)) },
        Layout { certain: false, ..Layout::new("YOLOv3's raw heads, Keras", "yolov3", heads(&LARGE, true)) },
        Layout::new("two grids, decoded", "yolov3", one(&[120, 7], rows(120, Some(0.5), 2, PIXELS))),
        Layout::new("two grids, normalized", "yolov3", one(&[120, 7], rows(120, Some(0.5), 2, (128.0, 64.0)))),
        Layout {
            families: vec!["yolov3", "yolov5"],
            certain: false,
            ..Layout::new("three grids, decoded", "", one(&[504, 7], rows(504, Some(0.5), 2, PIXELS)))
        },
        Layout {
            metadata: ULTRALYTICS.to_vec(),
            labels: Some(2),
            ..Layout::new("YOLOv5", "yolov5", one(&[504, 7], rows(504, Some(0.5), 2, PIXELS)))
        },
        Layout::new("YOLOv5 for large pictures", "yolov5", one(&[510, 85], rows(510, Some(0.5), 80, PIXELS))),
        Layout::new("YOLOv6", "yolov5", one(&[168, 85], rows(168, Some(1.0), 80, PIXELS))),
        Layout::new("YOLOv8", "yolov8", v8()),
        Layout::new("YOLOv8 of one class more", "yolov8", one(&[7, 168], turned(&rows(168, None, 3, PIXELS), 7))),
        Layout::new("YOLOv8 with a fine grid", "yolov8", one(&[84, 680], turned(&rows(680, None, 80, PIXELS), 84))),
        Layout::new("YOLOv8 with a coarse grid", "yolov8", one(&[84, 170], turned(&rows(170, None, 80, PIXELS), 84))),
        Layout::new("YOLOv8, transposed", "yolov8", one(&[168, 84], rows(168, None, 80, PIXELS))),
        Layout {
            labels: Some(3),
            ..Layout::new("YOLOv8 of three classes, transposed", "yolov8", one(&[168, 7], rows(168, None, 3, PIXELS)))
        },
        Layout::new("YOLOv10", "yolov8", one(&[300, 6], detections(298, true))),
        Layout::new("YOLOv8 with its suppression inside", "yolov8", one(&[300, 6], detections(298, false))),
        Layout::new("YOLOX, placed", "yolox", one(&[168, 85], rows(168, Some(0.5), 80, PIXELS))),
        Layout {
            labels: Some(2),
            ..Layout::new("YOLOX of two classes, placed", "yolox", one(&[168, 7], rows(168, Some(0.5), 2, PIXELS)))
        },
        Layout {
            families: vec!["yolov8", "yolox"],
            certain: false,
            ..Layout::new("one row a cell", "", one(&[168, 7], rows(168, None, 3, PIXELS)))
        },
        Layout::new("NanoDet", "nanodet", nanodet()),
        Layout::new("NanoDet-Plus", "nanodet", nanodet_plus()),
        Layout::new("FastestDet", "fastestdet", fastestdet()),
        Layout::new("RT-DETR of Ultralytics", "rtdetr", one(&[300, 6], rtdetr())),
    ];
    all.extend(unplaced());
    all.extend(with_inputs());
    all.extend(taken(v8));
    all
}

/// YOLOX before it is placed on the grid.
fn unplaced() -> Option<Layout> {
    let mut noise = Noise(17);
    let mut values = Vec::new();
    for row in 0..168 {
        let told = match row {
            36 => Some((A, 8.0)),
            162 => Some((B, 32.0)),
            _ => None,
        };
        match told {
            Some((seen, stride)) => {
                values.extend([1.0, 1.0, (seen.at[2] / stride as f32).ln(), (seen.at[3] / stride as f32).ln(), 1.0]);
                values.extend((0..2).map(|class| if class == seen.class { seen.score } else { 0.01 }));
            }
            None => {
                values.extend([0.0; 4].map(|_: f32| noise.between(-1.0, 1.5)));
                values.extend([0.0; 3].map(|_: f32| noise.between(0.001, 0.04)));
            }
        }
    }
    Some(Layout::new("YOLOX, not placed", "yolox", vec![known("output", &[168, 7], values)]))
}

/// Networks that want to be told the picture's size, and those without a suppression.
fn with_inputs() -> Vec<Layout> {
    let both = [[0.0, 1.0, 7.0], [0.0, 0.0, 31.0]];
    let filled = [both[0], [-1.0; 3], both[1]];
    let zoo = |what, outputs, found| Layout {
        others: vec![("image_shape", Float)],
        found,
        ..Layout::new(what, "yolov3", outputs)
    };
    let rows = rtdetr();
    let boxes: Vec<f32> = rows.chunks(6).flat_map(|row| row[..4].to_vec()).collect();
    let logits: Vec<f32> = rows.chunks(6).flat_map(|row| [logit(row[4]), logit(row[5])]).collect();
    let raw = |boxes_name: &str| {
        vec![known("logits", &[300, 2], logits.clone()), known(boxes_name, &[300, 4], boxes.clone())]
    };
    let corners = detections(298, true);
    let column =
        |from: usize, to: usize| corners.chunks(6).flat_map(|row| row[from..to].to_vec()).collect::<Vec<f32>>();
    let labels = Known { kind: Int64, ..known("labels", &[300], column(5, 6)) };
    let triple = vec![labels, known("boxes", &[300, 4], column(0, 4)), known("scores", &[300], column(4, 5))];
    vec![
        zoo("the Model Zoo's YOLOv3", selected(&both, &[2, 3], Int64), vec![A, B]),
        zoo("the Model Zoo's YOLOv3, filled up", selected(&filled, &[3, 3], Int64), vec![A, B]),
        zoo("the Model Zoo's YOLOv3 with one box", selected(&both[..1], &[1, 3], Int64), vec![A]),
        zoo("the Model Zoo's YOLOv3 with no box", selected(&[], &[0, 3], Int64), vec![]),
        zoo("the Model Zoo's YOLOv3-tiny", selected(&both, &[1, 2, 3], Int32), vec![A, B]),
        Layout {
            taken: Taken { quantised: true, batch: Some(1), ..Taken::default() },
            ..zoo("the Model Zoo's YOLOv3 in INT8", selected(&both, &[2, 3], Int64), vec![A, B])
        },
        Layout {
            others: vec![("orig_target_sizes", Int64)],
            labels: Some(2),
            ..Layout::new("RT-DETR with its labels", "rtdetr", triple)
        },
        Layout::new("RT-DETR of Hugging Face", "rtdetr", raw("pred_boxes")),
        Layout { certain: false, ..Layout::new("another DETR", "rtdetr", raw("dets")) },
    ]
}

/// The same layout in networks that take their pictures otherwise.
fn taken(outputs: impl Fn() -> Vec<Known>) -> Vec<Layout> {
    let halves = || outputs().into_iter().map(|output| Known { kind: Float16, ..output }).collect::<Vec<_>>();
    let v8 = |what, taken| Layout { taken, ..Layout::new(what, "yolov8", outputs()) };
    vec![
        Layout { taken: Taken { kind: Float16, ..Taken::default() }, ..Layout::new("16 bits", "yolov8", halves()) },
        v8("bytes", Taken { kind: Uint8, ..Taken::default() }),
        v8("colours last", Taken { nhwc: true, ..Taken::default() }),
        v8("bytes, colours last", Taken { kind: Uint8, nhwc: true, ..Taken::default() }),
        v8("any size", Taken { free_size: true, ..Taken::default() }),
        v8("one picture", Taken { batch: Some(1), ..Taken::default() }),
        v8("four pictures", Taken { batch: Some(4), ..Taken::default() }),
    ]
}
