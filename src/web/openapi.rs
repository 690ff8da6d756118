//! The description of the interface, generated from the handlers' annotations.

use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{
    access::session, camera, detections, events, health, images, models, openapi_details, pictures, problem,
    recordings, stream_events, stream_pictures, streams, upload, videos, whip,
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
        recordings::list,
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
        images::create,
        images::file,
        images::delete,
        models::list,
        session::get,
        session::sign_in,
        session::sign_out,
        health::healthz,
        health::readyz,
        health::metrics,
        health::document,
    ),
    components(schemas(problem::Problem, crate::event::FrameEvent)),
    security(("token" = []), ("session" = [])),
    modifiers(&Secured)
)]
struct Document;

/// How programs and browsers show that they may use the server.
struct Secured;

impl Modify for Secured {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The server's token")).build();
        let words = "What POST /api/session gives to browsers";
        let session = ApiKey::Cookie(ApiKeyValue::with_description(session::COOKIE, words));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

/// OpenAPI 3.1, of a server that asks for its token or of one that does not.
pub fn document(token: bool) -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    openapi_details::complete(&mut document, token);
    document
}
