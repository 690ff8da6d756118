//! Frames as GStreamer buffers and caps, for the encoders.

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::{Format, Rate};
use crate::{
    error::{Error, Result},
    frame::{Colour, Frame, Matrix, Pixels, Plane, Range, Size},
};

/// What a frame is, as caps.
pub fn input(frame: &Frame, rate: Rate) -> gst::Caps {
    let (format, colour) = match &frame.pixels {
        Pixels::I420 { colour, .. } => ("I420", colorimetry(*colour)),
        Pixels::Bgr(_) => ("BGR", "sRGB"),
    };
    caps(format, frame.size, colour).field("framerate", gst::Fraction::new(rate.num as i32, rate.den as i32)).build()
}

/// What the encoder gets: limited range always, for players that ignore what the file says of it.
///
/// AVI says nothing of the matrix, so it gets the one that players assume for its height.
pub fn output(format: Format, size: Size) -> gst::Caps {
    match format {
        Format::Avi => {
            let matrix = if size.height > 576 { Matrix::Bt709 } else { Matrix::Bt601 };
            caps("I420", size, colorimetry(Colour { matrix, range: Range::Limited })).build()
        }
        Format::Mp4 => {
            let even = Size::new(size.width.next_multiple_of(2), size.height.next_multiple_of(2));
            let known = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020]
                .map(|matrix| colorimetry(Colour { matrix, range: Range::Limited }));
            let mut caps = caps("I420", even, known[0]).build();
            caps.make_mut().set("colorimetry", gst::List::new(known));
            caps
        }
    }
}

fn caps(format: &str, size: Size, colorimetry: &str) -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", size.width as i32)
        .field("height", size.height as i32)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("interlace-mode", "progressive")
        .field("colorimetry", colorimetry)
}

/// range:matrix:transfer:primaries in GStreamer's numbers.
const fn colorimetry(colour: Colour) -> &'static str {
    match (colour.range, colour.matrix) {
        (Range::Limited, Matrix::Bt601) => "2:4:16:4",
        (Range::Limited, Matrix::Bt709) => "2:3:5:1",
        (Range::Limited, Matrix::Bt2020) => "2:6:13:7",
        (Range::Full, Matrix::Bt601) => "1:4:16:4",
        (Range::Full, Matrix::Bt709) => "1:3:5:1",
        (Range::Full, Matrix::Bt2020) => "1:6:13:7",
    }
}

/// The frame in another range (ITU-T H.273, 8.3), copied only where its own is not that. GStreamer 1.22's videoconvert
/// changes the range only where the matrix changes too.
pub fn ranged(frame: &Frame, range: Range) -> Frame {
    let pixels = match &frame.pixels {
        Pixels::I420 { planes: [luma, cb, cr], colour } if colour.range != range => {
            // Levels from black to white, and those of chroma, around 128.
            let map = |plane: &Plane, span: f64, (from, to): (f64, f64)| {
                let level = |sample: usize| match range {
                    Range::Limited => (sample as f64 - from) * span / 255.0 + to,
                    Range::Full => (sample as f64 - to) * 255.0 / span + from,
                };
                let table: [u8; 256] = std::array::from_fn(|sample| level(sample).round() as u8);
                Plane {
                    data: plane.data.iter().map(|sample| table[usize::from(*sample)]).collect(),
                    stride: plane.stride,
                }
            };
            let planes =
                [map(luma, 219.0, (0.0, 16.0)), map(cb, 224.0, (128.0, 128.0)), map(cr, 224.0, (128.0, 128.0))];
            Pixels::I420 { planes, colour: Colour { range, ..*colour } }
        }
        pixels => pixels.clone(),
    };
    Frame { pixels, ..frame.clone() }
}

/// Wraps a frame's planes; copies nothing.
pub fn buffer(frame: &Frame) -> Result<gst::Buffer> {
    let (format, planes): (_, &[Plane]) = match &frame.pixels {
        Pixels::I420 { planes, .. } => (gst_video::VideoFormat::I420, planes),
        Pixels::Bgr(plane) => (gst_video::VideoFormat::Bgr, std::slice::from_ref(plane)),
    };
    let mut buffer = gst::Buffer::new();
    let (mut offsets, mut strides, mut end) = (Vec::new(), Vec::new(), 0);
    {
        let buffer = buffer.make_mut();
        for plane in planes {
            offsets.push(end);
            strides.push(
                i32::try_from(plane.stride)
                    .map_err(|error| Error::internal("A picture is too wide to be written.", error))?,
            );
            end += plane.data.len();
            buffer.append_memory(gst::Memory::from_slice(plane.data.clone()));
        }
        gst_video::VideoMeta::add_full(
            buffer,
            gst_video::VideoFrameFlags::empty(),
            format,
            frame.size.width,
            frame.size.height,
            &offsets,
            &strides,
        )
        .map_err(|error| Error::internal("The server could not write a picture into the video.", error))?;
    }
    Ok(buffer)
}
