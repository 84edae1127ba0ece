//! How long: `1h30m`, `2d`, in whole seconds from 1s to 30d.
//!
//! Promises: what is printed reads back as the same length; nothing overflows;
//! a length outside the bounds cannot be made.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Reason, Refusal};

/// A length of time in seconds, from 1 to [`Length::SECONDS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(u32);

/// The units in the order they must appear, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Length {
    /// 30 days (design §4).
    pub const SECONDS_MAX: u32 = 30 * 24 * 60 * 60;

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// As a span to add to an instant.
    #[must_use]
    pub fn span(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::from(self.0))
    }

    /// From whole seconds; `None` outside 1s to 30d.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        u32::try_from(seconds).ok().filter(|s| (1..=Self::SECONDS_MAX).contains(s)).map(Self)
    }

    /// Reads `^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`, not empty, 1s to 30d.
    ///
    /// # Errors
    /// `DurationMalformed`, with no field: the caller knows where the text stood.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        read_seconds(text).and_then(Self::from_seconds).ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            let message = format!(
                "`{}` is not a duration from 1s to 30d; write it like `45m`, `1h30m` or `2d`",
                shown.escape_default()
            );
            Refusal::new(Reason::DurationMalformed, "", message)
        })
    }
}

fn read_seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.chars().next()?;
        let (_, scale) = units.find(|(letter, _)| *letter == unit)?;
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(number.checked_mul(*scale)?)?;
        rest = after.strip_prefix(unit)?;
    }
    Some(total)
}

impl FromStr for Length {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::from(self.0);
        for (unit, scale) in UNITS {
            let count = left / scale;
            left %= scale;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_contract_allows() {
        for (text, seconds) in
            [("1s", 1), ("30m", 1800), ("1h30m", 5400), ("90m", 5400), ("30d", 2_592_000), ("0d5s", 5), ("007s", 7)]
        {
            assert_eq!(Length::parse(text).map(Length::seconds), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "0",
            "0s",
            "0h0m",
            "5",
            "s",
            "m5",
            "1m1h",
            "1h1h",
            "-1h",
            "+1h",
            "1.5h",
            "1e9h",
            "NaN",
            "1H",
            " 1h",
            "1h ",
            "1ms",
            "30d1s",
            "31d",
            "721h",
            "99999999999999999999d",
            "18446744073709551615d",
            "１h",
        ] {
            assert_eq!(Length::parse(text).map_err(|r| r.reason), Err(Reason::DurationMalformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(seconds in 1..=Length::SECONDS_MAX) {
            let length = Length(seconds);
            prop_assert_eq!(Length::parse(&length.to_string()), Ok(length));
        }

        #[test]
        fn never_panics_and_never_leaves_its_bounds(text in "\\PC{0,24}|([0-9]{0,22}[dhms]){0,5}") {
            if let Ok(length) = Length::parse(&text) {
                prop_assert!((1..=Length::SECONDS_MAX).contains(&length.seconds()));
            }
        }
    }
}
