//! What decodebin may build from an upload, and what it found there.
//!
//! Uploads are hostile: a "video" may be a playlist that makes a demuxer fetch addresses, or ask for a
//! picture of a terabyte. So only known containers and video streams go on; sound and subtitles are left
//! undecoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video as gst_video;

use super::{allowed, failures::Failures};
use crate::{frame::Size, still::ScanCount};

/// What was found in a file on the way.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The caps name of the first thing that is neither a known container nor video; the file is refused.
    pub refused: Option<String>,
    /// A video stream was seen (it may have no decoder).
    pub video: bool,
    /// A decoded video stream came out.
    pub exposed: bool,
    pub sound: bool,
    pub encrypted: bool,
    /// The caps name of a video stream that no decoder wants.
    pub undecodable: Option<String>,
    /// Chroma and bits of a stream that is not 8-bit 4:2:0.
    pub samples: Option<String>,
    /// A picture larger than the limit.
    pub too_large: Option<Size>,
    /// A JPEG of so many scans that decoding it is taken for an attack.
    pub many_scans: bool,
    /// All streams are known.
    pub complete: bool,
}

impl Findings {
    /// Nothing will ever come out of this file.
    pub fn hopeless(&self) -> bool {
        self.too_large.is_some()
            || self.many_scans
            || (!self.exposed && (self.refused.is_some() || self.encrypted || self.complete))
    }
}

/// Findings that GStreamer's threads write and the reader reads.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Findings>>, Door, Failures);

/// The caps name of what a live source gives (`application/x-rtp`), which no file may be.
type Door = Option<&'static str>;

impl Watch {
    pub fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first error of an element in use, whether it came to the pipeline's bus or not.
    pub fn failure(&self) -> Option<gst::glib::Error> {
        self.2.first()
    }

    /// Follows a `decodebin name=decode` and guards the converters behind it against pictures of more than
    /// `max_pixels`.
    pub fn attach(pipeline: &gst::Pipeline, max_pixels: u64, full_range: bool, door: Door) -> Self {
        let watch = Self(Arc::default(), door, Failures::default());
        if let Some(decode) = pipeline.by_name("decode") {
            watch.follow(&decode, pipeline.by_name("convert"), max_pixels);
            watch.prepare_decoders(&decode, full_range);
        }
        if let Some(pad) = pipeline.by_name("convert").and_then(|convert| convert.static_pad("sink")) {
            watch.guard(&pad, max_pixels);
        }
        watch
    }

    fn follow(&self, decode: &gst::Element, next: Option<gst::Element>, max_pixels: u64) {
        let watch = self.clone();
        decode.connect("autoplug-continue", false, move |arguments| {
            let pad = arguments.get(1)?.get::<gst::Pad>().ok()?;
            let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
            Some(watch.admits(&pad, &caps, max_pixels).to_value())
        });
        decode.connect("autoplug-select", false, |arguments| {
            let pad = arguments.get(1)?.get::<gst::Pad>().ok()?;
            let factory = arguments.get(3)?.get::<gst::ElementFactory>().ok()?;
            let name = factory.name();
            let skip = !allowed::element(&name) || (name == "mpeg4videoparse" && keeps_packed_frames(&pad));
            choice(if skip { "skip" } else { "try" })
        });
        let watch = self.clone();
        decode.connect("unknown-type", false, move |arguments| {
            let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
            let name = caps.structure(0)?.name();
            if name.starts_with("video/") || name.starts_with("image/") {
                watch.lock().undecodable.get_or_insert_with(|| name.to_string());
            }
            None
        });
        let watch = self.clone();
        // Weak: the pipeline must not own itself through its signal handlers.
        let next = next.map(|next| next.downgrade());
        decode.connect_pad_added(move |_, pad| {
            let raw = pad
                .current_caps()
                .or_else(|| Some(pad.query_caps(None)))
                .is_some_and(|caps| caps.structure(0).is_some_and(|s| s.name() == "video/x-raw"));
            if !raw {
                return;
            }
            watch.lock().exposed = true;
            // The launch text links the first pad; a stream that starts anew in mid-file gives another.
            if let Some(sink) = next.as_ref().and_then(|next| next.upgrade()).and_then(|next| next.static_pad("sink"))
                && !sink.is_linked()
                && let Err(error) = pad.link(&sink)
            {
                tracing::debug!(%error, "a decoded stream could not be linked");
            }
        });
        let watch = self.clone();
        decode.connect_no_more_pads(move |_| watch.lock().complete = true);
    }

    /// May decodebin go on from this pad? If not, the pad stays as it is and nobody reads it.
    fn admits(&self, pad: &gst::Pad, caps: &gst::CapsRef, max_pixels: u64) -> bool {
        let Some(structure) = caps.structure(0) else {
            return false;
        };
        let name = structure.name().as_str();
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.1 == Some(name) && !behind_demuxer(pad) {
            return true;
        }
        if allowed::CONTAINERS.contains(&name) && structure.get::<bool>("systemstream") != Ok(false) {
            return true;
        }
        match name.split('/').next() {
            Some("video") => {}
            Some("image") if behind_demuxer(pad) || is_behind(pad, "Depayloader") || found.video => {}
            Some("audio") => {
                found.sound = true;
                return false;
            }
            Some("text" | "subpicture" | "closedcaption" | "meta") if behind_demuxer(pad) => return false,
            _ if matches!(name, "application/x-cenc" | "application/x-cbcs" | "application/x-webm-enc") => {
                found.encrypted = true;
                return false;
            }
            _ if behind_demuxer(pad) => return false,
            _ => {
                found.refused.get_or_insert_with(|| name.to_owned());
                return false;
            }
        }
        if behind_demuxer(pad) && found.video {
            // A second video track: the first is the one that players show.
            return false;
        }
        found.video = true;
        if let (Ok(width), Ok(height)) = (structure.get::<i32>("width"), structure.get::<i32>("height")) {
            let size = Size::new(width.unsigned_abs(), height.unsigned_abs());
            if size.pixels() > max_pixels {
                found.too_large.get_or_insert(size);
                return false;
            }
        }
        true
    }

    /// Looks at what each decoder is about to get.
    ///
    /// GStreamer 1.22 drops the range flag of an MP4's colour box, so it is put back here. And given a format
    /// that it has no name for (12-bit grey, 9-bit 4:2:0), gst-libav 1.22 ends the process while it makes a
    /// buffer for the decoder to write into; when it copies instead, it refuses the format with an error on
    /// the bus. So decoders write straight into our buffers only where their parser says that pictures are
    /// 8-bit 4:2:0.
    fn prepare_decoders(&self, decode: &gst::Element, full_range: bool) {
        let Some(bin) = decode.downcast_ref::<gst::Bin>() else {
            return;
        };
        let watch = self.clone();
        bin.connect_element_added(move |_, element| {
            watch.2.listen(element);
            let class = element.factory().and_then(|factory| factory.metadata("klass").map(str::to_owned));
            let Some(pad) = element.static_pad("sink") else {
                return;
            };
            if element.factory().is_some_and(|factory| factory.name() == "jpegdec") {
                watch.limit_scans(&pad);
            }
            if !class.is_some_and(|class| class.contains("Decoder") && class.contains("Video")) {
                return;
            }
            let lends = element.find_property("direct-rendering").is_some();
            if lends {
                element.set_property("direct-rendering", false);
            }
            let watch = watch.clone();
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
                let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
                    return gst::PadProbeReturn::Ok;
                };
                let plain = event.caps().structure(0).is_some_and(plain);
                watch.lock().samples = event.caps().structure(0).filter(|_| !plain).and_then(samples);
                if let Some(decoder) = pad.parent_element().filter(|_| lends) {
                    decoder.set_property("direct-rendering", plain);
                }
                if let Some(caps) = full_range.then(|| widened(event.caps())).flatten() {
                    info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
                }
                gst::PadProbeReturn::Ok
            });
        });
    }

    /// Stops JPEGs of too many scans in front of their decoder, which cannot be interrupted.
    fn limit_scans(&self, pad: &gst::Pad) {
        let watch = self.clone();
        let count = Mutex::new(ScanCount::default());
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(bytes) = info.buffer().and_then(|buffer| buffer.map_readable().ok()) else {
                return gst::PadProbeReturn::Ok;
            };
            if count.lock().unwrap_or_else(PoisonError::into_inner).is_excessive_with(&bytes) {
                watch.lock().many_scans = true;
            }
            // As in `guard`, what was found stays: nothing more is decoded.
            match watch.lock().many_scans {
                true => gst::PadProbeReturn::Handled,
                false => gst::PadProbeReturn::Ok,
            }
        });
    }

    /// Stops pictures that are too large before a converter allocates them: as decoded, and with square
    /// pixels. In front of a decoder, where the stream tells its size.
    pub fn guard(&self, pad: &gst::Pad, max_pixels: u64) {
        let watch = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let caps = match info.event().map(|event| event.view()) {
                Some(gst::EventView::Caps(event)) => event.caps(),
                _ => return gst::PadProbeReturn::Ok,
            };
            let size = match gst_video::VideoInfo::from_caps(caps) {
                Ok(video) => Some(square(&video)),
                Err(_) => encoded(caps),
            };
            match size.filter(|size| size.pixels() > max_pixels) {
                Some(size) => {
                    watch.lock().too_large.get_or_insert(size);
                    gst::PadProbeReturn::Handled
                }
                None => gst::PadProbeReturn::Ok,
            }
        });
        // Without their caps the pictures that follow would be taken for small ones.
        let watch = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| match watch.lock().too_large {
            // Not `Drop`: on a sink pad GStreamer 1.22 would release the picture once more than there is one.
            Some(_) => gst::PadProbeReturn::Handled,
            None => gst::PadProbeReturn::Ok,
        });
    }
}

/// Lets the demuxer of an MPEG-TS in `decodebin name=decode` take times from the time stamps alone.
pub fn ignore_clock(pipeline: &gst::Pipeline) {
    let Some(decode) = pipeline.by_name("decode").and_then(|decode| decode.downcast::<gst::Bin>().ok()) else {
        return;
    };
    decode.connect_element_added(|_, element| {
        if element.factory().is_some_and(|factory| factory.name() == "tsdemux") {
            element.set_property("ignore-pcr", true);
        }
    });
}

/// An answer to decodebin's `autoplug-select`.
fn choice(nick: &str) -> Option<gst::glib::Value> {
    let class = gst::glib::EnumClass::with_type(gst::glib::Type::from_name("GstAutoplugSelectResult")?)?;
    class.to_value_by_nick(nick)
}

/// Does the pad show frames of an AVI or of what was copied from one? There two frames of MPEG-4 part 2 may
/// lie in one packet, an empty packet after them keeping the count ("packed bitstream"): libav's decoder puts
/// them right, but mpeg4videoparse tears them apart, which spoils the times and adds a frame.
fn keeps_packed_frames(pad: &gst::Pad) -> bool {
    let demuxers = ["avidemux", "matroskademux", "qtdemux"];
    maker(pad).is_some_and(|factory| demuxers.contains(&factory.name().as_str()))
}

/// Is a stream surely of 8-bit 4:2:0 pictures?
fn plain(stream: &gst::StructureRef) -> bool {
    let name = stream.name().as_str();
    // These have no other formats than such as GStreamer knows, and no parser says which.
    if matches!(name, "video/mpeg" | "video/x-h263") {
        return true;
    }
    stream.get::<&str>("chroma-format") == Ok("4:2:0")
        && ["bit-depth-luma", "bit-depth-chroma"].into_iter().all(|depth| stream.get::<u32>(depth) == Ok(8))
}

/// The caps with the full range, where they tell a colour space at all.
fn widened(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let told: gst_video::VideoColorimetry = caps.structure(0)?.get::<&str>("colorimetry").ok()?.parse().ok()?;
    let range = gst_video::VideoColorRange::Range0_255;
    let full = gst_video::VideoColorimetry::new(range, told.matrix(), told.transfer(), told.primaries());
    let mut caps = caps.to_owned();
    caps.make_mut().set("colorimetry", full.to_string());
    Some(caps)
}

/// How a person names a stream's samples, where its parser says it.
fn samples(stream: &gst::StructureRef) -> Option<String> {
    let (chroma, bits) = (stream.get::<&str>("chroma-format").ok()?, stream.get::<u32>("bit-depth-luma").ok()?);
    Some(format!("{bits}-bit {}", if chroma == "4:0:0" { "grey" } else { chroma }))
}

/// The size with square pixels; videoscale keeps the height.
fn square(video: &gst_video::VideoInfo) -> Size {
    let par = video.par();
    let (num, den) = (u64::from(par.numer().unsigned_abs()), u64::from(par.denom().unsigned_abs()).max(1));
    let width = (u64::from(video.width()) * num).div_ceil(den).max(u64::from(video.width()));
    Size::new(u32::try_from(width).unwrap_or(u32::MAX), video.height())
}

/// The size of an encoded stream.
fn encoded(caps: &gst::CapsRef) -> Option<Size> {
    let stream = caps.structure(0)?;
    let side = |name: &str| stream.get::<i32>(name).ok().map(i32::unsigned_abs);
    Some(Size::new(side("width")?, side("height")?))
}

/// Does the pad show what a demuxer found, and not the file itself?
fn behind_demuxer(pad: &gst::Pad) -> bool {
    is_behind(pad, "Demux")
}

/// Does the pad show what an element of this class made?
fn is_behind(pad: &gst::Pad, class: &str) -> bool {
    maker(pad).and_then(|factory| factory.metadata("klass").map(|klass| klass.contains(class))).unwrap_or(false)
}

/// The factory of the element whose pad this is, or whose pad a ghost pad or a queue of decodebin shows.
fn maker(pad: &gst::Pad) -> Option<gst::ElementFactory> {
    let pad = pad.downcast_ref::<gst::GhostPad>().and_then(|ghost| ghost.target()).unwrap_or_else(|| pad.clone());
    let element = pad.parent_element()?;
    let factory = element.factory()?;
    if factory.name() != "multiqueue" {
        return Some(factory);
    }
    let twin = element.static_pad(&pad.name().replace("src", "sink"))?.peer()?;
    twin.downcast_ref::<gst::GhostPad>().and_then(|ghost| ghost.target()).unwrap_or(twin).parent_element()?.factory()
}
