//! Each kind of layer and head against OpenCV's reader of Darknet's files, and against plain loops where OpenCV has none.

use std::{path::Path, process::Command};

use serde_json::Value;
use sightglass::{
    models::{
        Manifest,
        darknet::convert,
        family::{self, Output, Wanted},
    },
    vision::nms::{Candidate, overlap},
};

use super::{
    network,
    random::{Dice, weights},
    run,
};

const CONV: &str = "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=leaky\n";
const LAST: &str = "[convolutional]\nfilters=21\nsize=1\nstride=1\npad=1\nactivation=linear\n";
const YOLO: &str = "[yolo]\nmask=1,2,3\nanchors=4,5, 6,9, 14,8, 20,30\nclasses=2\nnum=4\n";

fn net(width: usize, height: usize) -> String {
    format!("[net]\nwidth={width}\nheight={height}\nchannels=3\n")
}

/// Name and cfg of every case; each is read by both.
fn cases() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut add = |name: &str, (width, height): (usize, usize), body: &str| {
        cases.push((name.to_owned(), format!("{}{CONV}{body}", net(width, height))));
    };
    let mut middle = |name: &str, size: (usize, usize), body: &str| add(name, size, &format!("{body}{LAST}{YOLO}"));
    for activation in ["linear", "leaky", "relu", "logistic", "tanh", "swish", "mish"] {
        let body = format!("[convolutional]\nfilters=6\nsize=3\npad=1\nactivation={activation}\n");
        middle(&format!("activation-{activation}"), (32, 16), &body);
        middle(&format!("normalized-{activation}"), (16, 16), &body.replace("filters", "batch_normalize=1\nfilters"));
    }
    middle("groups", (32, 16), "[convolutional]\nfilters=12\ngroups=4\nsize=3\nstride=2\npad=1\nactivation=relu\n");
    middle("depthwise", (16, 32), "[convolutional]\nfilters=8\ngroups=8\nsize=5\nstride=2\npad=1\nactivation=linear\n");
    // The edges that `padding` takes away are given back, so that the grid divides the input.
    let shrunk = "[convolutional]\nfilters=4\nsize=3\nactivation=leaky\n[convolutional]\nfilters=5\nsize=3\npadding=2\nactivation=leaky\n";
    middle("padding", (32, 16), shrunk);
    for (size, stride) in [(2, 1), (3, 1), (5, 1), (2, 2), (3, 2), (4, 4)] {
        middle(&format!("maxpool-{size}-{stride}"), (32, 16), &format!("[maxpool]\nsize={size}\nstride={stride}\n"));
    }
    middle("maxpool-padding", (32, 16), "[maxpool]\nsize=2\nstride=2\npadding=0\n");
    // 33, 17, 9, 5, 3: the last windows reach over the edge.
    middle("maxpool-odd", (33, 33), &"[maxpool]\nsize=2\nstride=2\n".repeat(4));
    middle(
        "pyramid",
        (32, 16),
        "[maxpool]\nstride=1\nsize=5\n[route]\nlayers=-2\n[maxpool]\nstride=1\nsize=9\n[route]\nlayers=-1,-3,0\n",
    );
    middle("avgpool", (16, 16), "[avgpool]\n");
    middle("upsample", (32, 16), "[maxpool]\nsize=4\nstride=4\n[upsample]\nstride=2\n");
    middle("dropout", (16, 16), "[dropout]\nprobability=.5\n");
    middle("route", (16, 16), &format!("{CONV}{CONV}[route]\nlayers=-1,0\n"));
    middle("route-group", (16, 16), &format!("{CONV}[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"));
    middle("shortcut", (16, 16), &format!("{CONV}[shortcut]\nfrom=-2\nactivation=linear\n"));
    middle("shortcut-leaky", (16, 16), &format!("{CONV}[shortcut]\nfrom=0\nactivation=leaky\n"));
    for filters in [5, 12] {
        let other = CONV.replace("filters=8", &format!("filters={filters}"));
        middle(&format!("shortcut-{filters}"), (16, 16), &format!("{other}[shortcut]\nfrom=-2\nactivation=linear\n"));
    }
    let squeeze = "[avgpool]\n[convolutional]\nfilters=8\nsize=1\nactivation=logistic\n";
    middle("scale-channels", (16, 16), &format!("{squeeze}[scale_channels]\nfrom=0\n"));
    middle("sam", (16, 16), "[convolutional]\nfilters=8\nsize=1\nactivation=logistic\n[sam]\nfrom=-2\n");
    middle("reorg", (32, 16), "[reorg]\nstride=2\n");
    add("scale-x-y", (32, 16), &format!("{LAST}{YOLO}scale_x_y=1.2\n"));
    let logistic = LAST.replace("linear", "logistic");
    add("new-coords", (32, 16), &format!("{logistic}{YOLO}scale_x_y=2.0\nnew_coords=1\n"));
    let small = YOLO.replace("mask=1,2,3", "mask=0").replace("classes=2", "classes=7");
    let small = format!("[convolutional]\nfilters=12\nsize=1\nactivation=linear\n{small}");
    let big = YOLO.replace("classes=2", "classes=7");
    let big = format!("[convolutional]\nfilters=36\nsize=1\nactivation=linear\n{big}");
    add("two-heads", (32, 32), &format!("{small}[route]\nlayers=0\n[maxpool]\nsize=2\nstride=2\n{big}"));
    let region = "[region]\nanchors=1.3,1.7, 3.2,4.0, 5.1,8.1\nclasses=2\ncoords=4\nnum=3\nsoftmax=1\n";
    add("region", (32, 16), &format!("[maxpool]\nsize=2\nstride=2\n{LAST}{region}"));
    cases
}

fn picture(cfg: &str, seed: u64) -> Vec<f32> {
    let number = |key: &str| -> usize {
        cfg.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')?.trim().parse().ok()).unwrap()
    };
    let mut dice = Dice::new(seed);
    (0..3 * number("width") * number("height")).map(|_| dice.between(0.0, 1.0)).collect()
}

/// What OpenCV makes of all cases, as `peer.py` tells it.
fn by_opencv(folder: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/darknet/peer.py");
    let done = Command::new("/usr/bin/python3").arg(script).arg(folder).output().expect("Debian's python3");
    if done.status.success() {
        return true;
    }
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    // Installed by scripts/packages/test.txt, which a person may not have.
    let missing = words.contains("No module named");
    assert!(missing && std::env::var("CI").as_deref() != Ok("true"), "{words}");
    println!("skipped: python3-opencv is not installed");
    false
}

#[test]
fn layers_and_heads_are_opencvs() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    for (seed, (name, cfg)) in cases.iter().enumerate() {
        let path = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        std::fs::write(path("cfg"), cfg).unwrap();
        std::fs::write(path("weights"), weights(cfg, seed as u64)).unwrap();
        let input = picture(cfg, seed as u64);
        std::fs::write(path("input"), input.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    }
    if !by_opencv(folder.path()) {
        return;
    }
    let mut boxes = 0;
    for (seed, (name, cfg)) in cases.iter().enumerate() {
        let expected: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join(format!("{name}.json"))).unwrap()).unwrap();
        let converted = network(cfg, seed as u64);
        let size = converted.size;
        // Three pictures at once, of which the second is that of the peer: the batch axis is free everywhere.
        let pictures = [picture(cfg, 1000), picture(cfg, seed as u64), picture(cfg, 1001)];
        let outputs = run(&converted, &pictures, 3).swap_remove(1);
        let expected = expected.as_array().unwrap();
        assert_eq!(outputs.len(), expected.len(), "{name}: one output a head");
        let mut rows = Vec::new();
        for (output, wanted) in outputs.iter().zip(expected) {
            let shape: Vec<usize> =
                wanted["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            assert_eq!(*output.shape, *shape, "{name}");
            let raw = wanted["raw"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32);
            let off = output.values.iter().zip(raw).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max);
            assert!(off < 1e-4, "{name}: off by {off}");
            rows.extend(wanted["rows"].as_array().unwrap());
        }
        let manifest = Manifest::parse(&converted.manifest("", converted.resize)).unwrap();
        let family = family::of(&manifest, converted.classes).unwrap();
        let outputs: Vec<Output<'_>> =
            outputs.iter().map(|output| Output { shape: &output.shape, values: &output.values }).collect();
        let mut found = family.decode(&outputs, &Wanted { threshold: 0.3, multi_label: true });
        let mut kept = Vec::new();
        for row in rows {
            let row: Vec<f32> = row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect();
            let (width, height) = (size.width as f32, size.height as f32);
            let [x, y, w, h] = [row[0] * width, row[1] * height, row[2] * width, row[3] * height];
            for (class, score) in row[5..].iter().enumerate().filter(|(_, score)| **score >= 0.3) {
                let same = found.iter().position(|one| {
                    let near = |a: f32, b: f32| (a - b).abs() < 1e-3 * b.abs().max(1.0);
                    one.class_id as usize == class
                        && (near(one.bbox.cx, x) && near(one.bbox.cy, y))
                        && (near(one.bbox.width, w) && near(one.bbox.height, h))
                        && (one.score - score).abs() < 1e-4
                });
                kept.push(found.swap_remove(same.unwrap_or_else(|| panic!("{name}: OpenCV finds {class} at {row:?}"))));
            }
        }
        boxes += kept.len();
        // Those at the very threshold may fall on either side of it; and of [region] OpenCV suppresses overlaps itself.
        let hidden = |one: &Candidate| {
            let over = |other: &Candidate| other.class_id == one.class_id && overlap(&other.bbox, &one.bbox) > 0.4;
            name == "region" && kept.iter().any(over)
        };
        found.retain(|one| one.score > 0.3001 && !hidden(one));
        assert!(found.is_empty(), "{name}: OpenCV does not find {:?}", found[0]);
    }
    println!("{} networks and {boxes} boxes are OpenCV's", cases.len());
    assert!(boxes > 1000, "only {boxes} boxes to compare");
}

/// Convolutions that OpenCV's reader does not know: strides of their own along each axis, and dilation.
#[test]
fn strides_and_dilation_are_those_of_plain_loops() {
    for (seed, (first, second)) in [
        ("stride_x=2\nstride_y=1\nsize=3\npad=1", "stride_x=1\nstride_y=2\nsize=3\npad=1"),
        ("size=3\npad=1\ndilation=2", "size=3\npad=1\ndilation=3\nstride=2"),
    ]
    .into_iter()
    .enumerate()
    {
        let cfg = format!(
            "{}[convolutional]\nfilters=4\nactivation=linear\n{first}\n[convolutional]\nfilters=21\nactivation=linear\n{second}\n{YOLO}",
            net(16, 8)
        );
        let input = picture(&cfg, 7);
        let file: Vec<f32> = weights(&cfg, seed as u64)[20..]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let (one, two) = file.split_at(4 + 4 * 3 * 9);
        let middle = convolve(&Map { channels: 3, height: 8, width: 16, values: input.clone() }, one, 4, first);
        let wanted = convolve(&middle, two, 21, second);
        let outputs = run(&network(&cfg, seed as u64), &[input], 1).remove(0);
        assert_eq!(*outputs[0].shape, [wanted.channels, wanted.height, wanted.width]);
        let off = outputs[0].values.iter().zip(&wanted.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-4, "{first}: off by {off}");
    }
}

/// What OpenCV's reader does not know either, written as several layers that it knows.
#[test]
fn one_layer_equals_the_several_that_it_stands_for() {
    let pairs = [
        (
            "[route]\nlayers=-1,0\ngroups=2\ngroup_id=1\n",
            "[route]\nlayers=0\ngroups=2\ngroup_id=1\n[route]\nlayers=-2\ngroups=2\ngroup_id=1\n[route]\nlayers=-1,-2\n",
        ),
        (
            "[shortcut]\nfrom=-2,0,1\nactivation=leaky\n",
            "[shortcut]\nfrom=-2\n[shortcut]\nfrom=0\n[shortcut]\nfrom=1\nactivation=leaky\n",
        ),
    ];
    for (one, several) in pairs {
        let [one, several] = [one, several].map(|body| {
            let cfg = format!("{}{CONV}{CONV}{CONV}{body}{LAST}{YOLO}", net(16, 16));
            run(&network(&cfg, 3), &[picture(&cfg, 3)], 1)[0][0].values.to_vec()
        });
        assert_eq!(one, several);
    }
    let linear = format!("{}{CONV}{LAST}{YOLO}", net(16, 16));
    let [linear, relu6] = ["linear", "relu6"].map(|activation| {
        // The biases of the last layer, so that some values are above 6.
        let (cfg, mut weights) = (linear.replace("linear", activation), weights(&linear, 3));
        let last = weights.len() - 4 * (21 * 8 + 21);
        weights[last..last + 4].copy_from_slice(&5.5f32.to_le_bytes());
        run(&convert(&cfg, &weights).unwrap(), &[picture(&cfg, 3)], 1)[0][0].values.to_vec()
    });
    let above = linear.iter().filter(|value| **value > 6.0).count();
    assert!(above > 0 && relu6 == linear.iter().map(|value| value.clamp(0.0, 6.0)).collect::<Vec<_>>());
}

struct Map {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f32>,
}

fn convolve(input: &Map, file: &[f32], filters: usize, keys: &str) -> Map {
    let key = |name: &str, default: usize| {
        keys.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).unwrap_or(default)
    };
    let stride = key("stride", 1);
    let (stride_x, stride_y, dilation) = (key("stride_x", stride), key("stride_y", stride), key("dilation", 1));
    let (height, width) = (input.height.div_ceil(stride_y), input.width.div_ceil(stride_x));
    let (biases, kernel) = file.split_at(filters);
    let mut values = Vec::new();
    for filter in 0..filters {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let mut sum = biases[filter];
            for (channel, i, j) in (0..input.channels * 9).map(|at| (at / 9, at / 3 % 3, at % 3)) {
                let from = (y * stride_y + i * dilation).checked_sub(dilation).filter(|y| *y < input.height);
                let left = (x * stride_x + j * dilation).checked_sub(dilation).filter(|x| *x < input.width);
                if let (Some(y), Some(x)) = (from, left) {
                    sum += kernel[(filter * input.channels + channel) * 9 + i * 3 + j]
                        * input.values[(channel * input.height + y) * input.width + x];
                }
            }
            values.push(sum);
        }
    }
    Map { channels: filters, height, width, values }
}
