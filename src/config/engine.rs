//! What a person may ask of the engine.

use std::{fmt, path::PathBuf, str::FromStr};

/// How a network is to be run; what is `None` or `Auto` is chosen by measurement at load.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Folder that holds `libonnxruntime.so*`; `None`: searched.
    pub onnxruntime: Option<PathBuf>,
    pub provider: Provider,
    pub precision: Precision,
    /// Sessions, each with a thread that feeds it.
    pub sessions: Option<usize>,
    /// Threads of each session's own pool.
    pub threads: Option<usize>,
    /// Most pictures in one run.
    pub batch: Option<usize>,
    /// Folder for the cache of measured choices; `None`: no cache.
    pub cache: Option<PathBuf>,
    /// Measure even where the cache has a choice, and replace that.
    pub measure_again: bool,
}

/// Execution providers of ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    #[default]
    Auto,
    Cuda,
    TensorRt,
    OpenVino,
    Cpu,
}

impl Provider {
    /// As ONNX Runtime writes it, without its suffix.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cuda => "CUDA",
            Provider::TensorRt => "TensorRT",
            Provider::OpenVino => "OpenVINO",
            Provider::Cpu => "CPU",
        }
    }

    /// What a machine needs for it, as a sentence; empty where nothing is.
    pub fn needs(self) -> &'static str {
        match self {
            Provider::Cuda => "It needs an NVIDIA GPU with its driver, and `make setup CUDA=1`.",
            Provider::TensorRt => {
                "It needs an NVIDIA GPU with its driver, `make setup CUDA=1` and TensorRT 10 (libnvinfer.so.10)."
            }
            Provider::OpenVino => "It comes with `make setup`, for processors of the x86-64 kind.",
            Provider::Cpu | Provider::Auto => "",
        }
    }

    pub fn on_gpu(self) -> bool {
        matches!(self, Provider::Cuda | Provider::TensorRt)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Provider::Auto),
            "cuda" => Ok(Provider::Cuda),
            "tensorrt" => Ok(Provider::TensorRt),
            "openvino" => Ok(Provider::OpenVino),
            "cpu" => Ok(Provider::Cpu),
            _ => Err("choose auto, cuda, tensorrt, openvino or cpu".into()),
        }
    }
}

/// Arithmetic of the network's large sums. `F32` is the exact one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Auto,
    F32,
    Bf16,
    F16,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Precision::Auto => "auto",
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Precision::Auto),
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            "f16" => Ok(Precision::F16),
            _ => Err("choose auto, f32, bf16 or f16".into()),
        }
    }
}
