//! Finding and loading ONNX Runtime. A process can load one library, once.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    config::{EngineOptions, Provider, places},
    error::Result,
    fault,
};

/// The loaded ONNX Runtime.
pub struct Library {
    /// Where it was found.
    pub file: PathBuf,
    /// For example `1.24.1`.
    pub version: String,
    pub(super) environment: ort::environment::Environment,
}

/// With it lies the library for CUDA and TensorRT, as `make setup CUDA=1` leaves it.
const GPU: &str = "deps/onnxruntime-gpu";
/// With it lies the library for CPUs, as `make setup` leaves it.
const CPU: &str = "deps/onnxruntime";

/// Loads ONNX Runtime at the first call, from the folder in the options, or `deps/onnxruntime[-gpu]` here or beside
/// the program, or where the system keeps libraries.
///
/// # Errors
/// There is none, or an unfit one; the words say how to get it.
pub fn library(options: &EngineOptions) -> Result<&'static Library> {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = LIBRARY.get() {
        return Ok(library);
    }
    let loaded = load(&find(options)?)?;
    Ok(LIBRARY.get_or_init(|| loaded))
}

fn find(options: &EngineOptions) -> Result<PathBuf> {
    if let Some(named) = &options.onnxruntime {
        let found = if named.is_file() { Some(named.clone()) } else { in_folder(named) };
        return found.ok_or_else(|| {
            fault!(
                BadRequest,
                "There is no ONNX Runtime (libonnxruntime.so) in `{}`, which --onnxruntime or SIGHTGLASS_ONNXRUNTIME names: leave that out after `make setup`, or name a folder that holds the library.",
                named.display()
            )
        });
    }
    let (cpu, gpu) = (places(CPU), places(GPU));
    let folders: Vec<PathBuf> = match options.provider {
        Provider::Auto if !has_gpu() => [cpu, gpu].concat(),
        Provider::Auto | Provider::Cuda | Provider::TensorRt => [gpu, cpu].concat(),
        Provider::OpenVino | Provider::Cpu => [cpu, gpu].concat(),
    };
    let system = [
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
        "/opt/onnxruntime/lib",
    ];
    let mut folders = folders.iter().map(PathBuf::as_path).chain(system.iter().map(Path::new));
    folders.find_map(in_folder).ok_or_else(|| {
        fault!(Unavailable, "ONNX Runtime was not found. `make setup` puts it into deps/onnxruntime; or name the folder that holds libonnxruntime.so (1.24 or newer) with --onnxruntime or SIGHTGLASS_ONNXRUNTIME.")
    })
}

/// `libonnxruntime.so` or `libonnxruntime.so.1…` in a folder.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join("libonnxruntime.so");
    if plain.is_file() {
        return Some(plain);
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("libonnxruntime.so.")))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.pop()
}

/// Is there a driver for NVIDIA's GPUs? (`/dev/dxg` is WSL's.)
pub fn has_gpu() -> bool {
    ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"].iter().any(|device| Path::new(device).exists())
}

fn load(file: &Path) -> Result<Library> {
    // Found by a relative path, but loaded by dlopen, which takes only absolute ones from anywhere.
    let file = file.canonicalize()?;
    if let Some(folder) = file.parent() {
        preload_cuda(folder);
    }
    let unfit = |error: &dyn std::fmt::Display| {
        fault!(
            Unavailable,
            "ONNX Runtime at {} cannot be used: {error}. Version 1.24 or newer is needed; `make setup` gets one.",
            file.display()
        )
    };
    let builder = ort::init_from(&file).map_err(|error| unfit(&error))?;
    let environment = builder.with_name("sightglass").with_telemetry(false).build().map_err(|error| unfit(&error))?;
    Ok(Library { version: version(&file), file, environment })
}

/// The version stands at the end of the file's name; the API has none for it.
fn version(file: &Path) -> String {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("");
    match name.strip_prefix("libonnxruntime.so.") {
        Some(version) if version.contains('.') => version.to_owned(),
        _ => ort::util::probe(file).map_or_else(|| "of an unknown version".to_owned(), |minor| format!("1.{minor}")),
    }
}

/// Loads the parts of CUDA and cuDNN that lie beside the library, so that its provider finds them without
/// `LD_LIBRARY_PATH`. In this order, because the later ones need the earlier.
fn preload_cuda(folder: &Path) {
    const ORDER: &[&str] = &[
        "libcudart",
        "libnvrtc",
        "libnvJitLink",
        "libcublasLt",
        "libcublas",
        "libcufft",
        "libcurand",
        "libcudnn_graph",
        "libcudnn_ops",
        "libcudnn",
    ];
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    for start in ORDER {
        for file in &entries {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if name.strip_prefix(start).is_some_and(|rest| rest.starts_with(".so"))
                && let Err(error) = ort::util::preload_dylib(file)
            {
                tracing::warn!(%error, library = name, "cannot be loaded");
            }
        }
    }
}
