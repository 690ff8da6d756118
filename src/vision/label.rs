//! What stands on a label's plate, drawn once: a video shows the same few labels on thousands of frames.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, Once, PoisonError},
};

use super::{
    hershey,
    shaped::{self, Line},
};

/// Bytes of coverage that are kept; beyond them all are drawn anew.
const MOST_KEPT: usize = 8 << 20;

/// Wider than any score.
const WHOLE: u32 = 1 << 16;

/// A plate's text as a coverage mask with its margins; both sides are even, so that the plate's edge does not share a
/// chroma sample with the picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub width: u32,
    pub height: u32,
    /// Rows of `width` bytes, 0 (the plate) to 255 (ink).
    pub cover: Vec<u8>,
}

/// What is written on a plate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Text {
    /// Empty: none.
    pub label: String,
    /// Stands for a label whose letters no font has.
    pub number: u32,
    /// Empty: none.
    pub score: String,
}

type Kept = HashMap<(Text, u32, u32), Arc<Mask>>;

static KEPT: LazyLock<Mutex<(Kept, usize)>> = LazyLock::new(|| Mutex::new((HashMap::new(), 0)));

/// The mask of a text whose capitals are `letters` pixels high, at most `most` pixels wide: the label is cut to that, the
/// score never.
pub(super) fn mask(text: &Text, letters: u32, most: u32) -> Option<Arc<Mask>> {
    let key = (text.clone(), letters, most);
    if let Some(mask) = KEPT.lock().unwrap_or_else(PoisonError::into_inner).0.get(&key) {
        return Some(mask.clone());
    }
    let mask = Arc::new(draw(text, letters, most)?);
    let (kept, bytes) = &mut *KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if *bytes + mask.cover.len() > MOST_KEPT {
        kept.clear();
        *bytes = 0;
    }
    *bytes += mask.cover.len();
    kept.insert(key, mask.clone());
    Some(mask)
}

fn draw(text: &Text, letters: u32, most: u32) -> Option<Mask> {
    let margin = (letters / 3).max(2);
    let most = most.saturating_sub(2 * margin);
    let score = if text.score.is_empty() { Line::default() } else { plain(&text.score, letters, WHOLE)? };
    let gap = if text.label.is_empty() || text.score.is_empty() { 0 } else { letters * 2 / 5 };
    let room = most.saturating_sub(score.width + gap);
    let label = if text.label.is_empty() { Line::default() } else { named(text, letters, room)? };
    let content = label.width + score.width + if label.width > 0 { gap } else { 0 };
    if content == 0 {
        return None;
    }
    // The same for all texts of these letters, unless a script reaches higher or lower.
    let above = (letters + letters * 3 / 8).max(label.above.max(score.above) + 1);
    let below = (letters * 2 / 5 + 1).max(label.below.max(score.below) + 1);
    let (width, height) = ((content + 2 * margin).next_multiple_of(2), (above + below).next_multiple_of(2));
    let mut cover = vec![0; width as usize * height as usize];
    for (line, left) in [(&label, margin), (&score, width - margin - score.width)] {
        for (row, samples) in line.cover.chunks_exact((line.width as usize).max(1)).enumerate() {
            let from = (above as usize - line.above as usize + row) * width as usize + left as usize;
            cover[from..from + samples.len()].copy_from_slice(samples);
        }
    }
    Some(Mask { width, height, cover })
}

/// Letters that every font has.
fn plain(words: &str, letters: u32, most: u32) -> Option<Line> {
    shaped::line(words, letters, most).or_else(|| hershey::line(words, letters, most))
}

/// The label, or the number of its class where no font has its letters.
fn named(text: &Text, letters: u32, most: u32) -> Option<Line> {
    let number = format!("#{}", text.number);
    match shaped::line(&text.label, letters, most) {
        Some(line) if !line.incomplete => Some(line),
        Some(_) => {
            static WARN: Once = Once::new();
            WARN.call_once(|| {
                tracing::warn!(
                    label = text.label,
                    "no installed font has the letters of a label: its class number is drawn; install fonts-noto-core and fonts-noto-cjk"
                );
            });
            plain(&number, letters, most)
        }
        None if text.label.is_ascii() => hershey::line(&text.label, letters, most),
        None => hershey::line(&number, letters, most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: &str, score: &str) -> Text {
        Text { label: label.into(), number: 7, score: score.into() }
    }

    fn drawn(label: &str, score: &str, most: u32) -> Arc<Mask> {
        mask(&text(label, score), 20, most).expect("a mask")
    }

    fn ink(mask: &Mask) -> usize {
        mask.cover.iter().filter(|share| **share > 127).count()
    }

    #[test]
    fn a_plate_fits_its_text_and_has_even_sides() {
        let (short, long) = (drawn("car", "0.50", 4000), drawn("traffic light", "0.50", 4000));
        assert!(short.width < long.width && short.height == long.height);
        for mask in [short, long, drawn("", "0.50", 4000), drawn("dog", "", 4000)] {
            assert!(mask.width % 2 == 0 && mask.height % 2 == 0 && ink(&mask) > 20, "{mask:?}");
            assert_eq!(mask.cover.len(), (mask.width * mask.height) as usize);
        }
        assert_eq!(mask(&text("", ""), 20, 400), None);
    }

    #[test]
    fn a_long_label_is_cut_and_its_score_is_not() {
        let long = "word ".repeat(1000);
        let score = drawn("", "0.87", 300);
        for most in [40, 100, 300] {
            let mask = drawn(&long, "0.87", most);
            assert!(mask.width <= most.next_multiple_of(2).max(score.width), "{} of {most}", mask.width);
        }
        let cut = drawn(&long, "0.87", 300);
        let end = |mask: &Mask, columns: u32| -> Vec<u8> {
            let rows = mask.cover.chunks_exact(mask.width as usize);
            rows.flat_map(|row| row[(mask.width - columns) as usize..].to_vec()).collect()
        };
        assert_eq!(cut.height, score.height);
        let columns = score.width - 8;
        assert_eq!(end(&cut, columns), end(&score, columns), "the score stands at the end");
    }

    #[test]
    fn what_was_drawn_is_kept() {
        let first = drawn("kept", "0.11", 400);
        assert!(Arc::ptr_eq(&first, &drawn("kept", "0.11", 400)));
        assert!(!Arc::ptr_eq(&first, &drawn("kept", "0.11", 402)));
    }

    #[test]
    fn labels_of_many_scripts_are_letters_and_not_numbers() {
        // With fonts for all of them, as the lists of packages have them.
        let number = drawn("#7", "", 4000);
        for label in ["汽车", "自動車", "자동차", "سيارة", "گاڑی", "गाड़ी", "автомобиль", "ô tô", "רכב", "รถยนต์"]
        {
            let mask = drawn(label, "", 4000);
            assert!(*mask != *number && ink(&mask) > 20, "{label}");
        }
    }

    #[test]
    fn arabic_letters_are_joined_and_run_to_the_left() {
        let width = |label: &str| drawn(label, "", 4000).width;
        // Joined forms are narrower than the same letters kept apart by zero width non-joiners.
        assert!(width("سيارة") < width("س\u{200c}ي\u{200c}ا\u{200c}ر\u{200c}ة"));
        // The first letter stands at the right; what follows are only strokes that lengthen it.
        let halves = |label: &str| {
            let mask = drawn(label, "", 4000);
            let half = mask.width as usize / 2;
            let rows = mask.cover.chunks_exact(mask.width as usize);
            rows.fold([0_u32; 2], |[left, right], row| {
                let sum = |part: &[u8]| part.iter().map(|share| u32::from(*share)).sum::<u32>();
                [left + sum(&row[..half]), right + sum(&row[half..])]
            })
        };
        let [left, right] = halves("شــــــــــ");
        assert!(right > left, "{left} {right}");
        let [left, right] = halves("W.......");
        assert!(left > right, "{left} {right}");
    }

    #[test]
    fn letters_of_no_font_become_the_number() {
        // Of a private use area, which no font of the lists has.
        let mask = drawn("\u{f8fe}\u{10fffd}", "0.50", 4000);
        assert_eq!(*mask, *drawn("#7", "0.50", 4000));
    }
}
