//! ONNX files as they come: looked into, run once, recognised.

use std::path::Path;

use super::{
    exact,
    import::{ImportSettings, try_and_keep, try_it},
    word,
};
use crate::{
    engine::{self, Constant, Engine, Network},
    error::{Error, Result},
    fault,
    frame::Size,
    models::{
        folder::{Contents, Draft, NetworkFile},
        import::{
            Proposal, Seen, SeenOutput,
            facts::Facts,
            label_file,
            picture::{Asked, PictureInput, guess},
            python::Literal,
            recognise,
        },
    },
    vision::tensor::{Channels, Layout},
};

/// What a person may say of an ONNX file where it is not recognised, or wrongly.
#[derive(clap::Args, Default)]
pub struct Reading {
    /// How the outputs are read, where that is not certain.
    #[arg(long, value_name = "FAMILY", requires = "onnx")]
    family: Option<String>,
    /// Size of the input, where the file leaves it free.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size, requires = "onnx")]
    size: Option<Size>,
    /// The input that takes the picture, where several could.
    #[arg(long, value_name = "NAME", requires = "onnx")]
    input: Option<String>,
    /// Order of the input's axes, where the file leaves it open: nchw or nhwc.
    #[arg(long, value_name = "ORDER", value_parser = word::<Layout>, requires = "onnx")]
    layout: Option<Layout>,
    /// Order of the colours: rgb or bgr [default: the family's, as all that follow].
    #[arg(long, value_name = "ORDER", value_parser = word::<Channels>, requires = "onnx")]
    channels: Option<Channels>,
    /// A level v of 0 to 255 becomes (v * scale - mean) / std.
    #[arg(long, value_name = "NUMBER", value_parser = parse_number, requires = "onnx")]
    scale: Option<f32>,
    /// Three numbers in the order of the colours, or one for all.
    #[arg(long, value_name = "R,G,B", value_parser = parse_three, requires = "onnx")]
    mean: Option<[f32; 3]>,
    /// As --mean.
    #[arg(long, value_name = "R,G,B", value_parser = parse_three, requires = "onnx")]
    std: Option<[f32; 3]>,
    /// Level of the bars of a letterbox, 0 to 255.
    #[arg(long, value_name = "LEVEL", requires = "onnx")]
    pad: Option<u8>,
    /// Anchors of raw heads as Darknet's cfg lists them, `10,13, 16,30, …`: no ONNX file holds them. The head of the finest
    /// grid takes the first.
    #[arg(long, value_name = "W,H,…", value_parser = parse_anchors, requires = "onnx")]
    anchors: Option<Anchors>,
    /// Detections below are dropped.
    #[arg(long, value_name = "SCORE", value_parser = parse_number, requires = "onnx")]
    score: Option<f32>,
    /// Boxes of a class that overlap by more are one object.
    #[arg(long, value_name = "IOU", value_parser = parse_number, requires = "onnx")]
    iou: Option<f32>,
}

fn parse_size(text: &str) -> Result<Size, String> {
    let (width, height) = text.split_once(['x', 'X']).unwrap_or((text, text));
    let side = |text: &str| text.parse().ok().filter(|side| (1..=8192).contains(side));
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok(Size::new(width, height)),
        _ => Err("write a size such as 640x480, each side 1 to 8192".into()),
    }
}

fn parse_number(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(|| "write a number such as 0.5".into())
}

/// Width and height each, in pixels of the input.
type Anchors = Vec<[f32; 2]>;

fn parse_anchors(text: &str) -> Result<Anchors, String> {
    let numbers: Vec<f32> = text.split(',').map(|number| parse_number(number.trim())).collect::<Result<_, _>>()?;
    match numbers.as_chunks() {
        (anchors, []) if numbers.iter().all(|&number| number > 0.0) => Ok(anchors.to_vec()),
        _ => Err("write pairs of positive numbers such as 10,13, 16,30, 33,23".into()),
    }
}

fn parse_three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = text.split(',').map(|number| parse_number(number.trim())).collect::<Result<_, _>>()?;
    match numbers[..] {
        [all] => Ok([all; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => Err("write three numbers such as 0.5,0.5,0.5".into()),
    }
}

impl Reading {
    fn asked(&self) -> Asked<'_> {
        Asked { input: self.input.as_deref(), layout: self.layout, size: self.size }
    }

    fn apply(&self, proposal: &mut Proposal) -> Result<()> {
        fn set<T: Copy>(place: &mut T, said: Option<T>) {
            if let Some(said) = said {
                *place = said;
            }
        }
        set(&mut proposal.channels, self.channels);
        set(&mut proposal.scale, self.scale);
        set(&mut proposal.mean, self.mean);
        set(&mut proposal.std, self.std);
        set(&mut proposal.pad, self.pad);
        set(&mut proposal.score, self.score);
        set(&mut proposal.iou, self.iou);
        self.anchors.as_ref().map_or(Ok(()), |anchors| give_anchors(&mut proposal.keys, anchors))
    }
}

/// Shares anchors out among the raw heads of a proposal, the finest grid first.
fn give_anchors(keys: &mut toml::Table, anchors: &Anchors) -> Result<()> {
    let heads = keys.get_mut("heads").and_then(toml::Value::as_array_mut);
    let heads = heads.ok_or_else(|| fault!(BadRequest, "--anchors is for raw heads, and this network has none."))?;
    heads.sort_by_key(|head| head.get("stride").and_then(toml::Value::as_integer));
    let count = |head: &toml::Value| head.get("anchors").and_then(toml::Value::as_array).map_or(0, Vec::len);
    let wanted: usize = heads.iter().map(count).sum();
    if wanted != anchors.len() {
        let given = anchors.len();
        return Err(fault!(BadRequest, "The raw heads take {wanted} anchors, and --anchors has {given} pairs."));
    }
    let mut rest = anchors.as_slice();
    for head in heads {
        let (own, others) = rest.split_at(count(head));
        let own =
            toml::Value::try_from(own).map_err(|error| Error::internal("The anchors cannot be written.", error))?;
        head["anchors"] = own;
        rest = others;
    }
    Ok(())
}

/// A network that was run once.
pub struct Looked {
    pub seen: Seen,
    pub input: PictureInput,
    /// Values that further inputs got in the run.
    pub others: Vec<(String, Vec<f64>)>,
}

/// What the file says of itself.
///
/// # Errors
/// It is none that can be imported, in words.
pub fn facts(file: &Path) -> Result<Facts> {
    let shown = file.display();
    if let Some(found) = engine::looks_like(file) {
        return Err(fault!(BadRequest, "`{shown}` is no ONNX model but {found}"));
    }
    Facts::read(file).map_err(|words| fault!(BadRequest, "`{shown}` cannot be imported: {words}."))
}

/// Runs a drawn picture through a file.
///
/// # Errors
/// No picture can be fed to it, or ONNX Runtime refuses it; in words.
pub fn look(
    file: &Path,
    facts: &Facts,
    asked: &Asked<'_>,
    labels: Option<usize>,
    onnxruntime: Option<&Path>,
) -> Result<Looked> {
    let imgsz = facts.metadata.get("imgsz").map(String::as_str);
    let input = PictureInput::find(&facts.inputs, imgsz, asked).map_err(|words| fault!(BadRequest, "{words}"))?;
    let others = facts.inputs.iter().filter(|other| other.name != input.name);
    let others: Vec<_> = others.map(|other| (other.name.clone(), guess(other, input.size))).collect();
    let network = Network {
        file: file.to_owned(),
        half_file: None,
        input: input.name.clone(),
        shape: input.shape(),
        constants: others
            .iter()
            .map(|(input, values)| Constant { input: input.clone(), values: values.clone() })
            .collect(),
    };
    let engine = Engine::open(&network, &exact(onnxruntime))?;
    let mut tensor = engine.input();
    input.draw(&mut tensor);
    let ran = engine.submit(tensor)?.wait()?;
    let names = engine.signature().outputs.iter().map(|(name, _)| name.clone());
    let outputs = names.zip(&ran);
    let outputs =
        outputs.map(|(name, tensor)| SeenOutput { name, shape: tensor.shape.to_vec(), values: tensor.values.to_vec() });
    let seen = Seen {
        input: input.name.clone(),
        size: input.size,
        layout: input.layout,
        bytes: input.bytes,
        others: others.iter().map(|(name, _)| name.clone()).collect(),
        outputs: outputs.collect(),
        metadata: facts.metadata.clone(),
        producer: facts.producer.clone(),
        labels,
    };
    Ok(Looked { seen, input, others })
}

/// The labels in the metadata, as Ultralytics writes them.
pub fn own_labels(facts: &Facts) -> Option<Result<Vec<String>, String>> {
    facts.metadata.get("names").map(|names| Literal::read(names).and_then(Literal::names))
}

pub fn import(settings: &ImportSettings, file: &Path) -> Result<()> {
    let facts = facts(file)?;
    if let Some(task) = facts.metadata.get("task").filter(|task| !matches!(task.as_str(), "detect" | "classify")) {
        return Err(fault!(
            BadRequest,
            "By its metadata this network is for `{task}`; those that detect or classify are read."
        ));
    }
    let known = match (&settings.labels, own_labels(&facts)) {
        (Some(file), _) => {
            let names = label_file::read(file).map_err(|words| fault!(BadRequest, "The labels: {words}."))?;
            Some((names, format!("of `{}`", file.display())))
        }
        (None, Some(Ok(names))) => Some((names, "of the file's metadata".to_owned())),
        (None, Some(Err(words))) => {
            return Err(fault!(
                BadRequest,
                "The file's metadata `names` cannot be read: {words}. Name them: --labels FILE."
            ));
        }
        (None, None) => None,
    };
    let (reading, onnxruntime) = (&settings.reading, settings.onnxruntime.as_deref());
    let count = known.as_ref().map(|(names, _)| names.len());
    let Looked { seen, input, others } = look(file, &facts, &reading.asked(), count, onnxruntime)?;
    let mut chosen =
        recognise::choose(&seen, reading.family.as_deref()).map_err(|words| fault!(BadRequest, "{words}"))?;
    let (family, because) = (chosen.family, chosen.proposal.because.clone());
    let (labels, labels_from) = label(known, chosen.proposal.classes)?;
    reading.apply(&mut chosen.proposal)?;
    chosen.proposal.resize = settings.resize.unwrap_or(chosen.proposal.resize);
    // What the family does not know of, keeps what the run was made with.
    for (name, values) in others {
        if chosen.proposal.constants.iter().all(|(known, _)| *known != name) {
            println!("note     the input `{name}` always gets {values:?}, which is a guess: correct it in model.toml");
            chosen.proposal.constants.push((name, values));
        }
    }
    let from = || {
        let by = if facts.producer.is_empty() { String::new() } else { format!(", by {}", facts.producer) };
        format!("{}{by}", file.file_name().unwrap_or_default().display())
    };
    let description = settings.description.clone().unwrap_or_else(from);
    let manifest = chosen.manifest(&seen, &description);
    let network = NetworkFile::CopyOf(file, &facts.external);
    let contents = Contents { manifest: &manifest, labels: Some(&labels), network };
    let draft = Draft::write(&settings.models, &settings.name, &contents)?;
    println!("family   {family}: {because}");
    println!("input    {}, {} pixels, {}", input.name, input.size, input.size_from);
    println!("outputs  {}", recognise::outputs(&seen));
    println!("labels   {}, {labels_from}", labels.len());
    try_and_keep(settings, draft)?;
    try_it(settings);
    Ok(())
}

/// The labels for so many classes (0: any number), and where they are from.
fn label(known: Option<(Vec<String>, String)>, classes: usize) -> Result<(Vec<String>, String)> {
    match known {
        Some((names, from)) if classes == 0 || names.len() == classes => {
            // A name is a line of labels.txt.
            let line = |name: String| name.split_whitespace().collect::<Vec<_>>().join(" ");
            let names: Vec<String> = names.into_iter().map(line).collect();
            match names.iter().position(String::is_empty) {
                Some(at) => Err(fault!(BadRequest, "The labels {from} have no name for class {at}.")),
                None => Ok((names, from)),
            }
        }
        Some((names, from)) => Err(fault!(
            BadRequest,
            "The network has {classes} classes, but the labels {from} are {}: name those that it was trained with, --labels FILE.",
            names.len()
        )),
        None if classes == 80 => {
            Ok((label_file::coco80(), "COCO's, as there are 80 classes and nothing names them".into()))
        }
        None => Err(fault!(
            BadRequest,
            "Nothing names the {} of this network: name a file of labels, one a line, --labels FILE.",
            if classes == 0 { "classes".to_owned() } else { format!("{classes} classes") }
        )),
    }
}
