//! Text from outside, bounded; lists of it, bounded too.
//!
//! Promises: no value is longer on the wire than its limit, whatever it is made
//! of, so every event fits a line; what was cut says so and how much is missing;
//! nothing that looks like a token gets in (I14).

use std::fmt;

use super::wire::{Input, Out, Unreadable, Wire, is_escaped, plain_bytes};

/// Bytes of a [`Text`] on the wire, without its quotes: enough for every name
/// Kubernetes allows, a user agent, or a sentence.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Bytes of a [`Document`] on the wire, without its quotes: effective rules and
/// companions of 32 KiB each, every quote in them escaped.
pub const DOCUMENT_BYTES_MAX: usize = 160 * 1024;
/// Entries of a [`List`].
pub const LIST_MAX: usize = 128;

/// A name, word or sentence from outside.
pub type Text = Bounded<TEXT_BYTES_MAX>;
/// A canonical text that is itself under a digest, such as terms.
pub type Document = Bounded<DOCUMENT_BYTES_MAX>;
/// An id of ours, or of kube-apiserver's: too short to be a token.
pub type Identifier = Bounded<64>;

/// Stands in the place of what looks like a token.
const REDACTED: &str = "[token]";

/// A text of at most so many bytes on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const BYTES_MAX: usize>(String);

impl<const BYTES_MAX: usize> Bounded<BYTES_MAX> {
    /// Of any text: cut where it is too long, and without tokens.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let is_plain = plain_bytes(text.as_bytes()) == text.len() && !may_hold_token(&text);
        if is_plain && text.len() <= BYTES_MAX {
            return Self(text);
        }
        Self(cut(redact(text), BYTES_MAX))
    }

    /// As it is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether it is worth looking for one: in a sweep without early exit, a fraction of a search.
fn may_hold_token(text: &str) -> bool {
    text.bytes().fold(false, |any, byte| any | (byte == b'J'))
}

/// Puts [`REDACTED`] in the place of every JSON Web Token: `eyJ…` with two dots
/// between runs of base64url.
fn redact(text: String) -> String {
    if !text.contains("eyJ") {
        return text;
    }
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.find("eyJ").and_then(|at| rest.split_at_checked(at)) {
        clean.push_str(before);
        let end = after.find(|c: char| !is_base64(c) && c != '.').unwrap_or(after.len());
        let (run, next) = after.split_at_checked(end).unwrap_or((after, ""));
        clean.push_str(if run.split('.').count() >= 3 { REDACTED } else { run });
        rest = next;
    }
    clean.push_str(rest);
    clean
}

/// Keeps as much of the text as fits, and says how many bytes are missing.
fn cut(text: String, bytes_max: usize) -> String {
    if wire_bytes(&text) <= bytes_max {
        return text;
    }
    let room = bytes_max - "[+18446744073709551615]".len();
    let mut used = 0;
    let fits = |c: &char| {
        used += char_bytes(*c);
        used <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}[+{}]", text.len() - kept.len())
}

/// Bytes on the wire, without quotes.
fn wire_bytes(text: &str) -> usize {
    text.chars().map(char_bytes).sum()
}

fn char_bytes(c: char) -> usize {
    if matches!(c, '"' | '\\') {
        2
    } else if is_escaped(c) {
        6 * c.len_utf16()
    } else {
        c.len_utf8()
    }
}

impl<const BYTES_MAX: usize, T: Into<String>> From<T> for Bounded<BYTES_MAX> {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl<const BYTES_MAX: usize> fmt::Display for Bounded<BYTES_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const BYTES_MAX: usize> Wire for Bounded<BYTES_MAX> {
    fn write(&self, out: &mut Out) {
        out.string(&self.0);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        let before = input.left();
        let text = input.string()?;
        // A string has one spelling, so its length is that of what was read, less two quotes.
        if before - input.left() > BYTES_MAX + 2 {
            return input.fails(format!("the text before is longer than {BYTES_MAX} bytes"));
        }
        Ok(Self(text.into_owned()))
    }
}

/// At most [`LIST_MAX`] entries, and how many more there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    items: Vec<T>,
    left_out: u32,
}

impl<T> List<T> {
    /// Those that are there.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// How many did not fit.
    #[must_use]
    pub fn left_out(&self) -> u32 {
        self.left_out
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

impl<T, U: Into<T>> FromIterator<U> for List<T> {
    fn from_iter<I: IntoIterator<Item = U>>(all: I) -> Self {
        let mut all = all.into_iter();
        let items = all.by_ref().take(LIST_MAX).map(Into::into).collect();
        Self { items, left_out: u32::try_from(all.count()).unwrap_or(u32::MAX) }
    }
}

impl<T: Wire> Wire for List<T> {
    fn write(&self, out: &mut Out) {
        out.raw("[");
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.raw(",");
            }
            item.write(out);
        }
        if self.left_out > 0 {
            out.raw(",");
            out.number(u64::from(self.left_out));
        }
        out.raw("]");
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.expect("[")?;
        let mut list = Self::default();
        if input.has("]") {
            return Ok(list);
        }
        for _ in 0..LIST_MAX {
            list.items.push(T::read(input)?);
            if !input.has(",") {
                return input.expect("]").map(|()| list);
            }
        }
        list.left_out = u32::read(input)?;
        if list.left_out == 0 {
            return input.fails("a list that is whole says nothing of what is missing");
        }
        input.expect("]").map(|()| list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line<T: Wire>(value: &T) -> String {
        let mut out = Out::default();
        value.write(&mut out);
        String::from_utf8(out.into_bytes()).unwrap()
    }

    fn read<T: Wire>(line: &str) -> Result<T, Unreadable> {
        let mut input = Input::new(line.as_bytes())?;
        let value = T::read(&mut input)?;
        input.end().map(|()| value)
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let text = Text::new("a".repeat(5000));
        assert!(text.as_str().ends_with("aaa[+3999]"), "{text}");
        assert_eq!(Text::new("a".repeat(1024)).as_str().len(), 1024);
        assert!(read::<Text>(&format!("\"{}\"", "a".repeat(1025))).is_err());
        assert!(read::<Text>(&format!("\"{}\"", "\\u000a".repeat(171))).is_err());
    }

    #[test]
    fn no_token_gets_in() {
        let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrdWJlIn0.c2ln-_bmF0dXJl";
        let text = Text::new(format!("Bearer {token}, and eyJust.this {token}."));
        assert_eq!(text.as_str(), "Bearer [token], and eyJust.this [token]");
        assert_eq!(Text::new("eyJ").as_str(), "eyJ");
    }

    #[test]
    fn long_lists_say_what_is_missing() {
        let list: List<Text> = (0..200).map(|n| n.to_string()).collect();
        assert_eq!((list.items().len(), list.left_out()), (128, 72));
        assert!(line(&list).ends_with("\"127\",72]"));
        assert_eq!(read(&line(&list)), Ok(list));
        assert_eq!(read(r#"["a","b"]"#), Ok(["a", "b"].into_iter().collect::<List<Text>>()));
        let full = format!("[{}", "\"a\",".repeat(128));
        for bad in
            [&format!("{full}0]"), &format!("{full}\"a\"]"), "[", "[\"a\",]", "[\"a\",1]", "[ ]", "[\"a\" ,\"b\"]"]
        {
            assert!(read::<List<Text>>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_its_limit(text in "(a{90}|\\PC|\u{0}|\u{e0041}|\"|é){0,200}") {
            let text = Text::new(text);
            prop_assert!(line(&text).len() <= TEXT_BYTES_MAX + 2);
            prop_assert_eq!(read(&line(&text)), Ok(text));
        }
    }
}
