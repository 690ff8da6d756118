//! Pipelines as data: every file parses and builds, mistakes are told in words, and nothing that a user wrote
//! becomes pipeline text.

use std::{fs, path::Path};

use gstreamer::prelude::*;
use sightglass::{
    error::{Error, Kind},
    media::{ParameterType, TEMPLATES, Template, Value, init},
};

use crate::media::{LIMITS, decode, fixture};

/// A value that fits a parameter of this type.
fn example(kind: ParameterType) -> Value<'static> {
    match kind {
        ParameterType::String => Value::Str("example"),
        ParameterType::Int => Value::Int(20),
        ParameterType::Float => Value::Float(2.0),
        ParameterType::Bool => Value::Bool(true),
        ParameterType::Caps => Value::Caps("video/x-raw,width=64,height=48".parse().unwrap()),
        ParameterType::Fraction => Value::Fraction(30, 1),
    }
}

#[test]
fn every_pipeline_is_in_the_table_and_builds() {
    init().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut table: Vec<_> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    table.sort_unstable();
    assert_eq!(files, table, "pipelines/*.toml and TEMPLATES in src/media/template.rs differ");
    for (name, _) in TEMPLATES {
        let template = Template::get(name).unwrap_or_else(|error| panic!("{}", error.full()));
        assert!(template.description.ends_with('.'), "{name}: a sentence says what it is");
        // With the defaults alone where there are such, and with every parameter given.
        let all: Vec<_> = template.parameters.iter().map(|(name, p)| (name.as_str(), example(p.kind))).collect();
        let needed: Vec<_> = template
            .parameters
            .iter()
            .filter(|(_, parameter)| parameter.default.is_none())
            .map(|(name, p)| (name.as_str(), example(p.kind)))
            .collect();
        for values in [&all, &needed] {
            template.build(values).unwrap_or_else(|error| panic!("{}", error.full()));
        }
    }
}

const SMALL: &str = r#"
description = "A pattern."
kind = "live"
launch = "videotestsrc name=source ! capsfilter name=filter ! fakesink name=sink"
[parameters.pictures]
element = "source"
property = "num-buffers"
type = "int"
default = 3
[parameters.frequency]
element = "source"
property = "kx"
type = "int"
default = 1
[parameters.live]
element = "source"
property = "is-live"
type = "bool"
default = false
[parameters.caps]
element = "filter"
property = "caps"
type = "caps"
default = "video/x-raw,width=64"
"#;

/// Builds a changed SMALL, which must fail as the server's own mistake.
fn flaw(text: &str, values: &[(&str, Value<'_>)], why: &[&str]) -> Error {
    init().unwrap();
    let built = Template::parse("small", text).and_then(|template| template.build(values).map(|_| ()));
    let error = built.expect_err("it must fail");
    assert_eq!(error.kind, Kind::Internal, "{}", error.full());
    let cause = error.cause.clone().unwrap();
    for why in why.iter().chain(&["pipelines/small.toml"]) {
        assert!(cause.contains(why), "{why:?} is not in {cause:?}");
    }
    assert!(!error.detail.contains("small"), "clients are told no names of ours: {}", error.detail);
    error
}

#[test]
fn values_and_defaults_are_set() {
    init().unwrap();
    let template = Template::parse("small", SMALL).unwrap();
    let pipeline = template.build(&[("pictures", Value::Int(7)), ("live", Value::Bool(true))]).unwrap();
    let source = pipeline.by_name("source").unwrap();
    assert_eq!(source.property::<i32>("num-buffers"), 7);
    assert!(source.property::<bool>("is-live"));
    assert_eq!(source.property::<i32>("kx"), 1, "the default");
    let caps = pipeline.by_name("filter").unwrap().property::<gstreamer::Caps>("caps");
    assert_eq!(caps.structure(0).unwrap().get::<i32>("width").unwrap(), 64);
}

#[test]
fn wrong_values_are_told() {
    flaw(SMALL, &[("nope", Value::Int(1))], &["unknown parameter nope"]);
    flaw(SMALL, &[("pictures", Value::Str("7"))], &["pictures", "no Int"]);
    flaw(SMALL, &[("live", Value::Int(1))], &["live", "no Bool"]);
    flaw(SMALL, &[("pictures", Value::Int(-2))], &["pictures", "-2 is not in"]);
    flaw(SMALL, &[("pictures", Value::Int(1 << 40))], &["pictures", "out of range"]);
}

#[test]
fn wrong_files_are_told() {
    flaw(&SMALL.replace("default = 3\n", ""), &[], &["parameter pictures is missing"]);
    flaw(&SMALL.replace("default = 3", "default = \"3\""), &[], &["the default of pictures"]);
    flaw(&SMALL.replace("num-buffers", "no-such"), &[], &["source has no property no-such"]);
    flaw(&SMALL.replace("element = \"filter\"", "element = \"gone\""), &[], &["no element is named gone"]);
    flaw(&SMALL.replace("type = \"bool\"", "type = \"string\""), &[("live", Value::Str("x"))], &["not a gchararray"]);
    flaw(&format!("colour = 1\n{SMALL}"), &[], &["unknown field", "colour"]);
    flaw(&SMALL.replace("type = \"bool\"", "type = \"bool\"\nminimum = 1"), &[], &["unknown field", "minimum"]);
    flaw(&SMALL.replace("\"live\"", "\"sometimes\""), &[], &["sometimes"]);
    flaw(&SMALL.replace("! fakesink", "! ! fakesink"), &[], &["syntax"]);
    flaw("kind = \"file\"", &[], &["missing field"]);
    let single = "description = \"One.\"\nkind = \"file\"\nlaunch = \"fakesink\"";
    flaw(single, &[], &["single element"]);
    assert!(Template::get("no-such").unwrap_err().cause.unwrap().contains("not in the table"));
}

#[test]
fn a_missing_element_is_named() {
    init().unwrap();
    let text = SMALL.replace("fakesink", "nosuchsink");
    let error = Template::parse("small", &text).unwrap().build(&[]).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.detail.contains("nosuchsink") && error.detail.contains("sightglass doctor"), "{}", error.detail);
}

/// The name of an upload is a property's value, not text that is parsed.
#[test]
fn names_are_never_pipeline_text() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "it's \"quoted\" and spaced.mp4",
        "x.mp4 ! fakesink name=decode",
        "name=source location=nowhere ! videotestsrc ! appsink name=sink",
        "back\\slash $(touch hacked) `id` %s {} <> & ; | * ? 视频.mp4",
        "--help",
    ] {
        let path = folder.path().join(name);
        fs::copy(fixture("numbered-vfr.mp4"), &path).unwrap();
        let clip = decode(&path, &LIMITS, |_| {}).unwrap_or_else(|error| panic!("{name}: {}", error.full()));
        assert_eq!(clip.numbers(), (0..60).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_decoder_works_here() {
    init().unwrap();
    sightglass::media::probe_decoder().unwrap();
    let missing: Vec<_> = sightglass::media::elements().into_iter().filter(|(.., there)| !there).collect();
    assert!(missing.is_empty(), "`make test` should have installed {missing:?}");
}
