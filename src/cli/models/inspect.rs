//! `sightglass models inspect`: what is known of a model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{amount, onnx};
use crate::{
    error::Result,
    fault,
    models::{
        self, Model, darknet,
        import::{facts::Facts, picture::Asked, recognise},
    },
};

#[derive(clap::Args)]
pub struct InspectSettings {
    /// A model's name or folder, an ONNX file, or Darknet's cfg with its weights beside it.
    #[arg(value_name = "NAME|DIR|FILE")]
    target: PathBuf,
    /// Print JSON instead of lines.
    #[arg(long, env = "SIGHTGLASS_JSON")]
    json: bool,
    /// Folder of model folders [default: `models` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// Folder that holds libonnxruntime.so [default: `deps/onnxruntime` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_ONNXRUNTIME", value_name = "DIR")]
    onnxruntime: Option<PathBuf>,
}

/// Longer metadata are cut for people.
const MOST_SHOWN: usize = 100;

pub fn run(settings: &InspectSettings) -> Result<()> {
    let target = &settings.target;
    let told = if target.extension().is_some_and(|ending| ending == "cfg") {
        of_darknet(target)?
    } else if target.is_file() {
        let facts = onnx::facts(target)?;
        let mut told = of_file(&facts);
        told["families"] = families(settings, target, &facts);
        told
    } else {
        let folder = models::find(&target.to_string_lossy(), settings.models.as_deref())?;
        of_folder(&Model::open(&folder)?, &folder)?
    };
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&told).unwrap_or_default());
    } else {
        lines(&told, 0);
    }
    Ok(())
}

fn of_file(facts: &Facts) -> Value {
    let ports = |ports: &[models::import::facts::Port]| ports.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "inputs": ports(&facts.inputs),
        "outputs": ports(&facts.outputs),
        "opset": facts.opset,
        "producer": facts.producer,
        "nodes": facts.nodes,
        "parameters": facts.parameters,
        "weights": if facts.quantised { "8 bits among them" } else { "floating point" },
        "size": amount(facts.bytes),
        "bytes": facts.bytes,
        "files beside": facts.external,
        "metadata": facts.metadata,
    })
}

fn of_folder(model: &Model, folder: &Path) -> Result<Value> {
    let manifest = &model.manifest;
    let mut told = json!({
        "name": model.name,
        "folder": folder,
        "version": model.version,
        "task": manifest.task.as_str(),
        "family": manifest.family,
        "description": manifest.description,
        "labels": model.labels,
        "manifest": std::fs::read_to_string(folder.join("model.toml"))?.parse::<toml::Table>().unwrap_or_default(),
    });
    if let (Value::Object(told), Value::Object(file)) = (&mut told, of_file(&onnx::facts(&model.file)?)) {
        told.extend(file);
    }
    Ok(told)
}

/// What an import would say; where it says no, its words.
fn families(settings: &InspectSettings, file: &Path, facts: &Facts) -> Value {
    let labels = onnx::own_labels(facts).and_then(Result::ok).map(|names| names.len());
    match onnx::look(file, facts, &Asked::default(), labels, settings.onnxruntime.as_deref()) {
        Err(error) => json!([error.full()]),
        Ok(looked) => {
            let found = recognise::matches(&looked.seen);
            let told = found.iter().map(|one| {
                let certain = if one.proposal.certain { "" } else { " (not certain)" };
                format!("{}{certain}: {}", one.family, one.proposal.because)
            });
            json!(told.collect::<Vec<_>>())
        }
    }
}

fn of_darknet(cfg: &Path) -> Result<Value> {
    let weights = cfg.with_extension("weights");
    let read = |file: &Path| {
        std::fs::read(file).map_err(|error| {
            fault!(
                BadRequest,
                "`{}` cannot be read: {error}. A cfg is looked into with its weights beside it.",
                file.display()
            )
        })
    };
    let converted = darknet::convert(&String::from_utf8_lossy(&read(cfg)?), &read(&weights)?)
        .map_err(|words| fault!(BadRequest, "{words}"))?;
    let heads = converted
        .heads
        .iter()
        .map(|head| format!("{} {}, stride {}, {} anchors", head.output, head.shape, head.stride, head.anchors.len()));
    Ok(json!({
        "input": converted.size.to_string(),
        "classes": converted.classes,
        "heads": heads.collect::<Vec<_>>(),
        "resize": format!("{:?}", converted.resize).to_lowercase(),
        "nodes": converted.onnx.graph.as_ref().map_or(0, |graph| graph.node.len()),
        "weights": amount(std::fs::metadata(&weights)?.len()),
    }))
}

/// JSON as indented lines; what is empty is left out.
fn lines(value: &Value, depth: usize) {
    let Value::Object(pairs) = value else { return };
    let indent = "  ".repeat(depth);
    for (key, value) in pairs {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                println!("{indent}{key}:");
                lines(value, depth + 1);
            }
            Value::Array(items) if items.iter().any(|item| item.is_object()) => {
                println!("{indent}{key}:");
                for item in items {
                    println!("{indent}  -");
                    lines(item, depth + 2);
                }
            }
            Value::Array(items) if key == "labels" => {
                let shown: Vec<&str> = items.iter().take(5).filter_map(Value::as_str).collect();
                let more = if items.len() > shown.len() { ", …" } else { "" };
                println!("{indent}{key}: {} ({}{more})", items.len(), shown.join(", "));
            }
            Value::Array(items) if !items.is_empty() => {
                let texts: Vec<String> = items.iter().map(text).collect();
                println!("{indent}{key}: {}", texts.join(", "));
            }
            Value::Object(_) | Value::Array(_) | Value::Null => {}
            value if text(value).is_empty() => {}
            value => println!("{indent}{key}: {}", text(value)),
        }
    }
}

/// In one line of a length that can be read; control characters of a stranger's file do not reach the terminal.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().map(plain).take(MOST_SHOWN).collect();
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push('\u{2026}');
    }
    shown
}
