//! A GStreamer sample as a [`Frame`]: the decoder's own memory, lent out.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_video::{self as gst_video, VideoColorMatrix, VideoColorRange};

use crate::{
    error::{Error, Result},
    frame::{Colour, Frame, FrameTag, Matrix, Pixels, Plane, Range, Size},
};

/// Wraps a sample's I420 picture; copies nothing. Size, strides and colour are read anew for each: they may
/// change in mid-stream.
///
/// # Errors
/// [`crate::error::Kind::Internal`] when the sample is no I420 picture or its planes lie outside its memory.
pub fn frame(sample: &gst::Sample, tag: FrameTag) -> Result<Frame> {
    let broken = |why: &str| Error::internal("The decoder gave a picture that the server cannot read.", why);
    let caps = sample.caps().ok_or_else(|| broken("no caps"))?;
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| broken(&error.to_string()))?;
    if info.format() != gst_video::VideoFormat::I420 {
        return Err(broken("not I420"));
    }
    let buffer = sample.buffer_owned().ok_or_else(|| broken("no buffer"))?;
    let layout = |offsets: &[usize], strides: &[i32]| -> Option<[(usize, usize); 3]> {
        let plane = |n: usize| Some((*offsets.get(n)?, usize::try_from(*strides.get(n)?).ok()?));
        Some([plane(0)?, plane(1)?, plane(2)?])
    };
    let planes = match buffer.meta::<gst_video::VideoMeta>() {
        Some(meta) => layout(meta.offset(), meta.stride()),
        None => layout(info.offset(), info.stride()),
    }
    .ok_or_else(|| broken("a negative stride"))?;
    let size = Size::new(info.width(), info.height());
    let memory = buffer.into_mapped_buffer_readable().map_err(|_| broken("not readable"))?;
    let memory = Bytes::from_owner(memory);
    let part = |(offset, stride): (usize, usize), size: Size| -> Option<Plane> {
        let (width, height) = (size.width as usize, size.height as usize);
        let end = offset.checked_add(stride.checked_mul(height.checked_sub(1)?)?)?.checked_add(width)?;
        (stride >= width && end <= memory.len())
            .then(|| Plane { data: memory.slice(offset..memory.len().min(offset + stride * height)), stride })
    };
    let pixels = (|| {
        let planes = [part(planes[0], size)?, part(planes[1], size.chroma())?, part(planes[2], size.chroma())?];
        Some(Pixels::I420 { planes, colour: colour(&info) })
    })()
    .ok_or_else(|| broken("a plane lies outside its memory"))?;
    Ok(Frame { tag, size, pixels })
}

fn colour(info: &gst_video::VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Bt601 | VideoColorMatrix::Fcc | VideoColorMatrix::Smpte240m => Matrix::Bt601,
        // Nothing said: what players guess, and GStreamer's own default.
        _ if info.height() > 576 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = if colorimetry.range() == VideoColorRange::Range0_255 { Range::Full } else { Range::Limited };
    Colour { matrix, range }
}
