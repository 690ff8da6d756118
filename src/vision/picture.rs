//! Still pictures: JPEG, PNG, WebP and BMP, by OpenCV.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use opencv::{
    core::{Mat, MatTraitConst, MatTraitConstManual, Vector, VectorToVec},
    imgcodecs, imgproc,
};

use crate::{
    error::{Error, Result},
    fault,
    frame::{Frame, FrameTag, Pixels, Plane, Size},
    vision::{
        geometry::{Letterbox, Resize},
        tensor::{self, Channels, Layout, TensorSpec},
    },
};

/// Endings of the formats that are read and written.
pub const ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp", "bmp"];
/// Quality of written JPEG pictures, 0..=100.
const JPEG_QUALITY: i32 = 92;

/// Reads a picture, upright by its EXIF orientation.
///
/// # Errors
/// It is no picture, a broken one, or has more than `max_pixels`.
pub fn read(bytes: &[u8], max_pixels: u64) -> Result<Frame> {
    if bytes.is_empty() {
        return Err(fault!(NotMedia, "The file is empty: choose a JPEG, PNG, WebP or BMP picture."));
    }
    let packed = Mat::from_slice(bytes).map_err(broken)?;
    let picture = imgcodecs::imdecode(&packed, imgcodecs::IMREAD_COLOR).map_err(broken)?;
    if picture.empty() {
        return Err(fault!(NotMedia, "This is no picture that can be read: choose a JPEG, PNG, WebP or BMP file."));
    }
    let size = Size::new(picture.cols() as u32, picture.rows() as u32);
    if size.pixels() > max_pixels {
        return Err(fault!(
            Unprocessable,
            "The picture has {size} pixels, more than the {max_pixels} allowed (--max-pixels)."
        ));
    }
    let data = Bytes::copy_from_slice(picture.data_bytes().map_err(broken)?);
    Ok(Frame {
        tag: FrameTag { source: Arc::from("picture"), frame: 0, time: 0.0 },
        size,
        pixels: Pixels::Bgr(Plane { data, stride: size.width as usize * 3 }),
    })
}

/// Writes a frame as the format that the ending of `target` names.
///
/// # Errors
/// The ending names no format of pictures.
pub fn encode(frame: &Frame, target: &Path) -> Result<Vec<u8>> {
    let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    if !ENDINGS.contains(&ending.as_str()) {
        return Err(fault!(BadRequest, "A picture is written as .jpg, .png, .webp or .bmp, not as `.{ending}`."));
    }
    let mut out = Vector::new();
    let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, JPEG_QUALITY]);
    imgcodecs::imencode(&format!(".{ending}"), &bgr(frame)?, &mut out, &options).map_err(broken)?;
    Ok(out.to_vec())
}

/// A still picture at another size, as packed rows without gaps, by OpenCV's bilinear `resize`. Two boxes of almost the same
/// score change places when a level differs by one, so that pictures are only found to be the same with the same scaling.
pub(super) fn scale_bgr(plane: &Plane, from: Size, to: Size) -> Result<Vec<u8>> {
    let width = from.width as usize * 3;
    let mut rows = Vec::with_capacity(width * from.height as usize);
    (0..from.height as usize).for_each(|y| rows.extend_from_slice(plane.row(y, width)));
    if from == to {
        return Ok(rows);
    }
    let flat = Mat::from_slice(&rows).map_err(broken)?;
    let picture = flat.reshape(3, from.height as i32).map_err(broken)?;
    let mut scaled = Mat::default();
    let size = opencv::core::Size::new(to.width as i32, to.height as i32);
    imgproc::resize(&picture, &mut scaled, size, 0.0, 0.0, imgproc::INTER_LINEAR).map_err(broken)?;
    Ok(scaled.data_bytes().map_err(broken)?.to_vec())
}

/// The frame as an 8-bit BGR matrix of OpenCV.
fn bgr(frame: &Frame) -> Result<Mat> {
    let same = Letterbox::new(frame.size, frame.size, Resize::Stretch);
    let spec = TensorSpec {
        size: frame.size,
        layout: Layout::Nhwc,
        channels: Channels::Bgr,
        mul: [1.0; 3],
        add: [0.0; 3],
        pad: 0.0,
    };
    let mut values = vec![0.0; spec.len()];
    tensor::fill(frame, &same, &spec, &mut values)?;
    let levels: Vec<u8> = values.iter().map(|value| value.round() as u8).collect();
    let flat = Mat::from_slice(&levels).map_err(broken)?;
    let shaped = flat.reshape(3, frame.size.height as i32).map_err(broken)?;
    shaped.try_clone().map_err(broken)
}

fn broken(error: opencv::Error) -> Error {
    fault!(Unprocessable, "The picture is broken or of a kind that cannot be read.").with_cause(error)
}
