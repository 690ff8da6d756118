//! `sightglass models pull`: published models, fetched, checked and imported.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::{download, import};
use crate::{
    cli::place::cache_folder,
    error::Result,
    fault,
    models::{
        fetch::{List, Published, Role, Source},
        folder,
    },
};

#[derive(clap::Args)]
pub struct PullSettings {
    /// Models of the list; none: print the list.
    names: Vec<String>,
    /// Take the files from here: a folder, or the address of a mirror that has them by their names.
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    /// Another list of the same form as `models/fetch.toml` [default: the program's own].
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Replace models of these names, if there are any.
    #[arg(long)]
    force: bool,
    /// Folder of model folders, in which the new ones are made.
    #[arg(long, env = "SIGHTGLASS_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Folder that holds libonnxruntime.so [default: `deps/onnxruntime` here or beside the program].
    #[arg(long, env = "SIGHTGLASS_ONNXRUNTIME", value_name = "DIR")]
    onnxruntime: Option<PathBuf>,
}

pub fn run(settings: &PullSettings) -> Result<()> {
    let list = match &settings.list {
        None => List::own().map_err(|words| fault!(Internal, "models/fetch.toml: {words}."))?,
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| List::parse(&text))
            .map_err(|words| fault!(BadRequest, "The list `{}` cannot be read: {words}.", file.display()))?,
    };
    if settings.names.is_empty() {
        for model in &list.model {
            let bytes: u64 = model.files.iter().map(|file| file.bytes).sum();
            println!("{:<16} {:>8}  {} ({})", model.name, super::amount(bytes), model.description, model.licence);
        }
        return Ok(());
    }
    // Names are looked at before anything long is done.
    let mut wanted = Vec::new();
    for name in &settings.names {
        let known = || list.model.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = list.model.iter().find(|model| model.name == *name);
        wanted.push(found.ok_or_else(|| fault!(BadRequest, "`{name}` is not in the list, which has: {}.", known()))?);
        folder::place(&settings.models, name, settings.force)?;
    }
    wanted.into_iter().try_for_each(|model| pull(settings, model))
}

fn pull(settings: &PullSettings, model: &Published) -> Result<()> {
    let mut files = Vec::new();
    for source in &model.files {
        files.push((source, get(settings, source)?));
    }
    let of = |role: Role| files.iter().find(|(source, _)| source.role == role).map(|(_, file)| file.clone());
    import::run(&import::ImportSettings {
        name: model.name.clone(),
        cfg: of(Role::Cfg),
        weights: of(Role::Weights),
        onnx: of(Role::Onnx),
        labels: Some(PathBuf::from(&model.labels)),
        description: Some(format!("{} ({})", model.description, model.licence)),
        force: settings.force,
        models: settings.models.clone(),
        onnxruntime: settings.onnxruntime.clone(),
        ..import::ImportSettings::default()
    })?;
    // They are kept if the import fails, so that they are not fetched twice.
    for (_, file) in files.iter().filter(|(_, file)| file.starts_with(downloads())) {
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// Where files are while they are fetched.
fn downloads() -> PathBuf {
    cache_folder().unwrap_or_else(std::env::temp_dir).join("fetch")
}

/// A checked file of a model.
fn get(settings: &PullSettings, source: &Source) -> Result<PathBuf> {
    let (file, sha256) = match &settings.from {
        Some(from) if !from.contains("://") => {
            let file = Path::new(from).join(&source.name);
            let sha256 = source.check(&file).map_err(|words| fault!(BadRequest, "`{}`: {words}.", file.display()))?;
            (file, sha256)
        }
        from => {
            let addresses = match from {
                Some(mirror) => vec![format!("{}/{}", mirror.trim_end_matches('/'), source.name)],
                None => source.urls.clone(),
            };
            eprintln!("fetching {}, {}", source.name, super::amount(source.bytes));
            let bar = ProgressBar::new(source.bytes).with_style(
                ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            let file = download::fetch(source, &addresses, &downloads(), &bar);
            bar.finish_and_clear();
            let file = file?;
            let sha256 = source.check(&file).map_err(|words| fault!(BadRequest, "`{}`: {words}.", source.name))?;
            (file, sha256)
        }
    };
    let checked =
        if source.sha256.is_some() { "as listed" } else { "which nobody has published: only the size was checked" };
    println!("{}: {} bytes, sha256 {sha256}, {checked}", source.name, source.bytes);
    Ok(file)
}
