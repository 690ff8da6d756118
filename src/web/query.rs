//! Query parameters, read with words for who got one wrong.

use std::{collections::HashMap, str::FromStr};

use crate::{
    error::{Error, Result},
    fault,
};

/// The parameters of a request's query.
#[derive(Clone)]
pub struct Query(pub HashMap<String, String>);

impl Query {
    /// The text of a parameter, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The text of a parameter that is no free text: an empty one is wrong, and not left out.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter as a number.
    ///
    /// # Errors
    /// It is there and no such number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let parse = |text: &str| {
            text.parse().map_err(|_| fault!(BadRequest, "`{name}` must be a number of the right kind, not `{text}`."))
        };
        self.value(name).map(parse).transpose()
    }

    /// A parameter that counts something; more than a number holds is the most that it holds.
    ///
    /// # Errors
    /// It is there and no whole number, or less than `least`.
    pub fn count(&self, name: &str, least: u64) -> Result<Option<u64>> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let count = digits.then(|| text.parse().unwrap_or(u64::MAX)).filter(|count| *count >= least);
        count
            .map(Some)
            .ok_or_else(|| fault!(BadRequest, "`{name}` must be a whole number from {least} on, not `{text}`."))
    }

    /// How many items of a list are asked for: 50 unless said, 200 at most.
    pub fn limit(&self) -> Result<usize> {
        let limit = self.count("limit", 1)?.unwrap_or(50).min(200);
        Ok(usize::try_from(limit).unwrap_or(200))
    }

    /// The row behind which a page of a list begins.
    ///
    /// # Errors
    /// It is there and no such number.
    pub fn cursor(&self) -> Result<Option<i64>> {
        let known = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        let cursor = self.text("cursor").map(|text| text.parse().ok().filter(|_| known(text)).ok_or_else(bad_cursor));
        cursor.transpose()
    }

    /// The same where a page begins behind a thing with this id.
    ///
    /// # Errors
    /// It is there and no id.
    pub fn cursor_id(&self) -> Result<Option<&str>> {
        self.text("cursor").map(|text| Some(text).filter(|text| is_id(text)).ok_or_else(bad_cursor)).transpose()
    }

    /// A parameter that is `true` or `false`.
    ///
    /// # Errors
    /// It is there and neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        let read = |text: &str| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(fault!(BadRequest, "`{name}` must be true or false, not `{text}`.")),
        };
        self.value(name).map(read).transpose()
    }

    /// A score threshold.
    pub fn threshold(&self) -> Result<Option<f32>> {
        match self.number::<f32>("threshold")? {
            Some(score) if !(score > 0.0 && score < 1.0) => {
                Err(fault!(BadRequest, "`threshold` must lie between 0 and 1, for example 0.25."))
            }
            score => Ok(score),
        }
    }
}

/// Whether a text may be an id of this server at all.
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn bad_cursor() -> Error {
    fault!(BadRequest, "`cursor` must be the `next_cursor` of the page before.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, text: &str) -> Query {
        Query(HashMap::from([(name.to_owned(), text.to_owned())]))
    }

    #[test]
    fn counts_and_cursors_are_read_as_they_are_described() {
        assert_eq!(query("n", "7").count("n", 0).expect("a count"), Some(7));
        assert_eq!(query("n", "7").count("m", 0).expect("none"), None);
        assert_eq!(query("n", "99999999999999999999999").count("n", 1).expect("the most"), Some(u64::MAX));
        for wrong in ["", "0", "-1", "+1", "1.5", "x", "１"] {
            assert!(query("n", wrong).count("n", 1).is_err(), "{wrong}");
        }
        assert_eq!(query("limit", "1000").limit().expect("a limit"), 200);
        assert_eq!(query("cursor", "42").cursor().expect("a row"), Some(42));
        assert_eq!(query("cursor", "").cursor().expect("the first page"), None);
        for wrong in ["-1", "+1", "0000000000000000001", "7d0a"] {
            assert!(query("cursor", wrong).cursor().is_err(), "{wrong}");
        }
        assert!(query("cursor", "7d0a").cursor_id().is_ok() && query("cursor", "a/b").cursor_id().is_err());
        assert!(query("labels", "").flag("labels").is_err() && query("threshold", "").threshold().is_err());
    }
}
