//! Darknet's cfg: sections of `key=value`, read as `read_cfg` and `option_find` of Darknet do.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

/// Larger than any cfg that describes a network.
pub const MOST_BYTES: usize = 1 << 20;

/// `[kind]` and what stands below it.
#[derive(Debug)]
pub struct Section {
    /// Without the brackets.
    pub kind: String,
    /// From 1.
    pub line: usize,
    options: Vec<Setting>,
}

#[derive(Debug)]
struct Setting {
    key: String,
    value: String,
    line: usize,
}

/// Splits the text into its sections.
///
/// # Errors
/// It is no cfg, with the line where that shows.
pub fn parse(text: &str) -> Result<Vec<Section>, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("it has {} bytes, more than any cfg: is it the weights file?", text.len()));
    }
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = at + 1;
        // Darknet takes all white space out; a comment at a line's end is more than it knows, but is written often.
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        let line = line.split(['#', ';']).next().unwrap_or("");
        if line.is_empty() {
            continue;
        }
        if let Some(kind) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { kind: kind.to_owned(), line: number, options: Vec::new() });
            continue;
        }
        let shown: String = line.chars().take(40).collect();
        let Some((key, value)) = line.split_once('=') else {
            return Err(format!("line {number}: `{shown}` is neither a [section] nor `key=value`"));
        };
        let Some(section) = sections.last_mut() else {
            return Err(format!("line {number}: `{shown}` stands before the first [section]"));
        };
        section.options.push(Setting { key: key.to_owned(), value: value.to_owned(), line: number });
    }
    Ok(sections)
}

impl Section {
    /// The setting of that key.
    ///
    /// # Errors
    /// It is given twice with two values: Darknet would take the first, other programs the last.
    fn find(&self, key: &str) -> Result<Option<&Setting>, String> {
        let mut given = self.options.iter().filter(|setting| setting.key == key);
        let first = given.next();
        match first.and_then(|first| given.find(|other| other.value != first.value)) {
            Some(other) => Err(format!("`{key}` is given twice, the second time in line {}", other.line)),
            None => Ok(first),
        }
    }

    /// # Errors
    /// As all of these: the value is not what it should be, with its line.
    pub fn text(&self, key: &str) -> Result<Option<&str>, String> {
        Ok(self.find(key)?.map(|setting| setting.value.as_str()))
    }

    fn one<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>, String> {
        let Some(setting) = self.find(key)? else { return Ok(None) };
        let Ok(value) = setting.value.parse() else {
            return Err(format!("`{key}={}` in line {} is no {what}", setting.value, setting.line));
        };
        Ok(Some(value))
    }

    /// A whole number of that range.
    pub fn whole(&self, key: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize, String> {
        let value = self.one::<i64>(key, "whole number")?;
        let value = value.map_or(Some(default), |value| usize::try_from(value).ok());
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            let given = match self.find(key) {
                Ok(Some(setting)) => format!("`{key}={}` in line {}", setting.value, setting.line),
                _ => format!("`{key}` is missing; it"),
            };
            format!("{given} must lie between {} and {}", range.start(), range.end())
        })
    }

    pub fn float(&self, key: &str, default: f32) -> Result<f32, String> {
        let value = self.one::<f32>(key, "number")?.unwrap_or(default);
        if value.is_finite() { Ok(value) } else { Err(format!("`{key}={value}` is no finite number")) }
    }

    pub fn flag(&self, key: &str) -> Result<bool, String> {
        Ok(self.one::<i64>(key, "whole number")?.unwrap_or(0) != 0)
    }

    /// Values with commas between; none where the key is not given.
    pub fn list<T: FromStr + Display>(&self, key: &str) -> Result<Option<Vec<T>>, String> {
        let Some(setting) = self.find(key)? else { return Ok(None) };
        let items = setting.value.strip_suffix(',').unwrap_or(&setting.value).split(',');
        let read = |item: &str| {
            item.parse().map_err(|_| format!("`{key}` in line {}: `{item}` is no number that fits", setting.line))
        };
        items.map(read).collect::<Result<_, _>>().map(Some)
    }

    /// # Errors
    /// One of these keys, which change what is calculated, is set to something.
    pub fn lacks(&self, keys: &[&str]) -> Result<(), String> {
        for key in keys {
            if let Some(setting) = self.find(key)?.filter(|setting| !matches!(setting.value.as_str(), "0" | "none")) {
                return Err(format!("`{key}={}` in line {} is not supported", setting.value, setting.line));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cfg_is_read_as_darknet_reads_it() {
        let text =
            "\u{feff}# head\n[ net ]\r\nwidth = 4 16 # comment\n;x=1\n\n[yolo]\nmask=0, 1,2,\nscale_x_y = 1.05\n";
        let sections = parse(text).expect("a good cfg");
        let kinds: Vec<_> = sections.iter().map(|section| (section.kind.as_str(), section.line)).collect();
        assert_eq!(kinds, [("net", 2), ("yolo", 6)]);
        assert_eq!(sections[0].whole("width", 1, 1..=9999), Ok(416));
        assert_eq!(sections[0].whole("height", 7, 1..=9999), Ok(7));
        assert_eq!(sections[1].list::<i64>("mask"), Ok(Some(vec![0, 1, 2])));
        assert_eq!(sections[1].float("scale_x_y", 1.0), Ok(1.05));
        assert_eq!((sections[1].flag("new_coords"), sections[1].text("anchors")), (Ok(false), Ok(None)));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_line() {
        let sections =
            parse("[a]\nn=x\nm=0\nl=1,,2\nf=inf\nd=1\nd=2\no=1\nh=99999999999999999999\n").expect("sections");
        let section = &sections[0];
        let told = |result: Result<(), String>, words: &[&str]| {
            let error = result.expect_err("a wrong value");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        told(section.whole("n", 1, 1..=9).map(drop), &["`n=x`", "line 2"]);
        told(section.whole("m", 1, 1..=9).map(drop), &["`m=0`", "line 3", "between 1 and 9"]);
        told(section.whole("missing", 0, 1..=9).map(drop), &["`missing` is missing"]);
        told(section.whole("h", 1, 1..=9).map(drop), &["whole number", "line 9"]);
        told(section.list::<f32>("l").map(drop), &["line 4"]);
        told(section.float("f", 1.0).map(drop), &["finite"]);
        told(section.text("d").map(drop), &["twice", "line 7"]);
        told(section.lacks(&["x", "o"]), &["`o=1`", "line 8"]);
    }

    #[test]
    fn what_is_no_cfg_is_told() {
        for (text, words) in [("<html>\n", "line 1"), ("a=1\n", "before the first"), ("[net]\n[open\n", "line 2")] {
            let error = parse(text).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
