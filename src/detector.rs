//! A frame in, detections out: letterbox, engine, family, NMS. The one chain that everything uses.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    cancel::CancelToken,
    config::EngineOptions,
    engine::{Constant, Engine, Measured, Network, Setup, Ticket, Trial},
    error::{Error, Result},
    event::{Class, Detection, Task, round},
    fault,
    frame::Frame,
    models::{
        Model,
        family::{self, Family, Output, Wanted},
    },
    vision::{
        geometry::{Letterbox, Resize},
        nms::{Candidate, suppress},
        picture,
        tensor::{self, Layout, TensorSpec},
    },
};

/// What `GET /api/models` tells of a loaded model.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ModelInfo {
    pub name: String,
    pub version: String,
    /// `detect` or `classify`.
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

/// Which detections are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The least score.
    pub threshold: f32,
    /// Boxes of one class that overlap by more are one object.
    pub iou: f32,
    /// Every class of a cell that reaches the threshold, not only the best.
    pub multi_label: bool,
    /// The best of each picture.
    pub most: usize,
    /// Boxes end where the picture ends, and not where the model puts them.
    pub clip: bool,
}

/// A loaded model.
pub struct Detector {
    info: ModelInfo,
    task: Task,
    network: Network,
    engine: Engine,
    input: TensorSpec,
    resize: Resize,
    /// Of [`Resize::Crop`].
    crop: f32,
    decoder: Arc<Decoder>,
}

/// From output tensors to detections; shared with the frames on their way.
struct Decoder {
    family: Box<dyn Family>,
    /// Where the family's outputs stand among the model's.
    outputs: Vec<usize>,
    iou: f32,
    multi_label: bool,
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
        let shapes: Vec<&[usize]> = outputs.iter().map(|&index| &*ran[index].shape).collect();
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
        let decoder = Decoder {
            family,
            outputs,
            iou: manifest.thresholds.iou,
            multi_label: manifest.multi_label,
            labels: model.labels.clone(),
        };
        let (task, resize, crop) = (manifest.task, manifest.input.resize, manifest.input.crop);
        Ok(Self { info, task, network, engine, input, resize, crop, decoder: Arc::new(decoder) })
    }

    pub fn task(&self) -> Task {
        self.task
    }

    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    pub fn label_names(&self) -> &[String] {
        &self.decoder.labels
    }

    /// The setups that were measured when it was loaded; none where the choice was known.
    pub fn trials(&self) -> &[Trial] {
        self.engine.trials()
    }

    /// What the engine runs.
    pub fn setup(&self) -> &Setup {
        self.engine.setup()
    }

    /// How many frames of one stream should be in flight to keep the engine busy.
    pub fn depth(&self) -> usize {
        self.engine.depth()
    }

    /// The manifest's rules with another score threshold.
    pub fn rules(&self, threshold: f32) -> Rules {
        self.decoder.rules(threshold)
    }

    /// Prepares the frame on the calling thread and queues it; blocks while the engine's queue is full.
    ///
    /// # Errors
    /// The engine has stopped, or a still picture cannot be scaled.
    pub fn submit(&self, frame: &Frame) -> Result<Pending> {
        let mut input = self.engine.input();
        let letterbox = self.fill(frame, &mut input)?;
        Ok(Pending { ticket: self.engine.submit(input)?, letterbox, decoder: self.decoder.clone() })
    }

    /// As [`Detector::submit`]; this and [`Pending::wait`] also end when `cancel` is cancelled.
    ///
    /// # Errors
    /// As there, and [`Unavailable`](crate::error::Kind::Unavailable) once it is cancelled.
    pub fn submit_with(&self, frame: &Frame, cancel: &CancelToken) -> Result<Pending> {
        let mut input = self.engine.input();
        let letterbox = self.fill(frame, &mut input)?;
        Ok(Pending { ticket: self.engine.submit_with(input, cancel)?, letterbox, decoder: self.decoder.clone() })
    }

    /// Submits and waits.
    ///
    /// # Errors
    /// The engine has stopped or refused the frame.
    pub fn detect(&self, frame: &Frame, threshold: f32) -> Result<Vec<Detection>> {
        self.submit(frame)?.wait(threshold)
    }

    /// The `top_k` likeliest classes of the whole picture, best first.
    ///
    /// # Errors
    /// The engine has stopped or refused the frame.
    pub fn classify(&self, frame: &Frame, top_k: usize) -> Result<Vec<Class>> {
        let all = Rules { threshold: 0.0, iou: 1.0, multi_label: true, most: top_k, clip: true };
        let candidates = self.submit(frame)?.candidates(&all)?;
        let class = |candidate: Candidate| Class {
            class_id: candidate.class_id,
            label: self.decoder.label(candidate.class_id),
            score: round(f64::from(candidate.score), 4) as f32,
        };
        Ok(candidates.into_iter().take(top_k).map(class).collect())
    }

    fn fill(&self, frame: &Frame, input: &mut [f32]) -> Result<Letterbox> {
        let middle;
        let frame = match self.resize {
            Resize::Crop => {
                middle = frame.middle(self.input.size, self.crop);
                &middle
            }
            _ => frame,
        };
        let letterbox = Letterbox::new(frame.size, self.input.size, self.resize);
        if self.task == Task::Classify {
            // Classifiers are small and were trained on pictures that PIL and its like had made small, by averaging.
            let small = picture::shrink(frame, letterbox.inner)?;
            tensor::fill(&small, &Letterbox { image: small.size, ..letterbox }, &self.input, input)?;
        } else {
            tensor::fill(frame, &letterbox, &self.input, input)?;
        }
        Ok(letterbox)
    }

    /// Do all sessions of its engine run?
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<()> {
        self.engine.check()
    }

    /// Takes no frame any more and waits for those on their way; before the process ends.
    pub fn stop(&self) {
        self.engine.stop();
    }

    /// Takes no frame any more; those on their way are still answered.
    pub fn close(&self) {
        self.engine.close();
    }

    /// As [`Detector::stop`], but false if that takes longer than `patience`.
    pub fn stop_within(&self, patience: Duration) -> bool {
        self.engine.stop_within(patience)
    }

    /// Only the preprocessing, into a tensor that is thrown away: for measurements.
    ///
    /// # Errors
    /// As [`tensor::fill`].
    pub fn prepare(&self, frame: &Frame) -> Result<()> {
        self.fill(frame, &mut self.engine.input()).map(|_| ())
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
        constants: model
            .manifest
            .constants
            .iter()
            .map(|constant| Constant { input: constant.input.clone(), values: constant.values.clone() })
            .collect(),
    }
}

impl Decoder {
    fn rules(&self, threshold: f32) -> Rules {
        Rules { threshold, iou: self.iou, multi_label: self.multi_label, most: usize::MAX, clip: true }
    }

    fn label(&self, class_id: u32) -> String {
        self.labels.get(class_id as usize).cloned().unwrap_or_default()
    }
}

impl Pending {
    /// Blocks for the engine's answer; decodes it and suppresses overlaps on the calling thread. Best first.
    ///
    /// # Errors
    /// The engine has stopped or refused the frame.
    pub fn wait(self, threshold: f32) -> Result<Vec<Detection>> {
        let rules = self.decoder.rules(threshold);
        self.wait_with(&rules)
    }

    /// As [`Pending::wait`], by other rules than the manifest's.
    ///
    /// # Errors
    /// As there.
    pub fn wait_with(self, rules: &Rules) -> Result<Vec<Detection>> {
        let (letterbox, decoder) = (self.letterbox, self.decoder.clone());
        let place = if rules.clip { Letterbox::to_image } else { Letterbox::to_image_whole };
        let detections = self.candidates(rules)?.into_iter().filter_map(|candidate| {
            let bbox = place(&letterbox, candidate.bbox).map(|length| round(f64::from(length), 2) as f32);
            // What lies wholly outside the picture, in the bars, is nothing.
            (bbox[2] > 0.0 && bbox[3] > 0.0).then(|| Detection {
                bbox,
                class_id: candidate.class_id,
                label: decoder.label(candidate.class_id),
                score: round(f64::from(candidate.score), 4) as f32,
            })
        });
        Ok(detections.take(rules.most).collect())
    }

    /// Waits and decodes; in input space, best first.
    fn candidates(self, rules: &Rules) -> Result<Vec<Candidate>> {
        let inferred = self.ticket.wait()?;
        let decoder = &self.decoder;
        let outputs: Vec<Output<'_>> = decoder
            .outputs
            .iter()
            .map(|&index| Output { shape: &inferred[index].shape, values: &inferred[index].values })
            .collect();
        let wanted = Wanted { threshold: rules.threshold, multi_label: rules.multi_label };
        let found = decoder.family.decode(&outputs, &wanted);
        // One that has suppressed overlaps itself is only sorted.
        Ok(suppress(found, if decoder.family.suppresses() { f32::INFINITY } else { rules.iou }))
    }
}
