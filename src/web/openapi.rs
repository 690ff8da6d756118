//! The description of the interface, generated from the handlers' annotations.

use utoipa::OpenApi;

use super::{access::session, detections, events, health, models, pictures, problem, recordings, upload, videos};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sightglass",
        description = "Every frame of a video with the boxes of exactly that frame.",
        license(name = "Apache-2.0")
    ),
    paths(
        upload::create,
        videos::list,
        videos::get,
        videos::delete,
        videos::cancel,
        videos::retry,
        videos::source,
        detections::lines,
        events::open,
        pictures::open,
        recordings::create,
        recordings::get,
        recordings::file,
        models::list,
        session::get,
        session::sign_in,
        session::sign_out,
        health::healthz,
        health::readyz,
        health::metrics,
        health::document,
    ),
    components(schemas(problem::Problem, crate::event::FrameEvent))
)]
struct Document;

/// OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
