//! Each family: recognised by its outputs, and its boxes found, in graphs of each layout and in real models.

mod graph;
mod layouts;
mod real;

use std::path::Path;

use sightglass::{
    config::{EngineOptions, Precision, Provider},
    detector::Detector,
    event::Task,
    frame::{Frame, FrameTag, Pixels, Plane, Size},
    models::{
        family::FAMILIES,
        import::{Proposal, Seen, SeenOutput},
        onnx::DataType,
    },
};

use layouts::{Box, HEIGHT, Layout, WIDTH};

fn exact() -> EngineOptions {
    EngineOptions {
        onnxruntime: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("deps/onnxruntime")),
        provider: Provider::Cpu,
        precision: Precision::F32,
        sessions: Some(1),
        threads: Some(1),
        ..EngineOptions::default()
    }
}

/// What a run shows.
fn seen(layout: &Layout) -> Seen {
    Seen {
        input: "images".into(),
        size: Size::new(WIDTH as u32, HEIGHT as u32),
        layout: if layout.taken.nhwc { sightglass::vision::tensor::Layout::Nhwc } else { Default::default() },
        bytes: layout.taken.kind == DataType::Uint8,
        others: layout.others.iter().map(|(name, _)| (*name).to_owned()).collect(),
        outputs: layout.outputs.iter().map(output).collect(),
        metadata: layout.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        producer: String::new(),
        labels: layout.labels,
    }
}

/// A first axis of 1 is taken for the batch.
fn output(known: &graph::Known) -> SeenOutput {
    let shape = match known.shape.split_first() {
        Some((1, rest)) if known.bare => rest.to_vec(),
        _ => known.shape.clone(),
    };
    SeenOutput { name: known.name.clone(), shape, values: known.values.clone() }
}

fn proposals(seen: &Seen) -> Vec<(&'static str, Proposal)> {
    FAMILIES.iter().filter_map(|row| Some((row.name, (row.recognise)(seen)?))).collect()
}

/// A `model.toml` by a proposal.
fn manifest(seen: &Seen, family: &str, proposal: &Proposal) -> String {
    let word = |value: Result<toml::Value, _>| {
        value.map(|value| value.to_string()).unwrap_or_else(|_: toml::ser::Error| String::new())
    };
    let labels: Vec<String> = (0..proposal.classes).map(|class| format!("{class}")).collect();
    let constants = proposal.constants.iter();
    let constants =
        constants.map(|(input, values)| format!("[[constants]]\ninput = \"{input}\"\nvalues = {values:?}\n"));
    let task = FAMILIES.iter().find(|row| row.name == family).map_or("", |row| row.task.as_str());
    format!(
        "family = \"{family}\"\ntask = \"{task}\"\nlabels = {labels:?}\n[input]\nname = \"{}\"\nwidth = {}\nheight = {}\nlayout = {}\n\
        channels = {}\nscale = {}\nmean = {:?}\nstd = {:?}\nresize = {}\npad = {}\n[thresholds]\nscore = {}\niou = {}\n{}{}",
        seen.input,
        seen.size.width,
        seen.size.height,
        word(toml::Value::try_from(seen.layout)),
        word(toml::Value::try_from(proposal.channels)),
        proposal.scale,
        proposal.mean,
        proposal.std,
        word(toml::Value::try_from(proposal.resize)),
        proposal.pad,
        proposal.score,
        proposal.iou,
        constants.collect::<String>(),
        proposal.keys
    )
}

/// A model folder of a network and its manifest.
fn load(manifest: &str, network: &[u8]) -> Result<Detector, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("1")).unwrap();
    std::fs::write(folder.path().join("model.toml"), manifest).unwrap();
    std::fs::write(folder.path().join("1/model.onnx"), network).unwrap();
    Detector::load(folder.path(), &exact()).map_err(|error| format!("{}\n{manifest}", error.full()))
}

fn grey(width: usize, height: usize) -> Frame {
    let plane = Plane { data: vec![90; 3 * width * height].into(), stride: 3 * width };
    let tag = FrameTag { source: "grey".into(), frame: 0, time: 0.0 };
    Frame { tag, size: Size::new(width as u32, height as u32), pixels: Pixels::Bgr(plane) }
}

#[test]
fn each_layout_is_recognised_as_what_it_is() {
    let mut complaints = Vec::new();
    for layout in layouts::all() {
        let proposals = proposals(&seen(&layout));
        let certain: Vec<&str> = proposals.iter().filter(|(_, one)| one.certain).map(|(name, _)| *name).collect();
        let all: Vec<&str> = proposals.iter().map(|(name, _)| *name).collect();
        let fits = match layout.certain {
            true => certain == layout.families && all == certain,
            false => certain.is_empty() && all == layout.families,
        };
        if !fits {
            complaints
                .push(format!("{}: certain {certain:?}, possible {all:?}, not {:?}", layout.what, layout.families));
        }
        complaints.extend(
            proposals
                .iter()
                .filter(|(_, one)| one.because.is_empty() || one.classes == 0)
                .map(|(name, _)| format!("{}: {name} gives no reason or no number of classes", layout.what)),
        );
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What was found in a layout, read as a family that was proposed.
fn read(layout: &Layout, network: &[u8], (family, proposal): &(&str, Proposal)) -> Result<(), String> {
    let detector = load(&manifest(&seen(layout), family, proposal), network)?;
    let found = detector.detect(&grey(WIDTH, HEIGHT), 0.25).map_err(|error| error.full())?;
    let same = |(known, found): (&Box, &sightglass::event::Detection)| {
        let [x, y, w, h] = known.at;
        let near = found.bbox.iter().zip([x - w / 2.0, y - h / 2.0, w, h]).all(|(got, want)| (got - want).abs() < 0.2);
        near && found.class_id as usize == known.class && (found.score - known.score).abs() < 0.01
    };
    let all = found.len() == layout.found.len() && layout.found.iter().zip(&found).all(same);
    all.then_some(()).ok_or_else(|| format!("{found:?}"))
}

#[test]
fn each_layout_gives_its_boxes() {
    let mut complaints = Vec::new();
    for layout in layouts::all() {
        let network = graph::graph(layout.taken, &layout.others, &layout.outputs, &layout.metadata);
        let outcomes = proposals(&seen(&layout)).iter().map(|one| read(&layout, &network, one)).collect::<Vec<_>>();
        // Of several that it could be, one is meant.
        if !outcomes.iter().any(Result::is_ok) {
            complaints.push(format!("{}: {outcomes:?}", layout.what));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn what_no_family_reads_is_claimed_by_none() {
    let bare = |shape: &[usize]| {
        let values = (0..shape.iter().product::<usize>()).map(|at| (at % 97) as f32 / 31.0 - 1.0).collect();
        SeenOutput { name: "output0".into(), shape: shape.to_vec(), values }
    };
    let of = |outputs: Vec<SeenOutput>, metadata: &[(&str, &str)]| Seen {
        input: "images".into(),
        size: Size::new(128, 64),
        layout: Default::default(),
        bytes: false,
        others: Vec::new(),
        outputs,
        metadata: metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        producer: String::new(),
        labels: None,
    };
    let pose = [("names", "{0: 'person'}"), ("stride", "32"), ("task", "pose")];
    let v8 = layouts::all().into_iter().find(|layout| layout.what == "YOLOv8").map(|layout| output(&layout.outputs[0]));
    let cases = [
        ("keypoints", of(vec![v8.unwrap()], &pose)),
        ("masks", of(vec![bare(&[38, 168]), bare(&[32, 16, 32])], &[])),
        ("a map", of(vec![bare(&[21, 64, 128])], &[])),
        ("YOLOv7 with its suppression inside", of(vec![bare(&[100, 7])], &[])),
        ("an SSD", of(vec![bare(&[1917, 4]), bare(&[1917, 91])], &[])),
        ("nothing", of(vec![], &[])),
        ("no values", of(vec![bare(&[0, 6])], &[])),
        ("a number", of(vec![bare(&[])], &[])),
    ];
    for (what, seen) in cases {
        let claimed: Vec<&str> = proposals(&seen).iter().map(|(name, _)| *name).collect();
        assert!(claimed.is_empty() || claimed == ["yolov8"] && what == "no values", "{what}: {claimed:?}");
    }
}

/// Labels that do not fit leave a family out, so that the words can tell the number.
#[test]
fn other_labels_leave_a_family_out() {
    for layout in
        layouts::all().into_iter().filter(|layout| !layout.what.contains("inside") && layout.what != "YOLOv10")
    {
        if layout.families == ["rtdetr"] && !layout.others.is_empty() {
            continue;
        }
        let claimed = proposals(&Seen { labels: Some(17), ..seen(&layout) });
        assert!(claimed.is_empty(), "{}: {:?}", layout.what, claimed.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }
}

#[test]
fn a_row_of_numbers_is_a_classifier() {
    for (values, sure) in [(vec![0.1, 0.7, 0.2], 0.7), (vec![-1.0, 3.0, 0.5], 0.908_49)] {
        let known = graph::Known { name: "probs".into(), shape: vec![3], values, kind: DataType::Float, bare: false };
        let layout = Layout { outputs: vec![known], labels: Some(3), ..layouts::all().remove(0) };
        let seen = seen(&layout);
        let claimed = proposals(&seen);
        assert_eq!(claimed.iter().map(|(name, one)| (*name, one.certain)).collect::<Vec<_>>(), [("classifier", true)]);
        let network = graph::graph(layout.taken, &[], &layout.outputs, &[]);
        let detector = load(&manifest(&seen, "classifier", &claimed[0].1), &network).unwrap();
        assert_eq!(detector.task(), Task::Classify);
        let classes = detector.classify(&grey(50, 70), 2).unwrap();
        assert_eq!((classes.len(), classes[0].class_id), (2, 1));
        assert!((classes[0].score - sure).abs() < 1e-3, "{classes:?}");
    }
}
