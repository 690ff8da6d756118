//! The description of the interface, generated from the handlers' annotations.

use utoipa::OpenApi;

use super::{
    access::session, camera, detections, events, health, models, pictures, problem, recordings, stream_events,
    stream_pictures, streams, upload, videos, whip,
};

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
        recordings::stop,
        recordings::delete,
        recordings::file,
        streams::settings,
        streams::list,
        streams::create,
        streams::get,
        streams::delete,
        streams::pause,
        streams::resume,
        streams::record,
        streams::recorded_so_far,
        stream_events::open,
        stream_pictures::open,
        whip::create,
        camera::open,
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
