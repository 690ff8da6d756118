//! HEIC and AVIF by libheif, where the system has it: the library is loaded when the first such picture comes, so that the
//! program runs without it.
//!
//! The functions are those of `libheif/heif.h` since 1.4; `libheif.so.1` keeps them.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::{null, null_mut},
    sync::OnceLock,
};

use libloading::Library;

use crate::frame::Size;

/// What libheif calls an error; the message lives as long as its context.
#[repr(C)]
#[derive(Clone, Copy)]
struct HeifError {
    code: c_int,
    subcode: c_int,
    message: *const c_char,
}

type Context = *mut c_void;
type Handle = *mut c_void;
type Image = *mut c_void;

// Values of heif.h.
const UNSUPPORTED_CODEC: c_int = 3000;
const NO_PLUGIN: c_int = 11;
const HEVC: c_int = 1;
const AV1: c_int = 4;
const COLORSPACE_RGB: c_int = 1;
const CHROMA_RGB: c_int = 10;
const CHROMA_RGBA: c_int = 11;
const CHANNEL_INTERLEAVED: c_int = 10;

/// The functions that are used, and the library that holds them.
struct Heif {
    context_alloc: unsafe extern "C" fn() -> Context,
    context_free: unsafe extern "C" fn(Context),
    set_maximum_image_size_limit: unsafe extern "C" fn(Context, c_int),
    read_from_memory: unsafe extern "C" fn(Context, *const c_void, usize, *const c_void) -> HeifError,
    get_primary_image_handle: unsafe extern "C" fn(Context, *mut Handle) -> HeifError,
    handle_release: unsafe extern "C" fn(Handle),
    handle_get_width: unsafe extern "C" fn(Handle) -> c_int,
    handle_get_height: unsafe extern "C" fn(Handle) -> c_int,
    handle_has_alpha: unsafe extern "C" fn(Handle) -> c_int,
    decode_image: unsafe extern "C" fn(Handle, *mut Image, c_int, c_int, *const c_void) -> HeifError,
    image_release: unsafe extern "C" fn(Image),
    image_get_width: unsafe extern "C" fn(Image, c_int) -> c_int,
    image_get_height: unsafe extern "C" fn(Image, c_int) -> c_int,
    get_plane: unsafe extern "C" fn(Image, c_int, *mut c_int) -> *const u8,
    have_decoder: unsafe extern "C" fn(c_int) -> c_int,
    _library: Library,
}

/// Why there is no picture.
pub(super) enum Refusal {
    /// The library, or its decoder for this format, is not on this system.
    NotHere,
    /// What is wrong, for the log.
    Damaged(String),
}

/// A decoded picture, upright: rows of R, G, B, and A where it has transparency, without gaps.
pub(super) struct Decoded {
    pub size: Size,
    pub channels: usize,
    pub samples: Vec<u8>,
}

/// Does this system decode HEIC and AVIF?
pub(super) fn decoders() -> [bool; 2] {
    // SAFETY: the function takes a number and returns one.
    [HEVC, AV1].map(|codec| library().is_some_and(|heif| unsafe { (heif.have_decoder)(codec) } != 0))
}

/// Decodes the primary picture. libheif turns and mirrors it by the file's own properties; EXIF is not looked at. No picture of
/// the file may have a side above that of `stored`, nor the result more pixels.
pub(super) fn decode(bytes: &[u8], avif: bool, stored: Size) -> Result<Decoded, Refusal> {
    let heif = library().ok_or(Refusal::NotHere)?;
    // SAFETY: the function takes a number and returns one.
    if unsafe { (heif.have_decoder)(if avif { AV1 } else { HEVC }) } == 0 {
        return Err(Refusal::NotHere);
    }
    // SAFETY: takes nothing; null is looked for below.
    let context = unsafe { (heif.context_alloc)() };
    if context.is_null() {
        return Err(Refusal::Damaged("no context".into()));
    }
    let context = Owned(context, heif.context_free);
    // Tiles reach beyond the picture's edge, but not by more than a tile.
    let side = stored.width.max(stored.height).next_multiple_of(1024).max(4096);
    // SAFETY: the context is alive; the bytes outlive it, as the function asks.
    let read = unsafe {
        (heif.set_maximum_image_size_limit)(context.0, side.min(i32::MAX as u32) as c_int);
        (heif.read_from_memory)(context.0, bytes.as_ptr().cast(), bytes.len(), null())
    };
    check(read)?;
    let mut handle = null_mut();
    // SAFETY: the context is alive, and `handle` can be written.
    check(unsafe { (heif.get_primary_image_handle)(context.0, &mut handle) })?;
    if handle.is_null() {
        return Err(Refusal::Damaged("no picture".into()));
    }
    let handle = Owned(handle, heif.handle_release);
    // SAFETY: the handle is alive.
    let (width, height, alpha) = unsafe {
        ((heif.handle_get_width)(handle.0), (heif.handle_get_height)(handle.0), (heif.handle_has_alpha)(handle.0))
    };
    within(width, height, stored)?;
    let (chroma, channels) = if alpha != 0 { (CHROMA_RGBA, 4) } else { (CHROMA_RGB, 3) };
    let mut image = null_mut();
    // SAFETY: the handle is alive, and `image` can be written; no options are the usual ones, which turn the picture.
    check(unsafe { (heif.decode_image)(handle.0, &mut image, COLORSPACE_RGB, chroma, null()) })?;
    if image.is_null() {
        return Err(Refusal::Damaged("no samples".into()));
    }
    let image = Owned(image, heif.image_release);
    let mut stride: c_int = 0;
    // SAFETY: the image is alive, and `stride` can be written.
    let (width, height, plane) = unsafe {
        (
            (heif.image_get_width)(image.0, CHANNEL_INTERLEAVED),
            (heif.image_get_height)(image.0, CHANNEL_INTERLEAVED),
            (heif.get_plane)(image.0, CHANNEL_INTERLEAVED, &mut stride),
        )
    };
    let size = within(width, height, stored)?;
    let (row, stride) = (size.width as usize * channels, usize::try_from(stride).unwrap_or(0));
    if plane.is_null() || stride < row {
        return Err(Refusal::Damaged("no plane of samples".into()));
    }
    let mut samples = Vec::with_capacity(row * size.height as usize);
    for y in 0..size.height as usize {
        // SAFETY: the plane has `height` rows of `stride` bytes, of which `row` are samples, and lives as long as `image`.
        samples.extend_from_slice(unsafe { std::slice::from_raw_parts(plane.add(y * stride), row) });
    }
    Ok(Decoded { size, channels, samples })
}

/// A size that is sound and no larger than what the file's header said, which memory was counted for.
fn within(width: c_int, height: c_int, stored: Size) -> Result<Size, Refusal> {
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width @ 1..), Ok(height @ 1..)) if Size::new(width, height).pixels() <= stored.pixels() => {
            Ok(Size::new(width, height))
        }
        _ => Err(Refusal::Damaged(format!("a picture of {width} x {height} where the header says {stored}"))),
    }
}

fn check(error: HeifError) -> Result<(), Refusal> {
    match error {
        HeifError { code: 0, .. } => Ok(()),
        HeifError { subcode: UNSUPPORTED_CODEC, .. } | HeifError { code: NO_PLUGIN, .. } => Err(Refusal::NotHere),
        HeifError { message, .. } if message.is_null() => Err(Refusal::Damaged("no message".into())),
        HeifError { message, .. } => {
            // SAFETY: not null, and libheif ends its messages with a zero; the context they may lie in is still alive.
            Err(Refusal::Damaged(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()))
        }
    }
}

/// Something of libheif's, given back when it is dropped.
struct Owned(*mut c_void, unsafe extern "C" fn(*mut c_void));

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it was made by libheif, and is given back once, by the function that belongs to it.
        unsafe { (self.1)(self.0) }
    }
}

/// The library, loaded once. None: this system has none.
fn library() -> Option<&'static Heif> {
    static LIBRARY: OnceLock<Option<Heif>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| match load() {
            Ok(heif) => Some(heif),
            Err(error) => {
                tracing::info!(%error, "libheif is not on this system: HEIC and AVIF pictures are refused");
                None
            }
        })
        .as_ref()
}

fn load() -> Result<Heif, libloading::Error> {
    // SAFETY: the signatures are those of heif.h; loading runs libheif's own initialisers only.
    unsafe {
        let library = Library::new("libheif.so.1")?;
        macro_rules! symbol {
            ($name:literal) => {
                *library.get(concat!($name, "\0").as_bytes())?
            };
        }
        Ok(Heif {
            context_alloc: symbol!("heif_context_alloc"),
            context_free: symbol!("heif_context_free"),
            set_maximum_image_size_limit: symbol!("heif_context_set_maximum_image_size_limit"),
            read_from_memory: symbol!("heif_context_read_from_memory_without_copy"),
            get_primary_image_handle: symbol!("heif_context_get_primary_image_handle"),
            handle_release: symbol!("heif_image_handle_release"),
            handle_get_width: symbol!("heif_image_handle_get_width"),
            handle_get_height: symbol!("heif_image_handle_get_height"),
            handle_has_alpha: symbol!("heif_image_handle_has_alpha_channel"),
            decode_image: symbol!("heif_decode_image"),
            image_release: symbol!("heif_image_release"),
            image_get_width: symbol!("heif_image_get_width"),
            image_get_height: symbol!("heif_image_get_height"),
            get_plane: symbol!("heif_image_get_plane_readonly"),
            have_decoder: symbol!("heif_have_decoder_for_format"),
            _library: library,
        })
    }
}
