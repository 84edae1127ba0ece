//! The one spelling of a value: a deterministic JSON writer and a reader that
//! takes nothing else.
//!
//! Promises: what is written reads back as the same value; what can be read is
//! exactly what would be written again, byte for byte, so the bytes stored are
//! the bytes hashed. Members stand in a fixed order, all of them, always; no
//! white space. Whatever could move a cursor, break a line or reorder text is
//! escaped, so a line is safe to print. The bytes are specified in
//! `docs/spec/audit-log.md`.
//!
//! Left out on purpose: a general JSON parser. A fixed order makes reading a
//! comparison with what must come next.

mod shapes;
mod values;

use std::{borrow::Cow, fmt};

pub(super) use shapes::{record, wire_words, words};

/// What stands on the wire.
pub(super) trait Wire: Sized {
    /// Writes the value.
    fn write(&self, out: &mut Out);

    /// Reads what [`Wire::write`] writes, and nothing else.
    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable>;
}

/// Where and why bytes are not of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {why}")]
pub struct Unreadable {
    /// Bytes before it in the line.
    pub at: usize,
    /// What was expected.
    pub why: Cow<'static, str>,
}

/// Grows by what is written.
#[derive(Debug, Default)]
pub(super) struct Out(Vec<u8>);

/// What is still to be read of one line.
#[derive(Debug)]
pub(super) struct Input<'a> {
    whole: usize,
    rest: &'a str,
}

impl Out {
    /// With room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// As it is: a part of the format itself, or known to need no escape.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A string that is known to need no escape, in quotes.
    pub(super) fn plain(&mut self, text: &str) {
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    /// Any string, in quotes.
    pub(super) fn string(&mut self, text: &str) {
        self.raw("\"");
        let mut rest = text;
        loop {
            let (plain, after) = rest.split_at_checked(plain_bytes(rest.as_bytes())).unwrap_or((rest, ""));
            self.raw(plain);
            let mut chars = after.chars();
            let Some(next) = chars.next() else { break };
            self.char(next);
            rest = chars.as_str();
        }
        self.raw("\"");
    }

    fn char(&mut self, c: char) {
        if matches!(c, '"' | '\\') {
            self.0.push(b'\\');
        } else if is_escaped(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                self.raw("\\u");
                let [high, low] = unit.to_be_bytes();
                self.hex(&[high, low]);
            }
            return;
        }
        self.raw(c.encode_utf8(&mut [0; 4]));
    }

    /// Lower-case hexadecimal digits.
    pub(super) fn hex(&mut self, bytes: &[u8]) {
        data_encoding::HEXLOWER.encode_write(bytes, self).ok();
    }

    /// Decimal, without leading zeros.
    pub(super) fn number(&mut self, value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = value;
        loop {
            at -= 1;
            if let (Some(digit), Ok(value)) = (digits.get_mut(at), u8::try_from(left % 10)) {
                *digit = b'0' + value;
            }
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(at..).unwrap_or_default());
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.raw(text);
        Ok(())
    }
}

impl<'a> Input<'a> {
    /// A line, without its end.
    pub(super) fn new(line: &'a [u8]) -> Result<Self, Unreadable> {
        match str::from_utf8(line) {
            Ok(rest) => Ok(Self { whole: line.len(), rest }),
            Err(error) => Err(Unreadable { at: error.valid_up_to(), why: "not UTF-8".into() }),
        }
    }

    /// That it is not what was expected.
    pub(super) fn fails<T>(&self, why: impl Into<Cow<'static, str>>) -> Result<T, Unreadable> {
        Err(Unreadable { at: self.whole - self.rest.len(), why: why.into() })
    }

    /// Exactly this text comes next.
    pub(super) fn expect(&mut self, text: &'static str) -> Result<(), Unreadable> {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.fails(format!("expected `{text}`")),
        }
    }

    /// Whether this text came next; it is passed over.
    pub(super) fn has(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) -> Result<(), Unreadable> {
        if self.rest.is_empty() { Ok(()) } else { self.fails("expected the end of the line") }
    }

    /// A string in quotes.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        self.expect("\"")?;
        let plain = self.plain();
        if self.has("\"") {
            return Ok(plain.into());
        }
        let mut text = plain.to_owned();
        while !self.has("\"") {
            text.push(self.char()?);
            text.push_str(self.plain());
        }
        Ok(text.into())
    }

    /// How many bytes are still to be read.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// So many bytes, if there are.
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// What needs no escape, as far as it goes.
    fn plain(&mut self) -> &'a str {
        let (plain, rest) = self.rest.split_at_checked(plain_bytes(self.rest.as_bytes())).unwrap_or(("", self.rest));
        self.rest = rest;
        plain
    }

    /// One character that is escaped, or is no ASCII and need not be.
    fn char(&mut self) -> Result<char, Unreadable> {
        if self.has("\\\"") {
            return Ok('"');
        }
        if self.has("\\\\") {
            return Ok('\\');
        }
        if self.rest.starts_with("\\u") {
            let first = self.unit()?;
            let is_half = (0xd800..0xdc00).contains(&first);
            let second = if is_half { Some(self.unit()?) } else { None };
            let read = char::decode_utf16([first].into_iter().chain(second)).next().and_then(Result::ok);
            return match read {
                Some(c) if is_escaped(c) => Ok(c),
                _ => self.fails("an escape where none belongs"),
            };
        }
        match self.rest.chars().next() {
            Some(c) if !is_escaped(c) && !matches!(c, '"' | '\\') => {
                self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
                Ok(c)
            }
            _ => self.fails("expected the end of the string, or a character that stands there unescaped"),
        }
    }

    /// `\u` and four lower-case digits.
    fn unit(&mut self) -> Result<u16, Unreadable> {
        self.expect("\\u")?;
        let digits = self.rest.get(..4).map(str::as_bytes);
        let bytes = digits.and_then(|digits| data_encoding::HEXLOWER.decode(digits).ok());
        let Some([high, low]) = bytes.as_deref() else { return self.fails("expected four lower-case hex digits") };
        self.rest = self.rest.get(4..).unwrap_or_default();
        Ok(u16::from_be_bytes([*high, *low]))
    }

    /// A decimal number.
    pub(super) fn number(&mut self) -> Result<u64, Unreadable> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = self.rest.get(..length).unwrap_or_default();
        let is_plain = digits == "0" || !digits.starts_with('0');
        match digits.parse() {
            Ok(number) if is_plain => {
                self.rest = self.rest.get(length..).unwrap_or_default();
                Ok(number)
            }
            _ => self.fails("expected a number from 0 to 2^64-1 without leading zeros"),
        }
    }
}

/// How many bytes from the start stand as they are: printable ASCII.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const STEP: usize = 16;
    let is_special = |byte: u8| !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
    // In steps that the compiler turns into vector instructions: no early exit inside.
    let steps = bytes.chunks_exact(STEP).take_while(|step| !step.iter().fold(false, |any, b| any | is_special(*b)));
    let sure = steps.count() * STEP;
    sure + bytes.iter().skip(sure).take_while(|byte| !is_special(**byte)).count()
}

/// Whether the character is written as `\uXXXX`: controls, and what is invisible
/// or reorders what stands beside it.
pub(super) fn is_escaped(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00..=0x1f
            | 0x7f..=0x9f
            | 0xad
            | 0x61c
            | 0x180e
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0xfeff
            | 0xfff9..=0xfffb
            | 0xe0000..=0xe0fff
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Out::default();
        out.string(text);
        String::from_utf8(out.into_bytes()).unwrap()
    }

    fn read(line: &str) -> Result<String, Unreadable> {
        let mut input = Input::new(line.as_bytes())?;
        let text = input.string()?.into_owned();
        input.end().map(|()| text)
    }

    #[test]
    fn strings_have_one_spelling() {
        for (text, line) in [
            ("", r#""""#),
            ("web-1", r#""web-1""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("a\nb\u{1b}[2J", r#""a\u000ab\u001b[2J""#),
            ("\u{202e}evil\u{2069}", r#""\u202eevil\u2069""#),
            ("\u{e0041}", r#""\udb40\udc41""#),
            ("Zoë ☃ 🦀", r#""Zoë ☃ 🦀""#),
        ] {
            assert_eq!(written(text), line);
            assert_eq!(read(line).as_deref(), Ok(text));
        }
    }

    #[test]
    fn no_other_spelling_is_read() {
        for line in [
            "",
            "\"",
            "\"a",
            "a\"",
            r#""\n""#,
            r#""\/""#,
            r#""\u0041""#,
            r#""\u000A""#,
            r#""\ud83e\udd80""#,
            r#""\ud83e""#,
            r#""\udc41\udb40""#,
            r#""\u00""#,
            "\"\n\"",
            "\"\u{7f}\"",
            "\"\u{202e}\"",
            r#""a" "#,
            r#" "a""#,
            r#""\u00e9""#,
        ] {
            assert!(read(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        for number in [0, 7, 10, 4_294_967_296, u64::MAX] {
            let mut out = Out::default();
            out.number(number);
            let text = String::from_utf8(out.into_bytes()).unwrap();
            assert_eq!(text, number.to_string());
            assert_eq!(Input::new(text.as_bytes()).unwrap().number(), Ok(number));
        }
        for text in ["", "00", "01", "-1", "+1", "1.0", "18446744073709551616", " 1"] {
            let mut input = Input::new(text.as_bytes()).unwrap();
            assert!(input.number().is_err() || input.end().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_string_reads_back_and_is_harmless(text in any::<String>()) {
            let line = written(&text);
            prop_assert!(!line.chars().any(is_escaped));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text.clone(), "as other parsers read it");
            prop_assert_eq!(read(&line), Ok(text));
        }

        #[test]
        fn what_is_read_is_what_is_written(line in "\"([a-z]|\\\\u(00[01][0-9a-f]|20[26][0-9a-f]|00[6-9][0-9a-f])|\\\\\\\\|\\\\\"|é|\u{202e})*\"") {
            if let Ok(text) = read(&line) {
                prop_assert_eq!(written(&text), line);
            }
        }
    }
}
