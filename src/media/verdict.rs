//! Why a file gives no pictures, in words for the person who sent it.

use gstreamer as gst;

use super::{allowed, autoplug::Findings, container::Container, foreign};
use crate::{
    error::{Error, Kind},
    fault,
};

/// The reason that a file gave no picture at all. `limit` is the most pixels a frame may have.
pub fn refusal(container: &Container, found: &Findings, error: Option<&gst::glib::Error>, limit: u64) -> Error {
    words(container, found, limit).with_cause(facts(container, found, error))
}

/// What was seen of the file, for the operator's log.
fn facts(container: &Container, found: &Findings, error: Option<&gst::glib::Error>) -> String {
    let mut facts = vec![format!("container {}", container.mime)];
    match container.complete {
        Some(true) => facts.push("complete".into()),
        Some(false) => facts.push("its end is missing".into()),
        None => {}
    }
    let seen = [
        (container.lacks_index, "no index"),
        (found.video, "a video stream"),
        (found.exposed, "a decoded video stream"),
        (found.sound, "sound"),
        (found.encrypted, "encrypted"),
    ];
    facts.extend(seen.into_iter().filter(|(seen, _)| *seen).map(|(_, fact)| fact.to_owned()));
    let named = [("refused", &found.refused), ("no decoder for", &found.undecodable), ("samples", &found.samples)];
    facts.extend(named.into_iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_deref()?))));
    facts.extend(found.too_large.map(|size| format!("picture of {size}")));
    facts.extend(error.map(|error| format!("GStreamer: {error}")));
    facts.join(", ")
}

fn words(container: &Container, found: &Findings, limit: u64) -> Error {
    if let Some(size) = found.too_large {
        return fault!(
            Unprocessable,
            "The video's picture of {size} pixels is larger than the {limit} pixels that this server takes: \
             scale it down and try again."
        );
    }
    if found.many_scans {
        return fault!(
            Unprocessable,
            "The video's pictures are JPEGs of so many scans that no encoder writes them: convert it to H.264 and send \
             that."
        );
    }
    if found.encrypted || container.protected {
        return encrypted();
    }
    if let Some(codec) = found.undecodable.as_deref().filter(|codec| !allowed::decoded(codec)) {
        return fault!(
            Unprocessable,
            "The video is in a format ({}) that this server does not decode: convert it to an MP4 with H.264 and send \
             that.",
            codec_name(codec)
        );
    }
    if let Some(codec) = &found.undecodable {
        return fault!(
            Unprocessable,
            "The video is in a format ({}) that this server has no decoder for: convert it to H.264, or ask \
             the operator, whom `sightglass doctor` tells what is missing.",
            codec_name(codec)
        );
    }
    if container.lacks_index {
        return no_index();
    }
    if let Some(kind) = &found.refused {
        if kind == "image/gif" {
            return fault!(
                Unprocessable,
                "The file is a GIF animation, which is no video: convert it to MP4 and send that."
            );
        }
        if kind.starts_with("image/") {
            return still_picture();
        }
        if kind == "application/mxf" {
            return foreign::refusal("MXF");
        }
        return fault!(NotMedia, "The file is not a video: choose an MP4, MOV, MKV, WebM, AVI or MPEG-TS file.");
    }
    if found.sound && !found.video {
        return fault!(
            Unprocessable,
            "The file has no picture, only sound (no video track): choose a file with pictures."
        );
    }
    if let Some(samples) = &found.samples {
        return fault!(
            Unprocessable,
            "Not one picture of the video could be decoded: it is damaged, or this server cannot read its \
             samples ({samples}). Convert it to H.264 with 8 bits and 4:2:0."
        );
    }
    if found.video {
        return match container.complete {
            Some(false) => fault!(
                Unprocessable,
                "The file is cut off before its first picture: the upload or the recording is incomplete."
            ),
            _ => fault!(Unprocessable, "The file's video is damaged: not one picture of it could be decoded."),
        };
    }
    if container.name.is_some() {
        return fault!(Unprocessable, "The file is damaged or incomplete: no video track could be found in it.");
    }
    fault!(NotMedia, "The file is not a video: choose an MP4, MOV, MKV, WebM, AVI or MPEG-TS file.")
}

/// A picture that was sent as a video.
pub fn still_picture() -> Error {
    fault!(
        Unprocessable,
        "The file is a still picture, not a video: send it as an image, on the image page or by the image API."
    )
}

/// A video whose samples are encrypted.
pub fn encrypted() -> Error {
    fault!(Unprocessable, "The video is encrypted (DRM): the server cannot see its pictures. Send an unprotected copy.")
}

/// An MP4 without `moov`.
pub fn no_index() -> Error {
    Error::new(
        Kind::Unprocessable,
        "The file has no index (moov atom): the recording was cut off or the upload is incomplete. Send it \
         again, or repair it with a tool such as untrunc.",
    )
}

/// A person's name for a video stream's caps.
pub fn codec_name(caps: &str) -> &str {
    match caps {
        "video/x-h264" => "H.264",
        "video/x-h265" => "H.265",
        "video/x-h266" => "H.266",
        "video/x-av1" => "AV1",
        "video/x-vp8" => "VP8",
        "video/x-vp9" => "VP9",
        "video/x-prores" => "ProRes",
        "video/x-wmv" => "Windows Media Video",
        other => other
            .trim_start_matches("video/x-")
            .trim_start_matches("gst-fourcc-")
            .trim_start_matches("video/")
            .trim_start_matches("image/"),
    }
}
