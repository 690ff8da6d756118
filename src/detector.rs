//! A frame in, detections out: letterbox, engine, family, NMS. The one chain that everything uses.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    config::EngineOptions,
    engine::{Engine, Measured, Network, Setup, Ticket},
    error::{Error, Result},
    event::{Detection, round},
    fault,
    frame::Frame,
    models::{
        Model,
        family::{self, Family, Output},
    },
    vision::{
        geometry::{Letterbox, Resize},
        nms::suppress,
        tensor::{self, Layout, TensorSpec},
    },
};

/// What `GET /api/models` tells of a loaded model.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ModelInfo {
    pub name: String,
    pub version: String,
    pub task: String,
    pub family: String,
    pub description: String,
    /// Shape of the input tensor as the model declares it, -1 where free.
    pub input: Vec<i64>,
    /// Number of labels.
    pub labels: usize,
    /// The provider that really runs: `CPU`, `OpenVINO`, `CUDA`, `TensorRT`.
    pub provider: String,
    /// `f32`, `bf16` or `f16`.
    pub precision: String,
    pub sessions: usize,
    /// Threads of each session.
    pub threads: usize,
    /// Most pictures in one run.
    pub batch: usize,
    /// The score threshold of the manifest.
    pub threshold: f32,
    /// How provider, precision, sessions and threads were found, in words.
    pub chosen: String,
}

/// A loaded model.
pub struct Detector {
    info: ModelInfo,
    network: Network,
    engine: Engine,
    input: TensorSpec,
    resize: Resize,
    decoder: Arc<Decoder>,
}

/// From output tensors to detections; shared with the frames on their way.
struct Decoder {
    family: Box<dyn Family>,
    /// Where the family's outputs stand among the model's.
    outputs: Vec<usize>,
    iou: f32,
    labels: Vec<String>,
}

/// A frame on its way through the engine.
pub struct Pending {
    ticket: Ticket,
    letterbox: Letterbox,
    decoder: Arc<Decoder>,
}

impl Detector {
    /// Loads the newest version in a model folder and runs a picture through it.
    ///
    /// # Errors
    /// What is wrong with the folder, the model, or what was asked of the engine; in words.
    pub fn load(folder: &Path, options: &EngineOptions) -> Result<Self> {
        let model = Model::open(folder)?;
        let name = model.name.clone();
        Self::of(model, options)
            .map_err(|error| Error { detail: format!("The model `{name}`: {}", error.detail), ..error })
    }

    /// As [`Detector::load`], of a folder that was read.
    ///
    /// # Errors
    /// As there.
    pub fn of(model: Model, options: &EngineOptions) -> Result<Self> {
        let manifest = &model.manifest;
        let family =
            family::of(manifest, model.labels.len()).map_err(|words| fault!(BadRequest, "model.toml: {words}"))?;
        let input = manifest.input.tensor();
        let network = network(&model);
        let engine = Engine::open(&network, options)?;
        let declared = &engine.signature().outputs;
        let outputs = family.outputs().into_iter().map(|name| {
            declared.iter().position(|(known, _)| known == name).ok_or_else(|| {
                let known: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
                fault!(BadRequest, "model.toml names the output `{name}`, but the network has: {}.", known.join(", "))
            })
        });
        let outputs = outputs.collect::<Result<Vec<usize>>>()?;
        // Shapes that the file leaves free are known after a run.
        let ran = engine.submit(engine.input())?.wait()?;
        let shapes: Vec<Vec<Option<usize>>> =
            outputs.iter().map(|&index| ran[index].shape.iter().map(|&length| Some(length)).collect()).collect();
        family.check(&shapes).map_err(|words| fault!(BadRequest, "model.toml does not fit the network: {words}."))?;
        drop(ran);
        let setup = engine.setup();
        let info = ModelInfo {
            name: model.name.clone(),
            version: model.version.to_string(),
            task: manifest.task.as_str().to_owned(),
            family: manifest.family.clone(),
            description: manifest.description.clone(),
            input: engine.signature().input.clone(),
            labels: model.labels.len(),
            provider: setup.provider.to_string(),
            precision: setup.precision.to_string(),
            sessions: setup.sessions,
            threads: setup.threads,
            batch: setup.batch,
            threshold: manifest.thresholds.score,
            chosen: engine.chosen().to_owned(),
        };
        let decoder = Decoder { family, outputs, iou: manifest.thresholds.iou, labels: model.labels.clone() };
        Ok(Self { info, network, engine, input, resize: manifest.input.resize, decoder: Arc::new(decoder) })
    }

    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    pub fn label_names(&self) -> &[String] {
        &self.decoder.labels
    }

    /// What the engine runs.
    pub fn setup(&self) -> &Setup {
        self.engine.setup()
    }

    /// How many frames of one stream should be in flight to keep the engine busy.
    pub fn depth(&self) -> usize {
        self.engine.depth()
    }

    /// Prepares the frame on the calling thread and queues it; blocks while the engine's queue is full.
    ///
    /// # Errors
    /// The engine has stopped, or a still picture cannot be scaled.
    pub fn submit(&self, frame: &Frame) -> Result<Pending> {
        let letterbox = Letterbox::new(frame.size, self.input.size, self.resize);
        let mut input = self.engine.input();
        tensor::fill(frame, &letterbox, &self.input, &mut input)?;
        Ok(Pending { ticket: self.engine.submit(input)?, letterbox, decoder: self.decoder.clone() })
    }

    /// Submits and waits.
    ///
    /// # Errors
    /// The engine has stopped or refused the frame.
    pub fn detect(&self, frame: &Frame, threshold: f32) -> Result<Vec<Detection>> {
        self.submit(frame)?.wait(threshold)
    }

    /// Takes no frame any more and waits for those on their way; before the process ends.
    pub fn stop(&self) {
        self.engine.stop();
    }

    /// Only the preprocessing, into a tensor that is thrown away: for measurements.
    ///
    /// # Errors
    /// As [`tensor::fill`].
    pub fn prepare(&self, frame: &Frame) -> Result<()> {
        let letterbox = Letterbox::new(frame.size, self.input.size, self.resize);
        tensor::fill(frame, &letterbox, &self.input, &mut self.engine.input())
    }

    /// ONNX Runtime alone on ready tensors in this detector's setup, by sessions of its own.
    ///
    /// # Errors
    /// The sessions cannot be opened a second time.
    pub fn engine_alone(&self, options: &EngineOptions, span: Duration) -> Result<Measured> {
        Engine::alone(&self.network, options, self.engine.setup(), span)
    }
}

/// The engine's view of a model.
pub fn network(model: &Model) -> Network {
    let input = &model.manifest.input;
    let (width, height) = (input.width as usize, input.height as usize);
    Network {
        file: model.file.clone(),
        half_file: model.half_file.clone(),
        input: input.name.clone(),
        shape: match input.layout {
            Layout::Nchw => [3, height, width],
            Layout::Nhwc => [height, width, 3],
        },
    }
}

impl Pending {
    /// Blocks for the engine's answer; decodes it and suppresses overlaps on the calling thread. Best first.
    ///
    /// # Errors
    /// The engine has stopped or refused the frame.
    pub fn wait(self, threshold: f32) -> Result<Vec<Detection>> {
        let inferred = self.ticket.wait()?;
        let decoder = &self.decoder;
        let outputs: Vec<Output<'_>> = decoder
            .outputs
            .iter()
            .map(|&index| Output { shape: &inferred[index].shape, values: &inferred[index].values })
            .collect();
        let kept = suppress(decoder.family.decode(&outputs, threshold), decoder.iou);
        let detections = kept.into_iter().filter_map(|candidate| {
            let bbox = self.letterbox.to_image(candidate.bbox).map(|length| round(f64::from(length), 2) as f32);
            // What lies wholly outside the picture, in the bars, is nothing.
            (bbox[2] > 0.0 && bbox[3] > 0.0).then(|| Detection {
                bbox,
                class_id: candidate.class_id,
                label: decoder.labels.get(candidate.class_id as usize).cloned().unwrap_or_default(),
                score: round(f64::from(candidate.score), 4) as f32,
            })
        });
        Ok(detections.collect())
    }
}
