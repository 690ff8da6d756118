//! `GET /api/models`: which models are served, and what really runs them.

use std::sync::Arc;

use serde::Serialize;
use warp::{Filter, Reply, filters::BoxedFilter, reply::Response};

use super::{Web, problem::answer, with};
use crate::{
    detector::{Detector, ModelInfo},
    error::Result,
};

/// A served model.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Model {
    #[serde(flatten)]
    pub info: ModelInfo,
    /// Used when a request for its task names none.
    pub default: bool,
    /// All labels; a detection's `class_id` counts them from 0.
    pub label_names: Vec<String>,
}

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "models").and(warp::get()).and(with(web)).and_then(|web| answer(list(web))).boxed()
}

/// Lists the models.
#[utoipa::path(get, path = "/api/models", tag = "models", responses((status = 200, body = Vec<Model>)))]
pub async fn list(web: Arc<Web>) -> Result<Response> {
    let models = web.jobs.models();
    let first = |model: &Detector| models.iter().find(|other| other.task() == model.task());
    let models: Vec<Model> = models
        .iter()
        .map(|model| Model {
            info: model.info().clone(),
            default: first(model).is_some_and(|first| Arc::ptr_eq(first, model)),
            label_names: model.label_names().to_vec(),
        })
        .collect();
    Ok(warp::reply::json(&models).into_response())
}
