//! From a picture's bytes to the answer.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use warp::{
    Reply,
    http::{HeaderValue, header},
    reply::Response,
};

use super::wish::{Output, Wish};
use crate::{
    error::Result,
    event::{Class, Detection, Task},
    fault,
    frame::Frame,
    still::Still,
    vision::{draw, picture},
    web::Web,
};

/// What is on a picture.
#[derive(Default, Serialize, utoipa::ToSchema)]
pub struct ImageAnswer {
    /// Of the upright picture in pixels.
    pub width: u32,
    pub height: u32,
    /// The model's name.
    pub model: String,
    /// `task=detect`: best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detections: Option<Vec<Detection>>,
    /// `task=classify`: best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<Class>>,
    /// `output=base64`: the drawn picture as a `data:` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `output=url`: where the drawn picture is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Decodes, asks the model, draws. Blocks; ends early when `gone` is cancelled.
pub fn make(web: &Web, wish: &Wish, bytes: &[u8], still: &Still, gone: &CancellationToken) -> Result<Response> {
    let still_there = || match gone.is_cancelled() {
        true => Err(fault!(Unavailable, "The client did not wait for the answer.")),
        false => Ok(()),
    };
    still_there()?;
    let frame = picture::decode(bytes, still)?;
    still_there()?;
    let model = wish.model.info().name.clone();
    let mut answer = ImageAnswer { width: frame.size.width, height: frame.size.height, model, ..Default::default() };
    match wish.task {
        Task::Detect => answer.detections = Some(wish.model.detect(&frame, wish.threshold)?),
        Task::Classify => answer.classes = Some(wish.model.classify(&frame, wish.top_k)?),
    }
    if wish.output == Output::Json {
        return Ok(warp::reply::json(&answer).into_response());
    }
    still_there()?;
    let jpeg = picture::jpeg(&drawn(&frame, &answer, wish), wish.quality)?;
    match wish.output {
        Output::Image => {
            let mut response = Response::new(Bytes::from(jpeg).into());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            return Ok(response);
        }
        Output::Url => {
            let id = web.jobs.files.kept.keep(&jpeg, web.keep_free)?;
            answer.url = Some(format!("/api/images/{id}/file"));
        }
        _ => answer.image = Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg))),
    }
    Ok(warp::reply::json(&answer).into_response())
}

fn drawn(frame: &Frame, answer: &ImageAnswer, wish: &Wish) -> Frame {
    match (&answer.detections, &answer.classes) {
        (Some(detections), _) => draw::annotate(frame, detections, wish.style),
        (None, Some(classes)) => draw::caption(frame, classes, wish.style),
        (None, None) => frame.clone(),
    }
}
