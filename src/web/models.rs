//! `GET /api/models`: which models are served, and what really runs them.

use std::sync::Arc;

use serde::Serialize;
use warp::{Filter, Reply, filters::BoxedFilter, reply::Response};

use super::{Web, problem::answer, with};
use crate::{detector::ModelInfo, error::Result};

/// A served model.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Model {
    #[serde(flatten)]
    pub info: ModelInfo,
    /// Used when a request names none.
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
    let models: Vec<Model> = web
        .jobs
        .models()
        .iter()
        .enumerate()
        .map(|(i, model)| Model {
            info: model.info().clone(),
            default: i == 0,
            label_names: model.label_names().to_vec(),
        })
        .collect();
    Ok(warp::reply::json(&models).into_response())
}
