//! What is asked for beside the picture.

use std::sync::Arc;

use crate::{
    detector::Detector,
    error::Result,
    event::Task,
    fault,
    vision::{draw::Style, picture::JPEG_QUALITY},
    web::{Web, query::Query},
};

/// Classes that are told unless more are asked for.
const TOP_K: usize = 5;

/// How the answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Json,
    /// The drawn picture alone.
    Image,
    /// JSON with the drawn picture inside.
    Base64,
    /// JSON with the address of the drawn picture.
    Url,
}

pub struct Wish {
    pub task: Task,
    pub model: Arc<Detector>,
    pub threshold: f32,
    pub top_k: usize,
    pub output: Output,
    pub style: Style,
    /// Of the drawn JPEG, 1 to 100.
    pub quality: u8,
}

impl Wish {
    /// # Errors
    /// A parameter is not understood, or there is no such model for the task.
    pub fn read(web: &Web, query: &Query) -> Result<Self> {
        let task = match query.value("task") {
            None | Some("detect") => Task::Detect,
            Some("classify") => Task::Classify,
            Some(other) => return Err(fault!(BadRequest, "`task` must be detect or classify, not `{other}`.")),
        };
        let output = match query.value("output") {
            None | Some("json") => Output::Json,
            Some("image") => Output::Image,
            Some("base64") => Output::Base64,
            Some("url") => Output::Url,
            Some(other) => {
                return Err(fault!(BadRequest, "`output` must be json, image, base64 or url, not `{other}`."));
            }
        };
        let top_k = query.count("top_k", 1)?.map_or(TOP_K, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let quality = query.number("quality")?.unwrap_or(JPEG_QUALITY);
        if !(1..=100).contains(&quality) {
            return Err(fault!(BadRequest, "`quality` must be from 1 to 100."));
        }
        let threshold = query.threshold()?;
        let style =
            Style { labels: query.flag("labels")?.unwrap_or(true), scores: query.flag("scores")?.unwrap_or(true) };
        let model = web.jobs.model(query.text("model"), task)?.clone();
        let threshold = threshold.unwrap_or(model.info().threshold);
        Ok(Self { task, model, threshold, top_k, output, style, quality })
    }
}
