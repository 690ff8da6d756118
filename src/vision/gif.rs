//! A GIF's first picture on its logical screen.

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use crate::frame::Size;

/// The picture as packed B, G, R without gaps; what is transparent, or outside the first picture, is white.
///
/// # Errors
/// What is wrong with it, for the log.
pub(super) fn first(bytes: &[u8], screen: Size) -> Result<Vec<u8>, String> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.check_frame_consistency(true);
    // The size of the screen has been looked at; a byte or four for each of its pixels is all that is needed.
    options.set_memory_limit(
        screen.pixels().saturating_mul(4).try_into().map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes),
    );
    let mut decoder = options.read_info(bytes).map_err(|error| error.to_string())?;
    let frame = decoder.read_next_frame().map_err(|error| error.to_string())?.ok_or("there is no picture")?;
    let width = screen.width as usize;
    let mut levels = vec![255; width * screen.height as usize * 3];
    if frame.width == 0 || frame.height == 0 {
        return Ok(levels);
    }
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    for (y, row) in frame.buffer.chunks_exact(usize::from(frame.width) * 4).enumerate() {
        let start = ((top + y) * width + left) * 3;
        for (pixel, rgba) in levels[start..].chunks_exact_mut(3).zip(row.chunks_exact(4)) {
            if rgba[3] > 0 {
                pixel.copy_from_slice(&[rgba[2], rgba[1], rgba[0]]);
            }
        }
    }
    Ok(levels)
}
