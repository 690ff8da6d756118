//! Counts the scans of JPEGs that come from within a video (ITU-T T.81, annex B).

use super::jpeg::MOST_SCANS;

/// The scans of the JPEG picture that comes now, which may come in several pieces.
///
/// It counts markers wherever they stand, also where none can be: a decoder finds its way past stray bytes, so that
/// walking from segment to segment might see fewer scans than it does. Within coded samples 0xff is followed by 0.
#[derive(Debug, Default)]
pub struct ScanCount {
    scans: usize,
    /// The last byte of the piece before.
    last: u8,
}

impl ScanCount {
    /// Takes the next piece of the stream. True where its picture has more scans than any encoder writes: each costs a
    /// pass over all pixels and only some bytes, so that such a picture is taken for an attack.
    pub fn is_excessive_with(&mut self, piece: &[u8]) -> bool {
        if piece.starts_with(&[0xff, 0xd8]) {
            self.scans = 0;
        } else if self.last == 0xff && piece.first() == Some(&0xda) {
            self.scans += 1;
        }
        self.last = piece.last().copied().unwrap_or(self.last);
        // No more are counted than it takes.
        let more = (MOST_SCANS + 1).saturating_sub(self.scans);
        self.scans += piece.windows(2).filter(|two| *two == [0xff, 0xda]).take(more).count();
        self.scans > MOST_SCANS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(scans: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc2, 0, 8, 8, 0, 16, 0, 16, 0];
        for _ in 0..scans {
            bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 1, 0, 0x55, 0xff, 0x00]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn many_scans_are_found_in_each_picture_by_itself() {
        let mut count = ScanCount::default();
        for _ in 0..3 {
            assert!(!count.is_excessive_with(&picture(MOST_SCANS)));
        }
        assert!(count.is_excessive_with(&picture(MOST_SCANS + 1)));
        assert!(!count.is_excessive_with(&picture(10)), "the next picture counts anew");
    }

    #[test]
    fn a_picture_in_pieces_is_counted_as_one() {
        for length in [1, 2, 3, 7, 100] {
            let mut count = ScanCount::default();
            let whole = picture(MOST_SCANS + 1);
            let found = whole.chunks(length).any(|piece| count.is_excessive_with(piece));
            assert!(found, "pieces of {length} bytes");
            let mut count = ScanCount::default();
            assert!(!picture(MOST_SCANS).chunks(length).any(|piece| count.is_excessive_with(piece)), "{length}");
        }
    }
}
