//! `sightglass classify`: pictures in, their classes out.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::CommandFactory;

use super::{
    inputs::{self, Failure, Wanted},
    output::Output,
    place::Place,
    server::ServerSettings,
    show::show,
    writer::{picture_ending, shown, write_picture},
};
use crate::{
    config::{MediaSettings, ModelSettings},
    error::{Error, Result},
    event::{Class, Task},
    media,
    vision::{
        draw::{Style, caption},
        picture,
    },
};

#[derive(clap::Args)]
pub struct ClassifySettings {
    /// Pictures; a folder or a pattern such as `*.jpg` stands for those in it. None: paths are asked for, or read from
    /// standard input, one a line.
    #[arg(value_name = "IMAGE")]
    inputs: Vec<PathBuf>,
    /// Classes of each picture, the likeliest first.
    #[arg(long, env = "SIGHTGLASS_TOP_K", value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top_k: u16,
    /// Write a copy with the likeliest class: a file ending in .jpg or .png, or a folder when there are several pictures.
    #[arg(short, long, env = "SIGHTGLASS_OUTPUT", value_name = "OUT")]
    output: Option<PathBuf>,
    /// Open the copies in the desktop's viewer.
    #[arg(long, env = "SIGHTGLASS_SHOW")]
    show: bool,
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    models: ModelSettings,
    #[command(flatten)]
    media: MediaSettings,
}

/// One line of the output.
#[derive(serde::Serialize)]
struct Line {
    width: u32,
    height: u32,
    model: String,
    classes: Vec<Class>,
    /// Which input it is about, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

pub fn run(settings: &ClassifySettings) -> Result<()> {
    let several = inputs::several(&settings.inputs);
    if several && settings.output.as_ref().is_some_and(|output| output.extension().is_some() && !output.is_dir()) {
        let words = "with several pictures, -o must name a folder";
        super::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, words).exit();
    }
    let only = if several { None } else { settings.inputs.first().map(PathBuf::as_path) };
    if let Some(only) = only
        && !only.is_file()
    {
        return Err(inputs::named(only, inputs::no_file(only)));
    }
    let mut output = settings.output.as_deref().map(|output| Output::prepare(output, only)).transpose()?;
    media::init()?;
    let place = Place::of(&settings.server, &settings.models, Task::Classify, true)?;
    let outcome = inputs::each(&settings.inputs, Wanted::Pictures, |input| {
        let line = one(settings, &place, &mut output, input, several)?;
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &line).map_err(|error| Error::from(std::io::Error::from(error)))?;
        Ok(writeln!(out)?)
    });
    if let Some(summary) = output.as_ref().and_then(Output::summary) {
        eprintln!("{summary}");
    }
    outcome
}

fn one(
    settings: &ClassifySettings,
    place: &Place,
    output: &mut Option<Output>,
    input: &Path,
    several: bool,
) -> Result<Line, Failure> {
    let bytes = inputs::read(input)?;
    let read = || picture::read(&bytes, settings.media.max_pixels);
    let source = several.then(|| input.display().to_string());
    let line = match place {
        Place::Here(here) => {
            let frame = read()?;
            let model = here.model()?;
            let classes = model.classify(&frame, usize::from(settings.top_k))?;
            let (width, height) = (frame.size.width, frame.size.height);
            Line { width, height, model: model.info().name.clone(), classes, source }
        }
        Place::There(server) => {
            let mut wishes = vec![("task", Task::Classify.as_str().to_owned()), ("top_k", settings.top_k.to_string())];
            wishes.extend(settings.models.model.first().map(|model| ("model", model.clone())));
            let found = server.picture(&bytes, wishes)?;
            Line { width: found.width, height: found.height, model: found.model, classes: found.classes, source }
        }
    };
    let target = match output {
        Some(output) => Some(output.target(input, picture_ending(input))?),
        None => settings.show.then(|| shown(input)),
    };
    if let Some(target) = target {
        write_picture(&caption(&read()?, &line.classes, Style { labels: true, scores: true }), &target)?;
        if settings.show {
            show(&target);
        }
        if let Some(output) = output {
            output.wrote(target, None);
        }
    }
    Ok(line)
}
