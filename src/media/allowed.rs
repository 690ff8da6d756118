//! Which GStreamer elements may work on what others send: uploads and the streams of network cameras.
//!
//! Every demuxer, parser and decoder that is installed would otherwise be reached by a file that claims its format, many
//! of them old and rarely tested. The list holds what people upload and what cameras send; everything else is refused by
//! its format's name (docs/design/0018-hostile-and-real-media.md).

/// Containers that hold their media themselves; none of their demuxers opens another file or address.
pub const CONTAINERS: &[&str] = &[
    "video/quicktime",
    "audio/x-m4a",
    "application/x-3gp",
    "video/x-matroska",
    "audio/x-matroska",
    "video/webm",
    "audio/webm",
    "video/x-msvideo",
    "video/mpegts",
    "video/mpeg",
    "video/x-flv",
    "application/ogg",
    "video/ogg",
    "video/x-ivf",
];

/// The factories that decodebin may make elements of. Sound needs none: it stays undecoded. `vp8alphadecodebin` and
/// `vp9alphadecodebin` are left out on purpose: browsers mark recordings without alpha as having it, and where there is
/// alpha, the plain decoders give the picture without it, which is what is wanted here.
const ELEMENTS: &[&str] = &[
    // Demuxers.
    "qtdemux",
    "matroskademux",
    "avidemux",
    "tsdemux",
    "mpegpsdemux",
    "flvdemux",
    "oggdemux",
    "ivfparse",
    // Parsers.
    "h264parse",
    "h265parse",
    "mpegvideoparse",
    "mpeg4videoparse",
    "h263parse",
    "vp9parse",
    "av1parse",
    // Decoders.
    "avdec_h264",
    "avdec_h265",
    "vp8dec",
    "vp9dec",
    "av1dec",
    "dav1ddec",
    "avdec_mpeg4",
    "avdec_mpeg2video",
    "avdec_h263",
    "avdec_flv",
    "avdec_prores",
    "theoradec",
    "jpegdec",
    // What takes a camera's stream out of RTP packets.
    "rtph264depay",
    "rtph265depay",
    "rtpjpegdepay",
    "rtpmp4vdepay",
    "rtpmpvdepay",
    "rtpmp2tdepay",
    "rtpvp8depay",
    "rtpvp9depay",
    "rtpav1depay",
    "rtph263depay",
    "rtph263pdepay",
];

/// Caps names of the video streams that the list's decoders take.
const DECODED: &[&str] = &[
    "video/x-h264",
    "video/x-h265",
    "video/x-vp8",
    "video/x-vp9",
    "video/x-av1",
    "video/mpeg",
    "video/x-divx",
    "video/x-h263",
    "video/x-flash-video",
    "video/x-prores",
    "video/x-theora",
    "image/jpeg",
];

/// May decodebin use the factory of this name?
pub fn element(factory: &str) -> bool {
    ELEMENTS.contains(&factory)
}

/// Is a stream with caps of this name one that the server decodes where nothing is missing from its installation?
pub fn decoded(caps: &str) -> bool {
    DECODED.contains(&caps)
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    /// What takes sound, or asks for alpha, has no place in the list; nor does what is misspelt.
    #[test]
    fn the_list_holds_video_elements_only() {
        gst::init().unwrap();
        let mut found = 0;
        for name in ELEMENTS {
            // Another version of GStreamer may lack some.
            let Some(factory) = gst::ElementFactory::find(name) else { continue };
            found += 1;
            let class = factory.metadata("klass").unwrap();
            assert!(
                ["Demux", "Parser", "Decoder", "Depayloader"].iter().any(|kind| class.contains(kind)),
                "{name}: {class}"
            );
            assert!(!class.contains("Audio") && !name.contains("alpha"), "{name}: {class}");
        }
        assert!(found >= ELEMENTS.len() - 3, "{found} of {} are there", ELEMENTS.len());
    }
}
