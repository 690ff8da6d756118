//! One line of text in any script: shaped, ordered from right to left where it must be, and with a font for every letter
//! among those of the system (cosmic-text: fontconfig's folders, HarfBuzz's shaping, swash's rasteriser).

use std::sync::{LazyLock, Mutex, PoisonError};

use cosmic_text::{
    Attrs, Buffer, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Metrics, Shaping, SwashCache, SwashContent,
    Wrap,
};

/// Height of capitals over the size of a font, as DejaVu Sans (0.729) and Noto Sans (0.714) have it.
const CAPITALS: f32 = 0.72;
/// Families that are tried first, the best for small labels in front; letters they lack come from others.
const FAMILIES: [&str; 5] = ["Noto Sans", "DejaVu Sans", "Liberation Sans", "FreeSans", "Open Sans"];
/// No label is longer, in characters: what is longer is cut before it is shaped.
const LONGEST: usize = 500;

/// Text as coverage: rows of `width` bytes, 0 (nothing) to 255 (ink).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub width: u32,
    /// Rows above the base line.
    pub above: u32,
    /// Rows below it.
    pub below: u32,
    pub cover: Vec<u8>,
    /// No installed font has some of the letters.
    pub incomplete: bool,
}

struct Painter {
    fonts: FontSystem,
    cache: SwashCache,
    family: String,
}

/// Finding the system's fonts takes some tenths of a second, so it is done once, when the first label is drawn.
static PAINTER: LazyLock<Option<Mutex<Painter>>> = LazyLock::new(|| {
    let fonts = FontSystem::new();
    let names: Vec<&str> =
        fonts.db().faces().flat_map(|face| face.families.iter().map(|(name, _)| name.as_str())).collect();
    let known = FAMILIES.into_iter().find(|known| names.contains(known));
    let Some(family) = known.or(names.first().copied()).map(str::to_owned) else {
        tracing::warn!("no fonts are installed: labels are drawn in plain ASCII letters; install fonts-noto-core");
        return None;
    };
    Some(Mutex::new(Painter { fonts, cache: SwashCache::new(), family }))
});

/// Draws a line whose capitals are `letters` pixels high; what is wider than `most` pixels ends in an ellipsis.
/// None: no font is installed.
pub(super) fn line(words: &str, letters: u32, most: u32) -> Option<Line> {
    let mut painter = PAINTER.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    Some(painter.line(words, letters, most))
}

impl Painter {
    fn line(&mut self, words: &str, letters: u32, most: u32) -> Line {
        if most < letters {
            return Line::default();
        }
        let words: String = words.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let size = letters as f32 / CAPITALS;
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::new(size, size * 1.5));
        buffer.set_wrap(Wrap::None);
        buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        buffer.set_size(Some(most as f32), None);
        buffer.set_text(&words, &Attrs::new().family(Family::Name(&self.family)), Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.fonts, false);
        let Some(run) = buffer.layout_runs().next() else { return Line::default() };
        // A line from right to left ends at the right edge of what it may take.
        let left = run.glyphs.iter().map(|glyph| glyph.x).fold(f32::INFINITY, f32::min);
        let right = run.glyphs.iter().map(|glyph| glyph.x + glyph.w).fold(0.0, f32::max);
        if right <= left {
            return Line::default();
        }
        let incomplete = run.glyphs.iter().any(|glyph| glyph.glyph_id == 0);
        let mut images = Vec::new();
        for glyph in run.glyphs {
            let placed = glyph.physical((-left, 0.0), 1.0);
            if let Some(image) = self.cache.get_image_uncached(&mut self.fonts, placed.cache_key) {
                images.push((placed.x + image.placement.left, placed.y - image.placement.top, image));
            }
        }
        let width = ((right - left).ceil() as u32).min(most);
        let bottom = |top: i32, height: u32| top + height as i32;
        let above = images.iter().map(|(_, top, _)| -top).max().unwrap_or(0).clamp(0, 4 * letters as i32);
        let below = images.iter().map(|(_, top, image)| bottom(*top, image.placement.height)).max().unwrap_or(0);
        let below = below.clamp(0, 4 * letters as i32);
        let mut cover = vec![0; width as usize * (above + below) as usize];
        for (x, y, image) in &images {
            // Bytes of one pixel: coverage alone, or a colour whose opacity comes last.
            let step = if image.content == SwashContent::Mask { 1 } else { 4 };
            let rows = image.data.chunks_exact((image.placement.width as usize * step).max(1));
            for (y, row) in (y + above..).zip(rows).filter(|(y, _)| (0..above + below).contains(y)) {
                for (x, pixel) in (*x..).zip(row.chunks_exact(step)).filter(|(x, _)| (0..width as i32).contains(x)) {
                    let sample = &mut cover[y as usize * width as usize + x as usize];
                    // Letters that touch do not darken each other twice.
                    *sample = pixel[step - 1].max(*sample);
                }
            }
        }
        Line { width, above: above as u32, below: below as u32, cover, incomplete }
    }
}
