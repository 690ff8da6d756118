//! Lists and dictionaries as Python prints them: Ultralytics writes its metadata so, `{0: 'person', 1: 'bicycle'}` and
//! `[640, 640]`. JSON of the same shape is read as well.
//!
//! Source of the escapes: "String and Bytes literals" of the Python language reference.

use std::{iter::Peekable, str::Chars};

/// A text is not read beyond this: names of a few thousand classes are far shorter.
const MOST_BYTES: usize = 1 << 20;

/// A number or a text. Nothing here is nested.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Number(f64),
    Text(String),
}

/// What a text holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Scalar(Scalar),
    /// A list or a tuple.
    List(Vec<Scalar>),
    Dictionary(Vec<(Scalar, Scalar)>),
}

impl Literal {
    /// Reads a whole text.
    ///
    /// # Errors
    /// What is not understood, as the end of a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        Self::read_by(text, false)
    }

    /// As [`Literal::read`], where a text may stand without quotes, as in YAML: `[cat, dog]`.
    ///
    /// # Errors
    /// As there.
    pub fn read_bare(text: &str) -> Result<Self, String> {
        Self::read_by(text, true)
    }

    fn read_by(text: &str, bare: bool) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("it has {} bytes, and at most {MOST_BYTES} are read", text.len()));
        }
        let mut reader = Reader { rest: text.chars().peekable(), bare };
        let literal = reader.literal()?;
        match reader.next_sign() {
            None => Ok(literal),
            Some(sign) => Err(format!("`{sign}` stands behind its end")),
        }
    }

    /// The names of classes: a list, or a dictionary with the keys 0, 1, 2 and so on.
    ///
    /// # Errors
    /// It is neither, or keys are missing; as the end of a sentence.
    pub fn names(self) -> Result<Vec<String>, String> {
        let name = |scalar: Scalar| match scalar {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
        };
        match self {
            Literal::List(names) => Ok(names.into_iter().map(name).collect()),
            Literal::Dictionary(pairs) => {
                let mut names = vec![None; pairs.len()];
                for (key, value) in pairs {
                    let at = match &key {
                        Scalar::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as usize),
                        Scalar::Number(_) => None,
                        Scalar::Text(text) => text.parse().ok(),
                    };
                    let place = at.and_then(|at| names.get_mut(at)).filter(|place| place.is_none());
                    *place.ok_or("its keys are not 0, 1, 2 and so on, each once")? = Some(name(value));
                }
                Ok(names.into_iter().flatten().collect())
            }
            Literal::Scalar(_) => Err("it is neither a list nor a dictionary".into()),
        }
    }

    /// All numbers of a list, or the one number.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let number = |scalar: &Scalar| match scalar {
            Scalar::Number(number) => Some(*number),
            Scalar::Text(_) => None,
        };
        match self {
            Literal::Scalar(one) => Some(vec![number(one)?]),
            Literal::List(list) => list.iter().map(number).collect(),
            Literal::Dictionary(_) => None,
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    /// A text needs no quotes.
    bare: bool,
}

impl Reader<'_> {
    fn peek_sign(&mut self) -> Option<char> {
        while self.rest.next_if(|sign| sign.is_whitespace()).is_some() {}
        self.rest.peek().copied()
    }

    fn next_sign(&mut self) -> Option<char> {
        self.peek_sign()?;
        self.rest.next()
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.peek_sign() {
            Some('[') => Ok(Literal::List(self.items(']', Self::scalar)?)),
            Some('(') => Ok(Literal::List(self.items(')', Self::scalar)?)),
            Some('{') => Ok(Literal::Dictionary(self.items('}', Self::pair)?)),
            _ => Ok(Literal::Scalar(self.scalar()?)),
        }
    }

    /// What stands between brackets, with commas between and perhaps one behind.
    fn items<T>(&mut self, close: char, item: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        self.next_sign();
        let mut items = Vec::new();
        loop {
            if self.peek_sign() == Some(close) {
                self.next_sign();
                return Ok(items);
            }
            items.push(item(self)?);
            match self.next_sign() {
                Some(',') => {}
                Some(sign) if sign == close => return Ok(items),
                Some(sign) => return Err(format!("`{sign}` stands where a comma or `{close}` should")),
                None => return Err(format!("its `{close}` is missing")),
            }
        }
    }

    fn pair(&mut self) -> Result<(Scalar, Scalar), String> {
        let key = self.scalar()?;
        match self.next_sign() {
            Some(':') => Ok((key, self.scalar()?)),
            _ => Err("a key has no `:` behind it".into()),
        }
    }

    fn scalar(&mut self) -> Result<Scalar, String> {
        match self.peek_sign() {
            Some(quote @ ('\'' | '"')) => {
                self.rest.next();
                self.text(quote).map(Scalar::Text)
            }
            _ => {
                let mut word = String::new();
                while let Some(sign) =
                    self.rest.next_if(|sign| !",:[]{}()'\"".contains(*sign) || self.bare && *sign == '\'')
                {
                    word.push(sign);
                }
                let word = word.trim_end();
                match word.parse::<f64>().ok().filter(|number| number.is_finite()) {
                    Some(number) => Ok(Scalar::Number(number)),
                    None if word.is_empty() => Err("a value is missing".into()),
                    None if self.bare => Ok(Scalar::Text(word.to_owned())),
                    None => Err(format!("`{word}` is neither a number nor a quoted text")),
                }
            }
        }
    }

    /// A text whose opening quote was taken.
    fn text(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Err(format!("a text has no closing {quote}")),
                Some(sign) if sign == quote => return Ok(text),
                Some('\\') => self.escape(&mut text)?,
                Some(sign) => text.push(sign),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let sign = self.rest.next().ok_or("a text ends in a backslash")?;
        let meant = match sign {
            '\n' => return Ok(()),
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '/' => sign,
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '0'..='7' => {
                let mut code = sign.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.next_if(|sign| sign.is_digit(8)) else { break };
                    code = code * 8 + digit.to_digit(8).unwrap_or(0);
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            // As Python reads an escape that is none.
            other => {
                text.push('\\');
                other
            }
        };
        text.push(meant);
        Ok(())
    }

    fn hex(&mut self, digits: usize) -> Result<u32, String> {
        let mut code = 0u32;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|sign| sign.to_digit(16));
            code = code << 4 | digit.ok_or("a \\x, \\u or \\U lacks its digits")?;
        }
        Ok(code)
    }

    /// A character by its number; JSON writes those beyond 16 bits as two.
    fn code(&mut self, digits: usize) -> Result<char, String> {
        let mut code = self.hex(digits)?;
        if (0xd800..0xdc00).contains(&code) && self.rest.next_if_eq(&'\\').is_some() {
            self.rest.next();
            let low = self.hex(4)?.wrapping_sub(0xdc00);
            code = if low < 0x400 { 0x10000 + ((code - 0xd800) << 10) + low } else { 0xd800 };
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        Literal::read(text)?.names()
    }

    #[test]
    fn names_are_read_as_python_prints_them() {
        assert_eq!(names("{0: 'person', 1: 'traffic light'}").expect("a dictionary"), ["person", "traffic light"]);
        assert_eq!(names("{1: 'b', 0: 'a',}").expect("any order"), ["a", "b"]);
        assert_eq!(
            names(r#"{0: "driver's cab", 1: 'a "b"', 2: 'it\'s "c"'}"#).expect("quotes"),
            ["driver's cab", "a \"b\"", "it's \"c\""]
        );
        assert_eq!(
            names(r"['caf\xe9', 'b\\u0041', '\u00fc', '\U0001F600', 'x\ty', 'a, b: {c}']").expect("escapes"),
            ["café", "b\\u0041", "ü", "😀", "x\ty", "a, b: {c}"]
        );
        assert_eq!(names("('人', '自行车')").expect("a tuple"), ["人", "自行车"]);
        assert_eq!(names(r#"{"0": "cat", "1": "\ud83d\ude00"}"#).expect("JSON"), ["cat", "😀"]);
        assert_eq!(names("[]").expect("none"), Vec::<String>::new());
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(Literal::read("[640, 480]").expect("a list").numbers(), Some(vec![640.0, 480.0]));
        assert_eq!(Literal::read(" 32 ").expect("a number").numbers(), Some(vec![32.0]));
        assert_eq!(Literal::read("{'a': 1}").expect("a dictionary").numbers(), None);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (text, words) in [
            ("", "missing"),
            ("[", "missing"),
            ("['a'", "`]` is missing"),
            ("['a", "closing"),
            ("{0 'a'}", "`:`"),
            ("{0: 'a', 2: 'c'}", "keys"),
            ("{0: 'a', 0: 'b'}", "keys"),
            ("{-1: 'a'}", "keys"),
            ("{1e300: 'a'}", "keys"),
            ("['a'] + ['b']", "`+`"),
            ("['a' 'b']", "comma"),
            ("[['a']]", "missing"),
            ("['\\x4']", "digits"),
            ("['\\", "backslash"),
            ("person", "quoted"),
            ("[inf]", "number"),
            ("7", "neither"),
        ] {
            let error = names(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        let bomb = "[".repeat(MOST_BYTES);
        assert!(names(&bomb).is_err() && names(&format!("{bomb}[")).expect_err("long").contains("at most"));
    }
}
