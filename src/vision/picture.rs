//! Still pictures: JPEG, PNG, WebP, BMP and TIFF by OpenCV; GIF, HEIC and AVIF beside it.

use std::{borrow::Cow, path::Path, sync::Arc};

use bytes::Bytes;
use opencv::{
    core::{self, Mat, MatTraitConst, MatTraitConstManual, Vector, VectorToVec},
    imgcodecs, imgproc,
};

use super::{
    animation::{self, First},
    gif, heif,
};
use crate::{
    error::{Error, Result},
    fault,
    frame::{Frame, FrameTag, Pixels, Plane, Size},
    still::{self, Still, StillFormat},
    vision::{
        geometry::{Letterbox, Resize},
        tensor::{self, Channels, Layout, TensorSpec},
    },
};

/// Endings of the formats that are read.
pub const ENDINGS: &[&str] =
    &["jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "hif", "avif"];
/// Endings of the formats that are written.
pub const WRITTEN: &[&str] = &["jpg", "jpeg", "png", "webp", "bmp"];
/// Quality of written JPEG pictures, 0..=100.
pub const JPEG_QUALITY: u8 = 92;
const FORMATS: &[StillFormat] = &[
    StillFormat::Jpeg,
    StillFormat::Png,
    StillFormat::Webp,
    StillFormat::Gif,
    StillFormat::Bmp,
    StillFormat::Tiff,
    StillFormat::Heic,
    StillFormat::Avif,
];
/// OpenCV reads no picture with a longer side, nor one of more pixels (`OPENCV_IO_MAX_IMAGE_WIDTH` and its kin).
const MOST_SIDE: u32 = 1 << 20;
const MOST_PIXELS: u64 = 1 << 30;

/// Does a file that begins with these bytes (64 are enough) hold a picture of a known format?
pub fn is_one(head: &[u8]) -> bool {
    StillFormat::of(head).is_some()
}

/// Are HEIC and AVIF decoded on this system?
pub fn reads_heif() -> [bool; 2] {
    heif::decoders()
}

/// Reads a picture, upright by its EXIF orientation.
///
/// # Errors
/// As [`look`] and [`decode`].
pub fn read(bytes: &[u8], max_pixels: u64) -> Result<Frame> {
    decode(bytes, &look(bytes, max_pixels)?)
}

/// Looks at a picture before memory is taken for its pixels.
///
/// # Errors
/// As [`Still::look`].
pub fn look(bytes: &[u8], max_pixels: u64) -> Result<Still> {
    let still = Still::look(bytes, FORMATS, max_pixels.min(MOST_PIXELS))?;
    let size = still.size;
    if size.width.max(size.height) > MOST_SIDE {
        return Err(fault!(Unprocessable, "The picture has {size} pixels: a side may have {MOST_SIDE} at most."));
    }
    Ok(still)
}

/// Decodes a picture that was looked at, upright and without transparency: what is transparent lies on white.
///
/// # Errors
/// [`Unprocessable`](crate::error::Kind::Unprocessable): it is damaged.
pub fn decode(bytes: &[u8], still: &Still) -> Result<Frame> {
    let name = still.format.name();
    let damaged = || fault!(Unprocessable, "The {name} picture is damaged and cannot be decoded.");
    let bytes = bytes.get(..still.end).ok_or_else(damaged)?;
    let cause = |why: String| damaged().with_cause(why);
    let (data, size) = match still.format {
        StillFormat::Gif => (Bytes::from(gif::first(bytes, still.size).map_err(cause)?), still.size),
        StillFormat::Heic | StillFormat::Avif => {
            let decoded = heif::decode(bytes, still.format == StillFormat::Avif, still.size);
            let decoded = decoded.map_err(|refusal| match refusal {
                heif::Refusal::Damaged(why) => cause(why),
                heif::Refusal::NotHere => fault!(
                    Unprocessable,
                    "{name} pictures are not read on this system: install libheif1 there, or send a JPEG."
                ),
            })?;
            (Bytes::from(bgr_on_white(&decoded.samples, decoded.channels, [2, 1, 0], false)), decoded.size)
        }
        _ => {
            let picture = match still.format {
                StillFormat::Webp if still.animated => first_of(bytes, still.size),
                // OpenCV turns TIFF by itself, in ways that differ between its versions.
                StillFormat::Tiff => opaque(&still::as_stored(bytes), still).map_err(|error| error.to_string()),
                _ => opaque(bytes, still).map_err(|error| error.to_string()),
            };
            let picture = picture.map_err(cause)?;
            if size_of(&picture) != still.size {
                return Err(damaged());
            }
            let picture = upright(picture, still.orientation).map_err(broken)?;
            let size = size_of(&picture);
            (Bytes::from_owner(Owned::new(picture).map_err(broken)?), size)
        }
    };
    Ok(Frame {
        tag: FrameTag { source: Arc::from("picture"), frame: 0, time: 0.0 },
        size,
        pixels: Pixels::Bgr(Plane { data, stride: size.width as usize * 3 }),
    })
}

fn size_of(picture: &Mat) -> Size {
    Size::new(picture.cols() as u32, picture.rows() as u32)
}

/// Decodes a picture as 8-bit B, G, R, not turned. Empty if it cannot be decoded.
fn opaque(bytes: &[u8], still: &Still) -> opencv::Result<Mat> {
    // The orientation is read by us, for all formats and whatever the version of OpenCV.
    let flags = match still.alpha {
        true => imgcodecs::IMREAD_UNCHANGED,
        false => imgcodecs::IMREAD_COLOR | imgcodecs::IMREAD_IGNORE_ORIENTATION,
    };
    let picture = imgcodecs::imdecode(&Mat::from_slice(bytes)?, flags)?;
    // libtiff multiplies 8-bit colours by their opacity, whether the file has them so or not.
    let multiplied = still.format == StillFormat::Tiff && picture.depth() == core::CV_8U;
    if picture.empty() { Ok(picture) } else { on_white(picture, multiplied) }
}

/// Decodes the first picture of an animated WebP onto its canvas.
fn first_of(bytes: &[u8], canvas: Size) -> Result<Mat, String> {
    let First { bytes, left, top, size } = animation::first(bytes).ok_or("there is no picture")?;
    let still = Still::look(&bytes, &[StillFormat::Webp], canvas.pixels()).map_err(|error| error.full())?;
    let inside =
        left + size.width as usize <= canvas.width as usize && top + size.height as usize <= canvas.height as usize;
    if still.animated || still.size != size || !inside {
        return Err(format!("a picture of {} at {left}, {top} in {canvas}", still.size));
    }
    let words = |error: opencv::Error| error.to_string();
    let picture = opaque(&bytes, &still).map_err(words)?;
    if size_of(&picture) != size {
        return Err("it cannot be decoded".into());
    }
    let (width, row) = (canvas.width as usize * 3, size.width as usize * 3);
    let mut levels = vec![255; width * canvas.height as usize];
    for (line, samples) in
        levels.chunks_exact_mut(width).skip(top).zip(picture.data_bytes().map_err(words)?.chunks_exact(row))
    {
        line[left * 3..left * 3 + row].copy_from_slice(samples);
    }
    let flat = Mat::from_slice(&levels).map_err(words)?;
    flat.reshape(3, canvas.height as i32).and_then(|shaped| shaped.try_clone()).map_err(words)
}

/// A matrix whose bytes lie without gaps, lent out without a copy.
struct Owned(Mat);

impl Owned {
    fn new(picture: Mat) -> opencv::Result<Self> {
        picture.data_bytes()?;
        Ok(Self(picture))
    }
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // That they can be had was seen when it was made.
        self.0.data_bytes().unwrap_or_default()
    }
}

/// What OpenCV reads unchanged, as 8-bit B, G, R on white. `multiplied`: by the opacity already.
fn on_white(picture: Mat, multiplied: bool) -> opencv::Result<Mat> {
    let picture = match picture.depth() {
        core::CV_16U => {
            let mut levels = Mat::default();
            picture.convert_to(&mut levels, core::CV_8U, 1.0 / 257.0, 0.0)?;
            levels
        }
        _ => picture,
    };
    let mut opaque = Mat::default();
    match picture.channels() {
        1 => imgproc::cvt_color_def(&picture, &mut opaque, imgproc::COLOR_GRAY2BGR)?,
        4 => {
            let levels = bgr_on_white(picture.data_bytes()?, 4, [0, 1, 2], multiplied);
            opaque = Mat::from_slice(&levels)?.reshape(3, picture.rows())?.try_clone()?;
        }
        _ => return Ok(picture),
    }
    Ok(opaque)
}

/// Samples of `channels` bytes a pixel, the fourth of which is the opacity, as B, G, R on white. `order`: where blue, green and
/// red stand. `multiplied`: the colours are multiplied by the opacity already.
fn bgr_on_white(samples: &[u8], channels: usize, order: [usize; 3], multiplied: bool) -> Vec<u8> {
    let mut levels = Vec::with_capacity(samples.len() / channels * 3);
    for pixel in samples.chunks_exact(channels) {
        let opacity = pixel.get(3).map_or(255, |opacity| u32::from(*opacity));
        levels.extend(order.map(|at| match multiplied {
            true => (u32::from(pixel[at]) + 255 - opacity).min(255) as u8,
            false => ((u32::from(pixel[at]) * opacity + 255 * (255 - opacity) + 127) / 255) as u8,
        }));
    }
    levels
}

/// Turns a picture by EXIF's number.
fn upright(picture: Mat, orientation: u8) -> opencv::Result<Mat> {
    let mut turned = Mat::default();
    match orientation {
        2 => core::flip(&picture, &mut turned, 1)?,
        3 => core::rotate(&picture, &mut turned, core::ROTATE_180)?,
        4 => core::flip(&picture, &mut turned, 0)?,
        5 => core::transpose(&picture, &mut turned)?,
        6 => core::rotate(&picture, &mut turned, core::ROTATE_90_CLOCKWISE)?,
        7 => {
            let mut lying = Mat::default();
            core::transpose(&picture, &mut lying)?;
            core::rotate(&lying, &mut turned, core::ROTATE_180)?;
        }
        8 => core::rotate(&picture, &mut turned, core::ROTATE_90_COUNTERCLOCKWISE)?,
        _ => return Ok(picture),
    }
    Ok(turned)
}

/// Writes a frame as the format that the ending of `target` names.
///
/// # Errors
/// The ending names no format of pictures.
pub fn encode(frame: &Frame, target: &Path) -> Result<Vec<u8>> {
    let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    if !WRITTEN.contains(&ending.as_str()) {
        return Err(fault!(BadRequest, "A picture is written as .jpg, .png, .webp or .bmp, not as `.{ending}`."));
    }
    write(frame, &ending, JPEG_QUALITY)
}

/// Writes a frame as JPEG of a quality of 1 to 100.
///
/// # Errors
/// It is larger than a JPEG may be: a side has more than 65,500 pixels.
pub fn jpeg(frame: &Frame, quality: u8) -> Result<Vec<u8>> {
    if frame.size.width.max(frame.size.height) > 65_500 {
        let size = frame.size;
        return Err(fault!(
            Unprocessable,
            "The picture has {size} pixels, which no JPEG can have: send a smaller one."
        ));
    }
    write(frame, "jpg", quality)
}

fn write(frame: &Frame, ending: &str, quality: u8) -> Result<Vec<u8>> {
    let mut out = Vector::new();
    let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, i32::from(quality)]);
    let packed = packed(frame)?;
    let flat = Mat::from_slice(&packed).map_err(broken)?;
    let picture = flat.reshape(3, frame.size.height as i32).map_err(broken)?;
    imgcodecs::imencode(&format!(".{ending}"), &picture, &mut out, &options).map_err(broken)?;
    Ok(out.to_vec())
}

/// A still picture at another size, as packed rows without gaps, by OpenCV's bilinear `resize`. Two boxes of almost the same
/// score change places when a level differs by one, so that pictures are only found to be the same with the same scaling.
pub(super) fn scale_bgr(plane: &Plane, from: Size, to: Size) -> Result<Vec<u8>> {
    scale(plane, from, to, imgproc::INTER_LINEAR)
}

/// A still picture made smaller by the mean of all pixels that become one; any other frame as it is. What lies between two
/// pixels, which detectors were trained with, leaves out most of a picture that becomes a hundred times smaller.
///
/// # Errors
/// OpenCV cannot scale it.
pub fn shrink(frame: &Frame, to: Size) -> Result<Frame> {
    match &frame.pixels {
        Pixels::Bgr(plane) if to.width <= frame.size.width && to.height <= frame.size.height => {
            let data = scale(plane, frame.size, to, imgproc::INTER_AREA)?.into();
            let pixels = Pixels::Bgr(Plane { data, stride: to.width as usize * 3 });
            Ok(Frame { tag: frame.tag.clone(), size: to, pixels })
        }
        _ => Ok(frame.clone()),
    }
}

fn scale(plane: &Plane, from: Size, to: Size, how: i32) -> Result<Vec<u8>> {
    let width = from.width as usize * 3;
    let length = width * from.height as usize;
    let rows = if plane.stride == width {
        Cow::Borrowed(&plane.data[..length])
    } else {
        let mut rows = Vec::with_capacity(length);
        (0..from.height as usize).for_each(|y| rows.extend_from_slice(plane.row(y, width)));
        Cow::Owned(rows)
    };
    if from == to {
        return Ok(rows.into_owned());
    }
    let flat = Mat::from_slice(&rows).map_err(broken)?;
    let picture = flat.reshape(3, from.height as i32).map_err(broken)?;
    let mut scaled = Mat::default();
    let size = opencv::core::Size::new(to.width as i32, to.height as i32);
    imgproc::resize(&picture, &mut scaled, size, 0.0, 0.0, how).map_err(broken)?;
    Ok(scaled.data_bytes().map_err(broken)?.to_vec())
}

/// The frame as 8-bit B, G, R without gaps.
fn packed(frame: &Frame) -> Result<Bytes> {
    if let Pixels::Bgr(plane) = &frame.pixels
        && plane.stride == frame.size.width as usize * 3
    {
        return Ok(plane.data.slice(..plane.stride * frame.size.height as usize));
    }
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
    Ok(values.iter().map(|value| value.round() as u8).collect())
}

fn broken(error: opencv::Error) -> Error {
    fault!(Unprocessable, "The picture is broken or of a kind that cannot be read.").with_cause(error)
}
