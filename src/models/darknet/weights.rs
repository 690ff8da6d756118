//! Darknet's weights file: a header, then the numbers of one layer after the other, 32-bit floats in little endian.
//!
//! Source: `load_weights_upto` in `src/parser.c` of Darknet (Redmon's, and Bochkovskiy's, which agree here).

/// What is not read yet.
pub struct Weights<'a> {
    rest: &'a [u8],
}

impl<'a> Weights<'a> {
    /// Reads the header: version, and the number of pictures seen in training, which files before 0.2 give as 32 bits.
    ///
    /// # Errors
    /// It is no weights file, with what it seems to be.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if let Some(found) = looks_like(bytes) {
            return Err(found.into());
        }
        let number = |at: usize| Some(i64::from(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
        let (Some(major), Some(minor)) = (number(0), number(4)) else {
            return Err("it has no header: a weights file starts with its version".into());
        };
        // Versions above 1000 meant transposed matrices; nobody has written them for years.
        if !(0..=1000).contains(&major) || !(0..=1000).contains(&minor) {
            return Err(format!("it is no weights file: its version would be {major}.{minor}"));
        }
        let header = if major * 10 + minor >= 2 { 20 } else { 16 };
        let rest = bytes.get(header..).ok_or("it ends within its header: fetch it again")?;
        Ok(Self { rest })
    }

    /// Takes the next numbers.
    ///
    /// # Errors
    /// The file ends before, or there is something among them that is no number.
    pub fn take(&mut self, count: usize) -> Result<Vec<f32>, String> {
        let (taken, rest) = count.checked_mul(4).and_then(|bytes| self.rest.split_at_checked(bytes)).ok_or_else(|| {
            format!(
                "the weights file is too short: this layer needs {count} more numbers of four bytes, and {} bytes are left. It was not fetched to its end, or belongs to another cfg",
                self.rest.len()
            )
        })?;
        self.rest = rest;
        let (chunks, _) = taken.as_chunks::<4>();
        let numbers: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err("its weights hold what is no number: the weights file is damaged, or belongs to another cfg".into())
        }
    }

    /// # Errors
    /// Something is left.
    pub fn end(self) -> Result<(), String> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(format!(
                "the weights file is too long: all layers are read and {left} bytes are left. It belongs to another cfg"
            )),
        }
    }
}

/// What people have in its place most often.
fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    // What a program that reads text puts in place of bytes that are none, in UTF-8.
    let replaced = head.windows(3).filter(|bytes| *bytes == "\u{fffd}".as_bytes()).count();
    if bytes.is_empty() {
        Some("it is empty: fetch it again")
    } else if text.starts_with("version https://git-lfs") {
        Some("it is a pointer of Git LFS: fetch the file itself with `git lfs pull`")
    } else if text.starts_with('<') {
        Some("it is a web page: the address it was fetched from gives no file. Fetch it again from another one")
    } else if text.starts_with('[') || text.starts_with('#') {
        Some("it is text: is it the cfg?")
    } else if head.len() < 12 * replaced {
        Some("it was changed on its way by a program that took it for text: fetch it again as it is")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: [i32; 3], seen: &[u8], numbers: &[f32]) -> Vec<u8> {
        let header = version.into_iter().flat_map(i32::to_le_bytes).chain(seen.iter().copied());
        header.chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect()
    }

    #[test]
    fn the_header_is_as_long_as_its_version_says() {
        for (version, seen) in [([0, 1, 0], 4), ([0, 2, 0], 8), ([0, 2, 5], 8), ([1, 0, 0], 8)] {
            let bytes = file(version, &vec![7; seen], &[1.0, -2.5]);
            let mut weights = Weights::open(&bytes).expect("a header");
            assert_eq!(weights.take(1), Ok(vec![1.0]), "{version:?}");
            assert_eq!(weights.take(1), Ok(vec![-2.5]));
            assert_eq!(weights.end(), Ok(()));
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let bytes = file([0, 2, 0], &[0; 8], &[1.0, f32::NAN]);
        let mut weights = Weights::open(&bytes).expect("a header");
        assert!(weights.take(3).expect_err("two are there").contains("too short"));
        assert!(weights.take(usize::MAX).expect_err("two are there").contains("too short"));
        assert!(weights.take(2).expect_err("one is none").contains("no number"));
        let weights = Weights::open(&bytes).expect("a header");
        assert!(weights.end().expect_err("two are left").contains("8 bytes"));
    }

    #[test]
    fn what_is_no_weights_file_is_told() {
        let text = "\u{fffd}\u{fffd}x".repeat(200);
        let cases: [(&[u8], &str); 8] = [
            (b"", "empty"),
            (b"\n<!DOCTYPE html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
            (b"[net]\nwidth=416\n", "cfg"),
            (text.as_bytes(), "took it for text"),
            (&[0; 7], "no header"),
            (&[0; 15], "within its header"),
            (&[255; 40], "version"),
        ];
        for (bytes, words) in cases {
            let error = Weights::open(bytes).err().unwrap_or_default();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
