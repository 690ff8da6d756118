//! Pipelines as data: a TOML file of `pipelines/` holds the launch text and the parameters that may be set on
//! it.
//!
//! The text is parsed first and parameters are set as properties of named elements afterwards, each checked
//! against its declared and its real type. So nothing that a user wrote ever becomes pipeline text.

use std::collections::BTreeMap;

use gstreamer::{self as gst, prelude::*};
use serde::Deserialize;

use crate::{
    error::{Error, Kind, Result},
    fault,
};

/// Every pipeline of the service: its name and its TOML. A new file in `pipelines/` is a new row here.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("file", include_str!("../../pipelines/file.toml")),
    ("file-cut", include_str!("../../pipelines/file-cut.toml")),
    ("mend-avi", include_str!("../../pipelines/mend-avi.toml")),
    ("jpeg", include_str!("../../pipelines/jpeg.toml")),
    ("pictures", include_str!("../../pipelines/pictures.toml")),
    ("pushed-jpeg", include_str!("../../pipelines/pushed-jpeg.toml")),
    ("pushed-png", include_str!("../../pipelines/pushed-png.toml")),
    ("pushed-webp", include_str!("../../pipelines/pushed-webp.toml")),
    ("http", include_str!("../../pipelines/http.toml")),
    ("http-pictures", include_str!("../../pipelines/http-pictures.toml")),
    ("rtsp", include_str!("../../pipelines/rtsp.toml")),
    ("srt", include_str!("../../pipelines/srt.toml")),
    ("record-avi", include_str!("../../pipelines/record-avi.toml")),
    ("record-mp4", include_str!("../../pipelines/record-mp4.toml")),
    ("test-pattern", include_str!("../../pipelines/test-pattern.toml")),
    ("webrtc", include_str!("../../pipelines/webrtc.toml")),
];

/// Whether a pipeline's source waits for its reader or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PipelineKind {
    /// Loses nothing and ends.
    File,
    /// Gives the newest frame and counts the rest.
    Live,
}

/// The types a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    String,
    Int,
    Float,
    Bool,
    Caps,
    Fraction,
}

/// A parameter's value.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Str(&'a str),
    Int(i64),
    Float(f64),
    Bool(bool),
    Caps(gst::Caps),
    Fraction(i32, i32),
}

/// A typed door into the pipeline: one property of one named element.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub element: String,
    pub property: String,
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// Caps are written as text and fractions as `"num/den"`.
    pub default: Option<toml::Value>,
}

/// One pipeline as data.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    #[serde(skip)]
    pub name: String,
    pub description: String,
    pub kind: PipelineKind,
    pub launch: String,
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
}

impl Template {
    /// The pipeline of that name; its TOML is part of the binary.
    ///
    /// # Errors
    /// [`Kind::Internal`] for an unknown name and for TOML that says something else than a pipeline.
    pub fn get(name: &str) -> Result<Self> {
        let (_, text) =
            TEMPLATES.iter().find(|(known, _)| *known == name).ok_or_else(|| flaw(name, "it is not in the table"))?;
        Self::parse(name, text)
    }

    /// Reads a pipeline from TOML.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the TOML says something else than a pipeline.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut template: Self = toml::from_str(text).map_err(|error| flaw(name, error))?;
        template.name = name.to_owned();
        Ok(template)
    }

    /// Builds the pipeline (in the state NULL) and sets its parameters.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when an element is not installed; [`Kind::Internal`] for a text that does not
    /// parse, for a parameter that is unknown or missing, and for a value of another type or out of the
    /// property's range.
    pub fn build(&self, values: &[(&str, Value<'_>)]) -> Result<gst::Pipeline> {
        let mut context = gst::ParseContext::new();
        let parsed = gst::parse::launch_full(&self.launch, Some(&mut context), gst::ParseFlags::FATAL_ERRORS);
        let missing = context.missing_elements();
        if !missing.is_empty() {
            let missing: Vec<_> = missing.iter().map(|name| name.as_str()).collect();
            return Err(fault!(
                Unavailable,
                "The server lacks GStreamer's {}; `sightglass doctor` says how to install it.",
                missing.join(", ")
            ));
        }
        let pipeline = parsed
            .map_err(|error| flaw(&self.name, error))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| flaw(&self.name, "the launch text is a single element"))?;
        if let Some((unknown, _)) = values.iter().find(|(name, _)| !self.parameters.contains_key(*name)) {
            return Err(flaw(&self.name, format!("unknown parameter {unknown}")));
        }
        for (name, parameter) in &self.parameters {
            let given = values.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            let value = match (given, &parameter.default) {
                (Some(value), _) => value,
                (None, Some(default)) => written(parameter.kind, default)
                    .ok_or_else(|| flaw(&self.name, format!("the default of {name}")))?,
                (None, None) => return Err(flaw(&self.name, format!("parameter {name} is missing"))),
            };
            parameter.set(&pipeline, &value).map_err(|why| flaw(&self.name, format!("parameter {name}: {why}")))?;
        }
        Ok(pipeline)
    }
}

impl Parameter {
    fn set(&self, pipeline: &gst::Pipeline, value: &Value<'_>) -> Result<(), String> {
        let element = pipeline.by_name(&self.element).ok_or_else(|| format!("no element is named {}", self.element))?;
        let spec = element
            .find_property(&self.property)
            .ok_or_else(|| format!("{} has no property {}", self.element, self.property))?;
        let real = spec.value_type();
        let fits = |integer: i64| format!("{integer} is out of range");
        let value = match (self.kind, value) {
            (ParameterType::String, Value::Str(text)) => text.to_value(),
            (ParameterType::Bool, Value::Bool(truth)) => truth.to_value(),
            (ParameterType::Caps, Value::Caps(caps)) => caps.to_value(),
            (ParameterType::Fraction, Value::Fraction(num, den)) if *den > 0 => {
                gst::Fraction::new(*num, *den).to_value()
            }
            (ParameterType::Int, Value::Int(integer)) => match real {
                gst::glib::Type::I32 => i32::try_from(*integer).map_err(|_| fits(*integer))?.to_value(),
                gst::glib::Type::U32 => u32::try_from(*integer).map_err(|_| fits(*integer))?.to_value(),
                gst::glib::Type::U64 => u64::try_from(*integer).map_err(|_| fits(*integer))?.to_value(),
                _ => integer.to_value(),
            },
            (ParameterType::Float, Value::Float(float)) if real == gst::glib::Type::F32 => (*float as f32).to_value(),
            (ParameterType::Float, Value::Float(float)) => float.to_value(),
            (kind, value) => return Err(format!("{value:?} is no {kind:?}")),
        };
        if value.type_() != real {
            return Err(format!("the property is a {real}, not a {}", value.type_()));
        }
        // GLib panics on what is out of range; here that is an error in words.
        if let (Some(number), Some(range)) = (number(&value), range(&spec))
            && !range.contains(&number)
        {
            return Err(format!("{number} is not in {} to {}", range.start(), range.end()));
        }
        element.set_property_from_value(&self.property, &value);
        Ok(())
    }
}

fn number(value: &gst::glib::Value) -> Option<f64> {
    let integer =
        |value: &gst::glib::Value| value.get::<i32>().map(f64::from).or_else(|_| value.get::<u32>().map(f64::from));
    let float = |value: &gst::glib::Value| value.get::<f32>().map(f64::from).or_else(|_| value.get::<f64>());
    integer(value).or_else(|_| float(value)).ok()
}

fn range(spec: &gst::glib::ParamSpec) -> Option<std::ops::RangeInclusive<f64>> {
    use gst::glib::{ParamSpecDouble, ParamSpecFloat, ParamSpecInt, ParamSpecUInt};
    if let Some(spec) = spec.downcast_ref::<ParamSpecInt>() {
        return Some(f64::from(spec.minimum())..=f64::from(spec.maximum()));
    }
    if let Some(spec) = spec.downcast_ref::<ParamSpecUInt>() {
        return Some(f64::from(spec.minimum())..=f64::from(spec.maximum()));
    }
    if let Some(spec) = spec.downcast_ref::<ParamSpecFloat>() {
        return Some(f64::from(spec.minimum())..=f64::from(spec.maximum()));
    }
    spec.downcast_ref::<ParamSpecDouble>().map(|spec| spec.minimum()..=spec.maximum())
}

/// A default as it is written in TOML.
fn written(kind: ParameterType, default: &toml::Value) -> Option<Value<'_>> {
    Some(match kind {
        ParameterType::String => Value::Str(default.as_str()?),
        ParameterType::Int => Value::Int(default.as_integer()?),
        ParameterType::Float => Value::Float(default.as_float()?),
        ParameterType::Bool => Value::Bool(default.as_bool()?),
        ParameterType::Caps => Value::Caps(default.as_str()?.parse().ok()?),
        ParameterType::Fraction => {
            let (num, den) = default.as_str()?.split_once('/')?;
            Value::Fraction(num.parse().ok()?, den.parse().ok()?)
        }
    })
}

/// A mistake in a pipeline's file or in how it is called: ours, not the user's.
fn flaw(name: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, "A media pipeline of the server is broken; its log says more.")
        .with_cause(format!("pipelines/{name}.toml: {why}"))
}
