//! A frame in, detections out: letterbox, engine, family, NMS. The one chain that everything uses.

use std::path::{Path, PathBuf};

use crate::{
    error::Result,
    event::Detection,
    frame::Frame,
};

/// How a model is to be run; `None` and `auto` are chosen by measurement at load.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Folder that holds `libonnxruntime.so*`; None: searched.
    pub onnxruntime: Option<PathBuf>,
    pub provider: Provider,
    pub precision: Precision,
    pub sessions: Option<usize>,
    pub threads: Option<usize>,
    /// Folder for the cache of measured choices; None: no cache.
    pub cache: Option<PathBuf>,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider { #[default] Auto, Cuda, TensorRt, OpenVino, Cpu }
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision { #[default] Auto, F32, Bf16, F16 }

/// What `GET /api/models` tells of a loaded model.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ModelInfo {
    pub name: String,
    pub version: String,
    pub task: String,
    pub family: String,
    /// Shape of the input tensor as the model declares it, -1 where free.
    pub input: Vec<i64>,
    /// Number of labels.
    pub labels: usize,
    /// The provider that really runs: `CPU`, `OpenVINO`, `CUDA`, `TensorRT`.
    pub provider: String,
    /// `f32`, `bf16` or `f16`.
    pub precision: String,
    pub sessions: usize,
    pub threads: usize,
    /// The score threshold of the manifest.
    pub threshold: f32,
    /// How provider, precision, sessions and threads were found, in words.
    pub chosen: String,
}
pub struct Detector;
/// A frame on its way through the engine.
pub struct Pending;
impl Detector {
    /// Loads the newest version in a model folder.
    pub fn load(_folder: &Path, _options: &EngineOptions) -> Result<Self> { todo!() }
    pub fn info(&self) -> &ModelInfo { todo!() }
    pub fn label_names(&self) -> &[String] { todo!() }
    /// How many frames of one stream should be in flight to keep the engine busy.
    pub fn depth(&self) -> usize { todo!() }
    /// Prepares the frame on the calling thread and queues it; blocks while the engine's queue is full.
    pub fn submit(&self, _frame: &Frame) -> Result<Pending> { todo!() }
    /// submit and wait.
    pub fn detect(&self, frame: &Frame, threshold: f32) -> Result<Vec<Detection>> { self.submit(frame)?.wait(threshold) }
}
impl Pending {
    /// Blocks for the engine's answer; decodes it and suppresses overlaps on the calling thread. Best first.
    pub fn wait(self, _threshold: f32) -> Result<Vec<Detection>> { todo!() }
}
impl std::str::FromStr for Provider { type Err = String; fn from_str(_: &str) -> std::result::Result<Self, String> { Ok(Self::Auto) } }
impl std::str::FromStr for Precision { type Err = String; fn from_str(_: &str) -> std::result::Result<Self, String> { Ok(Self::Auto) } }
