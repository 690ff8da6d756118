//! The description of the interface, generated from the handlers' annotations.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        PathItem, Ref, RefOr, Response,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    access::session, camera, detections, events, health, images, models, pictures, problem, recordings, stream_events,
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

/// Where the server asks for its token (`web::access`), it does so at every call that does not say otherwise.
struct Secured;

impl Modify for Secured {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let refusal = Response::builder()
            .description("This server asks for its token")
            .content("application/problem+json", utoipa::openapi::Content::new(Some(Ref::from_schema_name("Problem"))))
            .build();
        for call in document.paths.paths.values_mut().flat_map(calls).filter(|call| call.security.is_none()) {
            call.responses.responses.entry("401".into()).or_insert_with(|| RefOr::T(refusal.clone()));
        }
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The server's token")).build();
        let words = "What POST /api/session gives to browsers";
        let session = ApiKey::Cookie(ApiKeyValue::with_description(session::COOKIE, words));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

fn calls(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.head, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete]
        .into_iter()
        .flatten()
}

/// OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
